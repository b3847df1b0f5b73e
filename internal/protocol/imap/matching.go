package imap

import (
	"bytes"

	"postroad/internal/format/fulltext"
	"postroad/internal/format/summary"
	"postroad/internal/model/mailbox"
)

// matching asks criteria of one message after the other, and keeps what it has read of the one at hand.
type matching struct {
	s     *session
	now   int64 // Unix seconds
	scope *scope
	batch *mailbox.Batch
	read  int64 // bytes of contents read in this batch
	few   bool  // so few messages are to be looked at that it isn't worth while to ask the index about headers

	rec     summary.Record
	recOf   mailbox.ContentID
	folded  []byte // scratch: text to be searched, folded
	content []byte // scratch

	score, scores int // points of the FUZZY keys that the message at hand has met, and how many they are
}

// begin starts a batch: what was read of records is valid no more.
func (m *matching) begin(b *mailbox.Batch) { m.batch, m.rec, m.recOf, m.read = b, nil, 0, 0 }

func (m *matching) record(r *mailbox.Row) (summary.Record, error) {
	if m.recOf == r.Content && r.Content != 0 {
		return m.rec, nil
	}
	rec, err := m.batch.Brief(r)
	if err == nil {
		m.rec, m.recOf = rec, r.Content
	}
	return rec, err
}

// textKey searches in text: headers, addresses, bodies.
func (s *session) textKey(q *searching, name string) (criterion, bool) {
	d := &s.dec
	switch name {
	case "SUBJECT":
		return q.fieldKey(q.text(d), mailbox.FieldSubject), true
	case "FROM":
		return q.fieldKey(q.text(d), mailbox.FieldFrom), true
	case "TO":
		return q.fieldKey(q.text(d), mailbox.FieldTo), true
	case "CC":
		return q.fieldKey(q.text(d), mailbox.FieldCc), true
	case "BCC":
		return q.fieldKey(q.text(d), mailbox.FieldBcc), true
	case "HEADER":
		field := bytes.ToLower(d.astring())
		d.sp()
		return q.headerKey(q.text(d), string(field)), true
	case "BODY":
		return q.indexKey(q.wholeText(d), mailbox.SearchBody), true
	case "TEXT":
		return q.indexKey(q.wholeText(d), mailbox.SearchAll), true
	}
	return criterion{}, false
}

// indexKey searches in whole messages, by the account's index.
func (q *searching) indexKey(needle string, search func(string) *mailbox.TextSearch) criterion {
	if q.fuzzy > 0 {
		return fuzzyIndexKey(needle, search)
	}
	w := indexed{search: func() *mailbox.TextSearch { return search(needle) }}
	return criterion{
		cost:  byContent,
		match: func(m *matching, _ int, r *mailbox.Row) (bool, error) { return m.ask(&w, r) },
		sift:  func(m *matching, _ int, p *mailbox.Page) mailbox.Bits { return m.candidates(&w, p) },
		judge: func(m *matching, g *mailbox.Group) verdict { return m.judge(&w, g) },
	}
}

// indexed is a text that is looked for in the index: anew each time that a search is run, since a search knows nothing of
// messages that come later.
type indexed struct {
	search func() *mailbox.TextSearch
	now    *mailbox.TextSearch
	of     *matching
}

// begin begins the search, once in a run.
func (t *indexed) begin(m *matching) *mailbox.TextSearch {
	if t.of != m {
		t.now, t.of = t.search(), m
	}
	return t.now
}

// candidates is the rows of a page that the index doesn't rule out. An error is one of the first of them.
func (m *matching) candidates(t *indexed, p *mailbox.Page) mailbox.Bits {
	b, _ := t.begin(m).Candidates(m.batch, p)
	return b
}

// judge tells whether the index rules out all of a group.
func (m *matching) judge(t *indexed, g *mailbox.Group) verdict {
	if some, err := t.begin(m).Among(m.batch, g); some || err != nil {
		return perhaps
	}
	return none
}

// ask asks the index about a message.
func (m *matching) ask(t *indexed, r *mailbox.Row) (bool, error) {
	before := m.batch.BytesRead()
	ok, err := t.begin(m).Match(m.batch, r)
	m.read += m.batch.BytesRead() - before
	m.rec, m.recOf = nil, 0 // read by the batch, which may have read another since
	return ok, err
}

// fieldKey searches in addresses as people see them, "name <user@host>", and in the field as it was written; or in the subject.
func (q *searching) fieldKey(needle []byte, f mailbox.HeaderField) criterion {
	return q.recordKey(needle, func() *mailbox.TextSearch { return mailbox.SearchField(string(needle), f) },
		func(m *matching, r *mailbox.Row, rec summary.Record) (there bool, err error) {
			var h []byte
			if f != mailbox.FieldSubject {
				h, err = m.header(r, rec)
			}
			m.folded = mailbox.AppendField(m.folded[:0], f, rec, h)
			return true, err
		})
}

// headerKey searches in the header fields of a name, in all if it is "". An empty needle is found in
// any such field (RFC 9051 §6.4.4).
func (q *searching) headerKey(needle []byte, field string) criterion {
	return q.recordKey(needle, func() *mailbox.TextSearch { return mailbox.SearchHeader(string(needle)) },
		func(m *matching, r *mailbox.Row, rec summary.Record) (there bool, err error) {
			h, err := m.header(r, rec)
			m.folded = mailbox.AppendHeaderField(m.folded[:0], h, field)
			return len(m.folded) > 0, err // a field leaves a line end at least
		})
}

// recordKey searches in text that a message's summary has, of those that the index names; get puts it, folded, into m.folded, if there
// is any.
func (q *searching) recordKey(needle []byte, search func() *mailbox.TextSearch, get func(m *matching, r *mailbox.Row, rec summary.Record) (there bool, err error)) criterion {
	words := q.fuzzyWords(needle)
	t := indexed{search: search}
	k := criterion{cost: byRecord, match: func(m *matching, _ int, r *mailbox.Row) (bool, error) {
		if words == nil && !m.few {
			if may, sure, err := t.begin(m).May(m.batch, r); !may || sure || err != nil {
				return may, err
			}
		}
		rec, err := m.record(r)
		if err != nil {
			return false, err
		}
		there, err := get(m, r, rec)
		return err == nil && there && m.matchText(m.folded, needle, words), err
	}}
	if words == nil {
		k.sift = func(m *matching, _ int, p *mailbox.Page) mailbox.Bits {
			if m.few {
				return p.All()
			}
			return m.candidates(&t, p)
		}
		k.judge = func(m *matching, g *mailbox.Group) verdict { return m.judge(&t, g) }
	}
	return k
}

// header is the message's header, or as much of it as is searched.
func (m *matching) header(r *mailbox.Row, rec summary.Record) ([]byte, error) {
	if h, err := m.batch.Header(r, rec); h != nil || err != nil {
		return h, err
	}
	root, ok := rec.Root()
	if !ok {
		return nil, nil
	}
	n := min(root.Header.Size, maxHeader)
	m.read += n
	var err error
	m.content, err = m.batch.AppendContent(m.content[:0], r, root.Header.Offset, n)
	return m.content, err
}

// appendFolded appends text as searches compare it (RFC 5051).
func appendFolded[S string | []byte](dst []byte, s S) []byte { return fulltext.AppendFolded(dst, s) }
