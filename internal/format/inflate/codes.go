package inflate

import (
	"math/bits"
	"sync"
)

// Sizes of RFC 1951 §3.2.5 to §3.2.7.
const (
	maxLit  = 288
	maxDist = 32
	maxBits = 15
)

// table decodes one set of codes: short ones by a look, the others bit by bit.
type table struct {
	fast    [1 << fastBits]uint16 // by the next bits: symbol<<4 | length; 0: a longer code, or none
	count   [maxBits + 1]uint16   // codes of each length
	symbols [maxLit]uint16        // in the order of their codes
}

const fastBits = 9

// build makes the table of codes with these lengths (RFC 1951 §3.2.2). Sets of codes that aren't complete are wrong, but for
// those of one code, or none, if partial is set.
func (t *table) build(lengths []uint8, partial bool) bool {
	*t = table{}
	used := 0
	for _, n := range lengths {
		if n > 0 {
			t.count[n]++
			used++
		}
	}
	left := 1
	var offsets [maxBits + 2]uint16
	for n := 1; n <= maxBits; n++ {
		if left = left<<1 - int(t.count[n]); left < 0 {
			return false
		}
		offsets[n+1] = offsets[n] + t.count[n]
	}
	if left > 0 && !(partial && (used == 0 || used == 1 && t.count[1] == 1)) {
		return false
	}
	for s, n := range lengths {
		if n > 0 {
			t.symbols[offsets[n]] = uint16(s)
			offsets[n]++
		}
	}
	t.buildFast()
	return true
}

func (t *table) buildFast() {
	code, at := 0, 0
	for n := 1; n <= fastBits; n++ {
		for range t.count[n] {
			entry := t.symbols[at]<<4 | uint16(n)
			for i := int(bits.Reverse16(uint16(code)) >> (16 - n)); i < len(t.fast); i += 1 << n {
				t.fast[i] = entry
			}
			code++
			at++
		}
		code <<= 1
	}
}

// decode finds the symbol that the next of n bits mean, and how many it takes: 0 if they don't say, and more than n if
// there is no such code.
func (t *table) decode(next uint64, n uint) (symbol int, length uint) {
	if e := t.fast[next&(1<<fastBits-1)]; e != 0 {
		if length = uint(e & 15); length > n {
			return 0, 0
		}
		return int(e >> 4), length
	}
	code, first, index := 0, 0, 0
	for length = 1; length <= maxBits; length++ {
		if length > n {
			return 0, 0
		}
		code |= int(next & 1)
		next >>= 1
		count := int(t.count[length])
		if code-count < first {
			return int(t.symbols[index+code-first]), length
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return 0, n + 1
}

// fixedTables are the codes of RFC 1951 §3.2.6.
var fixedTables = sync.OnceValue(func() *tables {
	var lengths [maxLit]uint8
	for s := range lengths {
		switch {
		case s < 144:
			lengths[s] = 8
		case s < 256:
			lengths[s] = 9
		case s < 280:
			lengths[s] = 7
		default:
			lengths[s] = 8
		}
	}
	var t tables
	t.lit.build(lengths[:], false)
	for s := range maxDist {
		lengths[s] = 5
	}
	t.dist.build(lengths[:maxDist], false)
	return &t
})
