package features

import (
	"bytes"
	"html"
	"strings"
	"unicode/utf8"

	"postroad/internal/format/htmltag"
)

// An htmlReader turns HTML into the text that a reader sees, and notes how it is made. It is a rough one: a message's tags are
// looked at one by one, as they come.
type htmlReader struct {
	x   *extraction
	out []byte // text
	cover

	tags, images, pixels, fonts, styles int
	hiddenText, comments, inWord        int
	form, script, frame, table          bool
	href                                []byte
	anchor                              int // where the text of the present link begins in out, -1: none
	mismatch                            int
	unclosed                            int // quotes in tags
}

// read reads a document, and returns its text appended to out.
func (h *htmlReader) read(doc []byte) {
	for len(doc) > 0 {
		lt := bytes.IndexByte(doc, '<')
		if lt < 0 {
			h.text(doc)
			return
		}
		h.text(doc[:lt])
		doc = doc[lt:]
		doc = doc[h.markup(doc):]
	}
}

// text takes text between tags.
func (h *htmlReader) text(b []byte) {
	if len(b) == 0 {
		return
	}
	if h.hiding() {
		h.hiddenText += len(b)
		return
	}
	for {
		i := bytes.IndexByte(b, '&')
		if i < 0 {
			h.out = append(h.out, b...)
			return
		}
		h.out = append(h.out, b[:i]...)
		b = b[i:]
		b = b[h.entity(b):]
	}
}

// entity takes what begins with "&", and returns its length.
func (h *htmlReader) entity(b []byte) int {
	if len(b) > 2 && b[1] == '#' {
		if r, n := number(b[2:]); n > 0 {
			h.out = utf8.AppendRune(h.out, r)
			return 2 + n
		}
	}
	end := bytes.IndexByte(b[:min(len(b), 12)], ';')
	switch {
	case end < 2:
		h.out = append(h.out, '&')
		return 1
	case string(b[1:end]) == "nbsp":
		h.out = append(h.out, ' ')
	default:
		h.out = append(h.out, html.UnescapeString(string(b[:end+1]))...)
	}
	return end + 1
}

// number reads the number of a character, "105;" or "x69;", and returns how long it is. HTML does without the semicolon.
func number(b []byte) (r rune, n int) {
	base, digits := rune(10), 0
	if b[0] == 'x' || b[0] == 'X' {
		base, n = 16, 1
	}
	for ; n < len(b) && digits < 8; n++ {
		d := strings.IndexByte("0123456789abcdef", lower(b[n]))
		if d < 0 || rune(d) >= base {
			break
		}
		r = min(r*base+rune(d), utf8.MaxRune+1)
		digits++
	}
	if digits == 0 {
		return 0, 0
	}
	if n < len(b) && b[n] == ';' {
		n++
	}
	return r, n
}

// markup takes what begins with "<", and returns its length.
func (h *htmlReader) markup(b []byte) int {
	if bytes.HasPrefix(b, []byte("<!--")) {
		n := htmltag.Comment(b)
		if n < len(b) {
			h.comments++
			h.cut(b[n:])
		}
		return n
	}
	if len(b) < 2 || !letter(b[1]) && b[1] != '/' && b[1] != '!' && b[1] != '?' {
		h.text(b[:1])
		return 1
	}
	if n := htmltag.Bogus(b); n > 0 {
		return n
	}
	end := h.tagEnd(b)
	h.tag(b[1:end])
	n := min(end+1, len(b))
	if name := tagName(b[1:end]); raw(name) {
		n += htmltag.Raw(b[n:], name)
	}
	return n
}

// cut notes a tag that cuts a word in two, a trick to hide it.
func (h *htmlReader) cut(after []byte) {
	if n := len(h.out); n > 0 && letter(h.out[n-1]) && len(after) > 0 && letter(after[0]) {
		h.inWord++
	}
}

func letter(c byte) bool { c |= 0x20; return c >= 'a' && c <= 'z' }

// maxUnclosed is how many tags of a document may have a quote that nobody closes before quotes count no longer in it: each of them takes
// a search to the document's end.
const maxUnclosed = 50

// tagEnd is where the tag at the start of b has its ">"; len(b) if it has none.
func (h *htmlReader) tagEnd(b []byte) int {
	if h.unclosed < maxUnclosed {
		start := 1 + htmltag.Name(b[1:])
		n, closed := htmltag.End(b[start:])
		if closed {
			return start + n
		}
		h.unclosed++ // not a quote
	}
	if i := bytes.IndexByte(b, '>'); i >= 0 {
		return i
	}
	return len(b)
}

// raw reports whether an element's content is not for readers.
func raw(name []byte) bool {
	return is(name, "style") || is(name, "script") || is(name, "title")
}

func tagName(tag []byte) []byte {
	for i, c := range tag {
		if !letter(c) && (c < '0' || c > '9') {
			return tag[:i]
		}
	}
	return tag
}

