package fulltext

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"slices"
)

// termTable gives terms numbers, from 0. Which terms meet in it depends on chance, so that nobody can send words that make it slow.
//
// It is larger than processors' near caches, so all that is known of a term stands together, in half a line of such a cache.
type termTable struct {
	secrets
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
	n := len(term)
	key := uint64(n) << 56
	switch {
	case n > inKey:
		return key | binary.LittleEndian.Uint64(term)&(1<<56-1)
	case n >= 4: // the two reads overlap
		return key | uint64(binary.LittleEndian.Uint32(term)) | uint64(binary.LittleEndian.Uint32(term[n-4:]))<<(8*(n-4))
	case n > 0: // and so may these
		return key | uint64(term[0]) | uint64(term[n/2])<<(8*(n/2)) | uint64(term[n-1])<<(8*(n-1))
	}
	return key
}

// secrets are what terms are hashed with.
type secrets struct {
	seed maphash.Seed
	a, b uint64 // for those that are all in their keys, which are most
}

func newSecrets() secrets {
	s := secrets{seed: maphash.MakeSeed()}
	s.a, s.b = maphash.String(s.seed, "a"), maphash.String(s.seed, "b")|1
	return s
}

func (s *secrets) hash(key uint64, term []byte) uint32 {
	if len(term) > inKey {
		return uint32(maphash.Bytes(s.seed, term))
	}
	hi, lo := bits.Mul64(key^s.a, s.b)
	return uint32((hi ^ lo) >> 16)
}

func newTermTable() termTable {
	return termTable{secrets: newSecrets(), slots: make([]termEntry, 1<<12)}
}

// get finds a term, or gives it a number. The entry is valid until get is called again.
func (t *termTable) get(term []byte) *termEntry {
	if 2*t.n > uint32(len(t.slots)) {
		t.grow()
	}
	key := keyOf(term)
	h := t.hash(key, term)
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
