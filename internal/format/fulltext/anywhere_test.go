package fulltext

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// anyWord is a word of some kind: numbers one after the other, what machines make up, common words, long ones, and other scripts.
func anyWord(rng *rand.Rand, n int) string {
	some := func(of []string, n int) (s string) {
		for range n {
			s += of[rng.IntN(len(of))]
		}
		return s
	}
	switch rng.IntN(9) {
	case 0:
		return fmt.Sprint(400_000 + n)
	case 1:
		return fmt.Sprintf("%016x", rng.Uint64())
	case 2:
		return some([]string{"ä", "ß", "é", "ж", "a", "1", "ﬁ", "İ", "Ω"}, 1+rng.IntN(40))
	case 3:
		return some([]string{"日", "本", "語", "ก", "ไ"}, 1+rng.IntN(5))
	case 4:
		return some(strings.Split("abcdefghijklmnopqrstuvwxyz", ""), 1+rng.IntN(140))
	case 5:
		return fmt.Sprintf("%05d", rng.IntN(100_000))
	case 6:
		return fmt.Sprintf("w%d", rng.IntN(500))
	case 7:
		return fmt.Sprintf("%x", rng.IntN(1<<30))
	}
	return "the"
}

// TestFindsAnywhere: pieces of texts are found by guides with endings wherever they begin and end, inside words and behind them.
func TestFindsAnywhere(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 4))
	between := []string{" ", "@", ".", "-", "_", ", ", "\r\n", "”", "\u00a0", "\u200b"}
	var docs []doc
	for n := range 151 {
		var b strings.Builder
		for k := range 100 {
			b.WriteString(anyWord(rng, 100*n+k) + between[rng.IntN(len(between))])
		}
		docs = append(docs, doc{body: b.String()})
	}
	x := build(docs)
	x.guides = guides(x.chunks, uint32(len(docs)), len(x.chunks))
	for range 100 {
		text := docs[rng.IntN(len(docs))].body
		at := rng.IntN(len(text) - 100)
		needle := strings.ToValidUTF8(text[at:at+2+rng.IntN(98)], "")
		if a, b := fmt.Sprint(x.find(needle, Body)), fmt.Sprint(x.scan(needle, Body)); a != b {
			t.Errorf("%q: found in %s, it is in %s", needle, a, b)
		}
	}
}
