package fulltext

import (
	"encoding/binary"
	"sync"
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
//
// It makes no garbage for a word: terms stand one behind the other, and of who has them there is one list, in the order of the documents, which is
// sorted by terms at the end.
type Builder struct {
	terms  termTable
	uses   []*usesBlock // all full but the last
	n      uint32       // uses
	marked []byte       // scratch
}

// use says that a document has a term.
type use struct {
	term uint32
	doc  docZones
}

// docZones is a document and its zones: the latter are its lowest bits.
type docZones uint32

// usesBlock is a part of a long list, so that it needn't be copied when it grows.
type usesBlock [16 << 10]use

// useBlocks are those that builders have no more use for.
var useBlocks = sync.Pool{New: func() any { return new(usesBlock) }}

// NewBuilder makes a Builder.
func NewBuilder() *Builder { return &Builder{terms: newTermTable()} }

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
func (b *Builder) Size() int { return len(b.terms.text) + int(b.terms.n) + 2*int(b.n) }

func (b *Builder) term(doc uint32, z Zones, t []byte) {
	e := b.terms.get(t)
	here := docZones(doc)<<zoneBits | docZones(z)
	if e.uses > 0 && e.doc>>zoneBits == here>>zoneBits {
		if here |= e.doc; here != e.doc {
			e.doc = here
			b.use(e.last).doc = here
		}
		return
	}
	if int(b.n) == len(b.uses)*len(usesBlock{}) {
		b.uses = append(b.uses, useBlocks.Get().(*usesBlock))
	}
	*b.use(b.n) = use{e.number, here}
	e.doc, e.last = here, b.n
	e.uses++
	b.n++
}

// use is the n-th.
func (b *Builder) use(n uint32) *use {
	const size = uint32(len(usesBlock{}))
	return &b.uses[n/size][n%size]
}

// Chunks returns the segment, to be stored. The builder can't be used any more.
func (b *Builder) Chunks() []Chunk {
	order := b.terms.sorted()
	docs := b.byTerm(order)
	var all []Chunk
	w := writer{put: func(c Chunk) error { all = append(all, c); return nil }}
	var list []byte
	for _, e := range order {
		list = list[:0]
		prev := docZones(0)
		for _, d := range docs[:e.uses] {
			list = appendDoc(list, uint32(d>>zoneBits-prev), Zones(d)&(1<<zoneBits-1))
			prev = d >> zoneBits
		}
		docs = docs[e.uses:]
		_ = w.add(b.terms.of(e), list) // it has only put's errors
	}
	_ = w.cut()
	return all
}

// byTerm is the documents of all uses, sorted by terms in an order, those of a term as they have come. The uses are gone then.
func (b *Builder) byTerm(order []*termEntry) []docZones {
	next := make([]uint32, len(order)) // by number: where the term's next document goes
	at := uint32(0)
	for _, e := range order {
		next[e.number] = at
		at += e.uses
	}
	out := make([]docZones, b.n)
	left := len(out)
	for _, block := range b.uses {
		n := min(left, len(block))
		for _, u := range block[:n] {
			out[next[u.term]] = u.doc
			next[u.term]++
		}
		left -= n
		useBlocks.Put(block)
	}
	b.uses, b.n = nil, 0
	return out
}

func appendDoc(list []byte, distance uint32, z Zones) []byte {
	return binary.AppendUvarint(list, uint64(distance)<<zoneBits|uint64(z))
}
