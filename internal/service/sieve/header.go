package sieve

import (
	"slices"

	"postroad/internal/format/message"
)

// header is the header of the message or of a part. Its fields are read as they are asked for: most are never looked at.
type header struct {
	read   bool
	labels []label        // of the fields, in order
	front  []byte         // of which block was not made yet
	ahead  int            // how many fields block has, or will have
	block  message.Header // where they are
	rest   message.Header // where those behind them are
	fields []field        // as far as asked for
	asked  []int          // the numbers of those
}

// label is what tells most names of fields from each other: how long a name is, how it begins and how it ends.
type label uint32

func labelOf[T string | []byte](name T) label {
	n := len(name)
	if n == 0 {
		return 0
	}
	return label(n)<<16 | label(lowerByte(name[0]))<<8 | label(lowerByte(name[n-1]))
}

func (h *header) parse(raw string) {
	h.block = message.ParseHeader(raw)
	h.index(&h.block)
	h.ahead, h.read = len(h.labels), true
}

// take takes the fields of a header that is in two parts, of which the second is parsed. What is in front is our own, and few ask for it.
func (h *header) take(front []byte, rest *message.Header) {
	for at := 0; at < len(front); {
		end := at + message.FieldEnd(front[at:])
		name, ok := message.FieldName(front[at:end])
		if !ok {
			h.labels = h.labels[:0]
			h.parse(string(front))
			break
		}
		h.labels, at = append(h.labels, labelOf(name)), end
	}
	h.front, h.ahead = front, len(h.labels)
	h.index(rest)
	h.rest, h.read = *rest, true
}

func (h *header) index(ix *message.Header) {
	h.labels = slices.Grow(h.labels, len(ix.Fields))
	for _, f := range ix.Fields {
		h.labels = append(h.labels, labelOf(ix.Name(f)))
	}
}

// place is where the field of a number is.
func (h *header) place(i int) (*message.Header, message.Field) {
	if i >= h.ahead {
		return &h.rest, h.rest.Fields[i-h.ahead]
	}
	if h.block.Raw == "" {
		h.block = message.ParseHeader(string(h.front))
	}
	return &h.block, h.block.Fields[i]
}

// at is the field of a number, from 0 on.
func (h *header) at(i int) *field {
	if n := len(h.labels); len(h.fields) < n {
		h.fields = slices.Grow(h.fields, n-len(h.fields))[:n]
	}
	f := &h.fields[i]
	if f.name == "" { // no field is called that
		ix, place := h.place(i)
		f.name, f.raw = ix.Name(place), ix.Value(place)
		h.asked = append(h.asked, i)
	}
	return f
}

// next is the number of the next field of a name, from a number on; -1: there is none.
func (h *header) next(name string, from int) int {
	want := labelOf(name)
	for i := from; i < len(h.labels); i++ {
		if h.labels[i] == want {
			if ix, place := h.place(i); equalASCII(ix.Name(place), name) {
				return i
			}
		}
	}
	return -1
}

// first is the first field of a name; nil: there is none.
func (h *header) first(name string) *field {
	if i := h.next(name, 0); i >= 0 {
		return h.at(i)
	}
	return nil
}

// maxFieldRoom is how many fields' room is kept.
const maxFieldRoom = 200

// emptied is the header without fields, but with their room.
func (h *header) emptied() header {
	if cap(h.labels) > maxFieldRoom || cap(h.fields) > maxFieldRoom {
		return header{}
	}
	for _, i := range h.asked {
		h.fields[i] = field{}
	}
	return header{labels: h.labels[:0], fields: h.fields[:0], asked: h.asked[:0]}
}
