package smtp

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
)

func TestParsePath(t *testing.T) {
	label63, label64 := strings.Repeat("d", 63), strings.Repeat("d", 64)
	for _, tc := range []struct {
		in, want, rest string
		err            error
	}{
		{in: "<>", want: ""},
		{in: "<> SIZE=1", want: "", rest: " SIZE=1"},
		{in: "<a@b>", want: "a@b"},
		{in: " <a@b>", want: "a@b"},
		{in: "  <a@b>", err: errPathSyntax},
		{in: "<a.b+c@d.e-f.g> X", want: "a.b+c@d.e-f.g", rest: " X"},
		{in: "<a@b>X", err: errPathSyntax},
		{in: "<>X", err: errPathSyntax},
		{in: "<a@b", err: errPathSyntax},
		{in: "a@b", err: errPathSyntax},
		{in: "", err: errPathSyntax},
		{in: "<", err: errPathSyntax},
		{in: "<a>", err: errPathSyntax},
		{in: "<@b>", err: errPathSyntax},
		{in: "<a@>", err: errPathSyntax},
		{in: "<.a@b>", err: errPathSyntax},
		{in: "<a.@b>", err: errPathSyntax},
		{in: "<a..c@b>", err: errPathSyntax},
		{in: "<a b@c>", err: errPathSyntax},
		{in: "<a@b@c>", err: errPathSyntax},
		{in: "<PostMaster>", want: "PostMaster"},
		{in: "<postmasters>", err: errPathSyntax},
		{in: "<postmaster@b>", want: "postmaster@b"},

		// Source routes are accepted and ignored (appendix C).
		{in: "<@x,@y.z:a@b>", want: "a@b"},
		{in: "<@x:a@b>", want: "a@b"},
		{in: "<@x,y:a@b>", err: errPathSyntax},
		{in: "<@x a@b>", err: errPathSyntax},
		{in: "<:a@b>", err: errPathSyntax},

		// Quoted strings.
		{in: `<"a"@b>`, want: "a@b"},
		{in: `<"a b"@c>`, want: `"a b"@c`},
		{in: `<"a\ \b\"\\"@c>`, want: `"a b\"\\"@c`},
		{in: `<""@c>`, want: `""@c`},
		{in: `<"a..b"@c>`, want: `"a..b"@c`},
		{in: `<"a@b>@c"@d>`, want: `"a@b>@c"@d`},
		{in: `<"a@c>`, err: errPathSyntax},
		{in: `<"a\"@c>`, err: errPathSyntax},
		{in: "<\"a\tb\"@c>", err: errPathSyntax},
		{in: "<\"a\\\tb\"@c>", err: errPathSyntax},
		{in: `<"a"b@c>`, err: errPathSyntax},

		// Domains (RFC 5321 §4.1.2, RFC 1035 §2.3.4).
		{in: "<a@-b>", err: errPathSyntax},
		{in: "<a@b->", err: errPathSyntax},
		{in: "<a@b.>", err: errPathSyntax},
		{in: "<a@b_c>", err: errPathSyntax},
		{in: "<a@1.2>", want: "a@1.2"},
		{in: "<a@" + label63 + ">", want: "a@" + label63},
		{in: "<a@" + label64 + ">", err: errPathSyntax},

		// Address literals (RFC 5321 §4.1.3).
		{in: "<a@[192.0.2.1]>", want: "a@[192.0.2.1]"},
		{in: "<a@[192.0.02.001]>", want: "a@[192.0.02.001]"},
		{in: "<a@[192.0.2.256]>", err: errPathSyntax},
		{in: "<a@[192.0.2]>", err: errPathSyntax},
		{in: "<a@[192.0.2.1>", err: errPathSyntax},
		{in: "<a@[IPv6:2001:db8::1]>", want: "a@[IPv6:2001:db8::1]"},
		{in: "<a@[ipv6:::]>", want: "a@[ipv6:::]"},
		{in: "<a@[IPv6:1:2:3:4:5:6:7::]>", err: errPathSyntax},
		{in: "<a@[IPv6:1:2:3:4:5:6::]>", want: "a@[IPv6:1:2:3:4:5:6::]"},
		{in: "<a@[IPv6:::ffff:192.0.2.1]>", want: "a@[IPv6:::ffff:192.0.2.1]"},
		{in: "<a@[IPv6:fe80::1%eth0]>", err: errPathSyntax},
		{in: "<a@[IPv6:2001:db8::1::]>", err: errPathSyntax},
		{in: "<a@[2001:db8::1]>", want: "a@[2001:db8::1]"}, // by the grammar, a general literal with the tag 2001
		{in: "<a@[x-y:z]>", want: "a@[x-y:z]"},
		{in: "<a@[x-:z]>", err: errPathSyntax},
		{in: "<a@[x:]>", err: errPathSyntax},
		{in: "<a@[]>", err: errPathSyntax},

		// RFC 6531 §3.3.
		{in: "<zoë@bücher.example>", want: "zoë@bücher.example"},
		{in: "<\"zoë \"@b>", want: "\"zoë \"@b"},
		{in: "<\xff@b>", err: errPathSyntax},
		{in: "<a@b\xc3>", err: errPathSyntax},
		{in: "<\u0085@b>", err: errPathSyntax},

		// Lengths (RFC 5321 §4.5.3.1).
		{in: "<" + strings.Repeat("a", 252) + "@b>", want: strings.Repeat("a", 252) + "@b"},
		{in: "<" + strings.Repeat("a", 253) + "@b>", err: errPathLength},
		{in: "<a@" + strings.Repeat("b.", 125) + "cc>", want: "a@" + strings.Repeat("b.", 125) + "cc"},
		{in: "<a@" + strings.Repeat("b.", 126) + "cc>", err: errPathLength},
		{in: "<" + strings.Repeat("a", 100_000) + "@b>", err: errPathLength},
	} {
		got, rest, err := parsePath([]byte(tc.in))
		if got.mailbox != tc.want || string(rest) != tc.rest || err != tc.err {
			t.Errorf("parsePath(%.60q) = %q, %q, %v; want %q, %q, %v", tc.in, got.mailbox, rest, err, tc.want, tc.rest, tc.err)
		}
	}
}

