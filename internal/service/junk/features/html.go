package features

import (
	"bytes"
	"html"
	"strings"
	"unicode/utf8"
)

// An htmlReader turns HTML into the text that a reader sees, and notes how it is made. It is a rough one: a message's tags are
// looked at one by one, as they come.
type htmlReader struct {
	x   *extraction
	out []byte // text
	// hidden is the element that hides what is in it, and depth how many of the same name are open inside of it.
	hidden []byte
	depth  int

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
	if h.hidden != nil {
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
		end := bytes.Index(b[4:], []byte("-->"))
		if end < 0 {
			return len(b)
		}
		h.comments++
		h.cut(b[4+end+3:])
		return 4 + end + 3
	}
	if len(b) < 2 || !letter(b[1]) && b[1] != '/' && b[1] != '!' && b[1] != '?' {
		h.text(b[:1])
		return 1
	}
	end := h.tagEnd(b)
	h.tag(b[1:end])
	n := min(end+1, len(b))
	if name := tagName(b[1:end]); raw(name) {
		n += skipRaw(b[n:], name)
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
		end, ok := quotedEnd(b)
		if ok {
			return end
		}
		h.unclosed++ // not a quote
	}
	if i := bytes.IndexByte(b, '>'); i >= 0 {
		return i
	}
	return len(b)
}

// quotedEnd is tagEnd where quotes hide what they enclose. ok is false if one isn't closed.
func quotedEnd(b []byte) (end int, ok bool) {
	for i := 1; i < len(b); i++ {
		switch c := b[i]; c {
		case '>':
			return i, true
		case '"', '\'':
			if b[i-1] != '=' {
				continue
			}
			n := bytes.IndexByte(b[i+1:], c)
			if n < 0 {
				return len(b), false
			}
			i += n + 1
		}
	}
	return len(b), true
}

// raw reports whether an element's content is not for readers.
func raw(name []byte) bool {
	return is(name, "style") || is(name, "script") || is(name, "title")
}

// skipRaw is how long the content of such an element is.
func skipRaw(b, name []byte) int {
	for at := 0; at < len(b); {
		i := bytes.Index(b[at:], []byte("</"))
		if i < 0 {
			return len(b)
		}
		at += i
		if hasPrefix(b[at+2:], string(name)) {
			return at
		}
		at += 2
	}
	return len(b)
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
	name := tagName(tag)
	if len(name) == 0 {
		return
	}
	h.tags++
	if h.hidden != nil && is(name, string(h.hidden)) {
		h.depth++
	}
	attrs := tag[len(name):]
	h.element(name, attrs)
	if len(attrs) > 4 {
		i := bytes.Index(attrs, []byte("tyle"))
		if i < 0 {
			i = bytes.Index(attrs, []byte("TYLE"))
		}
		if i > 1 {
			h.style(name, attr(attrs[i-2:], "style"))
		}
	}
	h.gap(name)
}

func (h *htmlReader) closing(name []byte) {
	if h.hidden != nil && is(name, string(h.hidden)) {
		if h.depth--; h.depth <= 0 {
			h.hidden = nil
		}
	}
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
			h.link(attr(attrs, "href"))
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
			h.x.link(attr(attrs, "action"))
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
	src := attr(attrs, "src")
	switch {
	case hasPrefix(src, "cid:"):
		h.x.addString(HTML, "own image")
	case hasPrefix(src, "data:"):
		h.x.addString(HTML, "image in the text")
	default:
		h.x.link(src)
	}
	if w, t := attr(attrs, "width"), attr(attrs, "height"); tiny(w) && tiny(t) {
		h.pixels++
	}
}

func tiny(v []byte) bool {
	return len(v) > 0 && (v[0] == '0' || v[0] == '1') && (len(v) == 1 || v[1] == 'p')
}

// style notes what a style attribute tells, above all that it hides something.
func (h *htmlReader) style(name, style []byte) {
	if len(style) == 0 {
		return
	}
	h.styles++
	if h.hidden == nil && !void(name) && hides(style) {
		h.hidden, h.depth = name, 1
	}
}

func void(name []byte) bool {
	return is(name, "img") || is(name, "br") || is(name, "hr") || is(name, "input") || is(name, "meta") || is(name, "link")
}

// hides reports whether a style makes text invisible.
func hides(style []byte) bool {
	for at := 0; ; {
		colon := bytes.IndexByte(style[at:], ':')
		if colon < 0 {
			return false
		}
		at += colon + 1
		if s := hiding(style[:at]); s != "" && hidden(style[at:], s) {
			return true
		}
	}
}

// hiding returns the property that a style names at its end, with a colon, if it is one that can hide text; else "".
func hiding(style []byte) string {
	for _, s := range [...]string{"display:", "visibility:", "font-size:", "max-height:", "opacity:"} {
		if i := len(style) - len(s); i >= 0 && style[len(style)-2] == s[len(s)-2] && string(style[i:]) == s && (i == 0 || style[i-1] != '-') {
			return s
		}
	}
	return ""
}

// hidden reports whether a property's value makes text invisible.
func hidden(value []byte, of string) bool {
	v := bytes.TrimLeft(value, " ")
	if len(v) == 0 {
		return false
	}
	switch v[0] {
	case 'n', 'h', 'N', 'H':
		return hasPrefix(v, "none") || hasPrefix(v, "hidden")
	case '0':
		return !bytes.HasPrefix(v, []byte("0.")) || bytes.HasPrefix(v, []byte("0.0"))
	case '1':
		return of == "font-size:" && hasPrefix(v, "1px")
	}
	return false
}

// attr returns the value of an attribute, entities and all; nil if it isn't there.
func attr(attrs []byte, name string) []byte {
	for at := 0; ; {
		i := indexFold(attrs[at:], name)
		if i < 0 {
			return nil
		}
		start := at + i
		at = start + len(name)
		if start > 0 && attrs[start-1] > ' ' && attrs[start-1] != '"' && attrs[start-1] != '\'' && attrs[start-1] != '/' {
			continue
		}
		v := skipBlank(attrs[at:])
		if len(v) == 0 || v[0] != '=' {
			continue
		}
		return attrValue(skipBlank(v[1:]))
	}
}

func skipBlank(b []byte) []byte {
	for len(b) > 0 && blank(b[0]) {
		b = b[1:]
	}
	return b
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func attrValue(v []byte) []byte {
	if len(v) > 0 && (v[0] == '"' || v[0] == '\'') {
		if end := bytes.IndexByte(v[1:], v[0]); end >= 0 {
			return bytes.TrimSpace(v[1 : 1+end])
		}
		v = v[1:]
	}
	if end := bytes.IndexAny(v, " \t\r\n"); end >= 0 {
		v = v[:end]
	}
	return v
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
