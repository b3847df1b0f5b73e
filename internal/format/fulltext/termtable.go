package fulltext

import "hash/maphash"

// termTable gives terms numbers, from 0. Which terms meet in it depends on chance, so that nobody can send words that make it slow.
type termTable struct {
	seed  maphash.Seed
	slots []slot // open addressing; the number of slots is a power of two
	all   []termEntry
	text  []byte // the terms, one behind the other
}

// slot is a place in the table: a term's hash, and its number plus one; 0: empty.
type slot struct{ hash, number uint32 }

// termEntry is what is known of a term.
type termEntry struct {
	at     uint32 // in text
	number uint32
	uses   uint32
	last   uint32 // of its uses
	n      uint8  // its length: at most maxTerm and a field's byte
}

func newTermTable() termTable {
	return termTable{seed: maphash.MakeSeed(), slots: make([]slot, 1<<12)}
}

// get finds a term, or gives it a number. The entry is valid until get is called again.
func (t *termTable) get(term []byte) *termEntry {
	h := uint32(maphash.Bytes(t.seed, term))
	mask := uint32(len(t.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s.number == 0 {
			t.slots[i] = slot{h, uint32(len(t.all)) + 1}
			return t.add(term)
		}
		if s.hash == h {
			if e := &t.all[s.number-1]; string(t.of(e)) == string(term) {
				return e
			}
		}
	}
}

func (t *termTable) of(e *termEntry) []byte { return t.text[e.at : e.at+uint32(e.n)] }

func (t *termTable) add(term []byte) *termEntry {
	n := len(t.all)
	t.all = append(t.all, termEntry{at: uint32(len(t.text)), number: uint32(n), n: uint8(len(term))})
	t.text = append(t.text, term...)
	if 2*len(t.all) > len(t.slots) {
		t.grow()
	}
	return &t.all[n]
}

// grow makes the table so large that at most every fourth slot is taken.
func (t *termTable) grow() {
	old := t.slots
	t.slots = make([]slot, 2*len(old))
	mask := uint32(len(t.slots) - 1)
	for _, s := range old {
		if s.number == 0 {
			continue
		}
		i := s.hash & mask
		for t.slots[i].number != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = s
	}
}
