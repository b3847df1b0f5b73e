package message

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// A Draft is a message to be written. The fields come first in the order given, then MIME-Version and those of the body.
// Nothing is added that was not asked for: date, message identifier and boundary are the caller's to give, so the same draft
// always gives the same octets.
type Draft struct {
	Fields []DraftField
	Body   Entity
	// Boundary is what the boundaries of multiparts are made of: up to 40 letters and digits that are not expected in
	// the text. "" stands for "=_part".
	Boundary string
}

// A DraftField is a header field, its value encoded but not folded.
type DraftField struct{ Name, Value string }

// Add appends a field whose value is already as it must be on the wire (structured, ASCII or UTF-8). Line ends in it
// become spaces, so that a value can't add fields.
func (d *Draft) Add(name, value string) { d.Fields = append(d.Fields, DraftField{name, value}) }

// AddText appends a field of free text, such as Subject, with encoded words where needed.
func (d *Draft) AddText(name, text string) { d.Add(name, EncodeWords(text)) }

// AddAddresses appends an address field; none if there are no addresses.
func (d *Draft) AddAddresses(name string, as ...Address) {
	if len(as) > 0 {
		d.Add(name, FormatAddresses(as))
	}
}

// AddDate appends a date field.
func (d *Draft) AddDate(name string, t time.Time) { d.Add(name, FormatDate(t)) }

// AddMessageIDs appends a field of message identifiers, given without brackets; none if there are none.
func (d *Draft) AddMessageIDs(name string, ids ...string) {
	if len(ids) > 0 {
		d.Add(name, "<"+strings.Join(ids, "> <")+">")
	}
}

// An Entity is the body of a draft or a part of it. Use the New functions, and add to what they return.
type Entity struct {
	Type        string  // such as "text/plain"
	Params      []Param // of Type; Name and Value count
	Disposition string  // "inline", "attachment" or ""
	Filename    string
	ID          string // Content-ID without brackets
	Description string
	Fields      []DraftField // others
	// Content is the decoded content of an entity that is no multipart.
	Content []byte
	// Encoding is the Content-Transfer-Encoding, or "" to take the plainest that is safe to send everywhere. It keeps the
	// content as it is, save that the lines of text and messages end with CRLF.
	Encoding string
	// Children are the parts of a multipart.
	Children []Entity
}

// NewText returns a text/plain entity. Its lines are ended by LF or CRLF.
func NewText(text string) Entity { return newText("text/plain", text) }

// NewHTML returns a text/html entity.
func NewHTML(html string) Entity { return newText("text/html", html) }

func newText(typ, text string) Entity {
	return Entity{Type: typ, Params: []Param{{Name: "charset", Value: "utf-8"}}, Content: []byte(strings.ToValidUTF8(text, "\uFFFD"))}
}

// NewAttachment returns a file to be saved. typ is its media type; "" stands for application/octet-stream.
func NewAttachment(filename, typ string, content []byte) Entity {
	if typ == "" {
		typ = "application/octet-stream"
	}
	return Entity{Type: typ, Disposition: "attachment", Filename: filename, Content: content}
}

// NewInline returns a file to be shown in an HTML part of the same multipart/related, which names it "cid:" + id.
func NewInline(id, filename, typ string, content []byte) Entity {
	return Entity{Type: typ, Disposition: "inline", Filename: filename, ID: id, Content: content}
}

// NewMessage returns a message/rfc822 entity, whose content is a whole message.
func NewMessage(msg []byte) Entity { return Entity{Type: "message/rfc822", Content: msg} }

// NewMultipart returns a multipart of the given subtype: mixed, alternative, related, digest ...
func NewMultipart(subtype string, children ...Entity) Entity {
	return Entity{Type: "multipart/" + subtype, Children: children}
}

// NewReport returns a multipart/report (RFC 6522): a text for people, a part for programs, and what is reported about,
// which is left out if its Type is "". The report type of a delivery status notification (RFC 3464) is
// "delivery-status"; machine is then a message/delivery-status entity.
func NewReport(reportType string, human, machine, original Entity) Entity {
	e := NewMultipart("report", human, machine)
	e.Params = []Param{{Name: "report-type", Value: reportType}}
	if original.Type != "" {
		e.Children = append(e.Children, original)
	}
	return e
}

// Bytes writes the message, with CRLF at the ends of lines. RFC 5322, RFC 2045.
func (d *Draft) Bytes() []byte {
	c := composer{base: d.Boundary}
	if c.base == "" {
		c.base = "=_part"
	}
	for _, f := range d.Fields {
		c.field(f.Name, f.Value)
	}
	c.field("MIME-Version", "1.0")
	c.entity(&d.Body)
	return c.out.Bytes()
}

type composer struct {
	out  bytes.Buffer
	base string
	n    int // boundaries given out
}

// entity writes an entity's fields, an empty line, and its body, which ends without a line end only if its content does.
func (c *composer) entity(e *Entity) {
	if strings.HasPrefix(e.Type, "multipart/") {
		c.multipart(e)
		return
	}
	encoding := e.encoding()
	c.field("Content-Type", e.Type+formatParams(e.typeParams()))
	if encoding != "7bit" {
		c.field("Content-Transfer-Encoding", encoding)
	}
	c.fields(e)
	c.out.WriteString("\r\n")
	c.content(e.Content, encoding, e.isText())
}

