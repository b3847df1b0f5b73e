package features

import (
	"math/rand/v2"
	"testing"
	"unicode/utf8"
)

// TestFoldEight: eight octets at once are folded as one is.
func TestFoldEight(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		text := make([]byte, r.IntN(60))
		for i := range text {
			text[i] = byte(r.IntN(utf8.RuneSelf))
		}
		want, upper := make([]byte, len(text)), 0
		for i, c := range text {
			want[i] = asciiFold[c]
			upper += int(isUpper[c])
		}
		var f folder
		limit := r.IntN(60)
		n := min(limit, len(text))
		if got := f.append([]byte("x"), text, 1+limit); string(got) != "x"+string(want[:n]) || n == len(text) && f.upper != upper {
			t.Fatalf("%q: %q, not %q; %d capitals, not %d", text, got, want[:n], f.upper, upper)
		}
	}
}
