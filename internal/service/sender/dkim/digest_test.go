package dkim

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What a signature covers doesn't depend on how many fields there are that it doesn't.
func TestDigestOfFewAndMany(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"From", "TO", "subject ", "X", "Received", ""})
		var fields []string
		for i := range rapid.IntRange(0, 40).Draw(t, "fields") {
			fields = append(fields, name.Draw(t, "name")+":"+strings.Repeat(" x", i)+"\r\n")
		}
		s := &Signature{RelaxedHeader: rapid.Bool().Draw(t, "relaxed"), Names: strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"from", " to\r\n ", "subject", "x", "received", "none", ""}), 0, 70).Draw(t, "h"), ":")}
		own := "DKIM-Signature: a=b; b=c"
		few := NewDigester(ParseHeader(strings.Join(fields, ""))).Digest(s, own)
		at := rapid.IntRange(0, len(fields)).Draw(t, "at")
		many := NewDigester(ParseHeader(strings.Join(slices.Insert(fields, at, strings.Repeat("Other: y\r\n", 70)), "")))
		for range 2 { // again for another signature
			if got := many.Digest(s, own); !bytes.Equal(got, few) {
				t.Fatalf("%v: %x, not %x", s.Names, got, few)
			}
		}
	})
}

// The relaxed form of a field, as RFC 6376 §3.4.2 tells it step by step.
func TestRelaxedFieldByTheBook(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := "Sub" + rapid.StringOfN(rapid.SampledFrom([]rune("Ab \t")), 0, 4, -1).Draw(t, "name") + ":" +
			rapid.StringOfN(rapid.SampledFrom([]rune("aB \t\r\n:é")), 0, 30, -1).Draw(t, "body")
		name, body, _ := strings.Cut(raw, ":")
		body = strings.ReplaceAll(body, "\r\n", "")
		body = strings.ReplaceAll(body, "\t", " ")
		for strings.Contains(body, "  ") {
			body = strings.ReplaceAll(body, "  ", " ")
		}
		want := strings.TrimRight(strings.ToLower(name), " \t") + ":" + strings.Trim(body, " ")
		if got := string(AppendRelaxed([]byte("before: x \r\n"), raw)); got != "before: x \r\n"+want {
			t.Fatalf("%q: %q, not %q", raw, got, want)
		}
	})
}

// A signature's field is digested in two pieces as it is when its value has been cut out.
func TestUnsignedInPieces(t *testing.T) {
	for _, field := range []string{
		"DKIM-Signature: v=1; b=abc; d=example.org", "DKIM-Signature: v=1; d=example.org;\r\n\tb=abc\r\n def ", "DKIM-Signature : v=1;\r\n b \r\n\t = \r\n\tabc\r\n ;  d=x \r\n ",
		"DKIM-Signature: b=", "DKIM-Signature:b=abc;", "dkim-signature:  v=1;\t bh=b; bb=c ", "DKIM-Signature", "DKIM-Signature:", "x: ;;b=;b=2;",
	} {
		for _, relaxed := range []bool{false, true} {
			want := string(appendField([]byte("x\r\n"), WithoutSignature(field), relaxed))
			if got := string(appendUnsigned([]byte("x\r\n"), field, relaxed)); got != want {
				t.Errorf("%q, %v: got %q, want %q", field, relaxed, got, want)
			}
		}
	}
}