// tag takes a tag without its angle brackets.
func (h *htmlReader) tag(tag []byte) {
	if tag[0] == '/' {
		h.closing(tagName(tag[1:]))
		return
	}
	name, attrs := tagName(tag), tag[htmltag.Name(tag):]
	h.tags++
	h.element(name, attrs)
	var style []byte
	if len(attrs) > len("style=") && (bytes.Contains(attrs, []byte("style")) || indexFold(attrs, "style") >= 0) {
		style = htmltag.Attr(attrs, "style")
	}
	if len(style) > 0 {
		h.styles++
	}
	h.begin(name, attrs, style)
	h.gap(name)
}

func (h *htmlReader) closing(name []byte) {
	h.end(name)
	if is(name, "a") {
		h.linkEnds()
	}
	h.gap(name)
}

// gap separates words where a tag does.
func (h *htmlReader) gap(name []byte) {
	switch lower(name0(name)) {
	case 'a', 'b', 'f', 'i', 's', 'e', 'u':
		if is(name, "br") {
			h.out = append(h.out, '\n')
		} // others are inline: <b>, <a>, <font>, <span>, <em>
	default:
		h.out = append(h.out, '\n')
	}
}

func name0(name []byte) byte {
	if len(name) == 0 {
		return 0
	}
	return name[0]
}

// element notes what an element tells.
func (h *htmlReader) element(name, attrs []byte) {
	switch lower(name[0]) {
	case 'a':
		if is(name, "a") || is(name, "area") {
			h.link(htmltag.Attr(attrs, "href"))
		}
	case 'i':
		switch {
		case is(name, "img"):
			h.image(attrs)
		case is(name, "iframe"):
			h.frame = true
		}
	case 'f':
		switch {
		case is(name, "font"):
			h.fonts++
		case is(name, "form"):
			h.form = true
			h.x.link(htmltag.Attr(attrs, "action"))
		}
	case 's':
		h.script = h.script || is(name, "script")
	case 't':
		h.table = h.table || is(name, "table")
	}
}

func (h *htmlReader) link(href []byte) {
	h.linkEnds()
	if href != nil {
		h.href, h.anchor = href, len(h.out)
		h.x.link(href)
		if hasPrefix(href, "mailto:") {
			h.x.addString(LinkShape, "mailto")
		}
	}
}

// linkEnds looks at the text of a link: one that names another host than where it leads is a trick.
func (h *htmlReader) linkEnds() {
	if h.anchor < 0 || h.href == nil {
		return
	}
	text := bytes.TrimSpace(h.out[min(h.anchor, len(h.out)):])
	if i := bytes.Index(text, []byte("://")); i >= 0 && i < 8 && len(text) < 200 {
		if shown, real := hostOf(text), hostOf(h.href); len(real) > 0 && !bytes.EqualFold(domainIn(shown), domainIn(real)) {
			h.mismatch++
		}
	}
	h.href, h.anchor = nil, -1
}

func hostOf(url []byte) []byte {
	_, rest, ok := bytes.Cut(url, []byte("//"))
	if !ok {
		return nil
	}
	if end := bytes.IndexAny(rest, "/?#: \t\r\n<"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}

func (h *htmlReader) image(attrs []byte) {
	h.images++
	src := htmltag.Attr(attrs, "src")
	switch {
	case hasPrefix(src, "cid:"):
		h.x.addString(HTML, "own image")
	case hasPrefix(src, "data:"):
		h.x.addString(HTML, "image in the text")
	default:
		h.x.link(src)
	}
	if w, t := htmltag.Attr(attrs, "width"), htmltag.Attr(attrs, "height"); tiny(w) && tiny(t) {
		h.pixels++
	}
}

func tiny(v []byte) bool {
	return len(v) > 0 && (v[0] == '0' || v[0] == '1') && (len(v) == 1 || v[1] == 'p')
}

// indexFold finds a name of lower case letters whatever its case.
func indexFold(b []byte, name string) int {
	first := name[0]
	for i, c := range b[:max(0, len(b)-len(name)+1)] {
		if c|0x20 == first && is(b[i:i+len(name)], name) {
			return i
		}
	}
	return -1
}

// done adds what was noted.
func (h *htmlReader) done() {
	h.linkEnds()
	x := h.x
	x.shape(HTML, "tags", bucket(h.tags)/2)
	x.some(HTML, "images", h.images)
	x.some(HTML, "images of one pixel", h.pixels)
	x.some(HTML, "fonts", h.fonts)
	x.some(HTML, "links that name another host", h.mismatch)
	x.some(HTML, "words cut by comments", h.inWord)
	if h.hiddenText > 0 {
		x.shape(HTML, "hidden text", bucket(h.hiddenText)/2)
	}
	for _, f := range [...]struct {
		is   bool
		name string
	}{{h.form, "form"}, {h.script, "script"}, {h.frame, "frame"}, {h.table, "table"}, {h.styles > 0, "styles"}} {
		if f.is {
			x.addString(HTML, f.name)
		}
	}
	if h.images > 0 && len(h.out) < 200 {
		x.addString(HTML, "images, hardly any text")
	}
}
