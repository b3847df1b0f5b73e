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
		name := rapid.SampledFrom([]string{"From", "TO", "subject ", "X", "Received"})
		var fields []string
		for i := range rapid.IntRange(0, 40).Draw(t, "fields") {
			fields = append(fields, name.Draw(t, "name")+":"+strings.Repeat(" x", i)+"\r\n")
		}
		s := &Signature{RelaxedHeader: rapid.Bool().Draw(t, "relaxed"), Headers: rapid.SliceOfN(rapid.SampledFrom([]string{"from", "to", "subject", "x", "received", "none"}), 0, 70).Draw(t, "h")}
		own := "DKIM-Signature: a=b; b=c"
		few := NewDigester(ParseHeader(strings.Join(fields, ""))).Digest(s, own)
		at := rapid.IntRange(0, len(fields)).Draw(t, "at")
		many := NewDigester(ParseHeader(strings.Join(slices.Insert(fields, at, strings.Repeat("Other: y\r\n", 70)), "")))
		for range 2 { // again for another signature
			if got := many.Digest(s, own); !bytes.Equal(got, few) {
				t.Fatalf("%v: %x, not %x", s.Headers, got, few)
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
