package message

import "strings"

// beginHeader notes that the header of the part at hand begins at offset off.
func (p *Parser) beginHeader(off int64) {
	p.stack[len(p.stack)-1].part.HeaderOffset = off
	p.header, p.headerLen = p.header[:0], 0
	p.inHeader = true
}

// keepHeader puts a portion of a header aside.
func (p *Parser) keepHeader(b []byte) {
	p.headerLen += int64(len(b))
	room := max(p.limits.HeaderBytes-len(p.header), 0)
	p.header = append(p.header, b[:min(len(b), room)]...)
}

// block returns the header that ends at offset upto, of which b has what follows b[start], and how long it is really.
func (p *Parser) block(b []byte, start int, upto int64) ([]byte, int64) {
	end := int(upto - p.off) // in b; negative if it lies in an earlier portion
	if end < start || len(b) == 0 {
		size := max(p.headerLen+int64(min(end, 0)), 0)
		return p.header[:min(int64(len(p.header)), size)], size
	}
	if len(p.header) == 0 && end-start <= p.limits.HeaderBytes {
		return b[start:end], p.headerLen + int64(end-start)
	}
	p.keepHeader(b[start:end])
	return p.header, p.headerLen
}

// endHeader ends the header of the part at hand at offset upto; b[start:] has its last portion. If the part holds a
// message, that one's header begins.
func (p *Parser) endHeader(b []byte, start int, upto int64) {
	p.count(b, int(upto-p.off))
	block, size := p.block(b, start, upto)
	if size > int64(len(block)) {
		p.s.Limited = true
	}
	top := len(p.stack) - 1
	f := &p.stack[top]
	f.part.HeaderSize = size
	f.part.BodyOffset = f.part.HeaderOffset + size
	f.lines = p.lines
	p.inHeader = false

	env := p.interpret(f, block)
	if top == 0 {
		p.s.Envelope = env
	} else if p.stack[top-1].part.IsMessage() {
		p.stack[top-1].part.Message.Envelope = env
	}
	p.open(f)
}

// open decides whether the part at hand is looked into.
func (p *Parser) open(f *frame) {
	part := f.part
	switch {
	case part.Type == "multipart":
		if len(p.stack) >= p.limits.Depth || p.parts >= p.limits.Parts {
			p.s.Limited, part.Opaque, f.boundary = true, true, ""
		}
		if f.boundary != "" {
			p.boundaries++
		}
		if part.encoded() { // RFC 2045 section 6.4 forbids it, and nobody means it
			part.Encoding = "8bit"
		}
	case part.IsMessage():
		if part.encoded() {
			part.Opaque = true
			return
		}
		if len(p.stack) >= p.limits.Depth || p.parts >= p.limits.Parts {
			p.s.Limited, part.Opaque = true, true
			return
		}
		off := part.BodyOffset
		part.Message = &Nested{Root: p.push("text", "plain")}
		p.beginHeader(off)
	}
}

// encoded reports whether the part's encoding hides its inside.
// RFC 2046 section 5.2.1 forbids that to message/rfc822, RFC 6532 section 3.7 allows it to message/global.
func (p *Part) encoded() bool {
	return p.Encoding == "base64" || p.Encoding == "quoted-printable" || uuencoded(p.Encoding)
}

// interpret reads the header of f's part. The envelope is nil unless the header is a message's.
func (p *Parser) interpret(f *frame, block []byte) *Envelope {
	raw := string(block)
	top := len(p.stack) == 1
	nested := !top && p.stack[len(p.stack)-2].part.IsMessage()
	fs, all := indexFields(p.fields[:0], raw, p.limits.HeaderFields)
	p.fields = fs
	if !all {
		p.s.Limited = true
	}
	h := Header{Raw: raw, Fields: fs}
	f.boundary = f.part.interpret(&h)
	if top {
		h.Fields = append(make([]Field, 0, len(fs)), fs...)
		p.s.Header = h
		return p.envelope.read(&p.s.Header)
	}
	if p.kept -= len(raw); p.kept < 0 {
		p.kept, p.s.Limited = 0, true
		f.boundary = strings.Clone(f.boundary)
		f.part.forget()
		if nested {
			return &Envelope{}
		}
		return nil
	}
	if nested {
		return newEnvelope(&h)
	}
	return nil
}

