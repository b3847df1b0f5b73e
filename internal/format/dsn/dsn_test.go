package dsn

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/format/message"
)

var update = flag.Bool("update", false, "rewrite the .eml files in testdata")

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func report(rs ...Recipient) *Report {
	return &Report{
		From: "MAILER-DAEMON@mx.example.org", Host: "mx.example.org", To: "ann@example.org",
		MessageID: "7-bounce@mx.example.org", Date: noon, Arrival: noon.Add(-4 * time.Hour), Boundary: "=_dsn",
		EnvelopeID: "QQ314159", Recipients: rs,
		Original: []byte("From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@example.org>\r\n\r\nHello Bob\r\n"),
	}
}

func refused() Recipient {
	return Recipient{
		Action: Failed, Address: "bob@example.net", OriginalType: "rfc822", Original: "Bob@Example.net", Status: "5.1.1",
		Remote: "mail.example.net", Reply: "550 5.1.1 <bob@example.net>: no such user", LastAttempt: noon, LogID: "7",
	}
}

// reports are told to people and programs: see testdata.
func reports() map[string]*Report {
	late := Recipient{Action: Delayed, Address: "carl@example.com", Status: "4.4.1", Reply: "connection refused",
		LastAttempt: noon, RetryUntil: noon.Add(5 * 24 * time.Hour)}
	dora := Recipient{Action: Relayed, Address: "dora@example.com", Status: "2.0.0", Remote: "old.example.com", Reply: "250 OK"}
	erna := Recipient{Action: Delivered, Address: "erna@example.org", Status: "2.1.5"}
	wide := Recipient{Action: Failed, Address: "jürgen@bücher.example", OriginalType: "utf-8", Original: "jürgen@bücher.example",
		Status: "5.6.7", Remote: "mail.example", Reply: "550 5.6.7 ünknown"}
	full := report(refused())
	full.Full = true
	promised := report(late)
	promised.DeliverBy = noon.Add(-time.Hour)
	toWide := report(wide)
	toWide.To = "ännchen@example.org"
	toWide.Original = []byte("Subject: Grüße\r\n\r\n")
	toNarrow := report(wide)
	toNarrow.Original = []byte("Subject: Grüße\r\n\r\nHallo\r\n")
	toNarrow.Full = true
	return map[string]*Report{
		"failed": report(refused()), "full": full, "delayed": promised, "success": report(dora, erna),
		"mixed": report(erna, late, refused()), "utf8": toWide, "utf8-to-ascii": toNarrow,
		"bare": {From: "p@x", Host: "x", To: "a@y", Recipients: []Recipient{{Address: "b@z"}}, MessageID: "1@x", Date: noon, Boundary: "=_dsn"},
	}
}

