package spool

import (
	"math/bits"
	"sync"

	"postroad/internal/fault/spoil"
)

// Buffers come in sizes of 4 KB times a power of four, each with its pool: most messages
// fit one of the first three.
const (
	smallest = 4 << 10
	copySize = 64 << 10
)

var pools [7]sync.Pool // 4 KB, 16 KB, 64 KB, 256 KB, 1 MB, 4 MB, 16 MB

// class is the index of the pool whose buffers have at least n bytes.
func class(n int) int {
	return (bits.Len(uint(max(0, n-1))/smallest) + 1) / 2
}

// take returns an empty buffer with room for n bytes.
func take(n int) *[]byte {
	c := class(n)
	size := n
	if c < len(pools) {
		if b, ok := pools[c].Get().(*[]byte); ok {
			*b = (*b)[:0]
			return b
		}
		size = smallest << (2 * c)
	}
	b := make([]byte, 0, size)
	return &b
}

// give puts a buffer back, which nobody may use any more. nil is none.
func give(b *[]byte) {
	if b == nil {
		return
	}
	spoil.Bytes(*b)
	if c := class(cap(*b)); c < len(pools) && cap(*b) == smallest<<(2*c) {
		pools[c].Put(b)
	}
}

// grow returns a buffer with b's bytes and room for n in all.
func grow(b *[]byte, n int) *[]byte {
	bigger := take(n)
	if b != nil {
		*bigger = append(*bigger, *b...)
		give(b)
	}
	return bigger
}