// forget drops what of the header would use memory without bound.
func (p *Part) forget() {
	*p = Part{
		Type: strings.Clone(p.Type), Subtype: strings.Clone(p.Subtype), Typed: p.Typed,
		Encoding: strings.Clone(p.Encoding), Disposition: strings.Clone(p.Disposition),
		HeaderOffset: p.HeaderOffset, HeaderSize: p.HeaderSize, BodyOffset: p.BodyOffset,
	}
}

// interpret takes what the header says about the part, and returns a multipart's boundary.
// Of a field that comes twice, the first one counts.
func (p *Part) interpret(h *Header) (boundary string) {
	var seen [8]bool
	for _, f := range h.Fields {
		name := h.Name(f)
		if len(name) < len("content-id") || !strings.EqualFold(name[:8], "content-") {
			continue
		}
		k := contentField(name[8:])
		if k < 0 || seen[k] {
			continue
		}
		seen[k] = true
		v := Unfold(h.Value(f))
		switch k {
		case fieldType:
			p.setType(v)
		case fieldEncoding:
			p.setEncoding(v)
		case fieldID:
			p.ID = v
		case fieldDescription:
			p.Description = v
		case fieldMD5:
			p.MD5 = v
		case fieldDisposition:
			p.setDisposition(v)
		case fieldLanguage:
			p.Language = splitList(v)
		case fieldLocation:
			p.Location = strings.Join(strings.Fields(v), "") // RFC 2557 section 4.4.2
		}
	}
	return p.boundary()
}

const (
	fieldType = iota
	fieldEncoding
	fieldID
	fieldDescription
	fieldMD5
	fieldDisposition
	fieldLanguage
	fieldLocation
)

// contentField returns which of the fields called "Content-" + rest is meant, or -1.
func contentField(rest string) int {
	for k, n := range [...]string{"type", "transfer-encoding", "id", "description", "md5", "disposition", "language", "location"} {
		if len(n) == len(rest) && strings.EqualFold(n, rest) {
			return k
		}
	}
	return -1
}

// setType reads a Content-Type. One that can't be read leaves the default. RFC 2045 section 5.2.
func (p *Part) setType(v string) {
	t, sub, params := parseType(v)
	if t == "" {
		return
	}
	p.Type, p.Subtype, p.Typed, p.Params = t, sub, true, params
}

func (p *Part) setEncoding(v string) {
	l := fieldLexer{s: v}
	e := lower(l.token())
	switch {
	case e == "" || len(e) > maxName:
		return
	case e == "7-bit" || e == "8-bit": // a common mistake
		e = e[:1] + "bit"
	}
	p.Encoding = e
}

func (p *Part) setDisposition(v string) {
	l := fieldLexer{s: v}
	d := l.token()
	if len(d) > maxName {
		return
	}
	if d == "" { // Deviation from the grammar: "; filename=x" is read as an attachment, for that is what is meant.
		d = "attachment"
	}
	p.Disposition, p.DispositionParams = lower(d), l.params()
}

// boundary returns a multipart's boundary, or "" if it has none that can be used.
func (p *Part) boundary() string {
	if p.Type != "multipart" {
		return ""
	}
	for i := range p.Params {
		if p.Params[i].Name == "boundary" {
			// RFC 2046 section 5.1.1: a boundary does not end in a blank.
			b := strings.TrimRight(p.Params[i].Raw, " \t")
			if p.Params[i].Extended {
				b = strings.TrimRight(p.Params[i].Value, " \t")
			}
			if len(b) > maxBoundary {
				return ""
			}
			return b
		}
	}
	return ""
}

// splitList splits a list of tokens with commas between them.
func splitList(v string) []string {
	var out []string
	for s := range strings.SplitSeq(v, ",") {
		l := fieldLexer{s: s}
		if t := l.token(); t != "" {
			out = append(out, t)
		}
	}
	return out
}

// lower is strings.ToLower for ASCII: other octets are kept even if they aren't UTF-8.
func lower(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if c := b[i]; c >= 'A' && c <= 'Z' {
					b[i] = c + 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
