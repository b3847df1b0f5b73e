package fulltext

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// manyChunks is a segment of many chunks with guides of their own, of documents that have words of theirs and common ones.
func manyChunks() index {
	var docs []doc
	for i := range 301 {
		var b strings.Builder
		for j := range 500 {
			fmt.Fprintf(&b, "word%dof%d common ", j, i)
		}
		docs = append(docs, doc{body: b.String(), header: fmt.Sprintf("a%d@example.org", i)})
	}
	return build(docs)
}

// read counts the chunks that a guided search looks at.
func (x index) read(l *Lookup, hasty bool) int {
	h := NewHits(l, uint32(len(x.docs)))
	if hasty {
		h.Hasty()
	}
	var visits []Visit
	for _, b := range x.guides {
		g, _ := OpenGuide(b.bytes)
		visits = append(visits, h.plan(&g, b.ending)...)
	}
	if !h.Planned() {
		return 0
	}
	return len(slices.DeleteFunc(visits, func(v Visit) bool { return !h.Wants(v) }))
}

// TestGuidesSpareReading: of many chunks those are read that may have something.
func TestGuidesSpareReading(t *testing.T) {
	x := manyChunks()
	if len(x.chunks) < 8 {
		t.Fatalf("%d chunks", len(x.chunks))
	}
	for needle, most := range map[string]int{
		"qqnowhere":              0,
		"word17of5":              len(x.chunks),
		" word17of5 ":            1,
		" common, word17of5 ":    1,
		"nowhere word17of5 ":     0,
		"of17 word18of5 ":        1, // the first is an end of words in all blocks
		"7of":                    len(x.chunks),
		"a17@example":            2,
		" a17@example.org":       2,
		strings.Repeat("ab", 20): 0,
	} {
		q := Compile([]byte(needle))
		if n := x.read(q.Zones(Body|Header), !q.Exact()); n > most {
			t.Errorf("%q: %d chunks are looked at", needle, n)
		}
	}
	for needle, most := range map[string]int{"a17@example.org": 1, "nobody@example.org": 1, "a17": 1} {
		if n := x.read(Compile([]byte(needle)).Tokens(1), false); n > most {
			t.Errorf("%q in a field: %d chunks are looked at", needle, n)
		}
	}
}

// TestGuidesOfManyChunks find what a search through all of them finds: ask compares.
func TestGuidesOfManyChunks(t *testing.T) {
	x := manyChunks()
	for i := 0; i < 300; i += 7 {
		for _, needle := range []string{"word%dof%d ", " word%dof%d", "rd%dof%d", "%d@exa%d", "%dof%d common"} {
			if got := x.find(fmt.Sprintf(needle, i+1, i), Body); len(got) == 0 && !strings.Contains(needle, "@") {
				t.Errorf("%q of %d isn't found", needle, i)
			}
			x.findField(fmt.Sprintf(needle, i+1, i), 6)
		}
	}
}

// numbered is a segment of documents with numbers one after the other: all blocks have the same grams of three.
func numbered() index {
	var docs []doc
	for i := range 501 {
		var b strings.Builder
		for j := range 200 {
			fmt.Fprintf(&b, "%d ", i*200+j)
		}
		docs = append(docs, doc{body: b.String()})
	}
	return build(docs)
}

// spots counts the blocks where a lookup's first pattern may be.
func (x index) spots(l *Lookup) int {
	h := NewHits(l, uint32(len(x.docs)))
	for _, b := range x.guides {
		g, _ := OpenGuide(b.bytes)
		h.plan(&g, b.ending)
	}
	return h.spots[0]
}

// before is the guides as earlier versions made them.
func (x index) before(version byte) index {
	old := x
	old.guides = nil
	for _, g := range x.guides {
		opened, _ := OpenGuide(g.bytes)
		v := slices.Delete(slices.Clone(g.bytes), oldGuideHead, guideHead)
		if v[0] = version; version < 2 {
			v = v[:len(v)-gramRows*opened.width()]
		}
		old.guides = append(old.guides, guide{bytes: v})
	}
	return old
}

