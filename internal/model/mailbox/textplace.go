package mailbox

import (
	"encoding/binary"

	"postroad/internal/fault"
	"postroad/internal/format/fulltext"
	"postroad/internal/format/message"
	"postroad/internal/storage/blob"
	"postroad/internal/storage/spool"
)

// textPlace is where in a message's bytes its text lies, if it has one part of unencoded text and no other: then the text isn't stored a
// second time. Folding it costs no more than uncompressing would.
//
// The record of such a text is, as uvarints: placeMark, off, n. No other begins so: placeMark is more than a record's text may be long.
type textPlace struct{ off, n int64 }

const placeMark = 1<<31 - 1

// maxPlain is how long a text may be that isn't stored, in bytes: each search in it reads it as it came.
const maxPlain = 1 << 20

// placeOfText is where a message that lies in memory has its text; n is 0 if that can't be told.
func placeOfText(parsed *message.Structure, s *spool.Spool) textPlace {
	if msg, ok := s.Bytes(); ok {
		return placeIn(parsed, msg)
	}
	return textPlace{}
}

func placeIn(parsed *message.Structure, msg []byte) textPlace {
	if len(msg) <= maxPlain {
		if off, n, ok := message.PlainBody(parsed, msg); ok {
			return textPlace{off, n}
		}
	}
	return textPlace{}
}

// textPlaceMost is how long an encoded textPlace may be.
const textPlaceMost = 16

func (p textPlace) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, placeMark)
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(p.off)), uint64(p.n))
}

// decodePlaceOfText reads a record of a text; ok is false if it holds text itself.
func decodePlaceOfText(value []byte) (p textPlace, ok bool, err error) {
	mark, k := binary.Uvarint(value)
	if k <= 0 || mark != placeMark {
		return p, false, nil
	}
	off, i := binary.Uvarint(value[k:])
	n, j := binary.Uvarint(value[k+max(i, 0):])
	if i <= 0 || j <= 0 || k+i+j != len(value) || off > maxExtract || n > maxPlain {
		return p, true, fault.New(fault.Corrupt, "the place of a message's text is damaged")
	}
	return textPlace{int64(off), int64(n)}, true, nil
}

// textAt reads a text that lies in the message itself.
func (b *Batch) textAt(id ContentID, p textPlace) (text, error) {
	m := b.roomForText()
	raw, err := blob.AppendTo((*bulkReader)(b), m.msg[:0], blob.ID(id), p.off, p.n)
	if m.msg = raw; cap(raw) > roomKept {
		m.msg = nil
	}
	if err != nil {
		return text{}, err
	}
	b.read += int64(len(raw))
	m.plain = message.AppendPlain(m.plain[:0], raw)
	b.room = fulltext.AppendFolded(b.room[:0], m.plain)
	if cap(m.plain) > roomKept {
		m.plain = nil
	}
	return text{body: b.room}, nil
}