func TestGolden(t *testing.T) {
	for name, r := range reports() {
		t.Run(name, func(t *testing.T) {
			got := Compose(r)
			file := "testdata/" + name + ".eml"
			if *update {
				if err := os.WriteFile(file, got, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestProgramsReadWhatWasWritten also with our own reader; the reply of our own words has no type smtp.
func TestProgramsReadWhatWasWritten(t *testing.T) {
	for name, r := range reports() {
		t.Run(name, func(t *testing.T) {
			st, ok := parse(Compose(r))
			if !ok || st.EnvelopeID != r.EnvelopeID || st.Host != r.Host || len(st.Recipients) != len(r.Recipients) {
				t.Fatalf("%+v %v", st, ok)
			}
			for i, got := range st.Recipients {
				want := r.Recipients[i]
				if want.Action != Delayed {
					want.RetryUntil = time.Time{}
				}
				if want.Status == "" {
					want.Status = "5.0.0"
				}
				if name == "utf8-to-ascii" {
					want.Reply = "550 5.6.7 ?nknown"
				}
				if diff := cmp.Diff(want, got, cmp.Comparer(time.Time.Equal)); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func parse(msg []byte) (Status, bool) { return Parse(bytes.NewReader(msg), message.Parse(msg)) }

// TestOnlyThoseWhoCanGetUTF8 is RFC 6533 §4.5: nothing but ASCII goes to a sender with an ASCII address.
func TestOnlyThoseWhoCanGetUTF8(t *testing.T) {
	for name, r := range reports() {
		if got := Compose(r); ascii(r.To) && !ascii(got) {
			t.Errorf("%s: not ASCII", name)
		}
	}
	if r := reports()["utf8"]; ascii(Compose(r)) {
		t.Error("the one for ännchen is ASCII")
	}
}

func TestTypesOfTheOriginal(t *testing.T) {
	for _, c := range []struct {
		original, to, typ, encoding string
		full                        bool
	}{
		{"Subject: x\r\n\r\nböse\r\n", "a@b", "text/rfc822-headers", "", false},
		{"Subject: x\r\n\r\nböse\r\n", "a@b", "message/rfc822", "8bit", true},
		{"Subject: ö\r\n\r\nböse\r\n", "a@b", "message/global-headers", "base64", false},
		{"Subject: ö\r\n\r\nböse\r\n", "a@b", "message/global", "base64", true},
		{"Subject: ö\r\n\r\nböse\r\n", "ä@b", "message/global", "8bit", true},
		{"Subject: " + strings.Repeat("x", 2000) + "\r\n\r\n", "a@b", "text/rfc822-headers", "base64", false},
	} {
		r := report(refused())
		r.Original, r.Full, r.To = []byte(c.original), c.full, c.to
		s := message.Parse(Compose(r))
		p := s.Root.Children[2]
		if got := p.Type + "/" + p.Subtype; got != c.typ || c.encoding != "" && p.Encoding != c.encoding {
			t.Errorf("%q to %s: %s %s, want %s %s", c.original[:12], c.to, got, p.Encoding, c.typ, c.encoding)
		}
	}
}

// TestHeaderInjection puts line ends and fields wherever a value can stand.
func TestHeaderInjection(t *testing.T) {
	evil := "x\r\nBcc: victim@example.org\r\n\r\n--=_dsn-0001--\r\n\x00\x1b\x7f\u0085\u2028Bcc: v"
	r := &Report{From: evil, Host: evil, To: evil, MessageID: evil, EnvelopeID: evil, Date: noon, Boundary: "=_dsn",
		Original: []byte("Message-ID: <" + evil + ">\r\n\r\n"),
		Recipients: []Recipient{{Address: evil, OriginalType: evil, Original: evil, Status: evil, Remote: evil, Reply: evil, LogID: evil},
			{Address: "b@c", Status: "5.1.1\r\nBcc: v"}}}
	got := Compose(r)
	ours, _, _ := strings.Cut(string(got), "Content-Type: text/rfc822-headers")
	for line := range strings.Lines(ours) {
		if strings.HasPrefix(line, "Bcc:") {
			t.Errorf("a field came in:\n%s", got)
		}
	}
	s := message.Parse(got)
	if n := len(s.Root.Children); n != 3 {
		t.Errorf("%d parts", n)
	}
	if st, ok := parse(got); !ok || len(st.Recipients) != 2 || st.Recipients[1].Status != "5.0.0" {
		t.Errorf("%v %+v", ok, st)
	}
}

func TestAngleBrackets(t *testing.T) {
	for in, want := range map[string]string{
		"ann@example.org": "ann@example.org", "a> <b@c": "ab@c", `"a> b"@c`: `"a> b"@c`, "a\r\nb@c": "ab@c",
	} {
		if got := address(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// TestLimits: at the limits, above and far beyond, lines stay below 998 and work is bounded.
func TestLimits(t *testing.T) {
	for _, n := range []int{MaxValue - 1, MaxValue, MaxValue + 1, 100 * MaxValue} {
		for _, char := range []string{"x", "ü", "x "} {
			long := strings.Repeat(char, n/len(char))
			r := report(Recipient{Address: long, Reply: long, Remote: long})
			r.To = "ä@b"
			got := Compose(r)
			if len(got) > 20*MaxValue {
				t.Errorf("%d of %q: %d bytes", n, char, len(got))
			}
			if longLine(got) || !utf8.Valid(got) {
				t.Errorf("%d of %q: line too long, or a character cut in two", n, char)
			}
		}
	}
	for _, n := range []int{MaxListed, MaxListed + 1, 5000} {
		r := report(make([]Recipient, n)...)
		for i := range r.Recipients {
			r.Recipients[i].Address = "x@y"
		}
		got := Compose(r)
		if st, _ := parse(got); len(st.Recipients) != n {
			t.Errorf("programs read of %d of %d", len(st.Recipients), n)
		}
		if more := bytes.Contains(got, []byte("more: see the details")); more != (n > MaxListed) {
			t.Errorf("%d recipients: says that there are more: %v", n, more)
		}
	}
}

func TestStatusFitsTheAction(t *testing.T) {
	for _, c := range []struct {
		status string
		action Action
		want   string
	}{
		{"5.1.1", Failed, "5.1.1"}, {"4.4.1", Failed, "5.0.0"}, {"4.4.1", Delayed, "4.4.1"}, {"", Delayed, "4.0.0"},
		{"5.1", Failed, "5.0.0"}, {"5.1.1111", Failed, "5.0.0"}, {"5.a.1", Failed, "5.0.0"}, {"2.0.0", Relayed, "2.0.0"},
	} {
		if got := enhanced(c.status, c.action); got != c.want {
			t.Errorf("%s %v: %s, want %s", c.status, c.action, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, r := range reports() {
		f.Add(Compose(r))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		if st, ok := parse(msg); ok && len(st.Recipients) > maxRecipients {
			t.Errorf("%d recipients", len(st.Recipients))
		}
	})
}

func FuzzCompose(f *testing.F) {
	f.Add("a@b", "c@d", "rfc822", "550 no", "Subject: x\r\n\r\n", "x", true)
	f.Add("ä@b", "ü@d", "utf-8", "550 nö", "Subject: ö\r\n\r\nhello", "\r\nx", false)
	f.Fuzz(func(t *testing.T, to, addr, typ, reply, original, id string, full bool) {
		r := &Report{From: "d@x", Host: "x", To: to, MessageID: id, Date: noon, EnvelopeID: id, Full: full, Original: []byte(original),
			Recipients: []Recipient{{Address: "x" + addr, OriginalType: typ, Original: addr, Reply: reply, Remote: id, Status: id}}}
		got := Compose(r)
		st, ok := parse(got)
		if !ok || len(st.Recipients) != 1 {
			t.Fatalf("not one recipient: %+v\n%q", st, got)
		}
		head := message.ParseHeader(string(headerOf(got)))
		if n := len(head.Fields); n > 11 {
			t.Fatalf("%d fields in\n%s", n, got)
		}
	})
}
