package fulltext

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"
)

// A Guide says of some chunks of a segment, one behind the other, in which of them a pattern may be found: so that a search doesn't read
// all of them. It sees them in blocks of blockTerms terms. Of each block it has the first term, and which grams the terms have: every three
// bytes that stand side by side in a term with a 0 behind it, and every four in the term itself. (Of numbers one after the other all blocks have
// nearly all threes.) If it has many blocks, records beside it say how their terms end: see endings.
//
//	version, then how many chunks, blocks and bytes of common terms there are, and since version 3 how many buckets of endings; for each chunk how
//	many blocks there are up to its end; for each block where its first term ends; all numbers of 4 bytes, big-endian
//	first terms, one behind the other
//	common terms: 0 and the term, for each, in order, and 0: those whose lists are so long that hasty searches leave them out
//	for each gram of three, as a hash of gramBits bits, a row of bits: block k has one that hashes so if bit k%8 of byte k/8 is set
//	likewise for each gram of four; in version 1 there is none of these
//
// The blocks of a gram stand together since a search asks for few grams in all blocks. Guides that are damaged find too little.
type Guide struct {
	chunks, blocks int
	ends, fences   []byte // the tables
	first, common  []byte
	rows           []byte
	fours          bool // there are rows for grams of four
	buckets        int  // of endings
}

const (
	guideVersion = 3
	guideHead    = 1 + 4*4
	oldGuideHead = 1 + 3*4

	blockSamples = 64
	blockTerms   = blockSamples * sampleEvery

	gramBits = 12
	gramRows = 1 << gramBits
	// gramWords is how many words the bits of one block are, in memory.
	gramWords = 2 * gramRows / 64

	// guideBlocks is when a guide is full: so its record has less than 1 MiB, which is the most that the store takes. A chunk has at most 96.
	guideBlocks = 800
	// mostCommon is how many bytes of common terms a guide has. Others are read for nothing, as without a guide.
	mostCommon = 32 << 10
)

// gram3 is the row of a gram of three.
func gram3(t []byte) int {
	return int((uint32(t[0]) | uint32(t[1])<<8 | uint32(t[2])<<16) * 0x9e3779b1 >> (32 - gramBits))
}

// gram4 is the row of a gram of four.
func gram4(t []byte) int {
	return gramRows + int(binary.LittleEndian.Uint32(t)*0x9e3779b1>>(32-gramBits))
}

// OpenGuide reads a guide, which is valid as long as b is. ok is false if it is none.
func OpenGuide(b []byte) (g Guide, ok bool) {
	head := guideHead
	if len(b) > 0 && b[0] < guideVersion {
		head = oldGuideHead
	}
	if len(b) < head || b[0] < 1 || b[0] > guideVersion {
		return Guide{}, false
	}
	n := func(i int) int { return int(binary.BigEndian.Uint32(b[1+4*i:])) }
	g.chunks, g.blocks, g.fours = n(0), n(1), b[0] > 1
	if b[0] > 2 {
		g.buckets = n(3)
	}
	common := n(2)
	rest := b[head:]
	if g.chunks > len(rest)/4 || g.blocks > len(rest)/4 || len(rest) < 4*(g.chunks+g.blocks) || g.chunks > g.blocks || !soundBuckets(g.buckets) {
		return Guide{}, false
	}
	g.ends, rest = rest[:4*g.chunks], rest[4*g.chunks:]
	g.fences, rest = rest[:4*g.blocks], rest[4*g.blocks:]
	first := len(rest) - common - g.width()*g.rowsOf()
	if first < 0 {
		return Guide{}, false
	}
	g.first, g.common, g.rows = rest[:first], rest[first:first+common], rest[first+common:]
	return g, g.chunks == 0 || g.end(g.chunks-1) == g.blocks
}

// Sound reports whether the guide's tables ascend, as all do that aren't damaged.
func (g *Guide) Sound() bool {
	last := 0
	for k := range g.chunks {
		if g.end(k) <= last {
			return false
		}
		last = g.end(k)
	}
	at := uint32(0)
	for k := range g.blocks {
		next := binary.BigEndian.Uint32(g.fences[4*k:])
		if next < at || next > uint32(len(g.first)) {
			return false
		}
		at = next
	}
	return last == g.blocks
}

// Chunks is how many chunks the guide is about.
func (g *Guide) Chunks() int { return g.chunks }

// width is how many bytes a row has.
func (g *Guide) width() int { return (g.blocks + 7) / 8 }

// rowsOf is how many rows there are.
func (g *Guide) rowsOf() int {
	if g.fours {
		return 2 * gramRows
	}
	return gramRows
}

// end is the block behind the last of a chunk.
func (g *Guide) end(chunk int) int { return int(binary.BigEndian.Uint32(g.ends[4*chunk:])) }

// fence is the first term of a block; something of it, or nothing, if the guide is damaged.
func (g *Guide) fence(block int) []byte {
	from, to := uint32(0), min(binary.BigEndian.Uint32(g.fences[4*block:]), uint32(len(g.first)))
	if block > 0 {
		from = binary.BigEndian.Uint32(g.fences[4*block-4:])
	}
	return g.first[min(from, to):to]
}

// within is the blocks in which there may be terms from p.lo to before p.hi.
func (g *Guide) within(p *pattern) (from, to int) {
	from = sort.Search(g.blocks, func(k int) bool { return bytes.Compare(g.fence(k), p.lo) > 0 })
	from = max(from-1, 0)
	to = g.blocks
	if p.hi != nil {
		to = from + sort.Search(g.blocks-from, func(k int) bool { return bytes.Compare(g.fence(from+k), p.hi) >= 0 })
	}
	return from, to
}

