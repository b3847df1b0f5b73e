package model

import (
	"encoding/binary"
	"math"

	"postroad/internal/fault"
	"postroad/internal/format/record"
	"postroad/internal/service/junk/features"
)

// A Delta is what was learned on top of a base. The zero value has learned nothing and is ready for use. Learn and Forget
// need it alone; Judge, Reasons and Encode may run at once.
//
// Its size is bounded, whatever it learns: MaxEncoded stored, about as much in memory. What it learned long ago fades as it
// learns more.
//
// There are two learners in it, whose log-odds are added up. One has weights, and each of them a confidence (AROW: adaptive regularization
// of weights, Crammer, Kulesza and Dredze 2009): what was met often hardly moves any longer, what is new moves at once. The
// other counts: see tally. How much is added to both, so that thresholds mean what they say, depends on the good mail: see tail.
type Delta struct {
	// weights are by the hash of a feature, in units of 1/unit: features share them, and which ones is chance, with a sign
	// that is chance as well, so that it evens out. nil: nothing learned.
	weights []int16
	// sure is how sure the weights are: the logarithm of one by their variance, see variances.
	sure       []uint8
	junk, good uint32
	tally      tally
	tail       tail
	old        bool // see Old
	recounted  [2]uint32
}

const (
	deltaBits = 13
	slots     = 1 << deltaBits
	unit      = 1024
	maxWeight = 8191 // in units: two octets stored
	// signBit is the bit of a feature's hash that is the sign of its weight, above those that are slots in any version.
	signBit = 63 - oldBits
	// deltaVersion is the record's. It also changes with the meaning of features.
	deltaVersion = 3
	// Version 1 had more weights, and no tally; version 2 another tally, and how much weights had moved in place of how sure they are.
	oldVersion, oldBits = 1, 15
)

// MaxEncoded is the length of the longest Encode, in octets.
const MaxEncoded = 3*slots + buckets/2 + 2*ways*buckets + 3*tailBins + 64

// How it learns; measured, see docs/junk.md.
const (
	// In log-odds: what is known so surely needs no learning; junk lies beyond the strictest threshold then, or what people
	// move away would come again.
	junkMargin, goodMargin = 7.0, 5.0
	// slack is how much of the way to the margin is left to later messages: the more, the less a single one counts.
	slack    = 0.5
	maxPull  = 5.0   // what one step may do at most
	maxSteps = 4     // for one message
	balance  = 3     // how much more the rarer of the two classes may count
	fade     = 20000 // messages after which what was learned counts 1/e of what it did
)

func (d *Delta) learned() bool { return d != nil && d.weights != nil }

// Old reports whether it was learned by an earlier version: it is used as far as it can be, but lacks what that version didn't count.
// Whoever has the messages still should Recount them.
func (d *Delta) Old() bool { return d != nil && d.old }

// slot is where a feature has its weight, and its sign.
func slot(f uint32) (int, float64) {
	h := uint64(f) * 0x9e3779b97f4a7c15
	if h>>signBit&1 == 1 {
		return int(h >> (64 - deltaBits)), -1
	}
	return int(h >> (64 - deltaBits)), 1
}

func (d *Delta) weight(f uint32) float64 {
	i, sign := slot(f)
	return sign * float64(d.weights[i]) / unit
}

// sum is what the weights add to a message's log-odds.
func (d *Delta) sum(s features.Set, n norms) float64 {
	var sums [2]int
	for _, f := range s {
		h := uint64(f) * 0x9e3779b97f4a7c15
		minus := -int(h >> signBit & 1) // all bits, or none
		sums[groupOf(f)] += (int(d.weights[h>>(64-deltaBits)]) ^ minus) - minus
	}
	return (float64(sums[1])*n.text + float64(sums[0])*n.other) / unit
}

// said is what the delta has to say about a message, in log-odds.
func (d *Delta) said(s features.Set, n norms) float64 { return d.sum(s, n) + d.tally.sum(s) }

