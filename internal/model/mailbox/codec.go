package mailbox

import (
	"encoding/binary"

	"postroad/internal/fault"
)

// Records are a version byte and then varints and length-prefixed strings, in
// a fixed order. A later version only adds at the end, or takes another number.

const recordVersion = 1

// decoder reads a record. The first error sticks and is asked for once, by end.
type decoder struct {
	b   []byte
	bad bool
}

func decode(record []byte) *decoder {
	d := &decoder{b: record}
	if d.byte() != recordVersion {
		d.bad = true
	}
	return d
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) uint() uint64 {
	n, size := binary.Uvarint(d.b)
	if size <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[size:]
	return n
}

func (d *decoder) int() int64 {
	n, size := binary.Varint(d.b)
	if size <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[size:]
	return n
}

// bytes gives a slice of the record itself.
func (d *decoder) bytes() []byte {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	s := d.b[:n]
	d.b = d.b[n:]
	return s
}

// count reads a number of things of at least one byte each.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return 0
	}
	return int(n)
}

func (d *decoder) end(what string) error {
	if d.bad {
		return fault.New(fault.Corrupt, "the %s record is damaged", what)
	}
	return nil
}

func appendString[S string | []byte](b []byte, s S) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}
