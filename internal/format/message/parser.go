package message

import (
	"bytes"
)

// A Parser finds a message's structure while the message passes by. Use NewParser; a parser serves one message at a
// time and is not safe for concurrent use.
//
// Its memory is bounded by the Limits, not by the message.
type Parser struct {
	limits Limits

	off     int64   // octets of the message before the portion at hand
	lines   int64   // line feeds before the position counted of the portion at hand
	counted int     //
	last    [2]byte // the octets before the portion at hand

	place    place
	inHeader bool
	line     []byte // while inside a line: its beginning, as far as a boundary could reach
	lineOff  int64  // where the line begins that was last looked at
	lineEnd  int    // how many octets (0, 1 or 2) the line end before it has

	header    []byte // what earlier portions held of the header at hand, as far as it is kept
	headerLen int64  // how much they held of it

	stack      []frame
	boundaries int // how many frames have one
	parts      int
	kept       int // what is left of Limits.KeptBytes

	s        *Structure
	envelope *Envelope // room for the message's own
	fields   []Field   // room for the index of a part's header
}

// A frame is a part whose end is not known yet.
type frame struct {
	part     *Part
	boundary string // of a multipart that is not closed yet
	lines    int64  // line feeds before the body
}

// A place says where in a line the parser stands.
type place uint8

const (
	atStart place = iota // before a line's first octet
	inside               // in a line that is still of interest; its beginning is in Parser.line
	passing              // in a line that isn't
	onBound              // in a boundary line
)

// NewParser returns a parser that is ready for a message.
func NewParser(l Limits) *Parser {
	p := &Parser{limits: l.withDefaults()}
	p.Reset()
	return p
}

// Reset makes the parser ready for another message. Structures it returned stay valid.
func (p *Parser) Reset() {
	clear(p.stack[:cap(p.stack)])
	top := new(struct { // what all messages have
		Structure
		Part
		Envelope
	})
	*p = Parser{
		limits: p.limits, kept: p.limits.KeptBytes, inHeader: true,
		line: p.line[:0], header: p.header[:0], stack: p.stack[:0], fields: p.fields[:0],
		s: &top.Structure, envelope: &top.Envelope,
	}
	p.s.Root = p.pushPart(&top.Part, "text", "plain")
}

// Parse returns the structure of the message b.
func Parse(b []byte) *Structure {
	p := NewParser(Limits{})
	p.Write(b)
	return p.Finish()
}

// stride is how much is looked at at a time, so that what was searched for boundaries is still in the cache when its
// lines are counted.
const stride = 64 << 10

// Write takes the message's next portion. It always takes all of it, returns no error, and does not keep b.
func (p *Parser) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > stride {
		p.portion(b[:stride])
		b = b[stride:]
	}
	p.portion(b)
	return n, nil
}

// Finish ends the message and returns its structure. The parser must be Reset before it is used again.
func (p *Parser) Finish() *Structure {
	if p.place == inside { // The last line has no line end.
		if i, closing, ok := p.match(p.line); ok {
			p.bound(nil, 0, i, closing)
		}
	}
	if p.place == onBound && p.inHeader {
		p.beginHeader(p.off)
	}
	for p.inHeader { // Below a message/rfc822 part without body there is a message without header.
		p.endHeader(nil, 0, p.off)
	}
	p.closeParts(0, p.off, p.lines)
	p.s.Size = p.off
	return p.s
}

// portion reads the message's next octets.
func (p *Parser) portion(b []byte) {
	p.counted = 0
	for pos := 0; pos < len(b); {
		switch {
		case p.place == onBound:
			pos = p.skipBound(b, pos)
		case p.inHeader:
			pos = p.readHeader(b, pos)
		case p.boundaries == 0:
			pos = len(b)
			p.place = passing
		default:
			pos = p.readBody(b, pos)
		}
	}
	p.count(b, len(b))
	p.off += int64(len(b))
	switch {
	case len(b) > 1:
		p.last = [2]byte{b[len(b)-2], b[len(b)-1]}
	case len(b) == 1:
		p.last = [2]byte{p.last[1], b[0]}
	}
}

var (
	newline       = []byte{'\n'}
	newlineDashes = []byte("\n--")
)

// count brings lines up to position upto of the portion b.
func (p *Parser) count(b []byte, upto int) {
	if upto > p.counted {
		p.lines += int64(bytes.Count(b[p.counted:upto], newline))
		p.counted = upto
	}
}

