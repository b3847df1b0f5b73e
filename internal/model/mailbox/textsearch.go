package mailbox

import (
	"bytes"
	"cmp"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/format/fulltext"
	"postroad/internal/storage/kv"
)

// A TextSearch looks for a piece of text in an account's messages. It is made once and then asked about rows, in any
// batches. Not safe for concurrent use.
type TextSearch struct {
	query *fulltext.Query
	zones fulltext.Zones
	ready bool
	all   bool        // the index can't tell: each message has to be looked at
	hits  []ContentID // ascending; those that may have it, by the index
	tail  []waiting   // ascending; those that the index doesn't know
}

// SearchBody begins a search in what people read of messages: all text parts (HTML without its tags), subjects and addresses
// of messages inside, names of attachments. Letters' case, and how accents are encoded, don't matter (RFC 5051).
func SearchBody(needle string) *TextSearch { return searchText(needle, fulltext.Body) }

// SearchAll begins a search in bodies, headers and the headers of parts.
func SearchAll(needle string) *TextSearch { return searchText(needle, fulltext.Body|fulltext.Header) }

func searchText(needle string, z fulltext.Zones) *TextSearch {
	return &TextSearch{query: fulltext.Compile(fulltext.AppendFolded(nil, needle)), zones: z}
}

// Match reports whether a row's message has the text. Rows asked for in the order of their contents cost least; most cost no
// reading at all. fault.NotFound: the message was expunged meanwhile.
func (s *TextSearch) Match(b *Batch, row *Row) (bool, error) {
	if err := s.prepare(b); err != nil {
		return false, err
	}
	i, waits := slices.BinarySearchFunc(s.tail, row.Content, func(w waiting, id ContentID) int { return cmp.Compare(w.id, id) })
	switch {
	case waits && s.tail[i].bare && b.textOf != row.Content:
		if _, err := b.takeOut(row); err != nil {
			return false, err
		}
	case waits, s.all:
	default:
		if _, hit := slices.BinarySearch(s.hits, row.Content); !hit || s.query.Exact() {
			return hit, nil
		}
	}
	return b.holds(row, s.query, s.zones)
}

// Candidates is the rows of a page that Match may be true for, as far as that can be said at no cost.
func (s *TextSearch) Candidates(b *Batch, p *Page) (Bits, error) {
	if err := s.prepare(b); err != nil || s.all {
		return p.All(), err
	}
	i, _ := slices.BinarySearch(s.hits, p.first)
	j, _ := slices.BinarySearchFunc(s.tail, p.first, func(w waiting, id ContentID) int { return cmp.Compare(w.id, id) })
	if (i == len(s.hits) || s.hits[i] > p.last) && (j == len(s.tail) || s.tail[j].id > p.last) {
		return Bits{}, nil
	}
	return p.All(), nil
}

// prepare asks the index, once. Messages that come later are none of the search's business.
func (s *TextSearch) prepare(b *Batch) error {
	if s.ready {
		return nil
	}
	m, _, ok, err := readManifest(b.r)
	if err != nil {
		return err
	}
	s.all = !ok || s.query.All()
	if s.tail, err = tailOf(b.r, 1<<31-1); err != nil {
		return err
	}
	if !s.all {
		p := partReader{r: b.r}
		defer p.close()
		for _, seg := range m {
			if err := s.ask(&p, seg); err != nil {
				return err
			}
		}
		slices.Sort(s.hits)
	}
	s.ready = true
	return nil
}

// ask adds what a segment knows.
func (s *TextSearch) ask(p *partReader, seg segment) error {
	h := fulltext.NewHits(uint32(seg.docs))
	for i := range seg.chunks {
		terms, err := p.get(&p.terms, segmentKey(seg.id, segmentTerms, i))
		if err != nil {
			return err
		}
		err = h.Search(s.query, s.zones, terms, func() ([]byte, error) { return p.get(&p.postings, segmentKey(seg.id, segmentPostings, i)) })
		if err != nil {
			return err
		}
	}
	var docs []ContentID
	var err error
	h.Each(func(doc uint32) {
		if docs == nil && err == nil {
			docs, err = readDocs(p.r, seg)
		}
		if err == nil {
			s.hits = append(s.hits, docs[doc])
		}
	})
	return err
}

// partReader reads segments in their order, with little in memory at a time.
type partReader struct {
	r               kv.Reader
	terms, postings kv.Cursor
}

// get is valid until it is called again with the same cursor.
func (p *partReader) get(c *kv.Cursor, key []byte) ([]byte, error) {
	if *c == nil {
		made, err := p.r.Cursor([]byte{keySegment}, []byte{keySegment + 1})
		if err != nil {
			return nil, err
		}
		*c = made
	}
	v, ok, err := (*c).Seek(key)
	if err == nil && (!ok || !bytes.Equal(v.Key, key)) {
		err = fault.New(fault.Corrupt, "a part of the text index is missing")
	}
	return v.Value, err
}

func (p *partReader) close() {
	for _, c := range [...]kv.Cursor{p.terms, p.postings} {
		if c != nil {
			c.Close()
		}
	}
}
