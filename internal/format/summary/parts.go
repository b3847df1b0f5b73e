package summary

import (
	"encoding/binary"
	"iter"

	"postroad/internal/format/message"
)

// The table of parts lists them in the order of their headers, nested messages included:
//
//	octet    kind: leaf, multipart or message
//	uvarint  how many parts lie directly below
//	uvarints header offset, header size, body size, lines in the body
//	strings  type, subtype, encoding, charset, disposition, file name, Content-ID; a uvarint of the length before each

// A Kind says what lies below a part.
type Kind uint8

const (
	Leaf      Kind = iota // nothing
	Multipart             // parts
	Message               // a message
)

// A Span is a range of octets of the message.
type Span struct{ Offset, Size int64 }

// End returns the offset behind the span.
func (s Span) End() int64 { return s.Offset + s.Size }

// A Part is one entry of the part table.
type Part struct {
	Kind Kind
	// Children is how many parts lie directly below; 1 for a Message.
	Children int
	// Header is the part's own header with the empty line at its end, what IMAP calls [n.MIME]. For the message and for
	// nested messages it is the message's header.
	Header Span
	Body   Span
	// Lines is how many line feeds the body has.
	Lines int64
	// Type, Subtype, Encoding and Disposition are in lower case, Charset as it is in the message.
	Type, Subtype, Encoding, Charset, Disposition string
	Filename                                      string // decoded
	ID                                            string // Content-ID with its angle brackets
}

func (w *writer) appendParts(p *message.Part) {
	if w.full() {
		return
	}
	kind, below := Leaf, len(p.Children)
	switch {
	case p.Message != nil:
		kind, below = Message, 1
	case below > 0:
		kind = Multipart
	}
	w.buf = append(w.buf, byte(kind))
	for _, n := range [...]int64{int64(below), p.HeaderOffset, p.HeaderSize, p.BodySize, p.Lines} {
		w.buf = binary.AppendUvarint(w.buf, uint64(n))
	}
	for _, s := range [...]string{p.Type, p.Subtype, p.Encoding, p.Charset(), p.Disposition, p.Filename(), p.ID} {
		w.appendString(w.detail.clipText(s))
	}
	for _, c := range p.Children {
		w.appendParts(c)
	}
	if p.Message != nil {
		w.appendParts(p.Message.Root)
	}
}

// part reads the next entry.
func (c *cursor) part() Part {
	p := Part{Kind: Kind(c.Byte()), Children: int(c.size()), Header: Span{c.size(), c.size()}}
	p.Body = Span{p.Header.End(), c.size()}
	p.Lines = c.size()
	for _, s := range [...]*string{&p.Type, &p.Subtype, &p.Encoding, &p.Charset, &p.Disposition, &p.Filename, &p.ID} {
		*s = intern(c.Bytes())
	}
	if p.Kind > Message || p.Kind == Leaf && p.Children != 0 || p.Kind == Message && p.Children != 1 ||
		p.Children > c.Rest() || p.Header.End() < 0 || p.Body.End() < 0 {
		c.Fail()
	}
	return p
}

// intern returns b as a string, without allocating for the usual ones.
func intern(b []byte) string {
	switch string(b) {
	case "text":
		return "text"
	case "plain":
		return "plain"
	case "html":
		return "html"
	case "multipart":
		return "multipart"
	case "mixed":
		return "mixed"
	case "alternative":
		return "alternative"
	case "related":
		return "related"
	case "application":
		return "application"
	case "image":
		return "image"
	case "message":
		return "message"
	case "rfc822":
		return "rfc822"
	case "7bit":
		return "7bit"
	case "8bit":
		return "8bit"
	case "base64":
		return "base64"
	case "quoted-printable":
		return "quoted-printable"
	case "utf-8":
		return "utf-8"
	case "UTF-8":
		return "UTF-8"
	case "attachment":
		return "attachment"
	case "inline":
		return "inline"
	}
	return string(b)
}

// skip passes so many entries with all below them.
func (c *cursor) skip(n int) {
	for ; n > 0 && !c.Bad(); n-- {
		c.Byte()
		n += int(min(c.Uint(), uint64(c.Rest())))
		for range 4 {
			c.Uint()
		}
		for range 7 {
			c.Bytes()
		}
	}
}

// Root returns the message as a part: its header is the message's header, its body IMAP's [TEXT].
func (r Record) Root() (Part, bool) {
	c := read(r.section(secParts))
	p := c.part()
	return p, !c.Bad()
}

// Parts yields all parts in the order of their headers, each with how many parts it lies in. Nested messages are parts
// of their own, below the part that holds them.
func (r Record) Parts() iter.Seq2[int, Part] {
	return func(yield func(int, Part) bool) {
		c := read(r.section(secParts))
		open := []int{1} // for each depth, how many entries are still to come
		for len(open) > 0 && c.Rest() > 0 {
			top := len(open) - 1
			if open[top] == 0 {
				open = open[:top]
				continue
			}
			p := c.part()
			if c.Bad() || !yield(top, p) {
				return
			}
			open[top]--
			if p.Children > 0 {
				open = append(open, p.Children)
			}
		}
	}
}

// Part returns the part with an IMAP part number, such as 1, 2, 3 for "1.2.3". RFC 9051 section 6.4.5.1.
// A message that is no multipart is its own part 1, at the top as well as nested; so the empty number is not a part's: see
// Root for that.
func (r Record) Part(number ...uint32) (Part, bool) {
	p, _, ok := r.find(number)
	return p, ok
}

// Nested returns the message inside the part with the given number, as a part: its header is IMAP's [n.HEADER], its body
// [n.TEXT]. It reports false if the part holds no message.
func (r Record) Nested(number ...uint32) (Part, bool) {
	holder, c, ok := r.find(number)
	if !ok || holder.Kind != Message {
		return Part{}, false
	}
	p := c.part()
	return p, !c.Bad()
}

// find returns a part and the cursor behind its entry.
func (r Record) find(number []uint32) (Part, cursor, bool) {
	c := read(r.section(secParts))
	p := c.part()
	inMessage := true // p is a message that no number was spent on yet
	for i := 0; i < len(number) && !c.Bad(); {
		n := number[i]
		switch {
		case p.Kind == Multipart && n >= 1 && int64(n) <= int64(p.Children):
			c.skip(int(n) - 1)
			p, inMessage = c.part(), false
			i++
		case p.Kind == Multipart:
			return Part{}, c, false
		case inMessage && n == 1:
			inMessage = false
			i++
		case !inMessage && p.Kind == Message:
			p, inMessage = c.part(), true
		default:
			return Part{}, c, false
		}
	}
	return p, c, !c.Bad() && len(number) > 0
}
