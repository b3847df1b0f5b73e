package maildrop

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// Marks remembers items, each with the day on which it was marked. As bytes it is
//
//	1, then for each stretch of items, in the order of their IDs, that were marked on one day:
//	day (since 1970), number of items, and of each by how much its ID is greater than the one before
//
// numbers in LEB128: a byte or two for each item.
type Marks struct{ all []mark } // in the order of items

type mark struct {
	item mailbox.ItemID
	day  int64
}

// maxMarks bounds the bytes of one Marks: what doesn't fit is forgotten, the oldest items first.
const maxMarks = 200 << 10

// dayOf counts days of UTC.
func dayOf(at time.Time) int64 { return at.Unix() / (24 * 60 * 60) }

func readMarks(b []byte) (m Marks, err error) {
	if len(b) == 0 {
		return m, nil
	}
	if b[0] != 1 {
		return m, fault.New(fault.Corrupt, "stored POP3 marks of version %d", b[0])
	}
	b, item, bad := b[1:], uint64(0), false
	next := func() uint64 {
		v, n := binary.Uvarint(b)
		if bad = bad || n <= 0; bad {
			return 0
		}
		b = b[n:]
		return v
	}
	for len(b) > 0 && !bad {
		day := int64(next())
		for n := next(); n > 0 && !bad; n-- {
			item += next()
			m.all = append(m.all, mark{mailbox.ItemID(item), day})
		}
	}
	if bad {
		return Marks{}, fault.New(fault.Corrupt, "stored POP3 marks")
	}
	return m, nil
}

func (m Marks) bytes() []byte {
	if len(m.all) == 0 {
		return nil
	}
	for from := 0; ; from += 1 + len(m.all)/8 {
		if b := encodeMarks(m.all[from:]); len(b) <= maxMarks {
			return b
		}
	}
}

func encodeMarks(all []mark) []byte {
	b, before := []byte{1}, uint64(0)
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].day == all[0].day {
			n++
		}
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(all[0].day)), uint64(n))
		for _, a := range all[:n] {
			b = binary.AppendUvarint(b, uint64(a.item)-before)
			before = uint64(a.item)
		}
		all = all[n:]
	}
	return b
}

func (m Marks) find(item mailbox.ItemID) (int, bool) {
	return slices.BinarySearchFunc(m.all, item, func(a mark, id mailbox.ItemID) int { return cmp.Compare(a.item, id) })
}

// Has reports whether an item is marked.
func (m Marks) Has(item mailbox.ItemID) bool {
	_, ok := m.find(item)
	return ok
}

// Len is the number of items that are marked.
func (m Marks) Len() int { return len(m.all) }

// add marks items with a day, unless they are marked already. Those that are not in the folder any more it forgets.
func (m *Marks) add(items []mailbox.ItemID, day int64, in map[mailbox.ItemID]bool) {
	m.all = slices.DeleteFunc(m.all, func(a mark) bool { return !in[a.item] })
	fresh := []mark{}
	for _, id := range items {
		if in[id] && !m.Has(id) {
			fresh = append(fresh, mark{id, day})
		}
	}
	m.all = append(m.all, fresh...)
	slices.SortFunc(m.all, func(a, b mark) int { return cmp.Compare(a.item, b.item) })
	m.all = slices.CompactFunc(m.all, func(a, b mark) bool { return a.item == b.item })
}

// until lists the items that were marked on a day or before.
func (m Marks) until(day int64) map[mailbox.ItemID]bool {
	found := map[mailbox.ItemID]bool{}
	for _, a := range m.all {
		if a.day <= day {
			found[a.item] = true
		}
	}
	return found
}
