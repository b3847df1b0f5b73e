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
// Its size is bounded, whatever it learns: MaxEncoded stored, 64 KB in memory. What it learned long ago fades as it learns more.
type Delta struct {
	// weights are by the hash of a feature, in units of 1/unit: features share them, and which ones is chance, with a sign
	// that is chance as well, so that it evens out. nil: nothing learned.
	weights    []int16
	bias       int16
	junk, good uint32
}

const (
	deltaBits = 15
	unit      = 1024
	maxWeight = 8191 // in units: two octets stored
	maxBias   = 2 * unit
	// deltaVersion is the record's. It also changes with the meaning of features.
	deltaVersion = 1
)

// MaxEncoded is the length of the longest Encode, in octets.
const MaxEncoded = 2<<deltaBits + 64

// How it learns.
const (
	rate     = 3.0   // of a step
	margin   = 6.0   // in log-odds: what is known that surely needs no learning; beyond the strictest threshold, or what people move would come again
	maxSteps = 8     // for one message
	fade     = 20000 // messages after which what was learned counts 1/e of what it did
)

func (d *Delta) learned() bool { return d != nil && d.weights != nil }

// slot is where a feature has its weight, and its sign.
func slot(f uint32) (int, float64) {
	h := uint64(f) * 0x9e3779b97f4a7c15
	if h>>(63-deltaBits)&1 == 1 {
		return int(h >> (64 - deltaBits)), -1
	}
	return int(h >> (64 - deltaBits)), 1
}

func (d *Delta) weight(f uint32) float64 {
	i, sign := slot(f)
	return sign * float64(d.weights[i]) / unit
}

// sum is what the delta adds to a message's log-odds.
func (d *Delta) sum(s features.Set, n norms) float64 {
	text, other := 0, 0
	for _, f := range s {
		h := uint64(f) * 0x9e3779b97f4a7c15
		w := int(d.weights[h>>(64-deltaBits)])
		if h>>(63-deltaBits)&1 == 1 {
			w = -w
		}
		if ofText(f) {
			text += w
		} else {
			other += w
		}
	}
	return (float64(d.bias) + float64(text)*n.text + float64(other)*n.other) / unit
}

// Learn learns that a message is junk or good. below are deltas that count as well when the account's mail is judged, such as
// the server's; they aren't changed. It learns little from what the model knew already.
func (d *Delta) Learn(b *Base, s features.Set, junk bool, below ...*Delta) {
	if junk {
		d.junk++
	} else {
		d.good++
	}
	d.fadeAway()
	d.steps(b, s, junk, below)
}

// steps changes weights until the model is sure of the message.
func (d *Delta) steps(b *Base, s features.Set, junk bool, below []*Delta) {
	if d.weights == nil {
		d.weights = make([]int16, 1<<deltaBits)
	}
	y, sign := 0.0, -1.0
	if junk {
		y, sign = 1, 1
	}
	n := normsOf(s)
	under := b.logit(s, n, below)
	for range maxSteps {
		logit := under + d.sum(s, n)
		if logit*sign >= margin {
			return
		}
		d.step(s, n, rate*(y-sigmoid(logit)))
	}
}

// step adds to the weights of a message's features.
func (d *Delta) step(s features.Set, n norms, by float64) {
	for _, f := range s {
		i, sign := slot(f)
		d.weights[i] = clip(float64(d.weights[i])+math.Round(sign*by*n.of(f)*unit), maxWeight)
	}
	d.bias = clip(float64(d.bias)+math.Round(by*unit/20), maxBias)
}

func clip(v, limit float64) int16 { return int16(max(-limit, min(limit, v))) }

// fadeAway makes what was learned count a little less, from time to time.
func (d *Delta) fadeAway() {
	const every = 200
	if n := d.junk + d.good; n%every != 0 {
		return
	}
	keep := 1 - every/float64(fade)
	for i, w := range d.weights {
		d.weights[i] = int16(float64(w) * keep)
	}
}

// Forget takes back that a message was learned as junk or good. Whoever has a new label for it calls Forget and then Learn.
func (d *Delta) Forget(b *Base, s features.Set, junk bool, below ...*Delta) {
	count := &d.good
	if junk {
		count = &d.junk
	}
	if *count == 0 || d.weights == nil {
		return
	}
	*count--
	// Back to where the base is, but never beyond: what was learned since stays as far as it can.
	n := normsOf(s)
	for range maxSteps {
		sum := d.sum(s, n)
		if junk && sum <= 0 || !junk && sum >= 0 {
			return
		}
		d.step(s, n, -max(-1, min(1, sum))*0.5)
	}
}

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
//	uvarints  messages learned as junk, as good
//	varint    bias
//	then      until all weights are told: a varint, not 0: a weight; or 0 and a uvarint: so many weights that are 0
func (d *Delta) Encode(dst []byte) []byte {
	dst = append(dst, deltaVersion)
	dst = binary.AppendUvarint(dst, uint64(d.junk))
	dst = binary.AppendUvarint(dst, uint64(d.good))
	dst = binary.AppendVarint(dst, int64(d.bias))
	for i := 0; i < len(d.weights); {
		if w := d.weights[i]; w != 0 {
			dst = binary.AppendVarint(dst, int64(w))
			i++
			continue
		}
		start := i
		for i < len(d.weights) && d.weights[i] == 0 {
			i++
		}
		dst = binary.AppendUvarint(append(dst, 0), uint64(i-start))
	}
	return dst
}

// Decode reads a record of Encode. Errors: fault.Corrupt.
func Decode(b []byte) (*Delta, error) {
	r := record.Decode(b, deltaVersion)
	d := &Delta{junk: uint32(r.Uint()), good: uint32(r.Uint()), bias: clip(float64(r.Int()), maxBias)}
	if r.Rest() > 0 {
		d.weights = make([]int16, 1<<deltaBits)
	}
	for i := 0; i < len(d.weights) && !r.Bad(); i++ {
		w := r.Int()
		if w != 0 {
			d.weights[i] = clip(float64(w), maxWeight)
			continue
		}
		n := r.Uint()
		if n == 0 || n > uint64(len(d.weights)-i) {
			r.Fail()
			break
		}
		i += int(n) - 1
	}
	if r.Bad() || r.Rest() > 0 {
		return nil, fault.New(fault.Corrupt, "what was learned about junk can't be read")
	}
	return d, nil
}
