package imap

import (
	"bytes"
	"strconv"

	"postroad/internal/format/summary"
	"postroad/internal/model/mailbox"
)

// section is a part of a message as BODY[...] names it (RFC 9051 §6.4.5.1).
type section struct {
	label  string // what the response calls it
	text   string // the label's section-text
	part   []uint32
	kind   sectionKind
	fields [][]byte // of HEADER.FIELDS, in lower case
	noted  bool     // of HEADER.FIELDS: records say where all these fields are,
	set    summary.FieldSet
	slice  slice
}

type sectionKind uint8

const (
	wholePart sectionKind = iota
	headerPart
	headerFields
	headerFieldsNot
	textPart
	mimePart
)

// slice is <origin.size>; the zero slice is everything.
type slice struct {
	partial   bool
	off, size int64
}

// clip cuts a span as the slice says.
func (sl slice) clip(sp summary.Span) summary.Span {
	if !sl.partial {
		return sp
	}
	off := min(sl.off, sp.Size)
	return summary.Span{Offset: sp.Offset + off, Size: min(sl.size, sp.Size-off)}
}

// oldSection is what RFC 3501 §6.4.5 calls RFC822, RFC822.HEADER or RFC822.TEXT.
func oldSection(name string) *section {
	kinds := map[string]sectionKind{"RFC822.HEADER": headerPart, "RFC822.TEXT": textPart}
	return &section{label: name, kind: kinds[name]}
}

// section consumes "[...]" and a slice.
func (d *decoder) section() *section {
	sec := &section{}
	d.special('[')
	sec.part = d.partNumber()
	if d.peek() != ']' {
		sec.kind = d.sectionText(sec)
	}
	d.special(']')
	sec.slice = d.slice()
	sec.label = sectionLabel("BODY", sec.part, sec.text, sec.slice)
	return sec
}

// sectionLabel names a section in a response: as the request did, but without the size of the slice.
func sectionLabel(item string, part []uint32, text string, sl slice) string {
	b := append([]byte(item), '[')
	for i, n := range part {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendUint(b, uint64(n), 10)
	}
	if len(part) > 0 && text != "" {
		b = append(b, '.')
	}
	b = append(append(b, text...), ']')
	if sl.partial {
		b = append(strconv.AppendInt(append(b, '<'), sl.off, 10), '>')
	}
	return string(b)
}

// partNumber consumes section-part with the dot behind it, if there is one; 1.2.TEXT leaves TEXT.
func (d *decoder) partNumber() (part []uint32) {
	for isDigit(d.peek()) {
		if part = append(part, d.nzNumber()); len(part) > 200 {
			d.fail("part number too long")
		}
		if !d.try('.') {
			return part
		}
	}
	if len(part) > 0 && d.peek() == ']' {
		d.fail("part number ends with a dot")
	}
	return part
}

// sectionText consumes section-text.
func (d *decoder) sectionText(sec *section) sectionKind {
	if n := len(sec.part); n > 0 && d.ok() && d.buf[d.pos-1] != '.' {
		d.expected("a dot")
	}
	sec.text = d.keyword()
	switch sec.text {
	case "HEADER":
		return headerPart
	case "TEXT":
		return textPart
	case "MIME":
		if len(sec.part) == 0 {
			d.fail("MIME needs a part number")
		}
		return mimePart
	case "HEADER.FIELDS":
		d.headerList(sec)
		return headerFields
	case "HEADER.FIELDS.NOT":
		d.headerList(sec)
		return headerFieldsNot
	}
	d.fail("no such section")
	return wholePart
}

// headerList consumes SP header-list.
func (d *decoder) headerList(sec *section) {
	d.sp()
	label := []byte(" (")
	d.list(func() {
		name := d.astring()
		sec.fields = append(sec.fields, bytes.ToLower(name))
		label = append(appendAstring(label, string(name)), ' ')
	})
	if d.ok() && len(sec.fields) == 0 {
		d.expected("header field names")
	}
	label[len(label)-1] = ')'
	sec.text += string(label)
	sec.set, sec.noted = summary.FieldsOf(sec.fields)
}

// appendAstring writes an atom if s can be one, else a quoted string or a literal.
func appendAstring(dst []byte, s string) []byte {
	for i := range len(s) {
		if !astringChars[s[i]] {
			return appendString(dst, s, false)
		}
	}
	if s == "" {
		return append(dst, `""`...)
	}
	return append(dst, s...)
}

// slice consumes partial (RFC 9051 §9), if there is one.
func (d *decoder) slice() slice {
	if !d.try('<') {
		return slice{}
	}
	sl := slice{partial: true, off: d.number64()}
	d.special('.')
	if sl.size = d.number64(); d.ok() && sl.size == 0 {
		d.fail("0 bytes of it?")
	}
	d.special('>')
	return sl
}

