package imap

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"postroad/internal/format/message"
	"postroad/internal/format/summary"
	"postroad/internal/model/mailbox"
)

// matching asks criteria of one message after the other, and keeps what it has read of the one at hand.
type matching struct {
	s     *session
	now   int64 // Unix seconds
	batch *mailbox.Batch
	read  int64 // bytes of contents read in this batch

	rec      summary.Record
	recOf    mailbox.ContentID
	folded   []byte            // scratch: text to be searched, folded
	content  []byte            // scratch
	whole    mailbox.ContentID // whose whole content is in there; 0 if none
	bodyText []byte            // the decoded text of a message, folded
	bodyOf   mailbox.ContentID
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
		return recordKey(q.text(d), func(m *matching, r *mailbox.Row, rec summary.Record, b []byte) ([]byte, error) {
			return appendFolded(b, rec.Subject()), nil
		}), true
	case "FROM":
		return addressKey(q.text(d), "from", summary.Record.From), true
	case "TO":
		return addressKey(q.text(d), "to", summary.Record.To), true
	case "CC":
		return addressKey(q.text(d), "cc", summary.Record.Cc), true
	case "BCC":
		return addressKey(q.text(d), "bcc", summary.Record.Bcc), true
	case "HEADER":
		field := bytes.ToLower(d.astring())
		d.sp()
		return headerKey(q.text(d), string(field)), true
	case "BODY":
		needle := q.wholeText(d)
		return criterion{byContent, func(m *matching, _ int, r *mailbox.Row) (bool, error) {
			text, err := m.body(r)
			return bytes.Contains(text, needle), err
		}}, true
	case "TEXT":
		needle := q.wholeText(d)
		header := headerKey(needle, "")
		return criterion{byContent, func(m *matching, at int, r *mailbox.Row) (bool, error) {
			if ok, err := header.match(m, at, r); ok || err != nil {
				return ok, err
			}
			text, err := m.body(r)
			if err != nil || bytes.Contains(text, needle) {
				return err == nil, err
			}
			return m.inPartHeaders(r, needle)
		}}, true
	}
	return criterion{}, false
}

// recordKey searches in text that a message's summary has; get appends it, folded.
func recordKey(needle []byte, get func(m *matching, r *mailbox.Row, rec summary.Record, b []byte) ([]byte, error)) criterion {
	return criterion{byRecord, func(m *matching, _ int, r *mailbox.Row) (bool, error) {
		rec, err := m.record(r)
		if err != nil {
			return false, err
		}
		m.folded, err = get(m, r, rec, m.folded[:0])
		return err == nil && bytes.Contains(m.folded, needle), err
	}}
}

// addressKey searches in addresses as people see them, "name <user@host>", and in the field as it was written.
func addressKey(needle []byte, field string, get func(summary.Record) []message.Address) criterion {
	return recordKey(needle, func(m *matching, r *mailbox.Row, rec summary.Record, b []byte) ([]byte, error) {
		for _, a := range get(rec) {
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
func headerKey(needle []byte, field string) criterion {
	return criterion{byRecord, func(m *matching, _ int, r *mailbox.Row) (bool, error) {
		rec, err := m.record(r)
		if err != nil {
			return false, err
		}
		h, err := m.header(r, rec)
		m.folded = appendFoldedFields(m.folded[:0], h, field)
		// A field leaves a line end at least, so that an empty needle isn't found where there is no field.
		return len(m.folded) > 0 && bytes.Contains(m.folded, needle), err
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
	m.whole = 0
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

const (
	maxText   = 16 << 20 // how much of a message's decoded text is searched, in bytes
	maxInCore = 4 << 20  // larger messages are read from the store by portions
)

// body is a message's decoded text, folded: what BODY looks at.
func (m *matching) body(r *mailbox.Row) ([]byte, error) {
	if m.bodyOf == r.Content && r.Content != 0 {
		return m.bodyText, nil
	}
	text, err := m.extract(r)
	if err != nil {
		return nil, err
	}
	m.bodyText, m.bodyOf = appendFolded(m.bodyText[:0], text), r.Content
	return m.bodyText, nil
}

func (m *matching) extract(r *mailbox.Row) (string, error) {
	m.read += r.Size
	if r.Size <= maxInCore {
		if err := m.readWhole(r); err != nil {
			return "", err
		}
		return message.Text(message.Parse(m.content), bytes.NewReader(m.content), maxText), nil
	}
	content := m.s.mail.Content(r)
	p := message.NewParser(message.Limits{})
	if _, err := content.WriteTo(p); err != nil {
		return "", err
	}
	return message.Text(p.Finish(), content, maxText), nil
}

// readWhole puts a message into content, if it isn't there.
func (m *matching) readWhole(r *mailbox.Row) (err error) {
	if m.whole == r.Content && r.Content != 0 {
		return nil
	}
	m.whole = 0
	if m.content, err = m.batch.AppendContent(m.content[:0], r, 0, r.Size); err == nil {
		m.whole = r.Content
	}
	return err
}

// inPartHeaders reports whether the header of a part has the needle, as TEXT looks for it there too
// (RFC 9051 §6.4.4). Of messages too large for that it sees file names alone, which body has.
func (m *matching) inPartHeaders(r *mailbox.Row, needle []byte) (bool, error) {
	rec, err := m.record(r)
	if err != nil || r.Size > maxInCore {
		return false, err
	}
	for depth, p := range rec.Parts() {
		if depth == 0 {
			continue
		}
		if err := m.readWhole(r); err != nil {
			return false, err
		}
		if h := p.Header; h.Offset < 0 || h.Size < 0 || h.End() > int64(len(m.content)) {
			return false, nil // a damaged summary
		}
		m.folded = appendFoldedFields(m.folded[:0], m.content[p.Header.Offset:p.Header.End()], "")
		if bytes.Contains(m.folded, needle) {
			return true, nil
		}
	}
	return false, nil
}

// appendFolded appends text as searches compare it: without case, and composed (RFC 5198 §3).
func appendFolded(dst []byte, s string) []byte {
	start := len(dst)
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			if !norm.NFC.IsNormalString(s) {
				s = norm.NFC.String(s)
			}
			return appendFoldedRunes(dst[:start], s)
		}
		dst = append(dst, lower(s[i]))
	}
	return dst
}

func appendFoldedRunes(dst []byte, s string) []byte {
	for _, r := range s {
		if r < utf8.RuneSelf {
			dst = append(dst, lower(byte(r)))
		} else {
			dst = utf8.AppendRune(dst, unicode.ToLower(unicode.ToUpper(r)))
		}
	}
	return dst
}

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
