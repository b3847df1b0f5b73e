package model

import (
	"math"

	"postroad/internal/format/record"
)

// What the version before had: weights that features shared, 8,192 of them, and a tally of 9,000 buckets of four cells of 16 bits: a mark of 10, of which the lower
// eight are a mark of today, and how often the feature was in good mail and in junk, 3 bits each.
const (
	talliedSlots   = 8192
	talliedBuckets = 9000
)

// talliedCount has what each count stood for.
var talliedCount = [8]float64{0, 1, 2, 4, 8, 16, 32, 64}

// tallied reads a record of that version, from its weights on. Of the counts weights are made; those that features shared can't be told apart, and are
// left.
func (d *Delta) tallied(r *record.Decoder) {
	for i := 0; i < talliedSlots && !r.Bad(); i++ {
		if r.Int() != 0 {
			r.Byte()
			continue
		}
		n := r.Uint()
		if n == 0 || n > uint64(talliedSlots-i) {
			r.Fail()
		}
		i += int(n) - 1
	}
	decodeTail(r) // how that learner judged good mail says nothing of how this one does
	junk, good := float64(r.Uint()), float64(r.Uint())
	if r.Bad() || r.Rest() == 0 {
		return
	}
	d.table.cells = make([]uint64, buckets)
	for at := 0; at < talliedBuckets && !r.Bad(); at += 2 {
		mask := r.Byte()
		for i := range 2 * ways {
			if mask>>i&1 == 1 {
				d.carry(at+i/ways, uint16(r.Byte())<<8|uint16(r.Byte()), junk, good)
			}
		}
	}
}

// carry makes a weight of a cell of that version. Where its feature's place is now is known but for one of two or three: it is put into
// each that has room.
func (d *Delta) carry(at int, cell uint16, junk, good float64) {
	mark := max(1, uint64(cell>>6&cellMask))
	j, g := talliedCount[cell&7], talliedCount[cell>>3&7]
	odds := math.Log((j+0.5)/(junk+1)) - math.Log((g+0.5)/(good+1))
	weight := max(-3, min(3, odds/2))
	for to := at * buckets / talliedBuckets; to <= ((at+1)*buckets-1)/talliedBuckets; to++ {
		if free := find(d.table.cells[to], 0); free < ways && find(d.table.cells[to], uint32(mark)) == ways {
			d.table.cells[to] |= mark << (free * cellBits)
			d.table.setWeight(to, free, int(math.Round(weight*unit)))
		}
	}
}
