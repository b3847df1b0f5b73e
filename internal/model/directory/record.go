package directory

import (
	"encoding/binary"
	"time"

	"postroad/internal/fault"
	codec "postroad/internal/format/record"
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
	codec.Decoder
	version byte
}

// readRecord begins to read a record whose newest known version is newest.
func readRecord(value []byte, newest byte) *reader {
	r := &reader{Decoder: codec.Decode(value, newest)}
	if !r.Bad() {
		r.version = value[0]
	}
	return r
}

func (r *reader) uint() uint64 { return r.Uint() }
func (r *reader) bool() bool   { return r.Uint() != 0 }
func (r *reader) text() string { return r.String() }

func (r *reader) texts() []string {
	n := r.Count()
	if r.Bad() {
		return nil
	}
	list := make([]string, 0, n)
	for range n {
		list = append(list, r.text())
	}
	return list
}

func (r *reader) time() time.Time {
	n := r.Int()
	if r.Bad() {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// end reports whether all was well and nothing is left over.
func (r *reader) end(what string) error {
	if r.Bad() || r.Rest() > 0 {
		return fault.New(fault.Corrupt, "directory: %s record can't be read", what)
	}
	return nil
}