// Learn learns that a message is junk or good. below are deltas that count as well when the account's mail is judged, such as
// the server's; they aren't changed. It learns little from what the model knew already.
func (d *Delta) Learn(b *Base, s features.Set, junk bool, below ...*Delta) {
	if d.weights == nil {
		d.weights, d.sure = make([]int16, slots), make([]uint8, slots)
	}
	count, margin, sign := &d.good, goodMargin, -1.0
	if junk {
		count, margin, sign = &d.junk, junkMargin, 1
	}
	*count++
	d.fadeAway()
	n := normsOf(s)
	under := b.logit(s, n, below)
	if !junk {
		d.tail.note(under + d.said(s, n))
	}
	d.tally.count(s, junk, 1)
	// Who only ever says what is junk doesn't thereby say that all is.
	weight := float64(d.junk+d.good+2) / float64(2**count+2)
	weight = max(1.0/balance, min(balance, weight))
	for range maxSteps {
		missing := margin - sign*(under+d.sum(s, n))
		if missing <= 0 {
			return
		}
		d.step(s, n, sign*weight*min(maxPull, missing/(d.variance(s, n)+slack)), true)
	}
}

// perOctave is how many levels of sure there are for half the variance. Level 0 is that of a weight that nothing was learned for.
const (
	perOctave  = 32
	levelLimit = 255
)

// variances has that of each level of sure.
var variances = func() (t [levelLimit + 1]float64) {
	for l := range t {
		t[l] = math.Exp2(-float64(l) / perOctave)
	}
	return t
}()

// variance is how unsure the weights are of what they say about a message.
func (d *Delta) variance(s features.Set, n norms) (v float64) {
	for _, f := range s {
		i, _ := slot(f)
		x := n.of(f)
		v += x * x * variances[d.sure[i]]
	}
	return v
}

// step moves the weights of a message's features, those the most that are the least sure, and has them surer if learned is set.
func (d *Delta) step(s features.Set, n norms, by float64, learned bool) {
	for _, f := range s {
		i, sign := slot(f)
		x := n.of(f)
		d.weights[i] = clip(math.Floor(float64(d.weights[i])+sign*unit*by*x*variances[d.sure[i]]+d.chance(i)), maxWeight)
		if learned {
			d.settle(i, x)
		}
	}
}

// settle notes that a weight was used for a feature that counts x.
func (d *Delta) settle(i int, x float64) {
	more := perOctave * math.Log2(1+x*x*variances[d.sure[i]]/slack)
	d.sure[i] = uint8(min(float64(d.sure[i])+math.Floor(more+d.chance(i)), levelLimit))
}

// chance is a number from 0 to 1, the same in each run: what is rounded by it, up or down, is right on average, however small it is.
func (d *Delta) chance(i int) float64 {
	return float64((uint32(i)*0x9e3779b1^(d.junk*7+d.good)*0x85ebca6b)*0x9e3779b1) / (1 << 32)
}

func clip(v, limit float64) int16 { return int16(max(-limit, min(limit, v))) }

// fadeSure is after how many times that weights fade they become a level less sure.
const fadeSure = 8

// fadeAway makes what was learned count a little less, from time to time.
func (d *Delta) fadeAway() {
	const every = 200
	if n := d.junk + d.good; n%every != 0 {
		return
	}
	keep := 1 - every/float64(fade)
	for i, w := range d.weights {
		d.weights[i] = int16(float64(w) * keep)
		if d.sure[i] > 1 && i%fadeSure == int(d.junk+d.good)/every%fadeSure {
			d.sure[i]-- // lets weights move again in time
		}
	}
}

// Forget takes back that a message was learned as junk or good. Whoever has a new label for it calls Forget and then Learn.
//
// What is taken back is what the message's features say together, as far as that is what was learned; what other messages
// taught about some of them goes with it, if only by a little.
func (d *Delta) Forget(b *Base, s features.Set, junk bool, below ...*Delta) {
	count, sign := &d.good, -1.0
	if junk {
		count, sign = &d.junk, 1
	}
	if *count == 0 || d.weights == nil {
		return
	}
	*count--
	d.tally.count(s, junk, -1)
	n := normsOf(s)
	for range maxSteps {
		sum := d.sum(s, n) * sign
		if sum <= 0 {
			return
		}
		d.step(s, n, -sign*sum/(d.variance(s, n)+slack), false)
	}
}

// Lost returns a delta in place of one that can't be read: it is Old, and has learned nothing.
func Lost() *Delta { return &Delta{old: true} }

