package model

import (
	"encoding/binary"
	"math"
	"math/bits"

	"postroad/internal/format/record"
	"postroad/internal/service/junk/features"
)

// A table has a weight for each feature that it has room for, told apart by a mark of 8 bits beside its place: features that share
// weights by chance cost more than those that have none, which are mostly those that were seen once, long ago.
//
//	bucket  64 bits: four cells, each of a mark in the lower half and, as far from the lowest bit of the upper half, a weight
//
// A mark of 0 is nobody's. The zero value has none.
type table struct {
	cells []uint64 // buckets; nil: nothing learned
	// notes has for each cell, in the same order, what learning must know besides, and judging needn't: see note. nil: it was read
	// without them.
	notes []byte
}

const (
	buckets  = 12_000
	ways     = 4
	cellBits = 8
	cellMask = 1<<cellBits - 1
	weightAt = ways * cellBits
	// unit is how many units of a weight are 1, and maxWeight the largest, in units.
	unit      = 16
	maxWeight = 127
)

// A note is an octet: in its upper two bits, how often the feature was seen (3: three times or more), below them how much has been learned for
// it, as a level: the logarithm of the sum of squared gradients (AdaGrad), from which the length of steps follows. 0: nothing.
const (
	levelBits   = 6
	levelMask   = 1<<levelBits - 1
	seenOne     = 1 << levelBits
	seenMost    = 3
	levelsPer   = 1.5 // for twice as much
	levelTop    = 4.0 // the logarithm, to the base of 2, of what the highest stands for
	levelGuess  = 40  // where notes are lost
	noteGuess   = seenMost<<levelBits | levelGuess
	wornByEvery = 16 // how many newcomers find no place until one seen before counts as seen less
)

// learnedAt has what each level stands for.
var learnedAt = func() (t [levelMask + 1]float64) {
	for l := 1; l < len(t); l++ {
		t[l] = math.Exp2(float64(l-levelMask)/levelsPer + levelTop)
	}
	return t
}()

// place is a feature's bucket, and its mark there.
func place(f uint32) (at int, mark uint32) {
	h := uint64(f) * 0xd6e8feb86659fd93
	return int(h >> 32 * buckets >> 32), max(1, uint32(h>>8)&cellMask)
}

// find is which cell of a bucket has a mark; ways: none.
func find(bucket uint64, mark uint32) int {
	return bits.TrailingZeros32(match(bucket, mark)) / cellBits
}

// match has the highest bit of a mark's cell set, in the lower half of a bucket, and none below it.
func match(bucket uint64, mark uint32) uint32 {
	const each, high = 0x01010101, 0x80808080
	x := uint32(bucket) ^ mark*each
	return (x - each) &^ x & high // right for the lowest that matches
}

// said is the weight of the cell with a mark, in units: 0 if there is none. Which it is can't be foreseen, so nothing branches on it.
func said(bucket uint64, mark uint32) int {
	return int(int8(bucket >> (bits.TrailingZeros64(uint64(match(bucket, mark))) + weightAt - cellBits + 1)))
}

// weightOf is the weight of a cell, in units.
func weightOf(bucket uint64, cell int) int { return int(int8(bucket >> (weightAt + cell*cellBits))) }

func (t *table) setWeight(at, cell, w int) {
	shift := weightAt + cell*cellBits
	t.cells[at] = t.cells[at]&^(cellMask<<shift) | uint64(uint8(max(-maxWeight, min(maxWeight, w))))<<shift
}

// weight is a feature's weight, in units.
func (t *table) weight(f uint32) int {
	at, mark := place(f)
	return said(t.cells[at], mark)
}

// sum is what the weights add to a message's log-odds.
func (t *table) sum(s features.Set) float64 {
	var sums, counts [groups]int
	for _, f := range s {
		group := groupOf(f)
		counts[group]++
		at, mark := place(f)
		sums[group] += said(t.cells[at], mark)
	}
	sum := 0.0
	for g, n := range normsFor(counts) {
		sum += float64(sums[g]) * n
	}
	return sum / unit
}

// ready makes room, before anything is learned.
func (t *table) ready() {
	if t.cells == nil {
		t.cells = make([]uint64, buckets)
	}
	if t.notes != nil {
		return
	}
	t.notes = make([]byte, ways*buckets)
	for at, bucket := range t.cells {
		for cell := range ways {
			if bucket>>(cell*cellBits)&cellMask != 0 {
				t.notes[at*ways+cell] = noteGuess
			}
		}
	}
}

// learn moves a feature's weight against a gradient, the less the more was learned for it. c has chances for its bits.
func (t *table) learn(f uint32, gradient float64, c chances) {
	at, mark := place(f)
	cell := find(t.cells[at], mark)
	if cell == ways {
		if cell = t.settle(at, mark, c); cell == ways {
			return
		}
	}
	note := &t.notes[at*ways+cell]
	sum := learnedAt[*note&levelMask] + gradient*gradient
	step := rate * unit * gradient / math.Sqrt(sum+1e-18)
	t.setWeight(at, cell, int(math.Floor(float64(weightOf(t.cells[at], cell))-step+c.first(f))))
	level := levelMask + levelsPer*(math.Log2(sum+1e-30)-levelTop)
	*note = min(*note>>levelBits+1, seenMost)<<levelBits | byte(max(1, min(levelMask, math.Floor(level+c.second(f)))))
}

