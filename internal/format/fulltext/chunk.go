package fulltext

import (
	"bytes"
	"encoding/binary"
	"sort"
)

// A Chunk is a piece of a segment: some terms, in order, and their postings, which are read only if a term is of interest.
//
//	Terms     4 bytes: length of the names; names: 0 and the term, for each, in order, and 0; then, for every sampleEvery-th term,
//	          where it stands in the names and where its posting stands, 4 bytes each
//	Postings  for each term the length of its list, a varint, and the list: for each document the distance from the one
//	          before (the first: from 0), shifted by 2, and the zones, a varint
//
// Numbers are big-endian. Damaged chunks find too much or too little, but do no harm.
type Chunk struct{ Terms, Postings []byte }

const (
	sampleEvery = 16
	// chunkNames and chunkPostings are about how large a chunk's halves are, in bytes.
	chunkNames    = 192 << 10
	chunkPostings = 512 << 10
)

// writer makes chunks of terms in ascending order. The last has to be cut off at the end.
type writer struct {
	put      func(Chunk) error
	names    []byte
	samples  []byte
	postings []byte
	n        int
}

func (w *writer) add(term, list []byte) error {
	if len(w.names)+len(term) > chunkNames || len(w.postings)+len(list) > chunkPostings {
		if err := w.cut(); err != nil {
			return err
		}
	}
	if w.n%sampleEvery == 0 {
		w.samples = binary.BigEndian.AppendUint32(w.samples, uint32(len(w.names)))
		w.samples = binary.BigEndian.AppendUint32(w.samples, uint32(len(w.postings)))
	}
	w.n++
	w.names = append(append(w.names, 0), term...)
	w.postings = append(binary.AppendUvarint(w.postings, uint64(len(list))), list...)
	return nil
}

// cut hands on what has been added since the last chunk.
func (w *writer) cut() error {
	if w.n == 0 {
		return nil
	}
	names := append(w.names, 0)
	terms := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(names)+len(w.samples)), uint32(len(names)))
	terms = append(append(terms, names...), w.samples...)
	postings := bytes.Clone(w.postings)
	w.names, w.samples, w.postings, w.n = w.names[:0], w.samples[:0], w.postings[:0], 0
	return w.put(Chunk{terms, postings})
}

// parts takes a chunk's terms apart; the names are empty if they are damaged.
func (c Chunk) parts() (names, samples []byte) {
	if len(c.Terms) < 4 {
		return nil, nil
	}
	n := binary.BigEndian.Uint32(c.Terms)
	if uint64(n) > uint64(len(c.Terms)-4) {
		return nil, nil
	}
	return c.Terms[4 : 4+n], c.Terms[4+n:]
}

// Piece returns some of a chunk's terms, with their postings, written over what into has: from its at-th sample on, in most bytes or a little more.
// next is where the next piece begins; 0: there is none. A merge needs no more of a piece than Next has to give.
func (c Chunk) Piece(at, most int, into Chunk) (piece Chunk, next int) {
	names, samples := c.parts()
	n := len(samples) / 8
	bounds := func(i int) (name, posting int) {
		switch {
		case i <= 0:
			return 0, 0
		case i >= n:
			return len(names), len(c.Postings)
		}
		return min(int(binary.BigEndian.Uint32(samples[8*i:])), len(names)), min(int(binary.BigEndian.Uint32(samples[8*i+4:])), len(c.Postings))
	}
	name, posting := bounds(at)
	next = at + sort.Search(max(n-at, 0), func(k int) bool {
		toName, toPosting := bounds(at + 1 + k)
		return toName-name+toPosting-posting > most
	})
	next = max(next, at+1)
	toName, toPosting := bounds(next)
	toName, toPosting = max(toName, name), max(toPosting, posting)
	piece.Terms = binary.BigEndian.AppendUint32(into.Terms[:0], uint32(toName-name))
	piece.Terms = append(piece.Terms, names[name:toName]...)
	piece.Postings = append(into.Postings[:0], c.Postings[posting:toPosting]...)
	if next >= n {
		next = 0
	}
	return piece, next
}

// span is where in the names the terms from lo to before hi stand, of those from a sample to before another: from the 0 of the first to the one behind the
// last. hi is nil if there is no end.
func (c Chunk) span(lo, hi []byte, sample, end int) (from, to int) {
	names, _ := c.parts()
	from, to = c.lower(lo, sample, end), c.at(end)
	if hi != nil {
		to = c.lower(hi, sample, end)
	}
	return from, min(max(from, to)+1, len(names))
}

// at is where in the names the term of a sample stands: its 0, or the one that ends the names.
func (c Chunk) at(sample int) int {
	names, samples := c.parts()
	end := max(len(names)-1, 0)
	if sample >= len(samples)/8 {
		return end
	}
	return min(int(binary.BigEndian.Uint32(samples[8*sample:])), end)
}

// lower is where the first term stands that is not less than a key, of those from a sample to before another.
func (c Chunk) lower(key []byte, sample, end int) int {
	names, samples := c.parts()
	end = min(end, len(samples)/8)
	sample = min(sample, end)
	less := func(at int) bool { return bytes.Compare(termAt(names, at), key) < 0 }
	if sample == end || !less(c.at(sample)) { // mostly: whole blocks are looked at
		return c.at(sample)
	}
	i := sample + 1 + sort.Search(end-sample-1, func(i int) bool { return !less(c.at(sample + 1 + i)) })
	at, last := c.at(i-1), c.at(i)
	for at < last && less(at) {
		at += 1 + len(termAt(names, at))
	}
	return min(at, last)
}

// termAt is the term whose 0 stands at a place in names.
func termAt(names []byte, at int) []byte {
	if at+1 >= len(names) {
		return nil
	}
	term := names[at+1:]
	if n := bytes.IndexByte(term, 0); n >= 0 {
		return term[:n]
	}
	return term
}

// find looks for a pattern among terms, and returns where those with it begin.
func find(names, pattern []byte) (at []int) {
	for from := 0; from < len(names); {
		i := bytes.Index(names[from:], pattern)
		if i < 0 {
			break
		}
		i += from
		start := i
		if names[i] != 0 {
			start = bytes.LastIndexByte(names[:i], 0)
		}
		if start < 0 {
			break // damaged
		}
		at = append(at, start)
		end := bytes.IndexByte(names[max(start+1, i):], 0)
		if end < 0 {
			break
		}
		from = max(start+1, i) + end // the next term's 0
	}
	return at
}

// posting returns the list of the term whose 0 stands at a place in the names.
func (c Chunk) posting(at int) []byte {
	names, samples := c.parts()
	n := len(samples) / 8
	i := sort.Search(n, func(i int) bool { return int(binary.BigEndian.Uint32(samples[8*i:])) > at }) - 1
	if i < 0 {
		return nil
	}
	from := int(binary.BigEndian.Uint32(samples[8*i:]))
	skip := bytes.Count(names[min(from, at):at], []byte{0})
	off := binary.BigEndian.Uint32(samples[8*i+4:])
	if uint64(off) > uint64(len(c.Postings)) {
		return nil
	}
	rest := c.Postings[off:]
	for ; ; skip-- {
		n, k := binary.Uvarint(rest)
		if k <= 0 || n > uint64(len(rest)-k) {
			return nil
		}
		if skip <= 0 {
			return rest[k : k+int(n)]
		}
		rest = rest[k+int(n):]
	}
}
