package sieve

import (
	"bytes"
	"io"
	"strings"

	"postroad/internal/format/charset"
	"postroad/internal/format/htmltext"
	"postroad/internal/format/message"
)

// bodies is what is known of a message's inside. It is made when a test asks for it.
type bodies struct {
	of        Message // what it was made of
	structure *message.Structure
	texts     map[*message.Part]string   // decoded contents
	plain     map[*message.Part]string   // as a reader sees them
	all       map[*message.Part][]string // of a part and those in it
	raw       map[*message.Part]string
	headers   map[*message.Part]*header
	read      int // octets decoded so far
}

// structure parses the message, once.
func (m *machine) structure() (*message.Structure, error) {
	b := &m.body
	if b.of == m.msg {
		return b.structure, nil
	}
	p := message.NewParser(message.Limits{Depth: 50, Parts: 2000})
	m.fuel -= m.msg.Size() >> 6
	if _, err := io.Copy(p, io.NewSectionReader(m.msg, 0, m.msg.Size())); err != nil {
		return nil, err
	}
	*b = newBodies(m.msg)
	b.structure = p.Finish()
	return b.structure, nil
}

func newBodies(of Message) bodies {
	return bodies{
		of: of, texts: map[*message.Part]string{}, plain: map[*message.Part]string{}, all: map[*message.Part][]string{},
		raw: map[*message.Part]string{}, headers: map[*message.Part]*header{},
	}
}

// loop is a foreverypart loop that runs: it stays with the message as it was when the loop began.
type loop struct {
	part *message.Part
	in   bodies
	// base is the message that the loop goes through, root all of it, and place where in it the part is; nil: the part is in the
	// midst of what replace has put there.
	base        Message
	root, place *message.Part
}

// scopePart is the part that the running script sees as the message: RFC 6609 §3.5; nil: the message itself.
func (m *machine) scopePart() *loop {
	if n := m.frame.loops; n > 0 {
		return &m.loops[n-1]
	}
	return nil
}

// scope is the header that tests see without :mime.
func (m *machine) scope() *header {
	if l := m.scopePart(); l != nil {
		if h, err := m.headerIn(&l.in, l.part); err == nil {
			return h
		}
	}
	return m.head()
}

func (m *machine) scopeSize() int64 {
	if l := m.scopePart(); l != nil {
		return l.part.HeaderSize + l.part.BodySize
	}
	return m.msg.Size()
}

// currentPart is the part that :mime means: that of the innermost loop, or the whole message.
func (m *machine) currentPart() (*message.Part, error) {
	if n := len(m.loops); n > 0 {
		return m.loops[n-1].part, nil
	}
	s, err := m.structure()
	if err != nil {
		return nil, err
	}
	return s.Root, nil
}

// inside is what the current part lies in.
func (m *machine) inside() *bodies {
	if n := len(m.loops); n > 0 {
		return &m.loops[n-1].in
	}
	return &m.body
}

func (m *machine) partHeader(p *message.Part) (*header, error) { return m.headerIn(m.inside(), p) }

// headerIn reads a part's header, once.
func (m *machine) headerIn(b *bodies, p *message.Part) (*header, error) {
	if h := b.headers[p]; h != nil {
		return h, nil
	}
	raw, err := readRange(b.of, p.HeaderOffset, min(p.HeaderSize, int64(m.limits.HeaderBytes)))
	if err != nil {
		return nil, err
	}
	m.burn(len(raw))
	h := &header{}
	h.parse(string(raw))
	b.headers[p] = h
	return h, nil
}

func readRange(r io.ReaderAt, off, size int64) ([]byte, error) {
	buf := make([]byte, size)
	n, err := r.ReadAt(buf, off)
	if err == io.EOF {
		err = nil
	}
	return buf[:n], err
}

// childrenOf are the parts below a part: those of a multipart, or the message inside.
func childrenOf(p *message.Part) []*message.Part {
	if p.Message != nil {
		return []*message.Part{p.Message.Root}
	}
	return p.Children
}

// content is a part's content, decoded: text as UTF-8, other things as octets.
func (m *machine) content(b *bodies, p *message.Part) (string, error) {
	if t, ok := b.texts[p]; ok {
		return t, nil
	}
	room := m.limits.BodyBytes - b.read
	r := p.Body(b.of)
	if isText(p) {
		r = charset.NewReader(p.Charset(), r)
	}
	text, err := io.ReadAll(io.LimitReader(r, int64(max(room, 0))))
	if err != nil {
		return "", err
	}
	b.read += len(text)
	m.burn(len(text) * 4)
	t := string(text)
	b.texts[p] = t
	return t, nil
}

// isText reports whether a part is for reading. One whose type or encoding can't be understood isn't.
func isText(p *message.Part) bool {
	if !p.Typed && len(p.Params) == 0 && p.Subtype != "plain" || !message.KnownEncoding(p.Encoding) {
		return false
	}
	return p.Type == "text" || p.Type == "application" && p.Subtype == "xhtml+xml"
}

// asText is a part's text as a reader sees it.
func (m *machine) asText(b *bodies, p *message.Part) (string, error) {
	t, err := m.content(b, p)
	if err == nil && (p.Subtype == "html" || p.Subtype == "xhtml+xml") {
		plain, ok := b.plain[p]
		if !ok {
			m.burn(len(t) * 4)
			plain = htmltext.Text(strings.NewReader(t), m.limits.BodyBytes)
			b.plain[p] = plain
		}
		t = plain
	}
	return t, err
}

// transform says what of a body is matched. RFC 5173 §5.
type transform uint8

const (
	bodyText transform = iota
	bodyRaw
	bodyContent
)