// settle finds a cell for a newcomer: one that is nobody's, or that of a feature that was seen but once, the one that least was learned for. If all were
// seen more often, there is none; now and then one of them counts as seen less for that, so that none stays for ever.
func (t *table) settle(at int, mark uint32, c chances) (cell int) {
	notes := t.notes[at*ways:][:ways]
	for i, n := range notes {
		if n < notes[cell] {
			cell = i
		}
	}
	if notes[cell]>>levelBits > 1 {
		if c.second(mark+uint32(at))*wornByEvery < 1 {
			notes[cell] -= seenOne
		}
		return ways
	}
	notes[cell] = 0
	t.cells[at] = t.cells[at]&^(cellMask<<(cell*cellBits)) | uint64(mark)<<(cell*cellBits)
	t.setWeight(at, cell, 0)
	return cell
}

// drop forgets a feature that was seen once, and reports whether it is to go on counting: it is of others, too.
func (t *table) drop(f uint32) (others bool) {
	at, mark := place(f)
	cell := find(t.cells[at], mark)
	if cell == ways {
		return false
	}
	note := &t.notes[at*ways+cell]
	if *note>>levelBits > 1 {
		return true
	}
	t.setWeight(at, cell, 0)
	t.cells[at] &^= cellMask << (cell * cellBits)
	*note = 0
	return false
}

// move adds to a feature's weight, in units.
func (t *table) move(f uint32, by float64, c chances) {
	at, mark := place(f)
	if cell := find(t.cells[at], mark); cell < ways {
		t.setWeight(at, cell, int(math.Floor(float64(weightOf(t.cells[at], cell))+by+c.first(f))))
	}
}

// fade makes weights a share of what they were, and lets one in so many move faster again.
func (t *table) fade(keep float64, c chances) {
	for at := range t.cells {
		for cell := range ways {
			i := uint32(at*ways + cell)
			if w := weightOf(t.cells[at], cell); w != 0 {
				t.setWeight(at, cell, int(math.Floor(float64(w)*keep+c.first(i))))
			}
			if n := t.notes[i]; n&levelMask > 1 && c.second(i)*fadeLevel < 1 {
				t.notes[i]--
			}
		}
	}
}

// chances are numbers from 0 to 1, the same in each run: what is rounded by them, up or down, is right on average, however small it is.
type chances uint32

func (c chances) first(f uint32) float64 {
	return float64((f^uint32(c)*0x85ebca6b)*0x9e3779b1) / (1 << 32)
}

func (c chances) second(f uint32) float64 {
	return float64((f^uint32(c)*0xc2b2ae35)*0x85ebca77) / (1 << 32)
}

// encode appends the table: an octet that tells how, 1: all buckets, 8 octets each, big-endian; or 0: for each two buckets an octet with a bit for each
// cell that is somebody's, the first the lowest, and of each its mark and its weight.
func (t *table) encode(dst []byte) []byte {
	used := t.used()
	if buckets/2+2*used > 8*buckets {
		dst = append(dst, 1)
		for _, bucket := range t.cells {
			dst = binary.BigEndian.AppendUint64(dst, bucket)
		}
		return dst
	}
	dst = append(dst, 0)
	for at := 0; at < len(t.cells); at += 2 {
		mask := len(dst)
		dst = append(dst, 0)
		for i := range 2 * ways {
			bucket, shift := t.cells[at+i/ways], i%ways*cellBits
			if m := byte(bucket >> shift); m != 0 {
				dst[mask] |= 1 << i
				dst = append(dst, m, byte(bucket>>(weightAt+shift)))
			}
		}
	}
	return dst
}

// used is how many cells are somebody's.
func (t *table) used() (n int) {
	for _, bucket := range t.cells {
		for cell := range ways {
			if bucket>>(cell*cellBits)&cellMask != 0 {
				n++
			}
		}
	}
	return n
}

// decodeTable reads what encode wrote, to the record's end.
func decodeTable(r *record.Decoder) (t table) {
	t.cells = make([]uint64, buckets)
	if r.Byte() == 1 {
		for at := 0; at < buckets && !r.Bad(); at++ {
			for range 8 {
				t.cells[at] = t.cells[at]<<8 | uint64(r.Byte())
			}
		}
		return t
	}
	for at := 0; at < buckets && !r.Bad(); at += 2 {
		mask := r.Byte()
		for i := range 2 * ways {
			if mask>>i&1 == 1 {
				shift := i % ways * cellBits
				t.cells[at+i/ways] |= uint64(r.Byte())<<shift | uint64(r.Byte())<<(weightAt+shift)
			}
		}
	}
	return t
}
