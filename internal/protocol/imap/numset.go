package imap

import (
	"math"
	"slices"
	"strconv"
)

// numRange is a range of message numbers or UIDs, both ends included. A 0 is "*", the largest in use.
type numRange struct{ lo, hi uint32 }

// numSet is a sequence-set (RFC 9051 §9): as it was sent until resolved; then ascending, without
// overlaps and without "*".
type numSet []numRange

// sequenceSet consumes a sequence-set; saved reports that it was "$" (RFC 9051 §6.4.4.1) instead. The set is
// valid until the next one is consumed; copy it to keep it.
func (d *decoder) sequenceSet() (set numSet, saved bool) {
	d.set = d.set[:0]
	if d.try('$') {
		return nil, true
	}
	for {
		lo := d.seqNumber()
		hi := lo
		if d.try(':') {
			hi = d.seqNumber()
		}
		d.set = append(d.set, numRange{lo, hi})
		if !d.try(',') {
			return d.set, false
		}
	}
}

// seqNumber consumes a number or "*", which gives 0.
func (d *decoder) seqNumber() uint32 {
	if d.try('*') {
		return 0
	}
	return d.nzNumber()
}

// resolve puts largest for "*", and orders and joins the ranges, in place.
func (s numSet) resolve(largest uint32) numSet {
	for i, r := range s {
		if r.lo == 0 {
			r.lo = largest
		}
		if r.hi == 0 {
			r.hi = largest
		}
		s[i] = numRange{min(r.lo, r.hi), max(r.lo, r.hi)}
	}
	return s.join()
}

// join orders the ranges and melts those that touch.
func (s numSet) join() numSet {
	if len(s) < 2 {
		return s
	}
	slices.SortFunc(s, func(a, b numRange) int {
		if a.lo != b.lo {
			return cmp32(a.lo, b.lo)
		}
		return cmp32(a.hi, b.hi)
	})
	out := s[:1]
	for _, r := range s[1:] {
		last := &out[len(out)-1]
		if last.hi != math.MaxUint32 && r.lo > last.hi+1 {
			out = append(out, r)
		} else {
			last.hi = max(last.hi, r.hi)
		}
	}
	return out
}

func cmp32(a, b uint32) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

// add puts n behind a resolved set, all of whose numbers are smaller.
func (s numSet) add(n uint32) numSet {
	if i := len(s) - 1; i >= 0 && s[i].hi+1 == n && n != 0 {
		s[i].hi = n
		return s
	}
	return append(s, numRange{n, n})
}

// addRange is add of the numbers from lo to hi.
func (s numSet) addRange(lo, hi uint32) numSet {
	s = s.add(lo)
	s[len(s)-1].hi = hi
	return s
}

// contains reports whether a resolved set has n.
func (s numSet) contains(n uint32) bool {
	i, _ := slices.BinarySearchFunc(s, n, func(r numRange, n uint32) int { return cmp32(r.hi, n) })
	return i < len(s) && s[i].lo <= n
}

// max is the largest number of a resolved set; 0 if it is empty.
func (s numSet) max() uint32 {
	if len(s) == 0 {
		return 0
	}
	return s[len(s)-1].hi
}

// appendTo writes a resolved set.
func (s numSet) appendTo(dst []byte) []byte {
	for i, r := range s {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(dst, uint64(r.lo), 10)
		if r.hi != r.lo {
			dst = append(dst, ':')
			dst = strconv.AppendUint(dst, uint64(r.hi), 10)
		}
	}
	return dst
}

// put adds n, which may be of any size; join then. Runs, up or down, make one range.
func (s numSet) put(n uint32) numSet {
	if i := len(s) - 1; i >= 0 {
		switch last := &s[i]; {
		case last.hi+1 == n && n != 0:
			last.hi = n
			return s
		case last.lo-1 == n && n != 0:
			last.lo = n
			return s
		}
	}
	return append(s, numRange{n, n})
}

// size is how many numbers a set names, none of which may be "*".
func (s numSet) size() (n uint64) {
	for _, r := range s {
		n += uint64(r.hi-r.lo) + 1
	}
	return n
}

// ascends reports whether the ranges of a set are in order and apart.
func (s numSet) ascends() bool {
	for i := range s {
		if i > 0 && s[i].lo <= s[i-1].hi {
			return false
		}
	}
	return true
}

// within is the ranges of a resolved set that have numbers from lo to hi; they may reach beyond.
func (s numSet) within(lo, hi uint32) numSet {
	i, _ := slices.BinarySearchFunc(s, lo, func(r numRange, n uint32) int { return cmp32(r.hi, n) })
	j := i
	for j < len(s) && s[j].lo <= hi {
		j++
	}
	return s[i:j]
}

// above is what a resolved set has beyond n. It shares nothing that is changed.
func (s numSet) above(n uint32) numSet {
	for i, r := range s {
		if r.hi > n {
			rest := slices.Clone(s[i:])
			if r.lo <= n {
				rest[0].lo = n + 1
			}
			return rest
		}
	}
	return nil
}

// below is what a resolved set has before n. It shares nothing that is changed.
func (s numSet) below(n uint32) numSet {
	if n <= 1 {
		return nil
	}
	return s.intersect(numSet{{1, n - 1}})
}

// intersect is what two resolved sets have in common.
func (s numSet) intersect(o numSet) numSet {
	var both numSet
	for len(s) > 0 && len(o) > 0 {
		if r := (numRange{max(s[0].lo, o[0].lo), min(s[0].hi, o[0].hi)}); r.lo <= r.hi {
			both = append(both, r)
		}
		if s[0].hi < o[0].hi {
			s = s[1:]
		} else {
			o = o[1:]
		}
	}
	return both
}
