package spool

import (
	"math/bits"
	"sync"
)

// Buffers come in sizes of 16 KB times a power of four, each with its pool: most messages
// fit the first or second.
const (
	smallest = 16 << 10
	copySize = 64 << 10
)

var pools [6]sync.Pool // 16 KB, 64 KB, 256 KB, 1 MB, 4 MB, 16 MB

// class is the index of the pool whose buffers have at least n bytes.
func class(n int) int {
	return (bits.Len(uint(max(0, n-1))/smallest) + 1) / 2
}

// take returns an empty buffer with room for n bytes.
func take(n int) []byte {
	c := class(n)
	if c >= len(pools) {
		return make([]byte, 0, n)
	}
	if b, ok := pools[c].Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, smallest<<(2*c))
}

// give puts a buffer back, which nobody may use any more.
func give(b []byte) {
	c := class(cap(b))
	if cap(b) == 0 || c >= len(pools) || cap(b) != smallest<<(2*c) {
		return
	}
	b = b[:0]
	pools[c].Put(&b)
}

// grow returns a buffer with b's bytes and room for n in all.
func grow(b []byte, n int) []byte {
	bigger := append(take(n), b...)
	give(b)
	return bigger
}
