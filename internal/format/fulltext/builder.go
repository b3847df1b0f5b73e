package fulltext

import (
	"encoding/binary"
	"slices"
	"strings"
)

// Zones are parts of documents that are searched apart: a set.
type Zones uint8

// Zones of a message.
const (
	Body Zones = 1 << iota
	Header
	zoneBits = iota
)

// Field names a part of a document that has terms of its own, besides those of the zones: 1 to MaxField. Its terms begin with its
// byte, which no other term has in it, so that they stand together, before those of the zones.
type Field byte

// MaxField is the largest Field.
const MaxField Field = 0x1f

// A Builder makes the segment of some documents. It is not safe for concurrent use.
type Builder struct {
	known  map[string]*posting
	size   int
	marked []byte // scratch
}

// posting is a term's list of documents: for each the distance from the last one and the zones, as a varint.
type posting struct {
	list  []byte // all but the last
	last  uint32
	zones Zones
	prev  uint32 // document before the last
}

// NewBuilder makes a Builder.
func NewBuilder() *Builder { return &Builder{known: map[string]*posting{}} }

// Add adds a zone of a document. Documents are numbered from 0; those added later have no lower numbers.
func (b *Builder) Add(doc uint32, z Zones, folded []byte) {
	terms(folded, func(t []byte) { b.term(doc, z, t) })
}

// AddField adds a field of a document; likewise.
func (b *Builder) AddField(doc uint32, f Field, folded []byte) {
	terms(folded, func(t []byte) {
		b.marked = append(append(b.marked[:0], byte(f)), t...)
		b.term(doc, 0, b.marked)
	})
}

// AddTokens adds a field's tokens: what stands in one piece though words end in it, such as addresses. Field and tokens can't have the same
// number.
func (b *Builder) AddTokens(doc uint32, f Field, folded []byte) {
	tokens(folded, func(t []byte) {
		b.marked = append(append(b.marked[:0], byte(f)), t...)
		b.term(doc, 0, b.marked)
	})
}

// Size is about how many bytes the segment has so far.
func (b *Builder) Size() int { return b.size }

func (b *Builder) term(doc uint32, z Zones, t []byte) {
	p := b.known[string(t)]
	switch {
	case p == nil:
		b.known[string(t)] = &posting{last: doc, zones: z}
		b.size += len(t) + 3
	case p.last == doc:
		p.zones |= z
	default:
		p.flush()
		p.last, p.zones = doc, z
		b.size += 2
	}
}

// flush writes the last document into the list.
func (p *posting) flush() {
	p.list = appendDoc(p.list, p.last-p.prev, p.zones)
	p.prev = p.last
}

func appendDoc(list []byte, distance uint32, z Zones) []byte {
	return binary.AppendUvarint(list, uint64(distance)<<zoneBits|uint64(z))
}

// Chunks returns the segment, to be stored. The builder can't be used any more.
func (b *Builder) Chunks() []Chunk {
	all := make([]string, 0, len(b.known))
	for t := range b.known {
		all = append(all, t)
	}
	slices.SortFunc(all, strings.Compare)
	var w writer
	for _, t := range all {
		p := b.known[t]
		p.flush()
		w.add([]byte(t), p.list)
	}
	return w.finish()
}