// TestGuidesOfNumbers: of a piece of numbers they say well where it is, and so they did, less well, before they knew endings and grams of four.
func TestGuidesOfNumbers(t *testing.T) {
	x := numbered()
	second, first := x.before(2), x.before(1)
	var spots, blocks [3]int
	for n := 10_000; n < 100_000; n += 7919 {
		needle := fmt.Sprintf("%d@", n)
		want := x.find(needle, Body)
		if len(want) != 0 { // nothing has an @
			t.Errorf("%q is in %d", needle, want)
		}
		l := Compile([]byte(needle)).Zones(Body)
		plain := x.hits(l, false, x.plain).all()
		if !slices.Contains(plain, uint32(n/200)) {
			t.Errorf("%q is in %d", needle, plain)
		}
		for i, x := range []index{x, second, first} {
			if found := x.hits(l, false, x.guided).all(); !slices.Equal(found, plain) {
				t.Errorf("%q is in %d", needle, found)
			}
			spots[i] += x.spots(l)
			blocks[i]++
		}
	}
	if spots[1]*3 > spots[2] || spots[0] > 3*blocks[0] {
		t.Errorf("%d blocks, %d without endings, %d without grams of four", spots[0], spots[1], spots[2])
	}
}

// made is a segment of words as machines make them: sixteen digits to the base of 16.
func made() (x index, words []string) {
	var docs []doc
	rng := rand.New(rand.NewPCG(3, 4))
	for range 501 {
		var b strings.Builder
		for range 200 {
			words = append(words, fmt.Sprintf("%016x", rng.Uint64()))
			b.WriteString(words[len(words)-1] + " ")
		}
		docs = append(docs, doc{body: b.String()})
	}
	x = build(docs)
	x.guides = guides(x.chunks, uint32(len(docs)), len(x.chunks)) // one of many blocks
	return x, words
}

// TestGuidesOfMadeUpWords: of these the grams say nothing, but the endings do.
func TestGuidesOfMadeUpWords(t *testing.T) {
	x, words := made()
	old := x.before(2)
	few, many, needles := 0, 0, 0
	for i := 0; i < len(words); i += 4001 {
		for from := 1; from < 14; from += 5 {
			l := Compile([]byte(words[i][from:] + "@")).Zones(Body)
			plain, found := x.hits(l, false, x.plain).all(), x.hits(l, false, x.guided).all()
			if !slices.Contains(found, uint32(i/200)) || !slices.Equal(plain, found) {
				t.Errorf("%q is in %d, %d without guides", words[i][from:], found, plain)
			}
			if len(words[i])-from < endingLength {
				continue
			}
			few += x.spots(l)
			many += old.spots(l)
			needles++
		}
	}
	if few > 2*needles || many < 20*needles {
		t.Errorf("%d needles: %d blocks, %d without endings", needles, few, many)
	}
}

// TestFullGuides are not too large for a record: 1 MiB.
func TestFullGuides(t *testing.T) {
	for _, form := range []string{"%04x", "%065x"} {
		g := GuideBuilder{Docs: 1}
		for n := 0; !g.Full(); {
			w := writer{put: func(c Chunk) error { g.Add(c); return nil }}
			for ; w.n == 0 || len(w.names) < chunkNames-100; n++ {
				_ = w.add(fmt.Appendf(nil, form, n), nil)
			}
			_ = w.cut()
		}
		guide, endings := g.Take()
		if got := len(guide); got+mostCommon > 1<<20 {
			t.Errorf("%q: %d bytes", form, got)
		}
		for _, b := range endings {
			if len(b) > 160<<10 {
				t.Errorf("%q: endings of %d bytes", form, len(b))
			}
		}
	}
}

func FuzzGuide(f *testing.F) {
	x := build([]doc{{body: "some words and some more"}, {body: "words"}})
	f.Add(guides(x.chunks, 2, 1)[0].bytes, "words")
	f.Add(x.before(2).guides[0].bytes, "some words")
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "words")
	f.Add([]byte{guideVersion, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "a")
	f.Fuzz(func(t *testing.T, b []byte, needle string) {
		g, ok := OpenGuide(b)
		q := Compile(AppendFolded(nil, needle))
		if !ok || q.All() {
			return
		}
		for _, l := range []*Lookup{q.Zones(Body), q.Field(2)} {
			h := NewHits(l, 2)
			h.Hasty()
			for _, v := range h.plan(&g, func(int) ([]byte, error) { return nil, nil }) {
				if v.Chunk >= g.Chunks() {
					t.Errorf("chunk %d of %d", v.Chunk, g.Chunks())
				}
				_ = h.Visit(v, x.chunks[0].Terms, func() ([]byte, error) { return x.chunks[0].Postings, nil })
			}
		}
	})
}

// BenchmarkGuide makes a guide of many chunks.
func BenchmarkGuide(b *testing.B) {
	x, _ := made()
	size := 0
	for _, c := range x.chunks {
		size += len(c.Terms)
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		g := GuideBuilder{Docs: 300}
		for _, c := range x.chunks {
			g.Add(c)
		}
		g.Take()
	}
}