// write appends the section, as a literal or NIL if there is no such part.
func (sec *section) write(f *fetching, dst []byte, r *mailbox.Row) ([]byte, error) {
	if sec.entire() && r.Size <= largeContent {
		return sec.writeEntire(f, dst, r)
	}
	if sec.ofHeader() {
		if out, ok, err := sec.writeApart(f, dst, r); ok || err != nil {
			return out, err
		}
	}
	rec, err := f.record(r)
	if err != nil {
		return dst, err
	}
	sp, ok := sec.locate(rec, r)
	switch {
	case !ok:
		return append(dst, "NIL"...), nil
	case sec.fields != nil:
		return sec.writeFields(f, dst, r, rec, sp)
	}
	sp = sec.slice.clip(sp)
	dst = appendLiteralSize(dst, sp.Size)
	start := len(dst)
	if h := rec.Header(); sp.Offset == 0 && sp.End() <= int64(len(h)) {
		dst = append(dst, h[:sp.End()]...)
	} else if sp.Size <= largeContent {
		if dst, err = f.batch.AppendContent(dst, r, sp.Offset, sp.Size); err != nil {
			return dst, err
		}
	} else {
		f.stream = func() error { return f.s.send(r, sp) }
	}
	maskNUL(dst[start:])
	return dst, nil
}

// ofHeader reports whether the section is the message's own header, or some of it.
func (sec *section) ofHeader() bool {
	return len(sec.part) == 0 && (sec.kind == headerPart || sec.kind == headerFields || sec.kind == headerFieldsNot)
}

// writeApart writes of a header that is kept apart from the summary. It reports false if this one isn't.
func (sec *section) writeApart(f *fetching, dst []byte, r *mailbox.Row) (_ []byte, ok bool, err error) {
	start := len(dst)
	if sec.noted && sec.kind == headerFields && sec.set.Usual() {
		fields, ok, err := f.batch.Fields(r)
		if !ok || err != nil {
			return dst, false, err
		}
		if out, ok := fields.Append(dst, sec.set); ok {
			return sec.endFields(append(out, crlf...), start), true, nil
		}
	}
	header, ok, err := f.batch.HeaderApart(r)
	if !ok || err != nil {
		return dst, false, err
	}
	if sec.fields != nil {
		return sec.endFields(appendFields(dst, header, sec.fields, sec.kind == headerFields), start), true, nil
	}
	sp := sec.slice.clip(summary.Span{Size: int64(len(header))})
	dst = appendLiteralSize(dst, sp.Size)
	start = len(dst)
	dst = append(dst, header[sp.Offset:sp.End()]...)
	maskNUL(dst[start:])
	return dst, true, nil
}

// entire reports whether the section is the message as it is.
func (sec *section) entire() bool {
	return sec.kind == wholePart && len(sec.part) == 0 && !sec.slice.partial
}

// writeEntire appends the message, for which its summary isn't needed.
func (sec *section) writeEntire(f *fetching, dst []byte, r *mailbox.Row) (_ []byte, err error) {
	dst = appendLiteralSize(dst, r.Size)
	start := len(dst)
	dst, err = f.batch.AppendContent(dst, r, 0, r.Size)
	maskNUL(dst[start:])
	return dst, err
}

func appendLiteralSize(dst []byte, n int64) []byte {
	return append(strconv.AppendInt(append(dst, '{'), n, 10), "}\r\n"...)
}

// send writes a span of a message's content to the client, by portions.
func (s *session) send(r *mailbox.Row, sp summary.Span) error {
	_, err := s.sel.mail.Content(r).Section(sp.Offset, sp.Size).WriteTo(&nulMasker{to: &s.out})
	return err
}

// locate finds the section in the message; for HEADER.FIELDS it is the whole header.
func (sec *section) locate(rec summary.Record, r *mailbox.Row) (summary.Span, bool) {
	if len(sec.part) == 0 {
		return sec.locateWhole(rec, r)
	}
	switch sec.kind {
	case wholePart:
		p, ok := rec.Part(sec.part...)
		return p.Body, ok
	case mimePart:
		p, ok := rec.Part(sec.part...)
		return p.Header, ok
	case textPart:
		p, ok := rec.Nested(sec.part...)
		return p.Body, ok
	}
	p, ok := rec.Nested(sec.part...)
	return p.Header, ok
}