// skipBound passes the rest of a boundary line.
func (p *Parser) skipBound(b []byte, pos int) int {
	i := bytes.IndexByte(b[pos:], '\n')
	if i < 0 {
		return len(b)
	}
	pos += i + 1
	p.place = atStart
	if p.inHeader {
		p.beginHeader(p.off + int64(pos))
	}
	return pos
}

// readHeader reads b from pos until the header or b ends, and returns where it stopped.
func (p *Parser) readHeader(b []byte, pos int) int {
	start := pos
	for pos < len(b) {
		line, next, whole := p.takeLine(b, pos)
		if !whole {
			break
		}
		if string(line) == "\r\n" || string(line) == "\n" {
			p.place = atStart
			p.endHeader(b, start, p.off+int64(next))
			return next
		}
		if i, closing, ok := p.match(line); ok {
			p.bound(b, start, i, closing)
			return next - 1 // the boundary line's end, for skipBound
		}
		p.place = atStart
		pos = next
	}
	p.keepHeader(b[start:])
	return len(b)
}

// takeLine returns the line that pos is in, from its beginning and as far as it matters, and where the next one starts.
// If the line does not end in b, its beginning is put aside and whole is false.
func (p *Parser) takeLine(b []byte, pos int) (line []byte, next int, whole bool) {
	rest := b[pos:]
	i := bytes.IndexByte(rest, '\n')
	if i >= 0 {
		rest = rest[:i+1]
	}
	if p.place == atStart {
		p.beginLine(b, pos)
		if i >= 0 {
			return rest, pos + i + 1, true
		}
	}
	p.place = inside
	p.line = append(p.line, rest[:min(len(rest), maxLine-len(p.line))]...)
	return p.line, pos + i + 1, i >= 0
}

// maxLine is how much of a line can matter: dashes, boundary, dashes, line end.
const maxLine = 2 + maxBoundary + 2 + 2

func (p *Parser) beginLine(b []byte, pos int) {
	p.lineOff = p.off + int64(pos)
	p.line = p.line[:0]
	p.lineEnd = 0
	if p.before(b, pos-1) == '\n' {
		p.lineEnd = 1
		if p.before(b, pos-2) == '\r' {
			p.lineEnd = 2
		}
	}
}

// before returns b[i], where i may reach two octets back behind b's start.
func (p *Parser) before(b []byte, i int) byte {
	if i >= 0 {
		return b[i]
	}
	return p.last[2+i]
}

// readBody reads b from pos until there is a boundary line or b ends, and returns where it stopped.
func (p *Parser) readBody(b []byte, pos int) int {
	for pos < len(b) {
		if p.place == passing {
			pos = p.findDashes(b, pos)
			continue
		}
		line, known := p.candidate(b, pos)
		if !known {
			return len(b)
		}
		if i, closing, ok := p.match(line); ok {
			p.bound(b, 0, i, closing)
			return pos
		}
		p.place = passing
	}
	return pos
}

// findDashes returns the start of the next line that begins with two dashes.
func (p *Parser) findDashes(b []byte, pos int) int {
	if i := bytes.Index(b[pos:], newlineDashes); i >= 0 {
		p.place = atStart
		return pos + i + 1
	}
	switch end := len(b); {
	case bytes.HasSuffix(b[pos:], newline):
		p.place = atStart
	case bytes.HasSuffix(b[pos:], newlineDashes[:2]):
		p.beginLine(b, end-1)
		p.line = append(p.line, '-')
		p.place = inside
	}
	return len(b)
}

// candidate reads on in a line that may be a boundary, and reports whether enough of it is known to tell.
func (p *Parser) candidate(b []byte, pos int) (line []byte, known bool) {
	rest := b[pos:]
	if p.place == atStart {
		if rest[0] != '-' || len(rest) > 1 && rest[1] != '-' {
			return nil, true
		}
		p.beginLine(b, pos)
	}
	rest = rest[:min(len(rest), maxLine-len(p.line))]
	i := bytes.IndexByte(rest, '\n')
	if i >= 0 {
		rest = rest[:i+1]
	}
	if p.place == atStart && (i >= 0 || len(rest) == maxLine) {
		return rest, true
	}
	p.place = inside
	p.line = append(p.line, rest...)
	return p.line, i >= 0 || len(p.line) == maxLine || len(p.line) > 1 && p.line[1] != '-'
}

