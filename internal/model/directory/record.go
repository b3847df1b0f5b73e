package directory

import (
	"encoding/binary"
	"time"

	"postroad/internal/fault"
)

// record is a versioned value being written: a version byte, then numbers as
// varints and texts with their lengths.
type record []byte

func newRecord(version byte) record { return record{version} }

func (r record) uint(n uint64) record { return binary.AppendUvarint(r, n) }

func (r record) bool(b bool) record {
	if b {
		return r.uint(1)
	}
	return r.uint(0)
}

func (r record) text(s string) record {
	r = r.uint(uint64(len(s)))
	return append(r, s...)
}

func (r record) texts(list []string) record {
	r = r.uint(uint64(len(list)))
	for _, s := range list {
		r = r.text(s)
	}
	return r
}

func (r record) time(t time.Time) record { return binary.AppendVarint(r, t.UnixMicro()) }

// reader takes a record apart. After the first thing that can't be, it gives zero
// values, and end reports it.
type reader struct {
	version byte
	rest    []byte
	bad     bool
}

// readRecord begins to read a record whose newest known version is newest.
func readRecord(value []byte, newest byte) *reader {
	if len(value) == 0 || value[0] == 0 || value[0] > newest {
		return &reader{bad: true}
	}
	return &reader{version: value[0], rest: value[1:]}
}

func (r *reader) uint() uint64 {
	n, size := binary.Uvarint(r.rest)
	if r.bad || size <= 0 {
		r.bad = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) bool() bool { return r.uint() != 0 }

func (r *reader) text() string {
	n := r.uint()
	if r.bad || n > uint64(len(r.rest)) {
		r.bad = true
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

func (r *reader) texts() []string {
	n := r.uint()
	if r.bad || n > uint64(len(r.rest)) {
		r.bad = true
		return nil
	}
	list := make([]string, 0, n)
	for range n {
		list = append(list, r.text())
	}
	return list
}

func (r *reader) time() time.Time {
	n, size := binary.Varint(r.rest)
	if r.bad || size <= 0 {
		r.bad = true
		return time.Time{}
	}
	r.rest = r.rest[size:]
	return time.UnixMicro(n).UTC()
}

// end reports whether all was well and nothing is left over.
func (r *reader) end(what string) error {
	if r.bad || len(r.rest) > 0 {
		return fault.New(fault.Corrupt, "directory: %s record can't be read", what)
	}
	return nil
}
