package fulltext

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
)

// termTable gives terms numbers, from 0. Which terms meet in it depends on chance, so that nobody can send words that make it slow.
//
// It is larger than processors' near caches, so all that is known of a term stands together, in half a line of such a cache.
type termTable struct {
	seed  maphash.Seed
	slots []termEntry // open addressing; their number is a power of two
	n     uint32      // terms
	text  []byte      // the terms, one behind the other, by number
}

// termEntry is what is known of a term. The zero value is an empty slot.
type termEntry struct {
	key    uint64 // length and first bytes: see keyOf
	hash   uint32
	at     uint32 // in text
	number uint32
	uses   uint32
	last   uint32 // of its uses
	doc    docZones
}

// inKey is up to which length a term is all in its key.
const inKey = 7

// keyOf is a term's length (at most maxTerm, and a field's byte) in the highest byte, and its first bytes.
func keyOf(term []byte) uint64 {
	n := uint64(len(term)) << 56
	if len(term) > inKey {
		return n | binary.LittleEndian.Uint64(term)&(1<<56-1)
	}
	for i, c := range term {
		n |= uint64(c) << (8 * i)
	}
	return n
}

func newTermTable() termTable {
	return termTable{seed: maphash.MakeSeed(), slots: make([]termEntry, 1<<12)}
}

// get finds a term, or gives it a number. The entry is valid until get is called again.
func (t *termTable) get(term []byte) *termEntry {
	if 2*t.n > uint32(len(t.slots)) {
		t.grow()
	}
	key, h := keyOf(term), uint32(maphash.Bytes(t.seed, term))
	mask := uint32(len(t.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		e := &t.slots[i]
		switch {
		case e.key == 0:
			*e = termEntry{key: key, hash: h, at: uint32(len(t.text)), number: t.n}
			t.text = append(t.text, term...)
			t.n++
			return e
		case e.key == key && (len(term) <= inKey || e.hash == h && string(t.of(e)) == string(term)):
			return e
		}
	}
}

func (t *termTable) of(e *termEntry) []byte { return t.text[e.at : e.at+uint32(e.key>>56)] }

// grow makes the table so large that at most every fourth slot is taken.
func (t *termTable) grow() {
	old := t.slots
	t.slots = make([]termEntry, 2*len(old))
	mask := uint32(len(t.slots) - 1)
	for k := range old {
		if old[k].key == 0 {
			continue
		}
		i := old[k].hash & mask
		for t.slots[i].key != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = old[k]
	}
}

// sorted is the entries in the order of the terms.
func (t *termTable) sorted() []*termEntry {
	type head struct {
		first uint64 // the term's first bytes, as a number
		entry *termEntry
	}
	heads := make([]head, 0, t.n)
	for i := range t.slots {
		e := &t.slots[i]
		if e.key == 0 {
			continue
		}
		var first [8]byte
		copy(first[:], t.of(e))
		heads = append(heads, head{binary.BigEndian.Uint64(first[:]), e})
	}
	slices.SortFunc(heads, func(a, b head) int {
		switch {
		case a.first < b.first:
			return -1
		case a.first > b.first:
			return 1
		}
		return bytes.Compare(t.of(a.entry), t.of(b.entry))
	})
	order := make([]*termEntry, len(heads))
	for i := range heads {
		order[i] = heads[i].entry
	}
	return order
}
