// Package blob keeps immutable objects of bytes (messages, attachments) in the bulk area
// of a kv partition. They are cut into chunks, so that an object of any size is written
// and read with bounded memory.
//
// A blob belongs to the partition that it lies in. Its size isn't stored with it but with
// the reference, which the model writes in the same transaction as the blob, or after
// staging it.
package blob

import (
	"fmt"

	"postroad/internal/fault"
)

const (
	// ChunkSize is how many bytes of a blob one value holds. It is part of the stored
	// format.
	ChunkSize = 128 << 10
	// MaxPut is the greatest size in bytes of a blob written inside a transaction.
	MaxPut = 1 << 20
	// MaxSize is the greatest size in bytes of any blob.
	MaxSize = 1 << 40
)

// chunks is the number of chunks of a blob. Even an empty one has one, so that it exists.
func chunks(size int64) uint32 {
	return uint32(max(1, (size+ChunkSize-1)/ChunkSize))
}

// chunkLen is the length of chunk n of a blob of size bytes.
func chunkLen(size int64, n uint32) int {
	return int(min(ChunkSize, size-int64(n)*ChunkSize))
}

func checkID(id ID) error {
	if id > MaxID {
		return fault.Wrap(fault.Internal, fmt.Errorf("blob: ID %d has more than 48 bits", id), "")
	}
	return nil
}

func checkSize(size, limit int64) error {
	switch {
	case size < 0:
		return fault.New(fault.Invalid, "negative size")
	case size > limit:
		return fault.New(fault.TooLarge, "%d bytes, at most %d are allowed", size, limit)
	}
	return nil
}

func notFound(id ID) error {
	return &fault.Error{Kind: fault.NotFound, Text: "the content isn't there any more", Err: fmt.Errorf("blob %d", id)}
}

func corrupt(id ID, format string, args ...any) error {
	return fault.Wrap(fault.Corrupt, fmt.Errorf("blob %d: %s", id, fmt.Sprintf(format, args...)), "")
}
