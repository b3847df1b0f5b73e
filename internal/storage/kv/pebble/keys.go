package pebble

import (
	"bytes"
	"encoding/binary"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// A physical key:
//
//	+------+-------------------------+----------------+
//	| area | partition, 8 bytes, BE  | the kv key     |
//	+------+-------------------------+----------------+
//
// The area comes first so that all bulk values of the store lie in one span, for which
// values are kept apart from their keys.
const (
	areaRecords = 0x01
	areaBulk    = 0x02
	areaEnd     = 0x03

	prefixLen = 1 + 8
)

func areaOf(key []byte) byte {
	if len(key) > 0 && key[0] >= kv.BulkPrefix {
		return areaBulk
	}
	return areaRecords
}

// appendPrefix writes what all keys of p in one area begin with.
func appendPrefix(dst []byte, area byte, p kv.Partition) []byte {
	return binary.BigEndian.AppendUint64(append(dst, area), uint64(p))
}

func appendKey(dst []byte, p kv.Partition, key []byte) []byte {
	return append(appendPrefix(dst, areaOf(key), p), key...)
}

func partitionOf(physical []byte) kv.Partition {
	return kv.Partition(binary.BigEndian.Uint64(physical[1:prefixLen]))
}

func checkKey(key []byte) error {
	switch {
	case len(key) == 0:
		return fault.New(fault.Invalid, "kv: empty key")
	case len(key) > kv.MaxKey:
		return fault.New(fault.TooLarge, "kv: key of %d bytes, at most %d are allowed", len(key), kv.MaxKey)
	}
	return nil
}

// checkRange allows bounds one byte longer than keys, so that the successor of any key
// can be a bound.
func checkRange(lo, hi []byte) error {
	switch {
	case bytes.Compare(lo, hi) >= 0:
		return fault.New(fault.Invalid, "kv: the range's lower bound is not below its upper bound")
	case max(len(lo), len(hi)) > kv.MaxKey+1:
		return fault.New(fault.TooLarge, "kv: a bound is longer than any key")
	case areaOf(lo) == areaRecords && bytes.Compare(hi, bulkStart) > 0:
		return fault.New(fault.Invalid, "kv: the range reaches from the records into the bulk area")
	}
	return nil
}

var bulkStart = []byte{kv.BulkPrefix}

// appendBound encodes a bound in the area that the range's lower bound is in.
func appendBound(dst []byte, area byte, p kv.Partition, bound []byte) []byte {
	return append(appendPrefix(dst, area, p), bound...)
}
