package imap

import (
	"bytes"
	"unicode/utf8"

	"postroad/internal/format/fulltext"
	"postroad/internal/format/message"
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
	rec, err := m.batch.Summary(r)
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
		return q.recordKey(q.text(d), func(m *matching, r *mailbox.Row, rec summary.Record, b []byte) ([]byte, error) {
			return appendFolded(b, rec.Subject()), nil
		}), true
	case "FROM":
		return q.addressKey(q.text(d), "from", summary.From), true
	case "TO":
		return q.addressKey(q.text(d), "to", summary.To), true
	case "CC":
		return q.addressKey(q.text(d), "cc", summary.Cc), true
	case "BCC":
		return q.addressKey(q.text(d), "bcc", summary.Bcc), true
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
func (t *indexed) begin(m *matching) {
	if t.of != m {
		t.now, t.of = t.search(), m
	}
}

// candidates is the rows of a page that the index doesn't rule out. An error is one of the first of them.
func (m *matching) candidates(t *indexed, p *mailbox.Page) mailbox.Bits {
	t.begin(m)
	b, _ := t.now.Candidates(m.batch, p)
	return b
}

// ask asks the index about a message.
func (m *matching) ask(t *indexed, r *mailbox.Row) (bool, error) {
	t.begin(m)
	before := m.batch.BytesRead()
	ok, err := t.now.Match(m.batch, r)
	m.read += m.batch.BytesRead() - before
	m.rec, m.recOf = nil, 0 // read by the batch, which may have read another since
	return ok, err
}

// recordKey searches in text that a message's summary has; get appends it, folded.
func (q *searching) recordKey(needle []byte, get func(m *matching, r *mailbox.Row, rec summary.Record, b []byte) ([]byte, error)) criterion {
	words := q.fuzzyWords(needle)
	return criterion{cost: byRecord, match: func(m *matching, _ int, r *mailbox.Row) (bool, error) {
		rec, err := m.record(r)
		if err != nil {
			return false, err
		}
		m.folded, err = get(m, r, rec, m.folded[:0])
		return err == nil && m.matchText(m.folded, needle, words), err
	}}
}

// addressKey searches in addresses as people see them, "name <user@host>", and in the field as it was written.
func (q *searching) addressKey(needle []byte, field string, list summary.List) criterion {
	return q.recordKey(needle, func(m *matching, r *mailbox.Row, rec summary.Record, b []byte) ([]byte, error) {
		addresses := rec.Addresses(list)
		for a, ok := addresses.Next(); ok; a, ok = addresses.Next() {
			b = appendFolded(b, a.Name)
			b = appendFolded(append(b, " <"...), a.Mailbox)
			b = appendFolded(append(b, '@'), a.Host)
			b = append(b, ">, "...)
		}
		h, err := m.header(r, rec)
		return appendFoldedFields(b, h, field), err
	})
}

// headerKey searches in the header fields of a name, in all if it is "". An empty needle is found in
// any such field (RFC 9051 §6.4.4).
func (q *searching) headerKey(needle []byte, field string) criterion {
	words := q.fuzzyWords(needle)
	return criterion{cost: byRecord, match: func(m *matching, _ int, r *mailbox.Row) (bool, error) {
		rec, err := m.record(r)
		if err != nil {
			return false, err
		}
		h, err := m.header(r, rec)
		m.folded = appendFoldedFields(m.folded[:0], h, field)
		// A field leaves a line end at least, so that an empty needle isn't found where there is no field.
		return len(m.folded) > 0 && m.matchText(m.folded, needle, words), err
	}}
}

// header is the message's header, or as much of it as is searched.
func (m *matching) header(r *mailbox.Row, rec summary.Record) ([]byte, error) {
	if h := rec.Header(); h != nil {
		return h, nil
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

// appendFoldedFields appends the values of the fields of that name, decoded and folded, a line each.
// With "" it appends all fields, names too.
func appendFoldedFields(dst, header []byte, name string) []byte {
	for len(header) > 0 {
		n := fieldLen(header)
		field := header[:n]
		header = header[n:]
		if isBlank(field) {
			break
		}
		if name != "" {
			if got := fieldName(field); len(got) != len(name) || !equalLower([]byte(name), got) {
				continue
			}
			_, field, _ = bytes.Cut(field, []byte(":"))
		}
		dst = append(appendFoldedValue(dst, bytes.TrimSpace(field)), '\n')
	}
	return dst
}

// appendFoldedValue decodes a field's text, if there is anything to decode.
func appendFoldedValue(dst, v []byte) []byte {
	plain := bytes.IndexByte(v, '\n') < 0 && !bytes.Contains(v, []byte("=?")) && isASCII(v)
	if plain {
		return appendFoldedASCII(dst, v)
	}
	return appendFolded(dst, message.DecodeWords(message.DecodeText(message.Unfold(string(v)))))
}

// appendFolded appends text as searches compare it (RFC 5051).
func appendFolded[S string | []byte](dst []byte, s S) []byte { return fulltext.AppendFolded(dst, s) }

func appendFoldedASCII(dst, s []byte) []byte {
	for _, c := range s {
		dst = append(dst, lower(c))
	}
	return dst
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
