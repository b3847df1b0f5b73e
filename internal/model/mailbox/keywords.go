package mailbox

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
)

// Keywords is a set of keywords (RFC 9051 §2.3.2). Sets are immutable, and equal
// sets of one account are mostly the same pointer. The nil set is empty.
type Keywords struct {
	ids   []uint32 // ascending
	names []string // sorted
}

// Names returns the keywords, sorted, spelled as when first used in the account.
// The caller must not change the slice.
func (k *Keywords) Names() []string {
	if k == nil {
		return nil
	}
	return k.names
}

// Len is the number of keywords.
func (k *Keywords) Len() int {
	if k == nil {
		return 0
	}
	return len(k.ids)
}

// Has reports whether name is in the set. Case doesn't matter, in ASCII.
func (k *Keywords) Has(name string) bool {
	for _, n := range k.Names() {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

func (k *Keywords) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(k.Len()))
	if k != nil {
		for _, id := range k.ids {
			b = binary.AppendUvarint(b, uint64(id))
		}
	}
	return b
}

// MaxKeyword is the longest keyword, in bytes.
const MaxKeyword = 255

// validKeyword: RFC 9051 §9 flag-keyword = atom, except for a leading backslash.
func validKeyword(s string) bool {
	if s == "" || len(s) > MaxKeyword {
		return false
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`(){%*"\]`, c) >= 0 {
			return false
		}
	}
	return true
}

// keywordTable numbers an account's keywords. Names are only ever added, by a transaction
// to a table of its own, so that one that fails leaves no trace.
// The sets in it are a cache that only transactions touch.
type keywordTable struct {
	names  []string          // by number
	byName map[string]uint32 // folded name to number
	sets   map[string]*Keywords
}

// maxSets bounds the sets that a table remembers, so that they can be shared.
const maxSets = 1000

func newKeywordTable() *keywordTable {
	return &keywordTable{byName: map[string]uint32{}, sets: map[string]*Keywords{}}
}

// clone returns a table of its own for a transaction to add to.
func (t *keywordTable) clone() *keywordTable {
	return &keywordTable{names: slices.Clip(t.names), byName: maps.Clone(t.byName), sets: map[string]*Keywords{}}
}

// number returns name's number, if it has one.
func (t *keywordTable) number(name string) (uint32, bool) {
	id, ok := t.byName[strings.ToLower(name)]
	return id, ok
}

// add gives name, which has no number, the next one.
func (t *keywordTable) add(name string) uint32 {
	id := uint32(len(t.names))
	t.names = append(t.names, name)
	t.byName[strings.ToLower(name)] = id
	return id
}

// set returns the set of the given numbers, which must be ascending and known.
func (t *keywordTable) set(ids []uint32) *Keywords {
	if len(ids) == 0 {
		return nil
	}
	var buf [64]byte
	key := buf[:0]
	for _, id := range ids {
		key = binary.AppendUvarint(key, uint64(id))
	}
	if k, ok := t.sets[string(key)]; ok {
		return k
	}
	k := &Keywords{ids: slices.Clone(ids)}
	for _, id := range ids {
		k.names = append(k.names, t.names[id])
	}
	slices.Sort(k.names)
	if len(t.sets) >= maxSets {
		clear(t.sets)
	}
	t.sets[string(key)] = k
	return k
}

func (t *keywordTable) decode(d *decoder) *Keywords {
	n := d.Count()
	if n == 0 {
		return nil
	}
	ids := make([]uint32, 0, n)
	for range n {
		id := uint32(d.Uint())
		if int(id) >= len(t.names) || (len(ids) > 0 && id <= ids[len(ids)-1]) {
			d.Fail()
			return nil
		}
		ids = append(ids, id)
	}
	return t.set(ids)
}

// union, minus: set arithmetic on ascending numbers.
func union(a, b []uint32) []uint32 {
	u := append(slices.Clone(a), b...)
	slices.Sort(u)
	return slices.Compact(u)
}

func minus(a, b []uint32) []uint32 {
	return slices.DeleteFunc(slices.Clone(a), func(id uint32) bool {
		_, found := slices.BinarySearch(b, id)
		return found
	})
}

func (k *Keywords) equal(o *Keywords) bool {
	return k == o || k != nil && o != nil && slices.Equal(k.ids, o.ids)
}
