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
	field HeaderField // 0: the zones

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

// SearchField begins a search in what AppendField gives. It answers May alone.
func SearchField(needle string, f HeaderField) *TextSearch {
	s := searchText(needle, 0)
	s.field = f
	return s
}

// SearchHeader begins a search in what AppendHeaderField gives, of whatever name. It answers May alone, and is never sure.
func SearchHeader(needle string) *TextSearch { return searchText(needle, fulltext.Header) }

func searchText(needle string, z fulltext.Zones) *TextSearch {
	return &TextSearch{query: fulltext.Compile(fulltext.AppendFolded(nil, needle)), zones: z}
}

// May reports whether a row's message may have the text, and whether that is sure, by the index alone.
func (s *TextSearch) May(b *Batch, row *Row) (may, sure bool, err error) {
	if err := s.prepare(b); err != nil {
		return false, false, err
	}
	if s.all {
		return true, false, nil
	}
	if _, waits := s.waits(row.Content); waits {
		return true, false, nil
	}
	_, hit := slices.BinarySearch(s.hits, row.Content)
	return hit, s.field != 0 && s.exact(), nil
}

// waits finds a content in the tail.
func (s *TextSearch) waits(id ContentID) (int, bool) {
	return slices.BinarySearchFunc(s.tail, id, func(w waiting, id ContentID) int { return cmp.Compare(w.id, id) })
}

// Match reports whether a row's message has the text. Rows asked for in the order of their contents cost least; most cost no
// reading at all. fault.NotFound: the message was expunged meanwhile.
func (s *TextSearch) Match(b *Batch, row *Row) (bool, error) {
	if err := s.prepare(b); err != nil {
		return false, err
	}
	i, waits := s.waits(row.Content)
	switch {
	case waits && s.tail[i].bare && b.textOf != row.Content:
		if _, err := b.takeOut(row); err != nil {
			return false, err
		}
		b.missText()
	case waits, s.all:
	default:
		if _, hit := slices.BinarySearch(s.hits, row.Content); !hit || s.query.Exact() {
			return hit, nil
		}
	}
	return b.holds(row, s.query, s.zones)
}

// Candidates is the rows of a page that may have the text, by the index alone.
func (s *TextSearch) Candidates(b *Batch, p *Page) (out Bits, err error) {
	if err := s.prepare(b); err != nil || s.all {
		return p.All(), err
	}
	i, j := s.from(p.first)
	if !s.any(i, j, p.last) {
		return out, nil
	}
	hits, tail := s.hits[i:], s.tail[j:]
	last := ContentID(0)
	for k := range p.rows {
		id := p.rows[k].Content
		if id < last { // contents mostly ascend, but need not
			hits, tail = s.hits[i:], s.tail[j:]
		}
		last = id
		for len(hits) > 0 && hits[0] < id {
			hits = hits[1:]
		}
		for len(tail) > 0 && tail[0].id < id {
			tail = tail[1:]
		}
		if len(hits) > 0 && hits[0] == id || len(tail) > 0 && tail[0].id == id {
			out.set(k)
		}
	}
	return out, nil
}

// Among reports whether Match may be true for rows of a group, by the index alone.
func (s *TextSearch) Among(b *Batch, g *Group) (bool, error) {
	if err := s.prepare(b); err != nil || s.all {
		return true, err
	}
	i, j := s.from(g.first)
	return s.any(i, j, g.last), nil
}

// from is where the hits and the tail begin that are not before a content.
func (s *TextSearch) from(id ContentID) (hit, tail int) {
	hit, _ = slices.BinarySearch(s.hits, id)
	tail, _ = s.waits(id)
	return hit, tail
}

// any reports whether there are hits or a tail, from those on, up to a content.
func (s *TextSearch) any(hit, tail int, last ContentID) bool {
	return hit < len(s.hits) && s.hits[hit] <= last || tail < len(s.tail) && s.tail[tail].id <= last
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
	s.all = !ok || s.query.All() || !s.knownBy(m)
	if s.tail, err = tailOf(b.r, m.floor, 1<<31-1); err != nil {
		return err
	}
	if !s.all {
		p := partReader{r: b.r}
		defer p.close()
		segments := slices.Clone(m.segments) // in the order of their keys, so that cursors serve for all
		slices.SortFunc(segments, func(a, b segment) int { return cmp.Compare(a.id, b.id) })
		for _, seg := range segments {
			if err := s.ask(&p, seg); err != nil {
				return err
			}
		}
		slices.Sort(s.hits)
	}
	s.ready = true
	return nil
}

