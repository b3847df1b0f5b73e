package fulltext

import (
	"encoding/binary"
	"math/bits"
)

// Hits says which documents of a segment may have what a query looks for.
type Hits struct {
	docs     uint32
	patterns [][]uint64 // for each pattern the documents with it, a bit each
}

// NewHits begins to search a segment of so many documents.
func NewHits(docs uint32) *Hits { return &Hits{docs: docs} }

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
	}
	names, _ := c.parts()
	for i, p := range patterns {
		for _, at := range find(names[from:to], p) {
			if c.Postings == nil {
				var err error
				if c.Postings, err = postings(); err != nil {
					return err
				}
			}
			h.mark(i, z, c.posting(from+at))
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
