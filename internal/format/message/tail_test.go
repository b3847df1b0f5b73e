package message

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestTail: whatever the length of a file and of what is asked for, its end is what is got.
func TestTail(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		content := make([]byte, r.IntN(3000))
		for i := range content {
			content[i] = byte(r.Uint32())
		}
		e := base64.StdEncoding.EncodeToString(content)
		var body strings.Builder
		for line := 40 + r.IntN(60); e != ""; e = e[min(line, len(e)):] {
			body.WriteString(e[:min(line, len(e))] + "\r\n")
		}
		before := strings.Repeat("x", r.IntN(100))
		p := &Part{Encoding: "base64", BodyOffset: int64(len(before)), BodySize: int64(body.Len())}
		limit := r.IntN(4000)
		got := p.Tail(strings.NewReader(before+body.String()+"after"), limit)
		if !bytes.HasSuffix(content, got) || len(got) > limit || len(got) < min(limit, len(content))/2 {
			t.Fatalf("%d octets of %d, %d wanted", len(got), len(content), limit)
		}
	}
	plain := &Part{Encoding: "7bit", BodyOffset: 2, BodySize: 5}
	if got := plain.Tail(strings.NewReader("..hello.."), 3); string(got) != "llo" {
		t.Errorf("%q", got)
	}
	if got := (&Part{Encoding: "quoted-printable", BodySize: 5}).Tail(strings.NewReader("hello"), 3); got != nil {
		t.Errorf("%q", got)
	}
}
