package fulltext

import (
	"fmt"
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
		g, _ := OpenGuide(b)
		visits = append(visits, h.Plan(&g)...)
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
		g, _ := OpenGuide(b)
		h.Plan(&g)
	}
	return h.spots[0]
}

// TestGuidesOfNumbers: of a piece of numbers they say well where it is, and so they did, less well, before they knew grams of four.
func TestGuidesOfNumbers(t *testing.T) {
	x := numbered()
	old := x
	old.guides = nil
	for _, g := range x.guides {
		opened, _ := OpenGuide(g)
		v := slices.Clone(g[:len(g)-gramRows*opened.width()])
		v[0] = 1
		old.guides = append(old.guides, v)
	}
	few, many := 0, 0
	for n := 10_000; n < 100_000; n += 7919 {
		needle := fmt.Sprintf("%d@", n)
		want := x.find(needle, Body)
		if len(want) != 0 { // nothing has an @
			t.Errorf("%q is in %d", needle, want)
		}
		l := Compile([]byte(needle)).Zones(Body)
		found := x.hits(l, false, x.guided).all()
		if !slices.Contains(found, uint32(n/200)) || !slices.Equal(found, old.hits(l, false, old.guided).all()) || !slices.Equal(found, x.hits(l, false, x.plain).all()) {
			t.Errorf("%q is in %d", needle, found)
		}
		few += x.spots(l)
		many += old.spots(l)
	}
	if few*3 > many {
		t.Errorf("%d blocks, %d without grams of four", few, many)
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
		if got := len(g.Take()); got+mostCommon > 1<<20 {
			t.Errorf("%q: %d bytes", form, got)
		}
	}
}

func FuzzGuide(f *testing.F) {
	x := build([]doc{{body: "some words and some more"}, {body: "words"}})
	f.Add(guides(x.chunks, 2, 1)[0], "words")
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
			for _, v := range h.Plan(&g) {
				if v.Chunk >= g.Chunks() {
					t.Errorf("chunk %d of %d", v.Chunk, g.Chunks())
				}
				_ = h.Visit(v, x.chunks[0].Terms, func() ([]byte, error) { return x.chunks[0].Postings, nil })
			}
		}
	})
}

// BenchmarkGuide adds a chunk to a guide.
func BenchmarkGuide(b *testing.B) {
	x := manyChunks()
	b.SetBytes(int64(len(x.chunks[3].Terms)))
	for b.Loop() {
		g := GuideBuilder{Docs: 300}
		g.Add(x.chunks[3])
		g.Take()
	}
}
