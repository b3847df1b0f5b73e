package junk

import (
	"sync"

	"postroad/internal/fault/spoil"
	"postroad/internal/service/junk/features"
)

// decoded keeps the texts of one message whose transfer encoding was undone to look for signs, until its features are made: both read
// the same.
type decoded struct {
	texts []decodedText
	room  []byte // of texts

	// keepIt and textAt are keep and text, made once.
	keepIt func(offset int64, text []byte, all bool)
	textAt func(offset int64) ([]byte, bool)
}

type decodedText struct {
	offset   int64
	from, to int // in room
}

// mostDecoded is how many texts are kept.
const mostDecoded = 6

// decodedOnes are those not in use.
type decodedOnes struct{ pool sync.Pool }

func (o *decodedOnes) take() *decoded {
	d, _ := o.pool.Get().(*decoded)
	if d == nil {
		d = &decoded{}
		d.keepIt, d.textAt = d.keep, d.text
	}
	d.texts, d.room = d.texts[:0], d.room[:0]
	return d
}

func (o *decodedOnes) give(d *decoded) {
	spoil.Bytes(d.room)
	o.pool.Put(d)
}

// keep is signs.Facts.Keep. Of a text that isn't all there as much is kept as features look at, or nothing.
func (d *decoded) keep(offset int64, text []byte, all bool) {
	if !all && len(text) < features.MaxDecoded || len(d.texts) == mostDecoded {
		return
	}
	from := len(d.room)
	d.room = append(d.room, text[:min(len(text), features.MaxDecoded)]...)
	d.texts = append(d.texts, decodedText{offset, from, len(d.room)})
}

// text is features.Message.Decoded.
func (d *decoded) text(offset int64) ([]byte, bool) {
	for _, t := range d.texts {
		if t.offset == offset {
			return d.room[t.from:t.to], true
		}
	}
	return nil, false
}