// Recount has an Old delta learn a message again that it learned then. Those that are gone are gone. Renew ends it.
func (d *Delta) Recount(b *Base, s features.Set, junk bool, below ...*Delta) {
	had := [2]uint32{d.good, d.junk}
	d.Learn(b, s, junk, below...)
	if junk {
		d.recounted[1]++
	} else {
		d.recounted[0]++
	}
	d.good, d.junk = max(had[0], d.recounted[0]), max(had[1], d.recounted[1])
}

// Renew says that all messages were counted that there are still: the delta isn't Old any longer.
func (d *Delta) Renew() { d.old, d.recounted = false, [2]uint32{} }

// Learned is how many messages it has learned as junk and as good, those not counted that it was told to forget.
func (d *Delta) Learned() (junk, good int) {
	if d == nil {
		return 0, 0
	}
	return int(d.junk), int(d.good)
}

// Encode appends the delta as a record, with a version:
//
//	octet     version
//	octet     1: Old; else 0
//	uvarints  messages learned as junk, as good
//	then      until all weights are told: a varint, not 0: a weight, and an octet: how sure it is;
//	          or 0 and a uvarint: so many weights that are 0
//	then      the tail, and the tally: see their encode
//
// After the uvarints nothing follows if nothing was learned.
func (d *Delta) Encode(dst []byte) []byte {
	old := byte(0)
	if d.old {
		old = 1
	}
	dst = append(dst, deltaVersion, old)
	dst = binary.AppendUvarint(dst, uint64(d.junk))
	dst = binary.AppendUvarint(dst, uint64(d.good))
	for i := 0; i < len(d.weights); {
		if w := d.weights[i]; w != 0 {
			dst = append(binary.AppendVarint(dst, int64(w)), d.sure[i])
			i++
			continue
		}
		start := i
		for i < len(d.weights) && d.weights[i] == 0 {
			i++
		}
		dst = binary.AppendUvarint(append(dst, 0), uint64(i-start))
	}
	if d.weights == nil {
		return dst
	}
	return d.tally.encode(d.tail.encode(dst))
}

// Decode reads a record of Encode, of this version or one before. Errors: fault.Corrupt.
func Decode(b []byte) (*Delta, error) {
	r := record.Decode(b, deltaVersion)
	d := &Delta{}
	version := byte(0)
	if len(b) > 0 {
		version = b[0]
	}
	size := 1 << oldBits
	if version != oldVersion {
		d.old = r.Byte() == 1
		size = slots
	}
	d.old = d.old || version != deltaVersion
	d.junk, d.good = uint32(r.Uint()), uint32(r.Uint())
	if r.Rest() > 0 {
		d.weights, d.sure = make([]int16, size), make([]uint8, size)
		decodeWeights(&r, d.weights, d.sure)
		switch version {
		case oldVersion:
			d.fold()
		case deltaVersion:
			d.tail, d.tally = decodeTail(&r), decodeTally(&r)
		default: // what it counted can't be found any longer
			d.tail = decodeTail(&r)
			for r.Rest() > 0 {
				r.Byte()
			}
		}
		if version != deltaVersion {
			d.doubt()
		}
	}
	if r.Bad() || r.Rest() > 0 {
		return nil, fault.New(fault.Corrupt, "what was learned about junk can't be read")
	}
	return d, nil
}

func decodeWeights(r *record.Decoder, weights []int16, sure []uint8) {
	for i := 0; i < len(weights) && !r.Bad(); i++ {
		if w := r.Int(); w != 0 {
			weights[i], sure[i] = clip(float64(w), maxWeight), r.Byte()
			continue
		}
		n := r.Uint()
		if n == 0 || n > uint64(len(weights)-i) {
			r.Fail()
			return
		}
		i += int(n) - 1
	}
}

// fold makes fewer weights of those of a version that had more: each is the sum of its neighbours, since the slots of features that share the
// first bits of their hash come together, and signs stay the same.
func (d *Delta) fold() {
	per := len(d.weights) / slots
	weights := make([]int16, slots)
	for i, w := range d.weights {
		weights[i/per] = clip(float64(weights[i/per])+float64(w), maxWeight)
	}
	d.weights, d.sure = weights, make([]uint8, slots)
}

// doubt makes what an earlier version has learned half as sure as what nothing was learned for: how sure it was, those versions didn't tell.
func (d *Delta) doubt() {
	for i, w := range d.weights {
		d.sure[i] = 0
		if w != 0 {
			d.sure[i] = perOctave
		}
	}
}
