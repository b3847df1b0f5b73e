// Package record reads records: what the models keep in the kv, and the summaries of messages. A record is a version byte, then numbers of
// variable length (LEB128, as encoding/binary has them) and length-prefixed strings, in an order that the
// record's owner knows.
//
//	d := record.Decode(value, 1)
//	n, name := d.Uint(), d.String()
//	if d.Bad() { ... }
//
// The first error sticks and is asked for once, at the end. Nothing here panics or takes more memory than the record has
// bytes, whatever is read. Writing needs no help: encoding/binary appends numbers, AppendString strings.
package record

import "encoding/binary"

// Decoder reads one record. The zero value reads an empty one. It is not safe for concurrent use.
type Decoder struct {
	rest []byte
	bad  bool
}

// Decode begins to read a record whose version must be from 1 to newest.
func Decode(value []byte, newest byte) Decoder {
	d := Decoder{rest: value}
	if v := d.Byte(); v == 0 || v > newest {
		d.fail()
	}
	return d
}

// Read begins to read a record, or part of one, that has no version.
func Read(value []byte) Decoder { return Decoder{rest: value} }

// Bad reports whether something could not be read. What was read since is zero.
func (d *Decoder) Bad() bool { return d.bad }

// Fail makes the record bad, for owners who find a value that can't be.
func (d *Decoder) Fail() { d.fail() }

func (d *Decoder) fail() { d.bad, d.rest = true, nil }

// Rest is how many bytes have not been read.
func (d *Decoder) Rest() int { return len(d.rest) }

// Byte reads a byte.
func (d *Decoder) Byte() byte {
	if len(d.rest) == 0 {
		d.fail()
		return 0
	}
	c := d.rest[0]
	d.rest = d.rest[1:]
	return c
}

// Uint reads an unsigned number, as binary.AppendUvarint writes it.
func (d *Decoder) Uint() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

// Int reads a signed number, as binary.AppendVarint writes it.
func (d *Decoder) Int() int64 {
	n, size := binary.Varint(d.rest)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

// Bytes reads what AppendString writes. The result is part of the record itself: valid as long, and not to be changed.
func (d *Decoder) Bytes() []byte {
	n := d.Uint()
	if n > uint64(len(d.rest)) {
		d.fail()
		return nil
	}
	s := d.rest[:n:n]
	d.rest = d.rest[n:]
	return s
}

// String reads what AppendString writes.
func (d *Decoder) String() string { return string(d.Bytes()) }

// Count reads the number of things that follow, each of at least one byte: so it is never more than what is left.
func (d *Decoder) Count() int {
	n := d.Uint()
	if n > uint64(len(d.rest)) {
		d.fail()
		return 0
	}
	return int(n)
}

// AppendString appends s and its length.
func AppendString[S string | []byte](b []byte, s S) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}
