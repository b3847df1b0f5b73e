package message

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseAddresses(t *testing.T) {
	one := func(name, mailbox, host string) []Address {
		return []Address{{Name: name, Mailbox: mailbox, Host: host}}
	}
	for _, tt := range []struct {
		in   string
		want []Address
	}{
		{"", nil},
		{" \t\r\n ", nil},
		{"a@b", one("", "a", "b")},
		{"<a@b>", one("", "a", "b")},
		{"Ann <a@b>", one("Ann", "a", "b")},
		{"Ann  B.  Example <a@b>", one("Ann B. Example", "a", "b")},
		{`"Ann, \"the\" Example" <a@b>`, one(`Ann, "the" Example`, "a", "b")},
		{`"Ann" Example <a@b>`, one("Ann Example", "a", "b")},
		{"a@b (Ann Example)", one("Ann Example", "a", "b")},
		{"a@b (Ann (the) Example)", one("Ann (the) Example", "a", "b")},
		{"Ann <a@b> (comment)", one("Ann", "a", "b")},
		{"a@b, c@d", []Address{{Mailbox: "a", Host: "b"}, {Mailbox: "c", Host: "d"}}},
		{", a@b,,c@d ,", []Address{{Mailbox: "a", Host: "b"}, {Mailbox: "c", Host: "d"}}},
		{`"john doe"@x.y`, one("", "john doe", "x.y")},
		{`<"john@doe"@x.y>`, one("", "john@doe", "x.y")},
		{"a@[192.0.2.1]", one("", "a", "[192.0.2.1]")},
		{"<a@[IPv6:2001:db8::1]>", one("", "a", "[IPv6:2001:db8::1]")},
		{"<@r:a@b>", []Address{{Route: "@r", Mailbox: "a", Host: "b"}}},
		{"N <@r, @s:a@b>", []Address{{Name: "N", Route: "@r,@s", Mailbox: "a", Host: "b"}}},
		// obsolete syntax, RFC 5322 section 4.4 and appendix A.6.3
		{"Mary Smith <@machine.tld:mary@example.net>, , jdoe@test   . example", []Address{
			{Name: "Mary Smith", Route: "@machine.tld", Mailbox: "mary", Host: "example.net"}, {Mailbox: "jdoe", Host: "test.example"}}},
		{"john . doe @ x . y", one("", "john.doe", "x.y")},
		{"<user-from (comment)@ (comment) domain.org>", one("", "user-from", "domain.org")},
		// RFC 5322 appendix A.5
		{`Pete(A nice \) chap) <pete(his account)@silly.test(his host)>`, one("Pete", "pete", "silly.test")},
		{"A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
			[]Address{{Name: "A Group", Group: GroupStart}, {Name: "Chris Jones", Mailbox: "c", Host: "public.example"},
				{Mailbox: "joe", Host: "example.org"}, {Name: "John", Mailbox: "jdoe", Host: "one.test"}, {Group: GroupEnd}}},
		{"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", []Address{{Name: "Hidden recipients", Group: GroupStart}, {Group: GroupEnd}}},
		{"undisclosed-recipients:;", []Address{{Name: "undisclosed-recipients", Group: GroupStart}, {Group: GroupEnd}}},
		{"g: a@b; c@d", []Address{{Name: "g", Group: GroupStart}, {Mailbox: "a", Host: "b"}, {Group: GroupEnd}, {Mailbox: "c", Host: "d"}}},
		{"g: a@b", []Address{{Name: "g", Group: GroupStart}, {Mailbox: "a", Host: "b"}, {Group: GroupEnd}}},
		{"g: h: a@b;", []Address{{Name: "g", Group: GroupStart}, {Group: GroupEnd}, {Name: "h", Group: GroupStart}, {Mailbox: "a", Host: "b"}, {Group: GroupEnd}}},
		// 8-bit, RFC 6532
		{"Jörg <jörg@exämple.de>", one("Jörg", "jörg", "exämple.de")},
		{"\xff <a\xff@b>", one("\xff", "a\xff", "b")},
		// encoded words are kept, also with specials in them
		{"=?utf-8?q?M=C3=BCller,_J?= <a@b>", one("=?utf-8?q?M=C3=BCller,_J?=", "a", "b")},
		{"=?utf-8?q?M,_<J@x>?= <a@b>", one("=?utf-8?q?M,_<J@x>?=", "a", "b")},
		// broken
		{"nobody", one("", "nobody", "")},
		{"two words", one("two words", "", "")},
		{"a@", one("", "a", "")},
		{"@b", one("", "b", "")},
		{"<>", nil},
		{"Mailer <>", one("Mailer", "", "")},
		{"Ann a@b", one("Ann", "a", "b")},
		{"a@b <c@d>", one("a@b", "c", "d")},
		{"Ann <a@b", one("Ann", "a", "b")},
		{"Ann <a@b, c@d", []Address{{Name: "Ann", Mailbox: "a", Host: "b"}, {Mailbox: "c", Host: "d"}}},
		{"a@b@c", one("", "a", "b")},
		{"<a@b@c>", one("", "a@b", "c")},
		{`"unclosed <a@b>`, one("", "unclosed <a@b>", "")},
		{"a@b (unclosed", one("unclosed", "a", "b")},
		{"a@b> , c@d", []Address{{Mailbox: "a", Host: "b"}, {Mailbox: "c", Host: "d"}}},
		{"<a@b><c@d>", one("", "a", "b")},
		{"a@b;c@d", []Address{{Mailbox: "a", Host: "b"}, {Mailbox: "c", Host: "d"}}},
		{`\`, one("", `\`, "")},
	} {
		if diff := cmp.Diff(tt.want, ParseAddresses(tt.in)); diff != "" {
			t.Errorf("%q\n%s", tt.in, diff)
		}
	}
}

func TestAddressString(t *testing.T) {
	for _, tt := range []struct {
		a    Address
		want string
	}{
		{Address{Mailbox: "a", Host: "b"}, "a@b"},
		{Address{Name: "Ann Example", Mailbox: "a.b", Host: "b"}, "Ann Example <a.b@b>"},
		{Address{Name: `A. "x"`, Mailbox: "a b", Host: "b"}, `"A. \"x\"" <"a b"@b>`},
		{Address{Name: "Jörg", Mailbox: "a", Host: "b"}, "=?utf-8?q?J=C3=B6rg?= <a@b>"},
		{Address{Mailbox: "a..b", Host: "c"}, `"a..b"@c`},
		{Address{Mailbox: "", Host: "c"}, `""@c`},
		{Address{Route: "@r", Mailbox: "a", Host: "c"}, `<@r:a@c>`},
		{Address{Name: "x\r\nBcc: evil", Mailbox: "a\r\n", Host: "c\r\nX: y"}, "\"x  Bcc: evil\" <\"a  \"@cX:y>"},
	} {
		if got := tt.a.String(); got != tt.want {
			t.Errorf("%+v is %s, want %s", tt.a, got, tt.want)
		}
	}
	list := []Address{{Mailbox: "a", Host: "b"}, {Name: "g", Group: GroupStart}, {Mailbox: "c", Host: "d"}, {Mailbox: "e", Host: "f"}, {Group: GroupEnd}, {Mailbox: "x", Host: "y"}}
	if got, want := FormatAddresses(list), "a@b, g: c@d, e@f;, x@y"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzAddresses(f *testing.F) {
	for _, s := range []string{"a@b", `"x y" <a@b>, g: c@[d];`, "<@r:a@b>", "(c)a . b @ c . d (e)", "=?utf-8?q?a,b?= <a@b>", `<"a`, "a@b <c", "\\(<,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		as := ParseAddresses(s)
		depth := 0
		for i := range as {
			switch as[i].Group {
			case GroupStart:
				depth++
			case GroupEnd:
				depth--
			}
			if depth < 0 || depth > 1 {
				t.Fatalf("groups of %q: %+v", s, as)
			}
			if a := as[i]; a.Group == NoGroup && a == (Address{}) {
				t.Fatalf("empty address in %q", s)
			}
		}
		if depth != 0 {
			t.Fatalf("open group in %q", s)
		}
		again := ParseAddresses(FormatAddresses(as))
		for i := range again {
			again[i].Name = DecodeWords(again[i].Name)
		}
		for i := range as {
			if !printable(as[i]) {
				return
			}
		}
		if diff := cmp.Diff(as, again); diff != "" {
			t.Fatalf("%q is written as %q\n%s", s, FormatAddresses(as), diff)
		}
	})
}

// printable reports whether an address is one that a header can say, so that it comes back as it was.
func printable(a Address) bool {
	for _, s := range []string{a.Name, a.Mailbox, a.Host} {
		if !validText(s) || strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }) >= 0 || strings.TrimSpace(s) != s || strings.Contains(s, "=?") {
			return false
		}
	}
	hostOK := a.Host != "" && !strings.ContainsAny(a.Host, " ()<>\",;:@[]\\\t")
	return a.Route == "" && (a.Group != NoGroup || a.Mailbox != "" && hostOK) && !strings.Contains(a.Name, "  ") && !(a.Group == GroupStart && a.Name == "")
}
