package message

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"postroad/internal/format/charset"
	"postroad/internal/format/htmltext"
)

// Text returns what can be searched in a message's body, as valid UTF-8 of at most limit octets: the decoded text of all
// text parts in their order, those of nested messages and attachments included, HTML as the text that readers see; the
// names of attached files; subjects and addresses of nested messages. Parts are separated by a line end.
//
// msg has the message. If it can't be read, the text is what could be.
func Text(s *Structure, msg io.ReaderAt, limit int) string {
	return string(AppendText(nil, s, msg, limit))
}

// AppendText appends Text to dst. Plain text is read and decoded in place there, so that a dst that has the room makes it
// cheap.
func AppendText(dst []byte, s *Structure, msg io.ReaderAt, limit int) []byte {
	t := texts{msg: msg, out: dst, start: len(dst), end: len(dst) + limit}
	s.Root.Walk(func(p *Part) bool {
		t.add(p.Filename())
		if p.Message != nil {
			t.envelope(p.Message.Envelope)
		}
		if p.Type == "text" {
			t.part(p)
		}
		return len(t.out) < t.end
	})
	return t.out
}

type texts struct {
	msg   io.ReaderAt
	out   []byte
	start int // of the text in out
	end   int // where it ends at the latest
}

// add appends a piece of text, as much of it as there is room for.
func (t *texts) add(s string) {
	if s = strings.TrimSpace(s); s == "" || len(t.out) >= t.end {
		return
	}
	t.separate()
	t.out = append(t.out, cut(s, t.end-len(t.out))...)
}

// separate appends a line end unless the text begins here.
func (t *texts) separate() {
	if len(t.out) > t.start {
		t.out = append(t.out, '\n')
	}
}

func (t *texts) envelope(e *Envelope) {
	t.add(DecodeWords(e.Subject))
	for _, as := range [...][]Address{e.From, e.To, e.Cc} {
		for i := range as {
			t.add(as[i].DisplayName())
			t.add(DecodeText(as[i].Addr()))
		}
	}
}

// wholeRead is up to which length a part is read at once, which is faster than through readers.
const wholeRead = 1 << 20

// part appends a text part's text.
func (t *texts) part(p *Part) {
	room := t.end - len(t.out)
	switch {
	case room <= 0:
	case p.BodySize > wholeRead && p.Subtype == "html":
		t.add(htmltext.Text(p.text(t.msg), room))
	case p.BodySize > wholeRead:
		b, _ := io.ReadAll(io.LimitReader(p.text(t.msg), int64(room)+utf8.UTFMax)) // what was read is what there is
		t.add(cut(strings.ReplaceAll(string(b), "\r\n", "\n"), room))
	case p.Subtype == "html":
		t.add(htmltext.Text(strings.NewReader(p.head(t.msg, p.BodySize)), room))
	default:
		t.plain(p)
	}
}

// plain appends the text of a part that is read at once and isn't HTML.
func (t *texts) plain(p *Part) {
	before := len(t.out)
	t.separate()
	start := len(t.out)
	t.out = p.appendDecoded(t.out, t.msg)
	if name := p.Charset(); !charset.IsUTF8(name, t.out[start:]) {
		s, _ := charset.Decode(name, t.out[start:])
		t.out = append(t.out[:start], s...)
	}
	text := trimLeft(unixLines(t.out[start:]))
	text = bytes.TrimSpace(text[:cutLen(text, t.end-start)])
	if len(text) == 0 {
		t.out = t.out[:before]
		return
	}
	t.out = t.out[:start+copy(t.out[start:], text)]
}

// PlainBody returns where a message's body lies if that is all the text it has: one part of unencoded plain text in UTF-8, without a name.
// AppendPlain makes of these octets of msg, which is the message from its start, what AppendText makes of the message.
func PlainBody(s *Structure, msg []byte) (off, n int64, ok bool) {
	p := s.Root
	if p.Type != "text" || p.Subtype == "html" || !Identity(p.Encoding) || p.Filename() != "" || p.BodyOffset+p.BodySize > int64(len(msg)) {
		return 0, 0, false
	}
	return p.BodyOffset, p.BodySize, charset.IsUTF8(p.Charset(), msg[p.BodyOffset:p.BodyOffset+p.BodySize])
}

// AppendPlain appends the text of a body that PlainBody has found.
func AppendPlain(dst, body []byte) []byte {
	start := len(dst)
	dst = append(dst, body...)
	return dst[:start+copy(dst[start:], bytes.TrimSpace(unixLines(dst[start:])))]
}