// match looks for the open multipart whose boundary the line is, and reports whether the line closes it.
//
// RFC 2046 section 5.1.1: it suffices that the line begins with the boundary. Where one boundary begins with another, the
// longer one is meant; where parts inside each other use the same one, the innermost.
func (p *Parser) match(line []byte) (i int, closing, ok bool) {
	if p.boundaries == 0 || len(line) < 3 || line[0] != '-' || line[1] != '-' {
		return 0, false, false
	}
	line = line[2:]
	best := 0
	for j := len(p.stack) - 1; j >= 0; j-- {
		if bd := p.stack[j].boundary; len(bd) > best && len(bd) <= len(line) && string(line[:len(bd)]) == bd {
			i, best = j, len(bd)
		}
	}
	return i, best > 0 && bytes.HasPrefix(line[best:], []byte("--")), best > 0
}

// bound handles the boundary line at lineOff, which belongs to the i-th part of the stack. If it ends a header, then one
// that began (or went on) at b[start].
func (p *Parser) bound(b []byte, start, i int, closing bool) {
	p.count(b, int(p.lineOff-p.off))
	if p.inHeader {
		p.endHeader(b, start, p.lineOff)
	}
	for p.inHeader {
		p.endHeader(nil, 0, p.lineOff)
	}
	// RFC 2046 section 5.1.1: the line end before a boundary is part of it.
	p.closeParts(i+1, p.lineOff-int64(p.lineEnd), p.lines-int64(min(p.lineEnd, 1)))
	p.place = onBound
	f := &p.stack[i]
	if closing {
		f.boundary = ""
		p.boundaries--
		return
	}
	t, sub := "text", "plain"
	if f.part.Subtype == "digest" { // RFC 2046 section 5.1.5
		t, sub = "message", "rfc822"
	}
	child := p.push(t, sub)
	p.stack[i].part.Children = append(p.stack[i].part.Children, child)
	p.inHeader = true
	if p.parts == p.limits.Parts {
		p.dropBoundaries()
	}
}

// dropBoundaries lets the part at hand extend to the message's end.
func (p *Parser) dropBoundaries() {
	p.s.Limited = true
	for i := range p.stack {
		p.stack[i].boundary = ""
	}
	p.boundaries = 0
}

// push begins a part inside the parts of the stack. Its header follows.
func (p *Parser) push(defType, defSubtype string) *Part {
	return p.pushPart(new(Part), defType, defSubtype)
}

func (p *Parser) pushPart(part *Part, defType, defSubtype string) *Part {
	part.Type, part.Subtype, part.Encoding = defType, defSubtype, "7bit"
	p.stack = append(p.stack, frame{part: part})
	p.parts++
	return part
}

// closeParts ends the parts of the stack from the n-th on, at offset end with so many line feeds before it.
func (p *Parser) closeParts(n int, end, lines int64) {
	outer := p.outermost(n)
	for i := len(p.stack) - 1; i >= n; i-- {
		f := &p.stack[i]
		if end > f.part.BodyOffset {
			f.part.BodySize = end - f.part.BodyOffset
			f.part.Lines = lines - f.lines
		} else if i > outer {
			// That line end isn't in the multipart around it, which ends here too, and so not in its header either.
			f.part.HeaderOffset, f.part.BodyOffset = min(f.part.HeaderOffset, end), end
			f.part.HeaderSize = f.part.BodyOffset - f.part.HeaderOffset
		} else if i > 0 && p.stack[i-1].part.Message != nil {
			// The line end before the boundary is in the message's header, but not in the part that holds the message.
			f.part.BodyOffset = max(end, f.part.HeaderOffset)
			f.part.HeaderSize = f.part.BodyOffset - f.part.HeaderOffset
		}
		if f.boundary != "" {
			p.boundaries--
		}
		p.wrapUp(f.part)
		*f = frame{}
	}
	p.stack = p.stack[:n]
}

// outermost is the place in the stack of the first multipart from the n-th part on, or the stack's end.
func (p *Parser) outermost(n int) int {
	for ; n < len(p.stack); n++ {
		if p.stack[n].part.IsMultipart() {
			break
		}
	}
	return n
}

// wrapUp gives a multipart in which no boundary was found the one part that its text is, so that it can be read.
func (p *Parser) wrapUp(part *Part) {
	if !part.IsMultipart() || len(part.Children) > 0 {
		return
	}
	part.Children = []*Part{{
		Type: "text", Subtype: "plain", Encoding: "7bit",
		HeaderOffset: part.BodyOffset, BodyOffset: part.BodyOffset, BodySize: part.BodySize, Lines: part.Lines,
	}}
}
