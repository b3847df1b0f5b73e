package fulltext

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Hits says which documents of a segment may have what a query looks for.
type Hits struct {
	docs     uint32
	patterns [][]uint64 // for each pattern the documents with it, a bit each

	hasty  bool  // lists of what is in many documents are left out
	common []int // for each pattern the bytes of its lists
}

// NewHits begins to search a segment of so many documents.
func NewHits(docs uint32) *Hits { return &Hits{docs: docs} }

// Hasty makes the search leave out what many documents have, until Enough says that it must be done again without: most of the
// work for needles of several words is to read the lists of common ones, and a rare one says nearly as much. Not for queries that
// are to be exact.
func (h *Hits) Hasty() { h.hasty = true }

// few is how many documents are so few that those that don't have the common words are no matter.
const few = 32

// Enough reports whether a hasty search, now at its end, has found few documents. If it hasn't, the search begins anew, and isn't hasty any
// more. What isn't hasty is enough.
func (h *Hits) Enough() bool {
	var rare [][]uint64
	for i, set := range h.patterns {
		switch {
		case h.isCommon(i):
		case set == nil: // no document has it
			h.patterns = [][]uint64{nil}
			return true
		default:
			rare = append(rare, set)
		}
	}
	if len(rare) == len(h.patterns) {
		return true
	}
	if h.patterns = rare; len(rare) > 0 && h.count() <= few {
		return true
	}
	h.patterns, h.common, h.hasty = nil, nil, false
	return false
}

func (h *Hits) count() (n int) {
	h.Each(func(uint32) { n++ })
	return n
}

func (h *Hits) isCommon(pattern int) bool { return h.hasty && h.common[pattern] > int(h.docs)/16+few }

// Search looks for the query in one of the segment's chunks, in the zones. postings gives the chunk's postings; it is called
// if there is a term of interest.
func (h *Hits) Search(q *Query, z Zones, terms []byte, postings func() ([]byte, error)) error {
	c := Chunk{Terms: terms}
	names, _ := c.parts()
	return h.search(q.patterns, c, c.behind(MaxField), len(names), z, postings)
}

// SearchField looks for the query in a field. more is false if the chunks that follow have no terms of the field.
func (h *Hits) SearchField(q *Query, f Field, terms []byte, postings func() ([]byte, error)) (more bool, err error) {
	return h.searchField(q.patterns, f, terms, postings)
}

// SearchTokens looks for the query, which has to be a piece of one, in a field's tokens; likewise.
func (h *Hits) SearchTokens(q *Query, f Field, terms []byte, postings func() ([]byte, error)) (more bool, err error) {
	return h.searchField([][]byte{q.needle}, f, terms, postings)
}

func (h *Hits) searchField(queried [][]byte, f Field, terms []byte, postings func() ([]byte, error)) (more bool, err error) {
	c := Chunk{Terms: terms}
	names, _ := c.parts()
	from := c.behind(f - 1)
	to := max(from, min(c.behind(f)+1, len(names))) // with the 0 behind the last
	patterns := make([][]byte, len(queried))
	for i, p := range queried {
		if patterns[i] = p; p[0] == 0 {
			patterns[i] = append([]byte{0, byte(f)}, p[1:]...)
		}
	}
	return to == len(names), h.search(patterns, c, from, to, noZone, postings)
}

// noZone stands for the zone of fields' terms, which are in none.
const noZone Zones = 0

// search looks among a chunk's terms, from a place in the names to another.
func (h *Hits) search(patterns [][]byte, c Chunk, from, to int, z Zones, postings func() ([]byte, error)) error {
	if h.patterns == nil {
		h.patterns = make([][]uint64, len(patterns))
		h.common = make([]int, len(patterns))
	}
	names, _ := c.parts()
	for i, p := range patterns {
		from, to := from, to
		if p[0] == 0 {
			from, to = c.between(bytes.Trim(p, "\x00"), from, to)
		}
		for _, at := range find(names[from:to], p) {
			if c.Postings == nil {
				var err error
				if c.Postings, err = postings(); err != nil {
					return err
				}
			}
			list := c.posting(from + at)
			if h.common[i] += len(list); h.isCommon(i) {
				break
			}
			h.mark(i, z, list)
		}
	}
	return nil
}

// mark adds the documents of a list.
func (h *Hits) mark(pattern int, z Zones, list []byte) {
	set := h.patterns[pattern]
	if set == nil {
		set = make([]uint64, (h.docs+63)/64)
		h.patterns[pattern] = set
	}
	doc := uint64(0)
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
			set[doc/64] |= 1 << (doc % 64)
		}
	}
}

// Each calls f for the documents that have all of the query's patterns, in ascending order.
func (h *Hits) Each(f func(doc uint32)) {
	for _, set := range h.patterns {
		if set == nil {
			return
		}
	}
	for i := range (h.docs + 63) / 64 {
		if len(h.patterns) == 0 {
			return
		}
		all := ^uint64(0)
		for _, set := range h.patterns {
			all &= set[i]
		}
		for ; all != 0; all &= all - 1 {
			f(i*64 + uint32(bits.TrailingZeros64(all)))
		}
	}
}
