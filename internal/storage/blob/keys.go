package blob

import (
	"encoding/binary"

	"postroad/internal/storage/kv"
)

// A chunk's key, in the bulk area of the owner's partition:
//
//	+------+------+-------------------+----------------------+
//	| 0xF0 | 'b'  | ID, 6 bytes, BE   | chunk, 4 bytes, BE   |
//	+------+------+-------------------+----------------------+
//
// Its value is ChunkSize bytes of the blob, in the last chunk the rest. A blob of 0 bytes
// is one empty chunk.
const (
	keyTag  = 'b'
	keyLen  = 2 + 6 + 4
	idShift = 16 // an ID stands in the upper 6 of 8 bytes
)

// ID names a blob in its partition. The caller gives it; 48 bits are used, and 0 is an ID
// like any other. It must not be used again.
type ID uint64

// MaxID is the greatest ID.
const MaxID ID = 1<<48 - 1

type key [keyLen]byte

func chunkKey(id ID, chunk uint32) key {
	k := key{kv.BulkPrefix, keyTag}
	binary.BigEndian.PutUint64(k[2:], uint64(id)<<idShift)
	binary.BigEndian.PutUint32(k[8:], chunk)
	return k
}

// endKey is the first key behind all chunks of id.
func endKey(id ID) key {
	if id == MaxID {
		return key{kv.BulkPrefix, keyTag + 1}
	}
	return chunkKey(id+1, 0)
}

func parseKey(k []byte) (id ID, chunk uint32, ok bool) {
	if len(k) != keyLen || k[0] != kv.BulkPrefix || k[1] != keyTag {
		return 0, 0, false
	}
	return ID(binary.BigEndian.Uint64(k[2:]) >> idShift), binary.BigEndian.Uint32(k[8:]), true
}

// Keys bounds the keys of all blobs of a partition. What lies under one of them never changes, since a blob is
// immutable and its ID isn't used again.
func Keys() (lo, hi []byte) { return []byte{kv.BulkPrefix, keyTag}, []byte{kv.BulkPrefix, keyTag + 1} }
