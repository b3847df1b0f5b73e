package trace

import (
	"encoding/binary"

	"postroad/internal/fault"
	"postroad/internal/format/record"
	"postroad/internal/storage/kv"
)

// Partition is where the trace lies.
const Partition kv.Partition = 4 << 56

// Schema, version 1. Blocks have numbers, which only grow; those from first to next-1 are there, but for what a crash took back.
//
//	s               state: first and next block, bytes in all
//	h <block>       index: how many events, their times, size of the block, hashes of what they can be found by
//	F0 't' <block>  events, compressed (zstd)
//
// <block> is 8 bytes, big-endian.
const (
	keyState = 's'
	keyIndex = 'h'
	keyBody  = 't' // after kv.BulkPrefix
)

// recordVersion begins each record.
const recordVersion = 1

func stateKey() []byte           { return []byte{keyState} }
func indexKey(seq uint64) []byte { return binary.BigEndian.AppendUint64([]byte{keyIndex}, seq) }
func bodyKey(seq uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kv.BulkPrefix, keyBody}, seq)
}
func seqOfIndex(k []byte) uint64  { return binary.BigEndian.Uint64(k[1:]) }
func damaged(what string) error   { return fault.New(fault.Corrupt, "the trace's %s is damaged", what) }
func indexRange(s state) kv.Range { return kv.Range{Lo: indexKey(s.first), Hi: []byte{keyIndex + 1}} }

// state is what is there.
type state struct {
	first, next uint64 // blocks
	bytes       int64
}

func readState(r kv.Reader) (s state, err error) {
	v, ok, err := r.Get(stateKey())
	if err != nil || !ok {
		return s, err
	}
	d := record.Decode(v, recordVersion)
	s = state{first: d.Uint(), next: d.Uint(), bytes: int64(d.Uint())}
	if d.Bad() || s.first > s.next {
		return s, damaged("state")
	}
	return s, nil
}

func (s *state) encode() []byte {
	b := binary.AppendUvarint([]byte{recordVersion}, s.first)
	b = binary.AppendUvarint(b, s.next)
	return binary.AppendUvarint(b, uint64(max(s.bytes, 0)))
}
