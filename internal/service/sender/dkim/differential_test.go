package dkim

import (
	"bytes"
	"context"
	"crypto"
	"fmt"
	"strings"
	"testing"

	msgauth "github.com/emersion/go-msgauth/dkim"
	"pgregory.net/rapid"

	"postroad/internal/service/sender/authres"
)

// theirs verifies with go-msgauth: "pass" or "no" for each signature.
func theirs(z zone, msg string) string {
	vs, err := msgauth.VerifyWithOptions(strings.NewReader(msg), &msgauth.VerifyOptions{
		LookupTXT: func(name string) ([]string, error) { return z.LookupTXT(context.Background(), name) },
	})
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, v := range vs {
		if v.Err == nil {
			all = append(all, "pass")
		} else {
			all = append(all, "no")
		}
	}
	return strings.Join(all, ",")
}

func ours(z zone, msg string) string {
	var all []string
	for _, r := range verify(z, msg) {
		if r.Status == authres.Pass {
			all = append(all, "pass")
		} else {
			all = append(all, "no")
		}
	}
	return strings.Join(all, ",")
}

var lines = rapid.SliceOfN(rapid.OneOf(
	rapid.StringMatching(`[a-z \t.]{0,12}`),
	rapid.SampledFrom([]string{"", " ", "\t", "From: x@example.org", "text", "é", strings.Repeat("long ", 300)}),
), 0, 12)

func message(t *rapid.T) string {
	var b strings.Builder
	b.WriteString("From: ann@example.org\r\n")
	for range rapid.IntRange(0, 6).Draw(t, "fields") {
		name := rapid.SampledFrom([]string{"To", "Subject", "SUBJECT", "Cc", "X-Other", "Received", "Content-Type"}).Draw(t, "name")
		value := rapid.StringMatching(`[a-z \t:;=]{0,20}(\r\n[ \t][a-z \t]{1,10}x)?`).Draw(t, "value")
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	b.WriteString("\r\n" + strings.Join(lines.Draw(t, "body"), "\r\n"))
	if rapid.Bool().Draw(t, "ended") {
		b.WriteString("\r\n")
	}
	return b.String()
}

// TestOursPassTheirs: what we sign passes with go-msgauth, and what it signs, in each form, passes with us. A change
// anywhere is seen by both or by neither.
func TestOursPassTheirs(t *testing.T) {
	z := testZone()
	rapid.Check(t, func(t *rapid.T) {
		msg := message(t)
		var signed string
		if rapid.Bool().Draw(t, "ours") {
			s, err := NewSigner(SignOptions{Keys: bothKeys(), Now: testNow})
			if err != nil {
				t.Fatal(err)
			}
			s.Write([]byte(msg))
			fields, err := s.Fields()
			if err != nil {
				t.Fatal(err)
			}
			signed = fields + msg
		} else {
			signed = signTheirs(t, msg)
		}
		if a, b := ours(z, signed), theirs(z, signed); a != b || strings.Contains(a, "no") || a == "" {
			t.Fatalf("we say %s, they say %s: %q", a, b, signed)
		}
		at := rapid.IntRange(0, len(signed)-1).Draw(t, "at")
		c := rapid.SampledFrom([]byte(" \tx:;=ab")).Draw(t, "octet")
		if strings.ContainsAny(signed[max(0, at-1):min(len(signed), at+2)], "\r\n") {
			return // it would no longer be a header, or have bare CRs and LFs, which differ rightly
		}
		changed := signed[:at] + string(c) + signed[at+1:]
		if a, b := ours(z, changed), theirs(z, changed); a != b && !known(changed) {
			t.Fatalf("changed at %d to %q: we say %s, they say %s: %q", at, c, a, b, changed)
		}
	})
}

// known are the differences that are right.
func known(msg string) bool {
	head, _, _ := strings.Cut(msg, "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		if !strings.Contains(line, ":") && strings.Trim(line[:min(1, len(line))], " \t") != "" {
			return true // they take a line without a colon for a field
		}
	}
	for _, f := range ParseHeader(msg) {
		if !strings.HasPrefix(f.Raw, "DKIM-Signature:") {
			if f.Name == "dkim-signature" {
				return true // a space before the colon: they don't see the signature
			}
			continue
		}
		if _, err := ParseTags(f.Body()); err != nil {
			return true // they bear with tags that come twice, and what is no tag
		}
		var s Signature
		if s.parseDKIM(f.Body()) != nil {
			return true // they don't look at all tags
		}
	}
	return false
}

func signTheirs(t *rapid.T, msg string) string {
	forms := []msgauth.Canonicalization{msgauth.CanonicalizationSimple, msgauth.CanonicalizationRelaxed}
	var key crypto.Signer = testKeys().rsa
	selector := "r"
	if rapid.Bool().Draw(t, "ed25519") {
		key, selector = testKeys().ed, "e"
	}
	var out bytes.Buffer
	err := msgauth.Sign(&out, strings.NewReader(msg), &msgauth.SignOptions{
		Domain: "example.org", Selector: selector, Signer: key,
		HeaderCanonicalization: rapid.SampledFrom(forms).Draw(t, "header form"),
		BodyCanonicalization:   rapid.SampledFrom(forms).Draw(t, "body form"),
		HeaderKeys:             []string{"From", "Subject", "Subject", "To", "Cc"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// FuzzVerify: nothing that comes in does harm, and portions make no difference.
func FuzzVerify(f *testing.F) {
	f.Add(crlfs(rfc6376), uint16(5))
	f.Add(crlfs(rfc8463), uint16(80))
	f.Fuzz(func(t *testing.T, msg string, portion uint16) {
		whole := verify(rfcZone, msg)
		v := NewVerifier(Options{Resolver: rfcZone, Now: testNow})
		for rest := msg; rest != ""; {
			n := min(int(portion)+1, len(rest))
			v.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		if a, b := statuses(whole), statuses(v.Results(t.Context())); a != b {
			t.Errorf("whole: %s, in portions: %s", a, b)
		}
	})
}

func FuzzKey(f *testing.F) {
	for _, record := range rfcZone {
		f.Add(record)
	}
	f.Fuzz(func(t *testing.T, record string) {
		if k, err := ParseKey(record); err == nil && (k.Public == nil || k.Bits < 256) {
			t.Errorf("%q: %+v", record, k)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	msg := []byte(sign(b, SignOptions{}, crlfs(plainMessage)+strings.Repeat("The quick brown fox jumps over the lazy dog.\r\n", 1000)))
	z := testZone()
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		v := NewVerifier(Options{Resolver: z, Now: testNow})
		v.Write(msg)
		if rs := v.Results(b.Context()); rs[0].Status != authres.Pass {
			b.Fatal(rs)
		}
	}
}
