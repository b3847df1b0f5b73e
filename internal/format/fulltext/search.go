package fulltext

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// Hits says which documents of a segment may have what is looked for.
type Hits struct {
	docs     uint32
	lookup   *Lookup
	patterns []docSet // for each pattern the documents with it

	haste  haste
	common []int  // for each pattern the bytes of its lists
	spots  []int  // for each pattern how many places guides have named
	off    []bool // for each pattern whether it is left out since others have far fewer
}

// haste is what a search leaves out.
type haste uint8

const (
	thorough haste = iota // nothing
	hasty                 // lists of what is in many documents
	hastier               // and patterns that have to be looked for in very many places, if others haven't
)

// NewHits begins to look for something in a segment of so many documents.
func NewHits(l *Lookup, docs uint32) *Hits {
	h := &Hits{docs: docs, lookup: l}
	h.begin()
	return h
}

func (h *Hits) begin() {
	n := len(h.lookup.patterns)
	h.patterns, h.common, h.spots, h.off = make([]docSet, n), make([]int, n), make([]int, n), make([]bool, n)
}

// Hasty makes the search leave out what many documents have, and what takes long to look for, until Enough says that it must be done again without: most of the
// work for needles of several words is to read the lists of common ones, and a rare one says nearly as much. Not for queries that
// are to be exact.
func (h *Hits) Hasty() { h.haste = hastier }

// few is how many documents are so few that those that don't have the common words are no matter. Where there are very many, lists of what is common take
// longest, though a look at a document takes as long as those of thousands.
const few, fewEach = 32, 4096

// Enough reports whether a hasty search, now at its end, has found few documents. If it hasn't, the search begins anew, and leaves out less. What
// leaves out nothing is enough.
func (h *Hits) Enough() bool {
	var rare []docSet
	for i, set := range h.patterns {
		switch {
		case h.leftOut(i):
		case set == nil: // no document has it
			h.patterns = []docSet{nil}
			return true
		default:
			rare = append(rare, set)
		}
	}
	if len(rare) == len(h.patterns) {
		return true
	}
	if h.patterns = rare; len(rare) > 0 && h.count() <= few+int(h.docs)/fewEach {
		return true
	}
	if slices.Contains(h.off, true) {
		h.haste = hasty
	} else {
		h.haste = thorough
	}
	h.begin()
	return false
}

func (h *Hits) count() (n int) {
	h.Each(func(uint32) { n++ })
	return n
}

// leftOut reports whether a pattern isn't looked for.
func (h *Hits) leftOut(pattern int) bool {
	return h.haste > thorough && (tooCommon(h.common[pattern], h.docs) || h.off[pattern])
}

// tooCommon reports whether hasty searches leave out lists of so many bytes.
func tooCommon(bytes int, docs uint32) bool { return bytes > int(docs)/16+few }

// A Visit is a chunk in which something may be found, counted from the first of its guide's.
type Visit struct {
	Chunk int
	spots []spot
}

// spot is where in a chunk a pattern may be found: from a sample to before another.
type spot struct{ pattern, sample, end int }

// Plan says which chunks of a guide's have to be looked at, in ascending order. endings gives one of the records of endings that stand beside the
// guide, if it has any, valid until it is called again; the error is one of it.
func (h *Hits) Plan(g *Guide, endings func(n int) ([]byte, error)) (visits []Visit, err error) {
	var room [guideBlocks / 4]byte
	for i := range h.lookup.patterns {
		p := &h.lookup.patterns[i]
		if h.leftOut(i) {
			continue
		}
		if h.haste > thorough && g.isCommon(p) {
			h.common[i] = math.MaxInt / 2
			continue
		}
		from, to := g.within(p)
		var in []byte
		if from < to {
			in = g.having(p, room[:0])
		}
		if p.ending != 0 && g.buckets > 0 && ones(in) > fewBlocks {
			if err := g.ending(p, in, endings); err != nil {
				return nil, err
			}
		}
		visits = h.mark(visits, g, i, from, to, in)
	}
	slices.SortStableFunc(visits, func(a, b Visit) int { return a.Chunk - b.Chunk })
	return joined(visits), nil
}

// fewBlocks is so few that looking at them takes no longer than asking for endings.
const fewBlocks = 1

func ones(row []byte) (n int) {
	for ; len(row) >= 8; row = row[8:] {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(row))
	}
	for _, b := range row {
		n += bits.OnesCount8(b)
	}
	return n
}

// mark adds the blocks from one to before another where a pattern may be; in has a bit for each, nil: all.
func (h *Hits) mark(visits []Visit, g *Guide, pattern, from, to int, in []byte) []Visit {
	chunk, start := 0, 0
	for k := from; k < to; k++ {
		if in != nil && in[k/8]>>(k%8)&1 == 0 {
			if in[k/8]>>(k%8) == 0 {
				k |= 7 // none of these
			}
			continue
		}
		for chunk < g.chunks && g.end(chunk) <= k {
			start = g.end(chunk)
			chunk++
		}
		if chunk == g.chunks {
			break // damaged
		}
		h.spots[pattern]++
		at := spot{pattern, (k - start) * blockSamples, (k - start + 1) * blockSamples}
		if n := len(visits) - 1; n >= 0 && visits[n].Chunk == chunk {
			if last := &visits[n].spots[len(visits[n].spots)-1]; last.pattern == pattern && last.end == at.sample {
				last.end = at.end
				continue
			} else if last.pattern == pattern {
				visits[n].spots = append(visits[n].spots, at)
				continue
			}
		}
		visits = append(visits, Visit{chunk, []spot{at}})
	}
	return visits
}

