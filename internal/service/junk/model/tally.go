package model

import (
	"encoding/binary"
	"math"

	"postroad/internal/format/record"
	"postroad/internal/service/junk/features"
)

// A tally counts in how many junk messages, and in how many good ones, features were: naive Bayes, where only those features speak
// that are nearly always in one of the two. Beside the weights of a Delta it makes up for what these are bad at: a newsletter that
// is built as junk is, but tells what good mail tells, isn't junk, and what was seen twice counts without waiting for steps.
//
// Features are told apart (by 10 bits beside their place), for counts that several share are of no use; so there is room for
// few. Newcomers take the place of what was seen once. The zero value has counted nothing.
//
//	bucket  64 bits: four cells of 16, each of, from the highest bit on, a mark of 10 bits, and the counts good and junk, 3 bits each
//
// A cell of 0 is nobody's.
type tally struct {
	cells      []uint64 // buckets; nil: nothing counted
	junk, good uint32   // messages
	logs       *tallyLogs
}

const (
	buckets   = 9000
	ways      = 4
	cellBits  = 16
	cellMask  = 1<<cellBits - 1
	markBits  = 10
	markMask  = 1<<markBits - 1
	countBits = 3
	countMask = 1<<countBits - 1
	bothMask  = 1<<(2*countBits) - 1
)

// What counts, by cross-validation within the older halves of the corpora; see docs/junk.md.
const (
	// strange is how often a feature is taken to have been in each class before it was counted.
	strange = 0.05
	// telling is the least evidence of a feature that speaks, in log-odds: one that was seen twice, in one class alone, has it.
	telling = 3.3
	// fewest bounds what single features count.
	fewest = 20
	// tallyScale makes log-odds of what features say together; mostTally is the most that they say for junk, and leastTally, which is less,
	// against it: new junk has words that only good mail had so far.
	tallyScale, mostTally, leastTally = 0.7, 10.0, -2.0
	// trust is of how many messages of the rarer class half of it is believed.
	trust = 60
	// mostCounted is how many messages are counted before all counts are halved: what was long ago counts less.
	mostCounted = 8192
)

// countOf has what each count stands for: exact up to 2, from there on a step stands for more and more, and is taken by chance. The last stands
// for any that are more.
var countOf = [1 << countBits]float64{0, 1, 2, 4, 8, 16, 32, 64}

// halved has the count that stands for half of each.
var halved = [1 << countBits]uint64{0, 0, 1, 2, 3, 4, 5, 6}

// tallyLogs has the evidence of each two counts, as they stand in a cell; 0 for what doesn't tell, or for what speaks against a count that may stand for more.
type tallyLogs struct {
	evidence [bothMask + 1]float32
	scale    float64
}

// index finds logs anew, after counting. Nothing is known before both kinds were counted.
func (t *tally) index() {
	t.logs = nil
	if t.junk == 0 || t.good == 0 {
		return
	}
	j, g := float64(t.junk), float64(t.good)
	l := &tallyLogs{}
	for c := range l.evidence {
		w := math.Log(countOf[c&countMask]/j+2*strange/(j+g)) - math.Log(countOf[c>>countBits]/g+2*strange/(j+g))
		if more := w > 0 && c>>countBits == countMask || w < 0 && c&countMask == countMask; !more && math.Abs(w) >= telling {
			l.evidence[c] = float32(w)
		}
	}
	rarer := min(j, g)
	l.scale = tallyScale * rarer / (rarer + trust)
	t.logs = l
}

// place is a feature's bucket, and its mark there.
func place(f uint32) (at int, mark uint64) {
	h := uint64(f) * 0xd6e8feb86659fd93
	return int(h >> 32 * buckets >> 32), max(1, h>>8&markMask)
}

// evidence is what a feature's counts say, in log-odds; 0: nothing.
func (t *tally) evidence(f uint32) float32 {
	at, mark := place(f)
	for cells := t.cells[at]; cells != 0; cells >>= cellBits {
		if cells>>(2*countBits)&markMask == mark {
			return t.logs.evidence[cells&bothMask]
		}
	}
	return 0
}

// sum is what the tally says of a message, in log-odds.
func (t *tally) sum(s features.Set) float64 {
	sum, n := t.raw(s)
	return max(leastTally, min(mostTally, sum*t.share(n)))
}

// raw adds the evidence up, and says of how many features it is.
func (t *tally) raw(s features.Set) (sum float64, n int) {
	if t.logs == nil {
		return 0, 0
	}
	for _, f := range s {
		if w := t.evidence(f); w != 0 {
			sum += float64(w)
			n++
		}
	}
	return sum, n
}

// share is what one of n features counts.
func (t *tally) share(n int) float64 {
	if t.logs == nil {
		return 0
	}
	return t.logs.scale / math.Sqrt(float64(max(n, fewest)))
}

// sharer returns what each feature of a message adds to its log-odds.
func (t *tally) sharer(s features.Set) func(f uint32) float64 {
	if t.logs == nil {
		return func(uint32) float64 { return 0 }
	}
	sum, n := t.raw(s)
	share := t.share(n)
	if said := sum * share; said != 0 {
		share *= max(leastTally, min(mostTally, said)) / said
	}
	return func(f uint32) float64 { return share * float64(t.evidence(f)) }
}

