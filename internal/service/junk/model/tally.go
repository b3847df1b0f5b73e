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
// Features are told apart (by 12 bits beside their place), for counts that several share are of no use; so there is room for
// few. Newcomers take the place of what was seen once. The zero value has counted nothing.
//
//	bucket  12 octets: four marks of 12 bits, then four pairs of counts, junk and good, 6 bits each
//
// A mark of 0 is nobody's.
type tally struct {
	buckets    []byte // buckets*bucketSize octets and pad; nil: nothing counted
	junk, good uint32 // messages
	logs       *tallyLogs
}

const (
	buckets    = 5888
	bucketSize = 12
	ways       = 4
	markBits   = 12
	countBits  = 6
	pad        = 2 // so that eight octets can be read at the middle of the last bucket
	half       = bucketSize / 2
	halfMask   = 1<<(8*half) - 1
	markMask   = 1<<markBits - 1
	countMask  = 1<<countBits - 1
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

// Counts are exact up to exactCounts-1. From there on a step stands for more and more, and is taken by chance.
const (
	exactCounts = 32
	perDoubling = 4
)

// countOf has what each count stands for.
var countOf = func() (t [1 << countBits]float64) {
	for c := range t {
		t[c] = float64(c)
		if c >= exactCounts {
			t[c] = math.Round(exactCounts * math.Exp2(float64(c-exactCounts)/perDoubling))
		}
	}
	return t
}()

// halved has the count that stands for half of each.
var halved = func() (t [1 << countBits]uint64) {
	at := 0
	for c := range t {
		for at+1 < len(t) && countOf[at+1] <= countOf[c]/2 {
			at++
		}
		t[c] = uint64(at)
	}
	return t
}()

// tallyLogs has the logarithm of how likely a feature of a count is in junk and in good mail.
type tallyLogs struct {
	junk, good [1 << countBits]float32
	scale      float64
}

// index finds logs anew, after counting. Nothing is known before both kinds were counted.
func (t *tally) index() {
	t.logs = nil
	if t.junk == 0 || t.good == 0 {
		return
	}
	j, g := float64(t.junk), float64(t.good)
	l := &tallyLogs{}
	for c, n := range countOf {
		l.junk[c] = float32(math.Log(n/j + 2*strange/(j+g)))
		l.good[c] = float32(math.Log(n/g + 2*strange/(j+g)))
	}
	rarer := min(j, g)
	l.scale = tallyScale * rarer / (rarer + trust)
	t.logs = l
}

// place is a feature's bucket, and its mark there.
func place(f uint32) (at int, mark uint64) {
	h := uint64(f) * 0xd6e8feb86659fd93
	at = int(h>>32*buckets>>32) * bucketSize
	return at, max(1, h>>8&markMask)
}

// counts returns a bucket's marks and counts.
func (t *tally) load(at int) (marks, counts uint64) {
	b := t.buckets[at : at+bucketSize+pad : at+bucketSize+pad]
	return binary.LittleEndian.Uint64(b) & halfMask, binary.LittleEndian.Uint64(b[half:]) & halfMask
}

func (t *tally) store(at int, marks, counts uint64) {
	b := t.buckets[at : at+bucketSize]
	for i := range half {
		b[i], b[half+i] = byte(marks>>(8*i)), byte(counts>>(8*i))
	}
}

// evidence is what a feature's counts say, in log-odds; 0: nothing.
func (t *tally) evidence(f uint32) float32 {
	at, mark := place(f)
	marks, counts := t.load(at)
	for ; marks != 0; marks, counts = marks>>markBits, counts>>(2*countBits) {
		if marks&markMask == mark {
			w := t.logs.junk[counts&countMask] - t.logs.good[counts>>countBits&countMask]
			if w < telling && w > -telling {
				return 0
			}
			return w
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
	if t.buckets == nil {
		t.buckets = make([]byte, buckets*bucketSize+pad)
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

// way finds a feature in a bucket's marks; -1: it isn't there.
func way(marks, mark uint64) int {
	for i := range ways {
		if marks>>(i*markBits)&markMask == mark {
			return i
		}
	}
	return -1
}

// add counts a feature. One that is new takes the place of the one that was seen least, if that was seen but once.
func (t *tally) add(f uint32, shift int) {
	at, mark := place(f)
	marks, counts := t.load(at)
	i := way(marks, mark)
	if i < 0 {
		least := uint64(math.MaxUint64)
		for k := range ways {
			c := counts >> (2 * countBits * k)
			if n := c&countMask + c>>countBits&countMask; n < least {
				i, least = k, n
			}
		}
		if least > 1 {
			t.wear(f, at, i, marks, counts)
			return
		}
		marks = marks&^(markMask<<(i*markBits)) | mark<<(i*markBits)
		counts &^= (1<<(2*countBits) - 1) << (2 * countBits * i)
	}
	shift += 2 * countBits * i
	c := counts >> shift & countMask
	if c == countMask || c >= exactCounts && t.chance(f) > 1/(countOf[c+1]-countOf[c]) {
		return
	}
	t.store(at, marks, counts+1<<shift)
}

// wear takes one from the counts of a feature that stands in the way of another, now and then, so that none stays for ever.
func (t *tally) wear(f uint32, at, i int, marks, counts uint64) {
	if t.chance(f) > 1.0/16 {
		return
	}
	shift := 2 * countBits * i
	if counts>>shift&countMask < counts>>(shift+countBits)&countMask {
		shift += countBits
	}
	t.store(at, marks, counts-1<<shift)
}

// drop takes one off a feature's count.
func (t *tally) drop(f uint32, shift int) {
	at, mark := place(f)
	marks, counts := t.load(at)
	i := way(marks, mark)
	if i < 0 {
		return
	}
	both := 2 * countBits * i
	shift += both
	c := counts >> shift & countMask
	if c == 0 || c > exactCounts && t.chance(f) > 1/(countOf[c]-countOf[c-1]) {
		return
	}
	counts -= 1 << shift
	if counts>>both&(1<<(2*countBits)-1) == 0 {
		marks &^= markMask << (i * markBits)
	}
	t.store(at, marks, counts)
}

// halve halves all counts. What was seen once is forgotten.
func (t *tally) halve() {
	t.junk, t.good = t.junk/2, t.good/2
	for at := 0; at < buckets*bucketSize; at += bucketSize {
		marks, counts := t.load(at)
		var m, c uint64
		for i := range ways {
			j, g := halved[counts>>(2*countBits*i)&countMask], halved[counts>>(2*countBits*i+countBits)&countMask]
			if j+g > 0 {
				m |= marks & (markMask << (i * markBits))
				c |= (j | g<<countBits) << (2 * countBits * i)
			}
		}
		t.store(at, m, c)
	}
}

// encode appends the tally: uvarints of the messages counted, junk and good; if there are any, for each two buckets an octet with a bit for
// each feature there is, the first the lowest, and of each of these three octets: mark and counts, big-endian.
func (t *tally) encode(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(t.junk))
	dst = binary.AppendUvarint(dst, uint64(t.good))
	if t.buckets == nil {
		return dst
	}
	for at := 0; at < buckets*bucketSize; at += 2 * bucketSize {
		mask := len(dst)
		dst = append(dst, 0)
		for b := range 2 {
			marks, counts := t.load(at + b*bucketSize)
			for i := range ways {
				if m := marks >> (i * markBits) & markMask; m != 0 {
					c := counts >> (2 * countBits * i)
					dst[mask] |= 1 << (ways*b + i)
					dst = append(dst, byte(m>>4), byte(m<<4|c>>8&0xf), byte(c))
				}
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
	t.buckets = make([]byte, buckets*bucketSize+pad)
	for at := 0; at < buckets*bucketSize && !r.Bad(); at += 2 * bucketSize {
		mask := r.Byte()
		for b := range 2 {
			var marks, counts uint64
			for i := range ways {
				if mask>>(ways*b+i)&1 == 1 {
					e := uint64(r.Byte())<<16 | uint64(r.Byte())<<8 | uint64(r.Byte())
					if e>>(2*countBits) == 0 {
						r.Fail()
					}
					marks |= e >> (2 * countBits) << (i * markBits)
					counts |= e & (1<<(2*countBits) - 1) << (2 * countBits * i)
				}
			}
			t.store(at+b*bucketSize, marks, counts)
		}
	}
	t.index()
	return t
}
