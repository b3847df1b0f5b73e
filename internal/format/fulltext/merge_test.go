package fulltext

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestMergesAreWhatABuilderMakes: byte for byte, of the documents that are left.
func TestMergesAreWhatABuilderMakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one := rapid.Custom(func(t *rapid.T) doc { return doc{genText(12).Draw(t, "body"), genText(6).Draw(t, "header")} })
		docs := rapid.SliceOfN(one, 1, 8).Draw(t, "docs")
		cut := rapid.IntRange(0, len(docs)).Draw(t, "cut")
		got := merged(t, docs, cut, rapid.SliceOfN(rapid.Bool(), len(docs), len(docs)).Draw(t, "gone"))
		if d := cmp.Diff(build(got.docs).chunks, got.chunks); d != "" {
			t.Fatal(d)
		}
	})
}

// parts are segments of several chunks each.
type parts struct {
	chunks  [][]Chunk
	numbers [][]uint32
	left    []doc
}

func makeParts() (p parts) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3 {
		var docs []doc
		var numbers []uint32
		for i := range 30 {
			d := doc{header: "common"}
			for range 600 {
				d.body += fmt.Sprintf("%x ", rng.Uint64())
			}
			if docs = append(docs, d); i%7 == 3 {
				numbers = append(numbers, Gone)
				continue
			}
			numbers = append(numbers, uint32(len(p.left)))
			p.left = append(p.left, d)
		}
		p.chunks = append(p.chunks, build(docs).chunks)
		p.numbers = append(p.numbers, numbers)
	}
	return p
}

// sources read the parts, all into the same memory, and count what is read.
func (p parts) sources() (all []Source, read *int) {
	read = new(int)
	for i, chunks := range p.chunks {
		next := reader(chunks)
		var c Chunk
		all = append(all, Source{Renumber: p.numbers[i], Next: func() (Chunk, bool, error) {
			now, ok, err := next()
			if ok {
				*read++
			}
			clear(c.Terms[:cap(c.Terms)])
			clear(c.Postings[:cap(c.Postings)])
			c = Chunk{append(c.Terms[:0], now.Terms...), append(c.Postings[:0], now.Postings...)}
			return c, ok, err
		}})
	}
	return all, read
}

func same(a, b Chunk) bool {
	return bytes.Equal(a.Terms, b.Terms) && bytes.Equal(a.Postings, b.Postings)
}

func TestMergesOfManyChunks(t *testing.T) {
	p := makeParts()
	t.Run("they come when they are done", p.handedOn)
	t.Run("errors of put", p.badPut)
	t.Run("errors of Next", p.badNext)
}

// handedOn: a chunk comes before more has been read than it was made of, and the heads.
func (p parts) handedOn(t *testing.T) {
	want := build(p.left).chunks
	sources, read := p.sources()
	if len(want) < 4 {
		t.Fatalf("%d chunks", len(want))
	}
	var got []Chunk
	if err := Merge(sources, func(c Chunk) error {
		if got = append(got, c); *read > len(got)+len(sources)+1 {
			t.Errorf("%d chunks are read for %d", *read, len(got))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(want, got, same) {
		t.Error("not what a builder makes of the same documents")
	}
}

// inPieces gives a segment piece by piece, all in the same memory.
func inPieces(chunks []Chunk, most int) (next func() (Chunk, bool, error), largest *int) {
	var c Chunk
	part, at := 0, 0
	largest = new(int)
	return func() (Chunk, bool, error) {
		if part == len(chunks) {
			return Chunk{}, false, nil
		}
		clear(c.Terms[:cap(c.Terms)])
		clear(c.Postings[:cap(c.Postings)])
		if c, at = chunks[part].Piece(at, most, c); at == 0 {
			part++
		}
		*largest = max(*largest, len(c.Terms)+len(c.Postings))
		return c, true, nil
	}, largest
}

// Segments may be given in pieces of any size, and a piece is hardly larger than was asked for.
func TestMergesOfPieces(t *testing.T) {
	p := makeParts()
	want := build(p.left).chunks
	for _, most := range []int{1, 5000, 1 << 30} {
		var sources []Source
		for i, chunks := range p.chunks {
			next, largest := inPieces(chunks, most)
			sources = append(sources, Source{Renumber: p.numbers[i], Next: next})
			defer func() {
				if *largest > most+2000 { // 16 terms of 16 letters
					t.Errorf("a piece of %d bytes, not %d", *largest, most)
				}
			}()
		}
		var got []Chunk
		if err := Merge(sources, func(c Chunk) error { got = append(got, c); return nil }); err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(want, got, same) {
			t.Errorf("in pieces of %d: not what a builder makes of the same documents", most)
		}
	}
}

// Pieces of a damaged chunk end, and are no more than it was.
func TestPiecesOfDamagedChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "names")
		terms := binary.BigEndian.AppendUint32(nil, uint32(len(names)+rapid.IntRange(-1, 1).Draw(t, "off")))
		terms = append(append(terms, names...), rapid.SliceOfN(rapid.Byte(), 0, 80).Draw(t, "samples")...)
		damaged := Chunk{terms, rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "postings")}
		most := rapid.IntRange(0, 300).Draw(t, "most")
		var c Chunk
		for at, n := 0, 0; n == 0 || at != 0; n++ {
			if c, at = damaged.Piece(at, most, c); len(c.Terms)+len(c.Postings) > len(terms)+200 || n > 20 {
				t.Fatalf("piece %d: %d bytes of terms, %d of postings", n, len(c.Terms), len(c.Postings))
			}
		}
		next, _ := inPieces([]Chunk{damaged}, most)
		if err := Merge([]Source{{Next: next, Renumber: []uint32{0, 1}}}, func(Chunk) error { return nil }); err != nil {
			t.Fatal(err)
		}
	})
}

var errBroken = errors.New("broken")

// badPut: its error ends a merge at once.
func (p parts) badPut(t *testing.T) {
	for at := range 3 {
		sources, _ := p.sources()
		n := 0
		err := Merge(sources, func(Chunk) error {
			if n++; n > at {
				return errBroken
			}
			return nil
		})
		if !errors.Is(err, errBroken) || n != at+1 {
			t.Errorf("put %d: %v after %d", at, err, n)
		}
	}
}

// badNext: its error does, too.
func (p parts) badNext(t *testing.T) {
	for at := range 2 {
		sources, _ := p.sources()
		next, n, put := sources[1].Next, 0, 0
		sources[1].Next = func() (Chunk, bool, error) {
			if n++; n > at {
				return Chunk{}, false, errBroken
			}
			return next()
		}
		if err := Merge(sources, func(Chunk) error { put++; return nil }); !errors.Is(err, errBroken) || put > at*len(sources) {
			t.Errorf("chunk %d: %v, %d were put", at, err, put)
		}
	}
}
