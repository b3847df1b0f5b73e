package model

import (
	"encoding/binary"

	"postroad/internal/fault"
	"postroad/internal/format/record"
	"postroad/internal/service/junk/features"
)

// A Delta is what was learned on top of a base. The zero value has learned nothing and is ready for use. Learn and Forget
// need it alone; Judge, Reasons and Encode may run at once.
//
// Its size is bounded, whatever it learns: MaxEncoded stored, about as much in memory, and MaxNotes more for learning. What it learned
// long ago fades as it learns more.
//
// It learns by logistic regression, each message once, in steps that get smaller for each feature as more was learned for it (AdaGrad: Duchi,
// Hazan and Singer 2011). How much is added to the log-odds, so that thresholds mean what they say, depends on the good mail: see tail.
type Delta struct {
	table      table
	junk, good uint32
	tail       tail
	old        bool // see Old
	faded      bool // it has faded at about this number of messages
	recounted  [2]uint32
}

const (
	// deltaVersion is the record's. It also changes with the meaning of features.
	deltaVersion = 4
	// talliedVersion had counts of features, of which weights can be made: see tallied. Those before had weights that features shared, which can't.
	talliedVersion = 3
	notesVersion   = 1

	isOld, isFaded = 1, 2
)

// MaxEncoded is the length of the longest Encode, in octets, and MaxNotes that of the longest EncodeNotes.
const (
	MaxEncoded = 2*ways*buckets + 3*tailBins + 64
	MaxNotes   = 1 + ways*buckets
)

// How it learns; measured, see docs/junk.md.
const (
	rate      = 1.0  // the first step of a feature's weight
	balance   = 3    // how much more the rarer of the two classes may count
	fadeEvery = 200  // messages
	fade      = 5000 // messages after which what was learned counts 1/e of what it did
	fadeLevel = 50   // of how many features one may move faster again after fadeEvery
	unripe    = 100  // good messages that are judged too badly to tell how the next ones will be
	// baseLeft is how much of what the base says is left once enough is learned, and baseTrust of how many messages of the rarer class half of
	// that way is gone: what the base knows of the world's mail is right for many accounts, and misleading for some.
	baseLeft, baseTrust = 0.7, 50
)

func (d *Delta) learned() bool { return d != nil && d.table.cells != nil }

// Old reports whether it was learned by an earlier version: it is used as far as it can be, but lacks what that version didn't count.
// Whoever has the messages still should Recount them.
func (d *Delta) Old() bool { return d != nil && d.old }

// leaves is how much of what the base says counts beside what was learned.
func (d *Delta) leaves() float64 {
	if !d.learned() {
		return 1
	}
	rarer := float64(min(d.junk, d.good))
	return 1 - (1-baseLeft)*rarer/(rarer+baseTrust)
}

// Learn learns that a message is junk or good. below are deltas that count as well when the account's mail is judged, such as
// the server's; they aren't changed. It learns little from what the model knew already, but for features that are new to it. It needs what EncodeNotes stores.
func (d *Delta) Learn(b *Base, s features.Set, junk bool, below ...*Delta) {
	if logit := d.lesson(b, s, junk, below); !junk && d.good > unripe {
		d.tail.note(logit)
	}
	d.age()
}

// Relearn is Learn for a message that was learned with the other label, which is taken back. It doesn't count once more for how near to junk good mail comes: who
// changes their mind about one message again and again says nothing of all others.
func (d *Delta) Relearn(b *Base, s features.Set, junk bool, below ...*Delta) {
	d.Forget(b, s, !junk, below...)
	d.lesson(b, s, junk, below)
	d.age()
}

// age lets what was learned fade from time to time.
func (d *Delta) age() {
	switch (d.junk + d.good) % fadeEvery {
	case 0:
		// Labels that are taken back and given anew come by here again and again.
		if !d.faded {
			d.fade()
		}
		d.faded = true
	case fadeEvery / 2:
		d.faded = false
	}
}

func (d *Delta) fade() { d.table.fade(1-fadeEvery/float64(fade), d.chances()) }

// lesson learns a message, and nothing else. It returns how it was judged before.
func (d *Delta) lesson(b *Base, s features.Set, junk bool, below []*Delta) (logit float64) {
	d.table.ready()
	count, is := &d.good, 0.0
	if junk {
		count, is = &d.junk, 1
	}
	*count++
	n := normsOf(s)
	logit = b.logit(s, append([]*Delta{d}, below...))
	// Who only ever says what is junk doesn't thereby say that all is.
	weight := float64(d.junk+d.good+2) / float64(2**count+2)
	wrong := (sigmoid(logit) - is) * max(1.0/balance, min(balance, weight))
	c := d.chances()
	for _, f := range s {
		d.table.learn(f, wrong*n[groupOf(f)], c)
	}
	return logit
}

// chances are other ones for each lesson.
func (d *Delta) chances() chances {
	return chances(d.junk*7 + d.good + d.recounted[1]*11 + d.recounted[0]*5)
}