// multipart writes its parts first, so that a boundary can be chosen that is in none of them.
func (c *composer) multipart(e *Entity) {
	inner := composer{base: c.base, n: c.n}
	var ends []int
	for i := range e.Children {
		inner.entity(&e.Children[i])
		ends = append(ends, inner.out.Len())
	}
	c.n = inner.n + 1
	body := inner.out.Bytes()
	// All boundaries have the same length, so that none begins with another.
	boundary := fmt.Sprintf("%s-%04d", c.base, c.n)
	for i := 0; bytes.Contains(body, []byte(boundary)); i++ {
		boundary = fmt.Sprintf("%s-%04d-%d", c.base, c.n, i)
	}
	c.field("Content-Type", e.Type+formatParams(append([]Param{{Name: "boundary", Value: boundary}}, e.Params...)))
	c.fields(e)
	start := 0
	for _, end := range ends {
		c.out.WriteString("\r\n--" + boundary + "\r\n")
		c.out.Write(body[start:end])
		start = end
	}
	c.out.WriteString("\r\n--" + boundary + "--\r\n")
}

// fields writes the fields that any entity can have.
func (c *composer) fields(e *Entity) {
	if e.Disposition != "" {
		var ps []Param
		if e.Filename != "" {
			ps = []Param{{Name: "filename", Value: e.Filename}}
		}
		c.field("Content-Disposition", e.Disposition+formatParams(ps))
	}
	if e.ID != "" {
		c.field("Content-ID", "<"+e.ID+">")
	}
	if e.Description != "" {
		c.field("Content-Description", EncodeWords(e.Description))
	}
	for _, f := range e.Fields {
		c.field(f.Name, f.Value)
	}
}

// content writes a body in its encoding.
func (c *composer) content(b []byte, encoding string, text bool) {
	if text { // RFC 2046 section 4.1.1: lines end with CRLF, whatever the encoding
		b = crlf(b)
	}
	switch encoding {
	case "base64":
		c.base64(b)
	case "quoted-printable":
		c.quotedPrintable(b)
	default:
		c.out.Write(b)
	}
}

// isText reports whether the content is lines, whose ends may be brought into form.
func (e *Entity) isText() bool {
	return strings.HasPrefix(e.Type, "text/") || strings.HasPrefix(e.Type, "message/")
}

// encoding chooses the transfer encoding.
func (e *Entity) encoding() string {
	switch {
	case e.Encoding != "":
		return lower(e.Encoding)
	case strings.HasPrefix(e.Type, "message/"): // RFC 2046 section 5.2.1 allows no other
		if safeLines(e.Content, 0xff) {
			return "7bit"
		}
		return "8bit"
	case !e.isText():
		return "base64"
	case safeLines(e.Content, 'F'):
		return "7bit"
	case moreThanASixth(e.Content):
		return "base64"
	}
	return "quoted-printable"
}

// safeLines reports whether text can be sent as 7bit: ASCII without NUL or a lone CR, no line longer than 998 octets (for
// the content of messages) or 78, no blank at the end of a line. A line may not begin with "From " either, unless
// from is 0xff.
func safeLines(b []byte, from byte) bool {
	maxLine := 998
	if from != 0xff {
		maxLine = 78
	}
	for l := range bytes.Lines(b) {
		l = bytes.TrimSuffix(bytes.TrimSuffix(l, newline), []byte{'\r'})
		if len(l) > maxLine || from != 0xff && bytes.HasPrefix(l, []byte("From ")) {
			return false
		}
		if n := len(l); from != 0xff && n > 0 && (l[n-1] == ' ' || l[n-1] == '\t') {
			return false
		}
		for _, c := range l {
			if c >= 0x80 || c == 0 || c == '\r' {
				return false
			}
		}
	}
	return true
}

// moreThanASixth reports whether so much of the text isn't ASCII that base64 is shorter than quoted-printable.
func moreThanASixth(b []byte) bool {
	n := 0
	for _, c := range b {
		if c >= 0x80 {
			n++
		}
	}
	return n > len(b)/6
}

// crlf ends all lines with CRLF.
func crlf(b []byte) []byte {
	b = bytes.ReplaceAll(b, []byte("\r\n"), newline)
	return bytes.ReplaceAll(b, newline, []byte("\r\n"))
}

func (c *composer) base64(b []byte) {
	const perLine = 57 // 76 characters
	var line [76]byte
	for len(b) > 0 {
		n := min(len(b), perLine)
		base64.StdEncoding.Encode(line[:], b[:n])
		c.out.Write(line[:base64.StdEncoding.EncodedLen(n)])
		c.out.WriteString("\r\n")
		b = b[n:]
	}
}

// quotedPrintable writes lines of at most 76 characters. RFC 2045 section 6.7.
func (c *composer) quotedPrintable(b []byte) {
	for l := range bytes.Lines(b) {
		text := bytes.TrimSuffix(l, []byte("\r\n"))
		col := 0
		for i, ch := range text {
			w := 1
			if qpEscaped(text, i) {
				w = 3
			}
			if col+w > 75 {
				c.out.WriteString("=\r\n")
				col = 0
			}
			if w == 3 {
				c.out.Write([]byte{'=', upperHex[ch>>4], upperHex[ch&15]})
			} else {
				c.out.WriteByte(ch)
			}
			col += w
		}
		c.out.Write(l[len(text):])
	}
}

// qpEscaped reports whether line[i] must be escaped: also a blank at the end, and the F of "From " and a dot at the
// beginning, which some programs on the way change.
func qpEscaped(line []byte, i int) bool {
	switch c := line[i]; {
	case c == ' ' || c == '\t':
		return i == len(line)-1
	case i == 0 && (c == '.' || c == 'F' && bytes.HasPrefix(line, []byte("From "))):
		return true
	default:
		return c < ' ' || c > '~' || c == '='
	}
}