// appendDecoded appends the part's body with its transfer encoding undone.
func (p *Part) appendDecoded(dst []byte, msg io.ReaderAt) []byte {
	d := newDecoder(p.Encoding)
	if d == nil {
		dst = slices.Grow(dst, int(p.BodySize))
		n, _ := msg.ReadAt(dst[len(dst):len(dst)+int(p.BodySize)], p.BodyOffset) // what was read is what there is
		return dst[:len(dst)+n]
	}
	const portion = 8 << 10
	in := make([]byte, min(p.BodySize, portion))
	for at := int64(0); at < p.BodySize; at += portion {
		want := min(p.BodySize-at, portion)
		n, _ := msg.ReadAt(in[:want], p.BodyOffset+at)
		dst = d.decode(dst, in[:n])
		if int64(n) < want {
			break
		}
	}
	return d.finish(dst)
}

// unixLines makes CRLF LF, in place.
func unixLines(b []byte) []byte {
	end := bytes.IndexByte(b, '\r')
	if end < 0 {
		return b
	}
	for rest := b[end:]; len(rest) > 0; {
		if len(rest) > 1 && rest[1] == '\n' {
			rest = rest[1:]
		}
		n := bytes.IndexByte(rest[1:], '\r') + 1
		if n == 0 {
			n = len(rest)
		}
		end += copy(b[end:], rest[:n])
		rest = rest[n:]
	}
	return b[:end]
}

func trimLeft(b []byte) []byte { return bytes.TrimLeftFunc(b, unicode.IsSpace) }

// text returns a reader of a text part's text as UTF-8.
func (p *Part) text(msg io.ReaderAt) io.Reader {
	body := p.Body(msg)
	name := p.Charset()
	if p.Subtype == "html" && (name == "" || !charset.Known(name)) {
		b := bufio.NewReaderSize(body, metaLen)
		start, _ := b.Peek(metaLen)
		name, body = metaCharset(start), b
	}
	return charset.NewReader(name, body)
}

// metaLen is in how much of an HTML document its character set is looked for. HTML Standard, section 13.2.3.2.
const metaLen = 1024

// metaCharset returns the character set that HTML names in a meta element, or "".
func metaCharset(html []byte) string {
	i := bytes.Index(bytes.ToLower(html), []byte("charset="))
	if i < 0 {
		return ""
	}
	v := bytes.TrimLeft(html[i+len("charset="):], "\"' ")
	if end := bytes.IndexAny(v, "\"'>; /"); end >= 0 {
		return string(v[:end])
	}
	return ""
}