// count counts a message, or, with by -1, takes it back.
func (t *tally) count(s features.Set, junk bool, by int) {
	if t.cells == nil {
		t.cells = make([]uint64, buckets)
	}
	total, shift := &t.good, countBits
	if junk {
		total, shift = &t.junk, 0
	}
	if by < 0 {
		*total -= min(*total, 1)
	} else {
		*total++
	}
	for _, f := range s {
		if by < 0 {
			t.drop(f, shift)
		} else {
			t.add(f, shift)
		}
	}
	if t.junk+t.good > mostCounted {
		t.halve()
	}
	t.index()
}

// chance is a number from 0 to 1, the same in each run.
func (t *tally) chance(f uint32) float64 {
	return float64((f^(t.junk*7+t.good)*0x85ebca6b)*0x9e3779b1) / (1 << 32)
}

// find is by how much a bucket must be shifted for the cell of a mark to be its lowest; -1: it isn't there.
func find(cells, mark uint64) int {
	for shift := 0; shift < ways*cellBits; shift += cellBits {
		if cells>>(shift+2*countBits)&markMask == mark {
			return shift
		}
	}
	return -1
}

// seen is about how often the feature of a cell was seen.
func seen(cell uint64) float64 { return countOf[cell&countMask] + countOf[cell>>countBits&countMask] }

// add counts a feature. One that is new takes the place of the one that was seen least, if that was seen but once.
func (t *tally) add(f uint32, shift int) {
	at, mark := place(f)
	cell := find(t.cells[at], mark)
	if cell < 0 {
		cell = rarest(t.cells[at])
		if seen(t.cells[at]>>cell) > 1 {
			t.wear(f, at, cell)
			return
		}
		t.cells[at] = t.cells[at]&^(cellMask<<cell) | mark<<(cell+2*countBits)
	}
	shift += cell
	c := t.cells[at] >> shift & countMask
	if c < countMask && t.chance(f)*(countOf[c+1]-countOf[c]) < 1 {
		t.cells[at] += 1 << shift
	}
}

// rarest is where the cell of a bucket is whose feature was seen least.
func rarest(cells uint64) (shift int) {
	least := math.Inf(1)
	for s := 0; s < ways*cellBits; s += cellBits {
		if n := seen(cells >> s); n < least {
			shift, least = s, n
		}
	}
	return shift
}

// wear takes one from the counts of a feature that stands in the way of another, now and then, so that none stays for ever.
func (t *tally) wear(f uint32, at, shift int) {
	if t.chance(f) > 1.0/16 {
		return
	}
	if c := t.cells[at] >> shift; c&countMask < c>>countBits&countMask {
		shift += countBits
	}
	t.cells[at] -= 1 << shift
}

// drop takes one off a feature's count.
func (t *tally) drop(f uint32, shift int) {
	at, mark := place(f)
	cell := find(t.cells[at], mark)
	if cell < 0 {
		return
	}
	shift += cell
	c := t.cells[at] >> shift & countMask
	if c == 0 || t.chance(f)*(countOf[c]-countOf[c-1]) >= 1 {
		return
	}
	t.cells[at] -= 1 << shift
	if t.cells[at]>>cell&bothMask == 0 {
		t.cells[at] &^= cellMask << cell
	}
}

// halve halves all counts. What was seen once is forgotten.
func (t *tally) halve() {
	t.junk, t.good = t.junk/2, t.good/2
	for at, cells := range t.cells {
		left := uint64(0)
		for shift := 0; shift < ways*cellBits; shift += cellBits {
			cell := cells >> shift & cellMask
			if both := halved[cell&countMask] | halved[cell>>countBits&countMask]<<countBits; both != 0 {
				left |= (cell&^bothMask | both) << shift
			}
		}
		t.cells[at] = left
	}
}

// encode appends the tally: uvarints of the messages counted, junk and good; if there are any, for each two buckets an octet with a bit for
// each cell that there is, the first the lowest, and each of these, big-endian.
func (t *tally) encode(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(t.junk))
	dst = binary.AppendUvarint(dst, uint64(t.good))
	for at := 0; at < len(t.cells); at += 2 {
		mask := len(dst)
		dst = append(dst, 0)
		for i := range 2 * ways {
			if cell := uint16(t.cells[at+i/ways] >> (i % ways * cellBits)); cell != 0 {
				dst[mask] |= 1 << i
				dst = binary.BigEndian.AppendUint16(dst, cell)
			}
		}
	}
	return dst
}

// decodeTally reads what encode wrote, to the record's end.
func decodeTally(r *record.Decoder) (t tally) {
	t.junk, t.good = uint32(min(r.Uint(), mostCounted)), uint32(min(r.Uint(), mostCounted))
	if r.Rest() == 0 {
		return t
	}
	t.cells = make([]uint64, buckets)
	for at := 0; at < buckets && !r.Bad(); at += 2 {
		mask := r.Byte()
		for i := range 2 * ways {
			if mask>>i&1 == 1 {
				cell := uint64(r.Byte())<<8 | uint64(r.Byte())
				if cell>>(2*countBits) == 0 {
					r.Fail()
				}
				t.cells[at+i/ways] |= cell << (i % ways * cellBits)
			}
		}
	}
	t.index()
	return t
}