var bodyTags = []tag{
	{name: "raw", group: "body transform"}, {name: "text", group: "body transform"}, {name: "content", group: "body transform", value: aList},
}

// bodyTest is "body".
type bodyTest struct {
	how   transform
	types []value
	keys  *matcher
}

func (c *compiler) bodyTest(a *args) test {
	t := &bodyTest{types: c.tagList(a, "content"), keys: c.matcher(a, c.argList(a, 0))}
	if t.keys == nil {
		return nil
	}
	t.keys.capture = false // RFC 5173 §6
	switch a.oneOf("body transform") {
	case "raw":
		t.how = bodyRaw
	case "content":
		t.how = bodyContent
	}
	return t
}

func (t *bodyTest) eval(m *machine) (bool, error) {
	b, root, err := m.bodyScope()
	if err != nil {
		return false, err
	}
	if !m.hasBody(b.of, root) { // RFC 5173 §4: then no test is true
		return m.matchBody(t, nil)
	}
	if t.how == bodyRaw {
		raw, ok := b.raw[root]
		if !ok {
			octets, err := readRange(b.of, root.BodyOffset, min(root.BodySize, int64(m.limits.BodyBytes)))
			if err != nil {
				return false, err
			}
			raw = string(octets)
			b.raw[root] = raw
		}
		m.one[0] = raw
		return m.matchBody(t, m.one[:])
	}
	if all, ok := b.all[root]; ok && t.how == bodyText {
		return m.matchBody(t, all)
	}
	var texts []string
	var failed error
	types := m.texts(t.types)
	root.Walk(func(p *message.Part) bool {
		if failed == nil && m.fuel >= 0 {
			texts, failed = m.collect(t, b, p, types, texts)
		}
		return failed == nil
	})
	if failed != nil {
		return false, failed
	}
	if t.how == bodyText && m.fuel >= 0 {
		b.all[root] = texts
	}
	return m.matchBody(t, texts)
}

// hasBody reports whether an empty line ends the header.
func (m *machine) hasBody(r io.ReaderAt, p *message.Part) bool {
	end := m.end[:min(p.HeaderSize, int64(len(m.end)))]
	n, err := r.ReadAt(end, p.HeaderOffset+max(p.HeaderSize-3, 0))
	if end = end[:n]; err != nil && err != io.EOF {
		return false
	}
	return bytes.HasSuffix(end, []byte("\n\r\n")) || bytes.HasSuffix(end, []byte("\n\n")) || p.HeaderSize <= 2 && n > 0
}

// bodyScope is what the running script sees as the message.
func (m *machine) bodyScope() (*bodies, *message.Part, error) {
	if l := m.scopePart(); l != nil {
		return &l.in, l.part, nil
	}
	s, err := m.structure()
	if err != nil {
		return nil, nil, err
	}
	return &m.body, s.Root, nil
}

// collect adds what a part has to match.
func (m *machine) collect(t *bodyTest, b *bodies, p *message.Part, types, texts []string) ([]string, error) {
	var text string
	var err error
	switch {
	case t.how == bodyText && isText(p):
		text, err = m.asText(b, p)
	case t.how == bodyText || !wanted(types, p):
		return texts, nil
	case p.IsMultipart():
		return m.around(b, p, texts)
	case p.Message != nil: // its header: RFC 5173 §5.2
		var raw []byte
		raw, err = readRange(b.of, p.Message.Root.HeaderOffset, min(p.Message.Root.HeaderSize, int64(m.limits.HeaderBytes)))
		text = strings.TrimSuffix(string(raw), "\r\n") // the empty line
	default:
		text, err = m.content(b, p)
	}
	return append(texts, text), err
}

// around adds the prologue and the epilogue of a multipart. RFC 5173 §5.2.
func (m *machine) around(b *bodies, p *message.Part, texts []string) ([]string, error) {
	first, last := p.BodyOffset+p.BodySize, p.BodyOffset
	for _, c := range p.Children {
		first, last = min(first, c.HeaderOffset), max(last, c.BodyOffset+c.BodySize)
	}
	prologue, err := readRange(b.of, p.BodyOffset, min(max(first-p.BodyOffset, 0), int64(m.limits.BodyBytes)))
	if err != nil {
		return texts, err
	}
	epilogue, err := readRange(b.of, last, min(max(p.BodyOffset+p.BodySize-last, 0), int64(m.limits.BodyBytes)))
	if i := bytes.LastIndex(prologue, []byte("--")); i >= 0 && len(p.Children) > 0 {
		prologue = prologue[:i]
	}
	if i := bytes.Index(bytes.TrimPrefix(epilogue, []byte("\r\n")), []byte("\n")); i >= 0 {
		epilogue = epilogue[i:]
	}
	m.burn(len(prologue) + len(epilogue))
	return append(texts, string(prologue), string(epilogue)), err
}

// wanted reports whether a part is of one of the types. RFC 5173 §5.2.
func wanted(types []string, p *message.Part) bool {
	for _, t := range types {
		main, sub, full := strings.Cut(t, "/")
		switch {
		case t == "":
			return true
		case main == "" || full && sub == "" || strings.Contains(sub, "/"):
		case equalASCII(main, p.Type) && (!full || equalASCII(sub, p.Subtype)):
			return true
		}
	}
	return false
}

func (m *machine) matchBody(t *bodyTest, texts []string) (bool, error) {
	if t.keys.kind == matchCount {
		return m.count(t.keys, len(texts))
	}
	for _, s := range texts {
		if yes, err := m.matches(t.keys, s); yes || err != nil {
			return yes, err
		}
	}
	return false, nil
}
