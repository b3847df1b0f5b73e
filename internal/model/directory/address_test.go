package directory

import (
	"strings"
	"testing"

	"postroad/internal/fault"
)

// RFC 5321 §4.1.2, §4.1.3; RFC 6531 §3.3.
func TestParse(t *testing.T) {
	for in, want := range map[string]Address{
		"ann@example.org":                     {"ann", "example.org"},
		"Ann.Smith@EXAMPLE.Org":               {"Ann.Smith", "example.org"},
		"a+b=c_d!#$%&'*-/?^`{|}~@e.org":       {"a+b=c_d!#$%&'*-/?^`{|}~", "e.org"},
		`"a b"@example.org`:                   {"a b", "example.org"},
		`"a\"b\\c@d"@example.org`:             {`a"b\c@d`, "example.org"},
		`"plain"@example.org`:                 {"plain", "example.org"},
		"用户@例子.广告":                            {"用户", "xn--fsqu00a.xn--4rr70v"},
		"jürgen@Straße.de":                    {"jürgen", "xn--strae-oqa.de"},
		"x@XN--FSQU00A.XN--55QW42G":           {"x", "xn--fsqu00a.xn--55qw42g"},
		"x@localhost":                         {"x", "localhost"},
		"x@[192.0.2.1]":                       {"x", "[192.0.2.1]"},
		"x@[ipv6:2001:DB8:0:0::1]":            {"x", "[IPv6:2001:db8::1]"},
		strings.Repeat("a", 64) + "@e.org":    {strings.Repeat("a", 64), "e.org"},
		"x@" + strings.Repeat("a", 63) + ".b": {"x", strings.Repeat("a", 63) + ".b"},
	} {
		got, err := Parse(in)
		if err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{
		"", "@", "ann", "ann@", "@example.org", "a@b@c", "a b@example.org", ".a@example.org", "a.@example.org", "a..b@example.org",
		`"a@example.org`, `""@example.org`, `"a"b@example.org`, `"a` + "\n" + `"@example.org`, `"a\` + "\x00" + `"@example.org`, `"\é"@example.org`,
		"a\x00@example.org", "a\u0085@example.org", "a\u2028@example.org", "a@-b.org", "a@b-.org", "a@b..org", "a@b.org.", "a@b_c.org", "a@b c.org",
		"a@xn--\x80.org", "a@\xff.org", "\xff@b.org", "a@xn--999999999.org",
		"a@[1.2.3]", "a@[2001:db8::1]", "a@[IPv6:1.2.3.4]", "a@[IPv6:fe80::1%eth0]", "a@[", "a@[]",
		strings.Repeat("a", 65) + "@e.org", "x@" + strings.Repeat("a", 64) + ".b", "x@" + strings.Repeat("a.", 126) + "aa",
		strings.Repeat("é", 33) + "@e.org", strings.Repeat("a", 100_000),
	} {
		if got, err := Parse(in); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.80q: %q, %v", in, got, err)
		}
	}
}

func TestFoldAndBase(t *testing.T) {
	for in, want := range map[string]string{
		"ANN@Example.org":    "ann@example.org",
		"JU\u0308RGEN@x.org": "jürgen@x.org", // composed
		"ΣΑΣ@x.org":          "σασ@x.org",
	} {
		a, err := Parse(in)
		ok(t, err)
		if got := a.Fold().String(); got != want {
			t.Errorf("%q folds to %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string][2]string{
		"ann@x": {"ann", ""}, "ann+a@x": {"ann", "a"}, "ann+a+b@x": {"ann", "a+b"}, "ann+@x": {"ann", ""}, "+a@x": {"+a", ""},
	} {
		a, err := Parse(in)
		ok(t, err)
		if base, detail := a.Base(); base.Local != want[0] || detail != want[1] {
			t.Errorf("%q: %q and %q, want %q", in, base.Local, detail, want)
		}
	}
}

func TestString(t *testing.T) {
	a, err := Parse(`"a b"@bücher.example`)
	ok(t, err)
	if got := a.String(); got != `"a b"@xn--bcher-kva.example` {
		t.Error(got)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"ann@example.org", `"a \"b"@e.org`, "用户@例子.广告", "x@[IPv6:::1]", "Σς+x@xn--fsqu00a.b", "İ@x.org", "postmaster"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if again, err := Parse(a.String()); err == nil && again != a || err != nil && len(a.String()) <= MaxAddress {
			t.Fatalf("%q is written %q, which reads as %q, %v", s, a, again, err)
		}
		if twice := a.Fold().Fold(); twice != a.Fold() {
			t.Fatalf("%q folds to %q, then to %q", s, a.Fold(), twice)
		}
		if strings.ContainsAny(a.Local+a.Domain, "\x00\r\n") {
			t.Fatalf("%q holds control characters", a)
		}
	})
}