// joined makes one of visits to the same chunk.
func joined(visits []Visit) []Visit {
	out := visits[:0]
	for _, v := range visits {
		if n := len(out) - 1; n >= 0 && out[n].Chunk == v.Chunk {
			out[n].spots = append(out[n].spots, v.spots...)
			continue
		}
		out = append(out, v)
	}
	return out
}

// Planned is to be called after Plan for all guides of a segment. It is false if there is nothing to be found.
func (h *Hits) Planned() bool {
	least := math.MaxInt / 8
	for i, n := range h.spots {
		if !h.leftOut(i) {
			least = min(least, n)
		}
	}
	for i, n := range h.spots {
		h.off[i] = h.haste == hastier && !h.leftOut(i) && n > 4*least+16
	}
	return least > 0
}

// Wants reports whether there is anything to look for in a visit.
func (h *Hits) Wants(v Visit) bool {
	return slices.ContainsFunc(v.spots, func(s spot) bool { return !h.leftOut(s.pattern) })
}

// Visit looks where Plan has said. postings gives the chunk's postings; it is called if there is a term of interest.
func (h *Hits) Visit(v Visit, terms []byte, postings func() ([]byte, error)) error {
	c := Chunk{Terms: terms}
	for _, s := range v.spots {
		if err := h.look(&c, s, postings); err != nil {
			return err
		}
	}
	return nil
}

// Search looks at all of a chunk that has no guide; likewise. more is false if there is nothing to be found in those that follow.
func (h *Hits) Search(terms []byte, postings func() ([]byte, error)) (more bool, err error) {
	c := Chunk{Terms: terms}
	names, _ := c.parts()
	for i := range h.lookup.patterns {
		p := &h.lookup.patterns[i]
		more = more || p.hi == nil || c.lower(p.hi, 0, math.MaxInt) >= len(names)-1
		if err := h.look(&c, spot{i, 0, math.MaxInt}, postings); err != nil {
			return false, err
		}
	}
	return more, nil
}

// look looks at a spot.
func (h *Hits) look(c *Chunk, s spot, postings func() ([]byte, error)) error {
	if h.leftOut(s.pattern) {
		return nil
	}
	p := &h.lookup.patterns[s.pattern]
	names, _ := c.parts()
	from, to := c.span(p.lo, p.hi, s.sample, s.end)
	for _, at := range find(names[min(from, to):to], p.find) {
		if c.Postings == nil {
			var err error
			if c.Postings, err = postings(); err != nil {
				return err
			}
		}
		list := c.posting(from + at)
		if h.common[s.pattern] += len(list); h.leftOut(s.pattern) {
			break
		}
		h.add(s.pattern, list)
	}
	return nil
}

// docSet is a set of documents, by its pages: so a set of few costs little, however many there are.
type docSet [][]uint64

const pageWords, pageDocs = 64, 64 * 64

func (s docSet) set(doc uint32) {
	page := s[doc/pageDocs]
	if page == nil {
		page = make([]uint64, pageWords)
		s[doc/pageDocs] = page
	}
	page[doc%pageDocs/64] |= 1 << (doc % 64)
}

// add adds the documents of a list to those that have a pattern.
func (h *Hits) add(pattern int, list []byte) {
	set := h.patterns[pattern]
	if set == nil {
		set = make(docSet, (h.docs+pageDocs-1)/pageDocs)
		h.patterns[pattern] = set
	}
	doc, z := uint64(0), h.lookup.zones
	for len(list) > 0 {
		v, n := binary.Uvarint(list)
		if n <= 0 {
			return
		}
		list = list[n:]
		doc += v >> zoneBits
		if doc >= uint64(h.docs) {
			return
		}
		if z == noZone || Zones(v)&z != 0 {
			set.set(uint32(doc))
		}
	}
}

// Each calls f for the documents that have all of the query's patterns, in ascending order.
func (h *Hits) Each(f func(doc uint32)) {
	if len(h.patterns) == 0 || slices.ContainsFunc(h.patterns, func(s docSet) bool { return s == nil }) {
		return
	}
	for k := range h.patterns[0] {
		if slices.ContainsFunc(h.patterns, func(s docSet) bool { return s[k] == nil }) {
			continue
		}
		for i := range pageWords {
			all := ^uint64(0)
			for _, set := range h.patterns {
				all &= set[k][i]
			}
			for ; all != 0; all &= all - 1 {
				f(uint32(k*pageDocs + i*64 + bits.TrailingZeros64(all)))
			}
		}
	}
}
