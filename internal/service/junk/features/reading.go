package features

import (
	"bytes"

	"postroad/internal/format/message"
)

// A reading is a header taken apart, once for facts and features.
type reading struct {
	fields []field
	called []byte
}

// A field is one of a header.
type field struct {
	from, to int // of its name, in lower case, in reading.called
	value    []byte
	about    about
	// whole is the hash of its name alone, and first that with which the one of two fields in a row begins.
	whole, first uint64
}

func (r *reading) name(f *field) []byte { return r.called[f.from:f.to] }

// fieldsKept is of how many fields the memory is kept for other messages.
const fieldsKept = 1000

// begin reads a header in two parts.
func (r *reading) begin(front, rest []byte) {
	if cap(r.fields) > fieldsKept {
		*r = reading{}
	}
	r.fields, r.called = r.fields[:0], r.called[:0]
	r.take(front)
	r.take(rest)
}

// end forgets the message.
func (r *reading) end() { clear(r.fields) }

// take reads fields, with the values as they are written.
func (r *reading) take(header []byte) {
	for len(header) > 0 {
		end := message.FieldEnd(header)
		from := len(r.called)
		if colon, ok := r.takeName(header[:end]); ok {
			f := field{from: from, to: len(r.called), value: header[colon+1 : end]}
			f.know(r.called[from:])
			r.fields = append(r.fields, f)
		} else {
			r.called = r.called[:from]
		}
		header = header[end:]
	}
}

// takeName appends a field's name in lower case to called. It isn't ok if it has none.
func (r *reading) takeName(line []byte) (colon int, ok bool) {
	from, blank := len(r.called), false
	for i, c := range line {
		if c == ':' {
			name := r.called[from:]
			if blank {
				name = bytes.TrimRight(name, " \t") // RFC 5322 §4.5
				r.called = r.called[:from+len(name)]
			}
			return i, len(name) > 0 && (!blank || bytes.IndexByte(name, ' ') < 0)
		}
		blank = blank || c == ' ' || c == '\t'
		r.called = append(r.called, lower(c))
	}
	return 0, false
}

// is reports whether a field has a name, which is ASCII.
func is(field []byte, name string) bool {
	if len(field) != len(name) {
		return false
	}
	for i := range field {
		if lower(field[i]) != lower(name[i]) {
			return false
		}
	}
	return true
}

func hasPrefix(field []byte, prefix string) bool {
	return len(field) >= len(prefix) && is(field[:len(prefix)], prefix)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