// cut returns the first limit octets of s, or fewer in order not to cut a character, as valid UTF-8.
func cut(s string, limit int) string {
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// cutLen is how much of b, which is valid UTF-8, are limit octets at most that don't cut a character.
func cutLen(b []byte, limit int) int {
	if len(b) <= limit {
		return len(b)
	}
	for limit > 0 && !utf8.RuneStart(b[limit]) {
		limit--
	}
	return limit
}

// PreviewLen is the length of a preview, in characters. RFC 8970 section 3.1 allows 256 and suggests 200.
const PreviewLen = 200

// These are how much of a part's encoded body is read for a preview: first little, and if that shows no text, as HTML
// that begins with tens of kilobytes of styles doesn't, more.
const (
	previewRead     = 8 << 10
	previewReadMore = 256 << 10
)

// Preview returns the beginning of a message's text on one line, in at most PreviewLen characters, or "" if there is no
// text: of its first text part that is not an attachment and not empty. Quoted lines are left out unless there is nothing else.
func Preview(s *Structure, msg io.ReaderAt) string {
	preview := ""
	tries := 0
	s.Root.Walk(func(p *Part) bool {
		if p.Message != nil || preview != "" {
			return false
		}
		if p.Type == "text" && p.Disposition != "attachment" && tries < 10 && p.BodySize > 0 {
			tries++
			preview = p.preview(msg)
		}
		return true
	})
	return preview
}

func (p *Part) preview(msg io.ReaderAt) string {
	if text, ok := p.earlyPreview(msg); ok {
		return text
	}
	text, full := p.previewOf(msg, previewRead)
	if p.BodySize > previewRead && !full {
		text, _ = p.previewOf(msg, previewReadMore)
	}
	return text
}

// previewEarly is how much of a part's encoded body is enough for most previews of plain text.
const previewEarly = 1 << 10

// earlyPreview makes the preview of plain text of a little of it; ok is false if more of it might make another one.
func (p *Part) earlyPreview(msg io.ReaderAt) (text string, ok bool) {
	if p.Subtype == "html" || p.BodySize <= previewEarly {
		return "", false
	}
	b := p.headBytes(msg, previewEarly)
	b = b[:max(0, len(b)-4)] // what may have been cut
	for len(b) > 0 && b[len(b)-1] >= utf8.RuneSelf {
		b = b[:len(b)-1]
	}
	if !charset.BeginsUTF8(p.Charset(), b) {
		return "", false
	}
	if bytes.IndexByte(b, '>') < 0 {
		return oneLinePreview(b)
	}
	return oneLinePreview(withoutQuotes(string(b)))
}

// previewOf makes a preview of the first n octets of the part's body; full says that it has room for no more.
func (p *Part) previewOf(msg io.ReaderAt, n int64) (preview string, full bool) {
	text := p.head(msg, n)
	if p.Subtype == "html" {
		return oneLinePreview(htmltext.Text(strings.NewReader(text), 8*PreviewLen))
	}
	if s, full := oneLinePreview(withoutQuotes(text)); s != "" {
		return s, full
	}
	return oneLinePreview(text)
}

// head returns the decoded text of the first n octets of the part's body.
func (p *Part) head(msg io.ReaderAt, n int64) string {
	b := p.headBytes(msg, n)
	name := p.Charset()
	if p.Subtype == "html" && (name == "" || !charset.Known(name)) {
		name = metaCharset(b[:min(len(b), metaLen)])
	}
	s, _ := charset.Decode(name, b)
	return s
}

// window returns n octets of msg from off on, as far as there are so many. They must not be changed: those of a message that lies in
// memory are not copied.
func window(msg io.ReaderAt, off, n int64) []byte {
	if m, ok := msg.(interface{ Bytes() ([]byte, bool) }); ok {
		if all, ok := m.Bytes(); ok {
			off = min(off, int64(len(all)))
			return all[off:min(off+n, int64(len(all)))]
		}
	}
	b := make([]byte, n)
	k, _ := msg.ReadAt(b, off) // what was read is what there is
	return b[:k]
}

// headBytes is what the first n octets of the part's body are when decoded. They must not be changed.
func (p *Part) headBytes(msg io.ReaderAt, n int64) []byte {
	b := window(msg, p.BodyOffset, min(n, p.BodySize))
	if d := newDecoder(p.Encoding); d != nil {
		b = d.finish(d.decode(make([]byte, 0, len(b)), b))
	}
	return b
}

// withoutQuotes removes the lines that quote another message.
func withoutQuotes(text string) string {
	if !strings.Contains(text, ">") {
		return text
	}
	var b strings.Builder
	for l := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimLeft(l, " "), ">") {
			b.WriteString(l)
		}
	}
	return b.String()
}

// oneLinePreview puts text on one line: runs of blanks and controls become one space. full says that it was cut, or fits exactly.
func oneLinePreview[S string | []byte](text S) (line string, full bool) {
	var room [PreviewLen * 2]byte
	b := room[:0]
	n, blank := 0, false
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(string(text[i:min(len(text), i+utf8.UTFMax)]))
		}
		i += size
		switch {
		case r <= ' ' || r == 0x7f || r == 0xa0 || r == utf8.RuneError:
			blank = true
			continue
		case r >= utf8.RuneSelf && invisible(r):
			continue
		case n > 0 && blank:
			if n++; n >= PreviewLen {
				return string(b), true
			}
			b = append(b, ' ')
		}
		blank = false
		if r < utf8.RuneSelf {
			b = append(b, byte(r))
		} else {
			b = utf8.AppendRune(b, r)
		}
		if n++; n >= PreviewLen {
			return string(b), true
		}
		run := text[i : i+visibleRun(text[i:], PreviewLen-n)]
		b = append(b, run...)
		i += len(run)
		if n += len(run); n >= PreviewLen {
			return string(b), true
		}
	}
	return string(b), false
}

// visibleRun is how much ASCII text begins with that can be seen, with single spaces inside, at most limit.
func visibleRun[S string | []byte](text S, limit int) int {
	n := min(len(text), limit)
	for i := range n {
		if c := text[i]; c-'!' > '~'-'!' && (c != ' ' || i+1 == n || text[i+1]-'!' > '~'-'!') {
			return i
		}
	}
	return n
}

// invisible reports whether r has no width: senders fill previews with such.
func invisible(r rune) bool {
	switch r {
	case 0xad, 0x34f, 0x61c, 0x180e, 0x200b, 0x200c, 0x200e, 0x200f, 0x2060, 0xfeff:
		return true
	}
	return false
}