// knownBy reports whether an index can tell about the text: those from before there were fields can't tell about headers alone.
func (s *TextSearch) knownBy(m manifest) bool {
	if s.zones&fulltext.Body != 0 {
		return true
	}
	return !slices.ContainsFunc(m.segments, func(seg segment) bool { return !seg.fields })
}

// ask adds what a segment knows.
func (s *TextSearch) ask(p *partReader, seg segment) error {
	h := fulltext.NewHits(s.lookup(), uint32(seg.docs))
	if !s.exact() {
		h.Hasty()
	}
	for {
		look := p.look
		if seg.guides > 0 {
			look = p.lookGuided
		}
		if err := look(seg, h); err != nil {
			return err
		}
		if h.Enough() {
			return s.note(p.r, seg, h)
		}
	}
}

// exact reports whether what the index has is what is looked for.
func (s *TextSearch) exact() bool {
	return s.query.Exact() || s.field != 0 && s.query.Token()
}

// lookup is what to look for in segments.
func (s *TextSearch) lookup() *fulltext.Lookup {
	switch {
	case s.field == 0:
		return s.query.Zones(s.zones)
	case s.query.Token():
		return s.query.Tokens(fulltext.Field(tokensOf + s.field))
	}
	return s.query.Field(fulltext.Field(s.field))
}

// look goes through the terms of a segment that has no guides.
func (p *partReader) look(seg segment, h *fulltext.Hits) error {
	for i := range seg.chunks {
		terms, err := p.get(&p.terms, segmentKey(seg.id, segmentTerms, i))
		if err != nil {
			return err
		}
		more, err := h.Search(terms, func() ([]byte, error) { return p.get(&p.postings, segmentKey(seg.id, segmentPostings, i)) })
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// lookGuided looks where a segment's guides say.
func (p *partReader) lookGuided(seg segment, h *fulltext.Hits) error {
	first, endings := 0, 0
	p.visits = p.visits[:0]
	for i := range seg.guides {
		v, err := p.get(&p.guides, segmentKey(seg.id, segmentGuide, i))
		if err != nil {
			return err
		}
		g, ok := fulltext.OpenGuide(v)
		if !ok {
			return damagedGuide()
		}
		visits, err := h.Plan(&g, func(n int) ([]byte, error) {
			return p.get(&p.endings, segmentKey(seg.id, segmentEndings, endings+n))
		})
		if err != nil {
			return err
		}
		for _, visit := range visits {
			visit.Chunk += first
			p.visits = append(p.visits, visit)
		}
		first += g.Chunks()
		endings += g.Endings()
	}
	if !h.Planned() {
		return nil
	}
	for _, visit := range p.visits {
		if !h.Wants(visit) {
			continue
		}
		terms, err := p.get(&p.terms, segmentKey(seg.id, segmentTerms, visit.Chunk))
		if err != nil {
			return err
		}
		postings := func() ([]byte, error) {
			return p.get(&p.postings, segmentKey(seg.id, segmentPostings, visit.Chunk))
		}
		if err := h.Visit(visit, terms, postings); err != nil {
			return err
		}
	}
	return nil
}

func damagedGuide() error {
	return fault.New(fault.Corrupt, "a guide of the text index is damaged")
}

// note adds the contents that were found.
func (s *TextSearch) note(r kv.Reader, seg segment, h *fulltext.Hits) (err error) {
	docs := docParts{r: r, of: seg}
	h.Each(func(doc uint32) {
		if err == nil {
			var id ContentID
			id, err = docs.at(int(doc))
			s.hits = append(s.hits, id)
		}
	})
	return err
}

// partReader reads segments, with little in memory at a time.
type partReader struct {
	r                       kv.Reader
	guides, terms, postings kv.Cursor
	endings                 kv.Cursor
	visits                  []fulltext.Visit // scratch
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
	for _, c := range [...]kv.Cursor{p.guides, p.endings, p.terms, p.postings} {
		if c != nil {
			c.Close()
		}
	}
	p.guides, p.endings, p.terms, p.postings = nil, nil, nil, nil
}