// Forget takes back that a message was learned as junk or good.
//
// What only this message had is forgotten. What it shares with others loses what one message may have taught, as far as all of that together speaks for
// the label that is taken back; what others taught goes with it, if only by a little.
func (d *Delta) Forget(b *Base, s features.Set, junk bool, below ...*Delta) {
	count, sign := &d.good, -1.0
	if junk {
		count, sign = &d.junk, 1
	}
	if *count == 0 || !d.learned() {
		return
	}
	d.table.ready()
	*count--
	n := normsOf(s)
	var left features.Set
	for _, f := range s {
		if d.table.drop(f) {
			left = append(left, f)
		}
	}
	said, taught := sign*d.table.sum(s), 0.0
	for _, f := range left {
		taught += min(rate, max(0, sign*float64(d.table.weight(f))/unit)) * n[groupOf(f)]
	}
	if said <= 0 || taught <= 0 {
		return
	}
	share, c := min(1, said/taught), d.chances()
	for _, f := range left {
		if w := min(rate*unit, sign*float64(d.table.weight(f))); w > 0 {
			d.table.move(f, -sign*share*w, c)
		}
	}
}

// Lost returns a delta in place of one that can't be read: it is Old, and has learned nothing.
func Lost() *Delta { return &Delta{old: true} }

// Recount has an Old delta learn a message again that it learned then. Those that are gone are gone. Renew ends it.
func (d *Delta) Recount(b *Base, s features.Set, junk bool, below ...*Delta) {
	had := [2]uint32{d.good, d.junk}
	logit := d.lesson(b, s, junk, below)
	if junk {
		d.recounted[1]++
	} else {
		d.recounted[0]++
	}
	if !junk && d.recounted[0] > unripe {
		d.tail.note(logit)
	}
	d.good, d.junk = max(had[0], d.recounted[0]), max(had[1], d.recounted[1])
	if (d.recounted[0]+d.recounted[1])%fadeEvery == 0 {
		d.fade()
	}
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

// Encode appends what judging needs of the delta as a record, with a version:
//
//	octet     version
//	octet     a bit that says Old, the lowest, and one that says that it has faded at about this number of messages; see Learn
//	uvarints  messages learned as junk, as good
//	then      the tail, and the table: see their encode
//
// After the uvarints nothing follows if nothing was learned.
func (d *Delta) Encode(dst []byte) []byte {
	is := byte(0)
	if d.old {
		is |= isOld
	}
	if d.faded {
		is |= isFaded
	}
	dst = append(dst, deltaVersion, is)
	dst = binary.AppendUvarint(dst, uint64(d.junk))
	dst = binary.AppendUvarint(dst, uint64(d.good))
	if !d.learned() {
		return dst
	}
	return d.table.encode(d.tail.encode(dst))
}

// EncodeNotes appends what learning needs besides: a version, and a note for each cell of the table that is somebody's.
func (d *Delta) EncodeNotes(dst []byte) []byte {
	dst = append(dst, notesVersion)
	if d.table.notes == nil {
		return dst
	}
	for at, bucket := range d.table.cells {
		for cell := range ways {
			if bucket>>(cell*cellBits)&cellMask != 0 {
				dst = append(dst, d.table.notes[at*ways+cell])
			}
		}
	}
	return dst
}

// DecodeNotes reads what EncodeNotes wrote of the delta that Decode has read. Without them, or where they are of another delta, it learns as if each
// feature had been seen some times.
func (d *Delta) DecodeNotes(b []byte) {
	d.table.notes = nil
	if !d.learned() || len(b) != 1+d.table.used() || b[0] != notesVersion {
		return
	}
	d.table.ready()
	rest := b[1:]
	for i, n := range d.table.notes {
		if n != 0 {
			d.table.notes[i], rest = rest[0], rest[1:]
		}
	}
}

// Clone returns a delta of its own.
func (d *Delta) Clone() *Delta {
	c := *d
	c.table.cells, c.table.notes = append([]uint64(nil), d.table.cells...), append([]byte(nil), d.table.notes...)
	return &c
}

// Decode reads a record of Encode, of this version or one before. Errors: fault.Corrupt.
func Decode(b []byte) (*Delta, error) {
	r := record.Decode(b, deltaVersion)
	d := &Delta{}
	version := byte(0)
	if len(b) > 0 {
		version = b[0]
	}
	if version >= 2 {
		is := r.Byte()
		d.old, d.faded = is&isOld != 0, is&isFaded != 0
	}
	d.old = d.old || version != deltaVersion
	d.junk, d.good = uint32(r.Uint()), uint32(r.Uint())
	switch {
	case r.Rest() == 0:
	case version == deltaVersion:
		d.tail, d.table = decodeTail(&r), decodeTable(&r)
	case version == talliedVersion:
		d.tallied(&r)
	default:
		d.table.cells = nil // what it learned can't be told apart
		return d, nil
	}
	if r.Bad() || r.Rest() > 0 {
		return nil, fault.New(fault.Corrupt, "what was learned about junk can't be read")
	}
	return d, nil
}
