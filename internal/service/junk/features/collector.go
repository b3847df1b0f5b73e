package features

import (
	"encoding/binary"
	"math/bits"
)

// tableSize is that of the hash table that finds duplicates: a power of two, well above Max.
const tableSize = 8192

// maxProbes bounds the search for a place in the table. It never matters for a table that is so empty, but to words that somebody
// made to meet in one place; those that find none don't count.
const maxProbes = 64

// A collector gathers features, each once. It is reused.
type collector struct {
	set   []uint32
	at    []uint16 // where in the table they are
	table [tableSize]uint32
	limit int // of features, at present
	// want has the features to be named, and names what they turned out to be.
	want  map[uint32]int
	names []string
	in    func(k Kind, a, b string) string // what is said of each
	buf   []byte
}

func (c *collector) reset() {
	if len(c.at) < tableSize/8 {
		for _, i := range c.at {
			c.table[i] = 0
		}
	} else {
		clear(c.table[:])
	}
	c.set, c.at = c.set[:0], c.at[:0]
	c.limit = Max
	c.want, c.names, c.in = nil, nil, nil
}

// add adds the feature of a kind that the text stands for.
func (c *collector) add(k Kind, text []byte) { c.put(k, hash(seedOf(k), text), text, nil) }

// addString is add for a string.
func (c *collector) addString(k Kind, text string) {
	c.buf = append(c.buf[:0], text...)
	c.add(k, c.buf)
}

// add2 adds a feature of two texts, one after the other.
func (c *collector) add2(k Kind, a, b []byte) {
	c.put(k, hash(hash(seedOf(k), a), b), a, b)
}

// add2String is add2 for a constant and a text.
func (c *collector) add2String(k Kind, a string, b []byte) {
	c.buf = append(c.buf[:0], a...)
	c.add2(k, c.buf, b)
}

func (c *collector) put(k Kind, h uint64, a, b []byte) {
	if c.note(featureOf(k, h), uint32(h)) && c.want != nil {
		c.name(featureOf(k, h), k, a, b)
	}
}

// has reports whether a feature is where note would begin to look for it. It may be there if it isn't.
func (c *collector) has(f, i uint32) bool { return c.table[i%tableSize] == f }

// note adds a feature whose place in the table begins at i, and reports whether it is new.
func (c *collector) note(f, i uint32) bool {
	if len(c.set) >= c.limit {
		return false
	}
	for range maxProbes {
		i %= tableSize
		switch c.table[i] {
		case f:
			return false
		case 0:
			c.table[i] = f
			c.set, c.at = append(c.set, f), append(c.at, uint16(i))
			return true
		}
		i++
	}
	return false
}

// name notes what a feature is, if somebody wants to know.
func (c *collector) name(f uint32, k Kind, a, b []byte) {
	i, ok := c.want[f]
	if !ok {
		return
	}
	c.names[i] = c.in(k, string(a), string(b))
}

// The constants are the fractional parts of square roots of primes: they only have to be odd looking and never to change.
const (
	mul1 = 0x9e3779b97f4a7c15
	mul2 = 0xbb67ae8584caa73b
)

func seedOf(k Kind) uint64 { return mul2 * (uint64(k) + 1) }

// hash is a fast hash of short texts, the same on every machine and in every version.
func hash(seed uint64, b []byte) uint64 {
	h := seed ^ uint64(len(b))*mul1
	for len(b) >= 8 {
		h = mix(h^binary.LittleEndian.Uint64(b), mul1)
		b = b[8:]
	}
	return mix(h^tail(b), mul2)
}

// tail is the number that up to seven octets are, the first the lowest.
func tail(b []byte) uint64 {
	n := len(b)
	if n >= 4 { // the two reads overlap
		return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<(8*(n-4))
	}
	var last uint64
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	return last
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^mul2, b)
	return hi ^ lo
}

// Of returns the feature of a kind that one text, or two, stand for: for those who know something about it beforehand.
func Of(k Kind, text ...string) uint32 {
	h := seedOf(k)
	for _, t := range text {
		h = hash(h, []byte(t))
	}
	return featureOf(k, h)
}

func featureOf(k Kind, h uint64) uint32 { return uint32(k)<<kindBits | uint32(h>>32)>>(32-kindBits) }
