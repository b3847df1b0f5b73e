package features

import (
	"sync"
	"unicode/utf8"

	"postroad/internal/fault/spoil"
	"postroad/internal/format/charset"
	"postroad/internal/format/message"
	"postroad/internal/format/summary"
)

// MaxHeader is how much of a header is looked at, in octets.
const MaxHeader = 64 << 10

// Bounds of what is looked at. What matters about a message stands at its beginning.
const (
	maxParts = 60       // parts
	maxTexts = 6        // text parts that are read
	maxRaw   = 48 << 10 // octets of one text part, its transfer encoding undone
	// encoded is how much longer a text may be while it is encoded: three octets stand for one, and lines have ends.
	encoded = 4
	maxText = 24 << 10 // octets of folded text
	// headLimit is how many features may come from other things than the text.
	headLimit = 1000
	// fieldLimit is how many of these the names of header fields may be, and what stands before them: no honest header has more, and what a message says of
	// itself must have room.
	fieldLimit = 400
	// clientLimit is how many more there is room for that tell of the client, however many the header has made.
	clientLimit = 20
)

// An Extractor makes Sets. It is safe for concurrent use, and keeps its working memory between messages.
type Extractor struct{ pool sync.Pool }

// New makes an Extractor.
func New() *Extractor {
	return &Extractor{pool: sync.Pool{New: func() any { return &extraction{} }}}
}

// Extract returns the features of a message.
func (x *Extractor) Extract(m *Message) Set {
	r := x.Read(m)
	defer r.Close()
	return r.Extract(m)
}

// A Reader is for those who want both a message's facts and its features: its header is read but once.
type Reader struct {
	x *Extractor
	e *extraction
}

// Read reads a message's header. The caller closes the Reader, and doesn't change the message's bytes until then.
func (x *Extractor) Read(m *Message) Reader {
	e := x.pool.Get().(*extraction)
	e.reset()
	e.begin(HeaderOf(m))
	return Reader{x, e}
}

// Facts is FactsOf for the header, with the results that are in there.
func (r Reader) Facts(m *Message) Facts { return r.e.facts("", m.Results) }

// Extract returns the features of the message, once.
func (r Reader) Extract(m *Message) Set {
	r.e.run(m)
	return append(make(Set, 0, len(r.e.set)), r.e.set...)
}

// Close gives back the memory.
func (r Reader) Close() {
	r.e.end()
	for _, b := range [...][]byte{r.e.text, r.e.raw, r.e.decoded, r.e.low, r.e.authors, r.e.last, r.e.shapes, r.e.domain, r.e.called, r.e.buf} {
		spoil.Bytes(b)
	}
	r.x.pool.Put(r.e)
}

// Name tells what some features of a message mean, such as "words: cheap watches" or "link to: example.com", in the order of
// want; "" for those that it doesn't have. The texts are parts of the message, in lower case, and valid UTF-8: whoever shows
// them must treat them as such.
func (x *Extractor) Name(m *Message, want []uint32) []string {
	return x.named(m, want, func(k Kind, a, b string) string {
		if b != "" {
			a += " " + b
		}
		return k.String() + ": " + a
	})
}

// named makes some features again, and returns what in says of each: of its kind and its texts, which are one or two.
func (x *Extractor) named(m *Message, want []uint32, in func(k Kind, a, b string) string) []string {
	r := x.Read(m)
	defer r.Close()
	e := r.e
	e.names, e.in = make([]string, len(want)), in
	e.want = make(map[uint32]int, len(want))
	for i, f := range want {
		e.want[f] = i
	}
	e.run(m)
	names := e.names
	e.want, e.names, e.in = nil, nil, nil
	return names
}

// An extraction is the work on one message.
type extraction struct {
	reading
	collector
	folder
	text    []byte // folded
	raw     []byte
	decoded []byte
	low     []byte
	authors []byte // see authorHost
	last    []byte // the host of the last link
	shapes  []byte
	html    htmlReader
	links   int
	listed  bool     // it came through a mailing list
	lists   [][]byte // what fields say that lists add
	below   bool     // what is read is what a list has written below the message
	hops    [][]byte // Received fields
	program []byte   // that wrote the message
	domain  []byte   // of the author
	// links to the author's domain, and others
	mine, others int
	// of the text:
	count, single, long int
}

