package fulltext

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// endingsOf is the endings of some blocks of terms, with what a guide knows of them.
func endingsOf(blocks [][]string) (g Guide, records [][]byte) {
	var t endingTable
	for _, terms := range blocks {
		t.block()
		for _, term := range terms {
			t.add([]byte(term))
		}
	}
	g.blocks = len(blocks)
	g.buckets, records = t.take()
	return g, records
}

// blocksEnding is the blocks where records say that a term ends so.
func (g *Guide) blocksEnding(t interface{ Fatal(...any) }, records [][]byte, piece string) (blocks []int) {
	l := Compile([]byte(piece + ".")).Zones(Body)
	room := slices.Repeat([]byte{0xff}, g.width())
	if l.patterns[0].ending != 0 && g.buckets > 0 {
		if err := g.ending(&l.patterns[0], room, func(n int) ([]byte, error) { return records[n], nil }); err != nil {
			t.Fatal(err)
		}
	}
	for k := range g.blocks {
		if room[k/8]>>(k%8)&1 != 0 {
			blocks = append(blocks, k)
		}
	}
	return blocks
}

// TestEndings are found whatever the terms are.
func TestEndings(t *testing.T) {
	term := rapid.OneOf(rapid.StringMatching(`[0-9]{1,9}`), rapid.StringMatching(`[\x05]?[0-9a-c]{3,7}`), rapid.StringMatching(`[a-c]?0000[01]`))
	rapid.Check(t, func(t *rapid.T) {
		blocks := rapid.SliceOfN(rapid.SliceOfN(term, 0, 20), 1, 30).Draw(t, "blocks")
		g, records := endingsOf(blocks)
		if len(records) != g.Endings() || !soundBuckets(g.buckets) {
			t.Fatalf("%d records of %d buckets", len(records), g.buckets)
		}
		for _, b := range records {
			if !g.SoundEndings(b) {
				t.Fatalf("%d bytes are no record", len(b))
			}
		}
		for k, terms := range blocks {
			for _, term := range terms {
				for from := range term {
					if term[from] < ' ' {
						continue
					}
					if !slices.Contains(g.blocksEnding(t, records, term[from:]), k) {
						t.Fatalf("%q isn't in block %d", term[from:], k)
					}
				}
			}
		}
	})
}

// TestEndingsAreFew: where there is nothing that ends so nothing is found, nearly, and of numbers one after the other six digits are in one place.
func TestEndingsAreFew(t *testing.T) {
	blocks := make([][]string, 300)
	for i := range blocks {
		for j := range blockTerms {
			blocks[i] = append(blocks[i], fmt.Sprint(100_000+i*blockTerms+j))
		}
	}
	g, records := endingsOf(blocks)
	if g.Endings() < 2 {
		t.Fatalf("%d buckets", g.buckets)
	}
	for needle, most := range map[string]int{"a403817": 4, "403817": 3, "b3817": 10, "03817": 20} {
		if got := g.blocksEnding(t, records, needle); len(got) > most {
			t.Errorf("%q in %d", needle, got)
		}
	}
}

// TestManyEndings: records don't grow with what many terms end in, nor with endings that fall together.
func TestManyEndings(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	blocks := make([][]string, 300)
	for i := range blocks {
		for len(blocks[i]) < blockTerms/2 {
			term := fmt.Sprintf("%c%06x%d", 'a'+rng.IntN(20), rng.Uint32()>>8, rng.IntN(10))
			if e, ok := endingOf([]byte(term)); ok && e>>(endingBits+frontBits-2) == 0 { // all in the first record
				blocks[i] = append(blocks[i], term)
			}
		}
		blocks[i] = append(blocks[i], fmt.Sprintf("%dx00001", i))
	}
	g, records := endingsOf(blocks)
	if len(records) != 4 {
		t.Errorf("%d records", len(records))
	}
	for _, b := range records {
		if len(b) > 2*(entriesEach+2*bucketsEach)+1 || !g.SoundEndings(b) {
			t.Errorf("%d bytes", len(b))
		}
	}
	for _, needle := range []string{"x00001", blocks[7][8], blocks[270][500]} {
		if n := len(g.blocksEnding(t, records, needle)); n != len(blocks) && needle == "x00001" || n == 0 {
			t.Errorf("%q is in %d blocks", needle, n)
		}
	}
}

// TestEndingsThatCannotBeRead end the search.
func TestEndingsThatCannotBeRead(t *testing.T) {
	x := numbered()
	g, _ := OpenGuide(x.guides[0].bytes)
	broken := errors.New("broken")
	h := NewHits(Compile([]byte("99999@")).Zones(Body), 501)
	if _, err := h.Plan(&g, func(int) ([]byte, error) { return nil, broken }); err != broken {
		t.Errorf("got %v", err)
	}
}

func FuzzEndings(f *testing.F) {
	_, records := endingsOf([][]string{{"12345", "012345", "a77777"}, {"99999"}})
	f.Add(records[0], 1, "12345")
	f.Add(records[0], 3, "a77777")
	f.Add([]byte{endingsVersion, 0, 9, 0, 1}, 0, "12345")
	f.Fuzz(func(t *testing.T, b []byte, buckets int, piece string) {
		g := Guide{buckets: buckets, blocks: 9}
		q := Compile(AppendFolded(nil, piece+"."))
		if !soundBuckets(buckets) || q.All() || buckets == 0 {
			return
		}
		l, room := q.Zones(Body), slices.Repeat([]byte{0xff}, g.width())
		if err := g.ending(&l.patterns[0], room, func(int) ([]byte, error) { return b, nil }); err != nil {
			t.Error(err)
		}
		if !g.SoundEndings(b) && len(b) < 2 && slices.Contains(room, 0) {
			t.Error("damaged records say something")
		}
	})
}