// locateWhole finds a section of the message itself.
func (sec *section) locateWhole(rec summary.Record, r *mailbox.Row) (summary.Span, bool) {
	h := int64(len(rec.Header()))
	switch {
	case sec.kind == wholePart:
		return summary.Span{Size: r.Size}, true
	case sec.kind != textPart && h > 0: // it is kept whole or not at all
		return summary.Span{Size: h}, true
	}
	root, ok := rec.Root()
	if sec.kind == textPart {
		return root.Body, ok
	}
	return root.Header, ok
}

// maxHeader is how much of a header is looked at for HEADER.FIELDS, in bytes.
const maxHeader = 1 << 20

// writeFields appends the header fields that are asked for, and the empty line (RFC 9051 §6.4.5.1).
func (sec *section) writeFields(f *fetching, dst []byte, r *mailbox.Row, rec summary.Record, sp summary.Span) ([]byte, error) {
	start := len(dst)
	if sec.noted && len(sec.part) == 0 && sec.kind == headerFields {
		var ok bool
		if dst, ok = rec.AppendFields(dst, sec.set); ok {
			return sec.endFields(append(dst, crlf...), start), nil
		}
	}
	header := rec.Header()
	if sp.Offset != 0 || int64(len(header)) != sp.Size {
		var err error
		if header, err = f.batch.AppendContent(f.scratch[:0], r, sp.Offset, min(sp.Size, maxHeader)); err != nil {
			return dst, err
		}
		f.scratch = header
	}
	return sec.endFields(appendFields(dst, header, sec.fields, sec.kind == headerFields), start), nil
}

// endFields makes the literal of fields at dst[start:]. The size stands before the bytes, which are moved behind it.
func (sec *section) endFields(dst []byte, start int) []byte {
	maskNUL(dst[start:])
	part := sec.slice.clip(summary.Span{Size: int64(len(dst) - start)})
	return insertSize(dst[:start+int(part.End())], start, int(part.Offset))
}

// insertSize makes dst[start:] without its first skip bytes a literal.
func insertSize(dst []byte, start, skip int) []byte {
	var size [24]byte
	head := appendLiteralSize(size[:0], int64(len(dst)-start-skip))
	if skip >= len(head) { // there is room for the size already
		n := copy(dst[start:], head)
		n += copy(dst[start+n:], dst[start+skip:])
		return dst[:start+n]
	}
	grow := len(head) - skip
	dst = append(dst, head[:grow]...)
	copy(dst[start+len(head):], dst[start+skip:len(dst)-grow])
	copy(dst[start:], head)
	return dst
}

// appendFields copies the header fields whose names are (or, with only false, are not) in the list.
func appendFields(dst, header []byte, names [][]byte, only bool) []byte {
	for len(header) > 0 {
		n := fieldLen(header)
		field := header[:n]
		header = header[n:]
		if isBlank(field) {
			break
		}
		if named(field, names) == only {
			dst = append(dst, field...)
			if field[n-1] != '\n' {
				dst = append(dst, crlf...)
			}
		}
	}
	return append(dst, crlf...)
}

// fieldLen is how long the first field is, its folded lines included.
func fieldLen(h []byte) int {
	n := 0
	for {
		i := bytes.IndexByte(h[n:], '\n')
		if i < 0 {
			return len(h)
		}
		n += i + 1
		if n == len(h) || h[n] != ' ' && h[n] != '\t' || isBlank(h[:n]) {
			return n
		}
	}
}

func isBlank(line []byte) bool {
	return len(line) == 0 || line[0] == '\n' || line[0] == '\r' && (len(line) == 1 || line[1] == '\n')
}

// fieldName is what stands before the colon, without spaces behind it.
func fieldName(field []byte) []byte {
	name, _, _ := bytes.Cut(field, []byte(":"))
	return bytes.TrimRight(name, " \t\r\n")
}

// named reports whether a field, not empty, has one of the names, which are in lower case.
func named(field []byte, names [][]byte) bool {
	first := lower(field[0])
	for _, n := range names {
		if len(n) > 0 && n[0] != first || len(n) > len(field) {
			continue
		}
		if equalLower(n, field[:len(n)]) && endsName(field[len(n):]) && isName(n) {
			return true
		}
	}
	return false
}

// endsName reports whether a field's name ends here: with blanks at most before the colon, or before the end if there is none.
func endsName(rest []byte) bool {
	for _, c := range rest {
		switch c {
		case ':':
			return true
		case ' ', '\t', '\r', '\n':
		default:
			return false
		}
	}
	return true
}

// isName reports whether fieldName can give n.
func isName(n []byte) bool {
	return bytes.IndexByte(n, ':') < 0 && (len(n) == 0 || n[len(n)-1] > ' ' || !endsName(n[len(n)-1:]))
}

func equalLower(low, b []byte) bool {
	for i, c := range b {
		if lower(c) != low[i] {
			return false
		}
	}
	return true
}