// FuzzPath: what parses stays the same when it is written and parsed again.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"<a@b>", `<@x:"a\ b"@[IPv6:::1]> X`, "<zoë@bücher.example>", `<"a@b>@c"@d>`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		p, _, err := parsePath(in)
		if err != nil {
			return
		}
		again, rest, err := parsePath([]byte("<" + p.mailbox + ">"))
		if err != nil || again != p || len(rest) != 0 {
			t.Fatalf("%q gave %q, which gives %q, %v", in, p.mailbox, again.mailbox, err)
		}
		if strings.ContainsAny(p.mailbox, "\r\n\x00") {
			t.Fatalf("%q has control characters", p.mailbox)
		}
	})
}

func FuzzParams(f *testing.F) {
	f.Add([]byte(" SIZE=1 BODY=8BITMIME RET=FULL ENVID=a+2Bb AUTH=<>"))
	f.Add([]byte(" NOTIFY=SUCCESS,DELAY ORCPT=utf-8;a\\x{20AC}@b"))
	f.Add([]byte(" HOLDFOR=100 BY=120;RT MT-PRIORITY=-3 REQUIRETLS"))
	f.Add([]byte(" HOLDUNTIL=2026-03-01T12:00:00.5+02:00 BY=-999999999;N"))
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := &session{limits: &Limits{MessageBytes: 1000}, opts: ListenerOptions{Mode: Submission}, tls: &tls.ConnectionState{}}
	s.server = &Server{config: Config{Hold: time.Hour, Now: func() time.Time { return now }}}
	f.Fuzz(func(t *testing.T, in []byte) {
		var e Envelope
		if r := s.mailParams(&e, in); r.ok() && (e.Declared > 1000 || len(e.EnvelopeID) > maxENVID || e.Priority < -9 || e.Priority > 0 ||
			e.HoldUntil.After(now.Add(time.Hour)) || !e.Deadline.IsZero() && !e.NotifyLate && e.Deadline.Before(now.Add(leastBy))) {
			t.Fatalf("%q gave %+v", in, e)
		}
		var r Recipient
		if rcptParams(&r, in).ok() && strings.ContainsAny(r.Original, "\r\n\x00") {
			t.Fatalf("%q gave %+v", in, r)
		}
	})
}

func TestXtext(t *testing.T) {
	for in, want := range map[string]string{"": "", "a": "a", "+2B": "+", "a+20b": "a b", "+7E": "~"} {
		if got, ok := decodeXtext([]byte(in)); got != want || !ok {
			t.Errorf("decodeXtext(%q) = %q, %v", in, got, ok)
		}
	}
	for _, in := range []string{"+", "+2", "+2b", "+XX", "a=b", "a b", "\x7f", "+0A", "+80", "é"} {
		if got, ok := decodeXtext([]byte(in)); ok {
			t.Errorf("decodeXtext(%q) = %q", in, got)
		}
	}
	for in, want := range map[string]string{`zo\x{EB}@x`: "zoë@x", "zoë@x": "zoë@x", `\x{1F4EE}`: "📮", `\x{5C}`: `\`} {
		if got, ok := decodeUTF8Address([]byte(in)); got != want || !ok {
			t.Errorf("decodeUTF8Address(%q) = %q, %v", in, got, ok)
		}
	}
	for _, in := range []string{"", `\x{`, `\x{}`, `\x{0A}`, `\x{D800}`, `\x{FFFFFF}`, `\x`, `a\b`, "\xff", "a=b", `\x{0000000041}`} {
		if got, ok := decodeUTF8Address([]byte(in)); ok {
			t.Errorf("decodeUTF8Address(%q) = %q", in, got)
		}
	}
}

// TestEveryFaultHasAReply: a new Kind must get a line in the table.
func TestEveryFaultHasAReply(t *testing.T) {
	for _, k := range fault.Kinds() {
		r, ok := faultReplies[k]
		switch {
		case !ok:
			t.Errorf("%v has no reply", k)
		case r.code/100 != int(r.status[0]-'0'):
			t.Errorf("%v: %d and %s disagree (RFC 2034 §4)", k, r.code, r.status)
		case k.Retry() != (r.code/100 == 4):
			t.Errorf("%v: %d, but Retry is %v", k, r.code, k.Retry())
		}
		if a := authReply(fault.New(k, "x")); a.code == 0 {
			t.Errorf("%v has no reply to AUTH", k)
		}
	}
}

func BenchmarkParsePath(b *testing.B) {
	in := []byte("<alice.liddell+news@mail.example.org> SIZE=1234")
	b.ReportAllocs()
	for b.Loop() {
		parsePath(in)
	}
}