func (x *extraction) reset() {
	x.collector.reset()
	x.folder = folder{}
	x.text = x.text[:0]
	x.listed, x.last = false, x.last[:0]
	x.lists, x.hops, x.program, x.domain, x.mine, x.others = x.lists[:0], x.hops[:0], nil, x.domain[:0], 0, 0
	x.links, x.count, x.single, x.long = 0, 0, 0, 0
}

func (x *extraction) run(m *Message) {
	x.limit = headLimit
	x.known(&m.Facts)
	x.header(m)
	if !x.listed { // else it is the list's
		x.limit = headLimit + clientLimit
		x.client(&m.Facts)
		x.limit = headLimit
	}
	x.parts(m)
	x.linked()
	clear(x.lists)
	x.limit = Max
	x.words(Word, Pair, x.text)
	x.textShape()
}

// lower returns b in lower case, until it is called again.
func (x *extraction) lower(b []byte) []byte {
	x.low = x.low[:0]
	for _, c := range b {
		x.low = append(x.low, lower(c))
	}
	return x.low
}

// body reads a text part, and appends it to the text.
func (x *extraction) body(m *Message, p *summary.Part) {
	if p.Body.Size <= 0 || len(x.text) >= maxText || m.Body == nil {
		return
	}
	b := x.octets(m, p)
	if !charset.IsUTF8(p.Charset, b) {
		s, _ := charset.Decode(p.Charset, b)
		b = []byte(s)
	}
	if x.listed {
		b = x.footerAside(b, p.Subtype == "html")
	}
	if p.Subtype == "html" {
		b = x.page(b)
	} else {
		x.linksIn(b)
	}
	x.text = append(x.folder.append(x.text, b, maxText), '\n')
}

// octets returns the beginning of a text part, its transfer encoding undone.
func (x *extraction) octets(m *Message, p *summary.Part) []byte {
	if message.Identity(p.Encoding) {
		return x.read(m, p, maxRaw)
	}
	if m.Decoded != nil {
		if b, ok := m.Decoded(p.Body.Offset); ok {
			return b[:min(len(b), maxRaw)]
		}
	}
	x.decoded = message.AppendDecoded(x.decoded[:0], p.Encoding, x.read(m, p, encoded*maxRaw))
	return x.decoded[:min(len(x.decoded), maxRaw)]
}

// read reads the beginning of a part.
func (x *extraction) read(m *Message, p *summary.Part, most int64) []byte {
	n := min(p.Body.Size, most)
	x.raw = grow(x.raw, int(n))
	k, _ := m.Body.ReadAt(x.raw, p.Body.Offset) // what was read is what there is
	return x.raw[:max(k, 0)]
}

// page returns the text of an HTML document, after looking at how it is made.
func (x *extraction) page(doc []byte) []byte {
	x.html = htmlReader{x: x, out: x.html.out[:0], cover: cover{open: x.html.open[:0]}, anchor: -1}
	x.html.read(doc)
	x.html.done()
	return x.html.out
}

func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// appendShape appends a text with its letters and digits made the same, runs of them as one, up to 40 octets: how something is
// made, whatever it says.
func appendShape(dst, text []byte) []byte {
	last := byte(0)
	for _, c := range text {
		switch {
		case c >= 'a' && c <= 'z':
			c = 'a'
		case c >= 'A' && c <= 'Z':
			c = 'A'
		case c >= '0' && c <= '9':
			c = '0'
		case c >= utf8.RuneSelf:
			c = '?'
		case c <= ' ':
			c = ' '
		}
		if c == last && c != '-' && c != '=' && c != '_' {
			continue
		}
		if len(dst) >= 40 {
			break
		}
		dst = append(dst, c)
		last = c
	}
	return dst
}
