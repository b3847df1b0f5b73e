package fulltext

import (
	"bytes"
	"encoding/binary"
)

// A Source is a segment to be merged.
type Source struct {
	// Next returns the segment's next chunk, which is valid until the next call; ok is false at its end.
	Next func() (c Chunk, ok bool, err error)
	// Renumber gives each document its number in the new segment, or Gone. Numbers that stay are in order, and above
	// those of the sources before.
	Renumber []uint32
}

// Gone is the number of a document that is left out.
const Gone = ^uint32(0)

// Merge makes one segment of several, which have to be in the order of their documents. It gives put the chunks one by one, as they
// are made, to keep: of each source and of the segment it has only one in memory. The error is one of Next or put, and ends it.
func Merge(sources []Source, put func(Chunk) error) error {
	heads := make([]head, len(sources))
	for i := range sources {
		heads[i].Source = &sources[i]
		if err := heads[i].advance(); err != nil {
			return err
		}
	}
	w := writer{put: put}
	var term, list []byte
	for next := least(heads); next != nil; next = least(heads) {
		term = append(term[:0], next...)
		var err error
		if list, err = join(heads, term, list[:0]); err != nil {
			return err
		}
		if len(list) > 0 {
			if err := w.add(term, list); err != nil {
				return err
			}
		}
	}
	return w.cut()
}

// join appends the lists of a term, in the new numbers, and goes to each source's next term.
func join(heads []head, term, list []byte) ([]byte, error) {
	last := uint32(0)
	for i := range heads {
		h := &heads[i]
		if !h.open || !bytes.Equal(h.term, term) {
			continue
		}
		list, last = h.renumbered(list, last)
		if err := h.advance(); err != nil {
			return list, err
		}
	}
	return list, nil
}

// head is where a merge stands in a source.
type head struct {
	*Source
	open     bool // there is a term
	term     []byte
	list     []byte
	names    []byte // the chunk's terms that follow
	postings []byte
}

func least(heads []head) (term []byte) {
	for i := range heads {
		if h := &heads[i]; h.open && (term == nil || bytes.Compare(h.term, term) < 0) {
			term = h.term
		}
	}
	return term
}

// advance goes to the next term.
func (h *head) advance() error {
	for len(h.names) < 2 {
		c, ok, err := h.Next()
		if err != nil || !ok {
			h.open = false
			return err
		}
		h.names, _ = c.parts()
		h.postings = c.Postings
	}
	h.open = true
	end := bytes.IndexByte(h.names[1:], 0) + 1
	if end < 1 {
		end = len(h.names)
	}
	h.term, h.names = h.names[1:end], h.names[end:]
	n, k := binary.Uvarint(h.postings)
	if k <= 0 || n > uint64(len(h.postings)-k) {
		h.list, h.postings = nil, nil
		return nil
	}
	h.list, h.postings = h.postings[k:k+int(n)], h.postings[k+int(n):]
	return nil
}

// renumbered appends the head's list in the new numbers; last is the last document in list.
func (h *head) renumbered(list []byte, last uint32) ([]byte, uint32) {
	doc := uint64(0)
	for rest := h.list; len(rest) > 0; {
		v, n := binary.Uvarint(rest)
		if n <= 0 {
			break
		}
		rest = rest[n:]
		doc += v >> zoneBits
		if doc >= uint64(len(h.Renumber)) {
			break
		}
		if to := h.Renumber[doc]; to != Gone && to >= last {
			list, last = appendDoc(list, to-last, Zones(v)&(1<<zoneBits-1)), to
		}
	}
	return list, last
}
