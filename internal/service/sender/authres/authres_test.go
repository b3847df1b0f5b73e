package authres

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
)

var full = Header{ID: "mx.example.org", Methods: []Method{
	{Name: "spf", Result: Pass, Comment: "192.0.2.1 may (ip4)", Props: []Property{{"smtp", "mailfrom", "ann@example.com"}}},
	{Name: "dkim", Result: Fail, Reason: `the body "has" changed`, Props: []Property{{"header", "d", "example.com"}, {"header", "i", "@example.com"}}},
	{Name: "dmarc", Result: TempError, Props: []Property{{"header", "from", "exämple.com"}}},
}}

func TestField(t *testing.T) {
	want := "Authentication-Results: mx.example.org;\r\n" +
		"\tspf=pass (192.0.2.1 may \\(ip4\\)) smtp.mailfrom=ann@example.com;\r\n" +
		"\tdkim=fail reason=\"the body \\\"has\\\" changed\" header.d=example.com\r\n" +
		"\theader.i=@example.com;\r\n" +
		"\tdmarc=temperror header.from=exämple.com\r\n"
	if diff := cmp.Diff(want, full.Field()); diff != "" {
		t.Error(diff)
	}
	if got := (Header{ID: "mx"}).Field(); got != "Authentication-Results: mx; none\r\n" {
		t.Errorf("nothing checked: %q", got)
	}
}

func TestParseReadsWhatWasWritten(t *testing.T) {
	got, err := Parse(full.Value())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full, got); diff != "" {
		t.Error(diff)
	}
}

// The examples of RFC 8601 appendix B, in short.
func TestParseExamples(t *testing.T) {
	for body, want := range map[string]Header{
		" example.org 1; none": {ID: "example.org"},
		" example.com;\r\n auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n spf=pass smtp.mailfrom=example.net": {ID: "example.com", Methods: []Method{
			{Name: "auth", Result: Pass, Comment: "cram-md5", Props: []Property{{"smtp", "auth", "sender@example.net"}}},
			{Name: "spf", Result: Pass, Props: []Property{{"smtp", "mailfrom", "example.net"}}}}},
		" foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n policy (A dot can go here) . (like that) expired\r\n (this surprised me) = (as I wasn't expecting it) 1362471462": {
			ID: "foo.example.net", Methods: []Method{{Name: "dkim", Result: Fail, Props: []Property{{"policy", "expired", "1362471462"}}}}},
		`"mx example";dkim=pass header.b="a\"b" x=y;`: {ID: "mx example", Methods: []Method{{Name: "dkim", Result: Pass, Props: []Property{{"header", "b", `a"b`}, {"", "x", "y"}}}}},
	} {
		got, err := Parse(body)
		if err != nil {
			t.Errorf("%q: %v", body, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", body, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, body := range []string{"", ";", "mx; spf", "mx; spf=", "mx; spf=pass smtp.mailfrom", "mx; spf=pass (", `mx; spf=pass a.b="`, "mx; =pass", "mx none", "mx; spf=pass " + strings.Repeat("(", 21) + strings.Repeat(")", 21)} {
		if h, err := Parse(body); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v, %v", body, h, err)
		}
	}
}

func TestParseLimits(t *testing.T) {
	for _, c := range []struct {
		body string
		ok   bool
	}{
		{"mx" + strings.Repeat(";a=b", MaxMethods), true},
		{"mx" + strings.Repeat(";a=b", MaxMethods+1), false},
		{"mx" + strings.Repeat(";a=b", 16000), false},
		{"mx;a=b" + strings.Repeat(" c.d=e", MaxProps), true},
		{"mx;a=b" + strings.Repeat(" c.d=e", MaxProps+1), false},
		{"mx;a=b" + strings.Repeat(" ", MaxField-6), true},
		{"mx;a=b" + strings.Repeat(" ", MaxField-5), false},
		{"mx;a=b (" + strings.Repeat("(", 19) + strings.Repeat(")", 20), true},
	} {
		_, err := Parse(c.body)
		if (err == nil) != c.ok || err != nil && !fault.Is(err, fault.TooLarge) {
			t.Errorf("%.20q of %d bytes: %v", c.body, len(c.body), err)
		}
	}
}

// TestNothingBreaksOut: whatever a stranger puts in a value, the field stays one field, and its lines short.
func TestNothingBreaksOut(t *testing.T) {
	evil := "a\r\nSubject: x\r\n\r\n;dkim=pass header.d=bank.example (\x00\x7f\"\\" + strings.Repeat("y", 5000)
	h := Header{ID: evil, Methods: []Method{{Name: evil, Result: Result(evil), Comment: evil, Reason: evil, Props: []Property{{evil, evil, evil}, {"smtp", "mailfrom", evil + "@" + evil}}}}}
	h.Methods[0].Name = "spf"
	h.Methods[0].Result = Fail
	h.Methods[0].Props[0].Type, h.Methods[0].Props[0].Name = "smtp", "helo"
	field := h.Field()
	for line := range strings.SplitSeq(strings.TrimSuffix(field, "\r\n"), "\r\n") {
		if len(line) > 998 {
			t.Errorf("a line of %d bytes", len(line))
		}
		if line[0] != '\t' && !strings.HasPrefix(line, "Authentication-Results: ") {
			t.Errorf("line %.60q stands on its own", line)
		}
	}
	got, err := Parse(h.Value())
	if err != nil || len(got.Methods) != 1 || got.Methods[0].Result != Fail || len(got.Methods[0].Props) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(full.Value())
	f.Add("mx 1; none")
	f.Add(`"a;b"; dkim/1=pass (x(y)) reason="z" a.b=@c`)
	f.Fuzz(func(t *testing.T, s string) {
		h, err := Parse(s)
		if err != nil {
			var e *fault.Error
			if !errors.As(err, &e) {
				t.Errorf("an error without a kind: %v", err)
			}
			return
		}
		for range 2 { // what had to be made harmless the first time stays as it is
			next, err := Parse(h.Value())
			if err != nil {
				t.Fatalf("%q was printed as %q: %v", s, h.Value(), err)
			}
			h = next
		}
		again, _ := Parse(h.Value())
		if diff := cmp.Diff(h, again); diff != "" {
			t.Errorf("%q: %s", s, diff)
		}
	})
}

// BenchmarkField: what most signed messages get.
func BenchmarkField(b *testing.B) {
	h := Header{ID: "mx.example.org", Methods: []Method{
		{Name: "iprev", Result: Pass, Comment: "mail.example.com", Props: []Property{{"policy", "iprev", "192.0.2.1"}}},
		{Name: "spf", Result: Pass, Comment: "ip4:192.0.2.0/24", Props: []Property{{"smtp", "mailfrom", "ann@example.com"}}},
		{Name: "spf", Result: Pass, Comment: "a", Props: []Property{{"smtp", "helo", "mail.example.com"}}},
		{Name: "dkim", Result: Pass, Comment: "2048-bit key", Props: []Property{{"header", "d", "example.com"}, {"header", "s", "s"}, {"header", "a", "rsa-sha256"}, {"header", "b", "ABCDEFGH"}}},
		{Name: "dmarc", Result: Pass, Comment: "p=reject dis=none", Props: []Property{{"header", "from", "example.com"}}},
		{Name: "arc", Result: None},
	}}
	b.ReportAllocs()
	for b.Loop() {
		if h.Field() == "" {
			b.Fatal("none")
		}
	}
}