// isCommon reports whether a term with a pattern is a common one.
func (g *Guide) isCommon(p *pattern) bool {
	for _, at := range find(g.common, p.find) {
		if term := termAt(g.common, at); bytes.Compare(term, p.lo) >= 0 && (p.hi == nil || bytes.Compare(term, p.hi) < 0) {
			return true
		}
	}
	return false
}

// having is the blocks that have all grams of a pattern, a bit each; nil if it has none. room is for them.
func (g *Guide) having(p *pattern, room []byte) []byte {
	text := p.find
	if text[0] == 0 {
		text = text[1:]
	}
	if len(text) < 3 {
		return nil
	}
	room = append(room[:0], g.row(gram3(text))...)
	any := true
	for i := 0; any && g.fours && i+3 < len(text) && text[i+3] != 0; i++ { // they say more
		any = and(room, g.row(gram4(text[i:])))
	}
	for i := 1; any && i+2 < len(text); i++ {
		any = and(room, g.row(gram3(text[i:])))
	}
	return room
}

func (g *Guide) row(i int) []byte { return g.rows[g.width()*i:][:g.width()] }

// and takes away the bits that another row of the same length doesn't have. It reports whether some are left.
func and(bits, with []byte) bool {
	var left uint64
	for ; len(bits) >= 8; bits, with = bits[8:], with[8:] {
		w := binary.LittleEndian.Uint64(bits) & binary.LittleEndian.Uint64(with)
		binary.LittleEndian.PutUint64(bits, w)
		left |= w
	}
	for k := range bits {
		bits[k] &= with[k]
		left |= uint64(bits[k])
	}
	return left != 0
}

// A GuideBuilder makes a guide of a segment with so many Docs. The zero value with them is ready. It is not safe for concurrent use.
type GuideBuilder struct {
	Docs uint32

	ends   []uint32
	fences []uint32
	first  []byte
	common []byte
	grams  []uint64 // gramWords for each block

	endings endingTable
	later   bool // the segment has a guide already
}

// Blocks is the number of blocks so far.
func (b *GuideBuilder) Blocks() int { return len(b.fences) }

// Full reports whether the guide should have no more chunks.
func (b *GuideBuilder) Full() bool { return b.Blocks() >= guideBlocks }

// Add adds the segment's next chunk.
func (b *GuideBuilder) Add(c Chunk) {
	names, _ := c.parts()
	postings := c.Postings
	var last []byte
	for n := 0; len(names) > 1; n++ {
		size := bytes.IndexByte(names[1:], 0)
		if size < 0 {
			break
		}
		term := names[1 : 1+size]
		if n%blockTerms == 0 {
			b.first = append(b.first, term...)
			b.fences = append(b.fences, uint32(len(b.first)))
			b.grams = append(b.grams, make([]uint64, gramWords)...)
			b.endings.block()
			last = nil
		}
		b.note(term, shared(last, term))
		b.endings.add(term)
		last = term
		list, k := binary.Uvarint(postings)
		if k > 0 && list <= uint64(len(postings)-k) {
			postings = postings[k+int(list):]
			if tooCommon(int(list), b.Docs) && len(b.common)+len(term) < mostCommon {
				b.common = append(append(b.common, 0), term...)
			}
		}
		names = names[1+size:]
	}
	b.ends = append(b.ends, uint32(b.Blocks()))
}

// note adds a term, behind which there is a 0, to the last block. The block has one that begins with as many of the same bytes.
func (b *GuideBuilder) note(term []byte, same int) {
	block := (*[gramWords]uint64)(b.grams[len(b.grams)-gramWords:])
	text := term[:len(term)+1]
	for i := max(same-2, 0); i+2 < len(text); i++ {
		h := gram3(text[i:])
		block[h/64] |= 1 << (h % 64)
	}
	for i := max(same-3, 0); i+3 < len(term); i++ {
		h := gram4(term[i:])
		block[h/64] |= 1 << (h % 64)
	}
}

// shared is how many bytes two terms have in common at their beginning.
func shared(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// Take returns the guide of the chunks since the last call, and the records of their endings.
func (b *GuideBuilder) Take() (guide []byte, endings [][]byte) {
	if len(b.common) > 0 {
		b.common = append(b.common, 0)
	}
	buckets := 0
	if b.later || b.Blocks() >= endingsFrom {
		buckets, endings = b.endings.take()
	}
	out := []byte{guideVersion}
	for _, n := range [...]int{len(b.ends), b.Blocks(), len(b.common), buckets} {
		out = binary.BigEndian.AppendUint32(out, uint32(n))
	}
	for _, n := range slices.Concat(b.ends, b.fences) {
		out = binary.BigEndian.AppendUint32(out, n)
	}
	out = append(append(out, b.first...), b.common...)
	out = b.appendRows(out)
	*b = GuideBuilder{Docs: b.Docs, ends: b.ends[:0], fences: b.fences[:0], first: b.first[:0], common: b.common[:0], grams: b.grams[:0],
		endings: b.endings.empty(), later: true}
	return out, endings
}

func (b *GuideBuilder) appendRows(out []byte) []byte {
	width := (b.Blocks() + 7) / 8
	out = append(out, make([]byte, 2*gramRows*width)...)
	rows := out[len(out)-2*gramRows*width:]
	for i, word := range b.grams {
		block := i / gramWords
		for ; word != 0; word &= word - 1 {
			h := i%gramWords*64 + bits.TrailingZeros64(word)
			rows[h*width+block/8] |= 1 << (block % 8)
		}
	}
	return out
}
