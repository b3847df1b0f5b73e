package signing

import (
	"io"
	"strings"
	"testing"

	"postroad/internal/service/delivery"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dkim"
)

// FuzzSeal: whatever people send, what is put in front are whole fields, and the signature in them is good.
func FuzzSeal(f *testing.F) {
	w := newWorld(f)
	keys, err := w.dir.DKIMKeys(f.Context(), "ours.example")
	must(f, err)
	must(f, w.dir.RetireKey(f.Context(), "ours.example", keys[0].Selector)) // Ed25519 is enough, and faster
	for _, s := range []string{letter("ann@ours.example"), "From: a\r\n\r\n", "From : ann@ours.example\r\n\tx\r\nfrom: b@c\r\n\r\n \r\n\r\n", "\r\n", "x", "From: a\rb\nc\r\n\r\nx\ry",
		"From: =?utf-8?q?x?= <ann@ours.example>\r\nARC-Seal: i=1; cv=none\r\n\r\n", "DKIM-Signature: v=1\r\nFrom:\r\n", "From: ann@ours.example\r\nno field\r\n\r\nbody"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, msg string) {
		for _, l := range []delivery.Leaving{{Who: &w.ann, From: "ann@ours.example"}, {From: "x@y.example", Via: "ours.example", List: true, Verdict: verdict("none")}} {
			fields, err := w.Seal(t.Context(), l, strings.NewReader(msg))
			if err != nil {
				t.Fatal(err)
			}
			if len(fields) == 0 {
				continue
			}
			if !strings.HasSuffix(string(fields), "\r\n") {
				t.Fatalf("%q is not whole", fields)
			}
			for _, field := range dkim.ParseHeader(string(fields)) {
				if field.Name != "dkim-signature" && !strings.HasPrefix(field.Name, "arc-") {
					t.Fatalf("%q is among the fields", field.Raw)
				}
			}
			v := dkim.NewVerifier(dkim.Options{Resolver: w, Now: w.Service.now})
			io.WriteString(v, string(fields)+msg)
			passes := false
			for _, r := range v.Results(t.Context()) {
				passes = passes || r.Status == authres.Pass && r.Domain == "ours.example"
			}
			if signed := strings.Contains(string(fields), "DKIM-Signature:"); signed && !passes {
				t.Fatalf("%q: the signature is not good: %s", msg, fields)
			}
		}
	})
}
