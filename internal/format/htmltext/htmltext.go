// Package htmltext turns HTML mail into the text that a reader sees, for searching and previews.
//
// It reads tags as they come and builds no tree, so that nesting costs nothing and broken markup does no harm. Styles and
// scripts are left out; images are their alternative text; blocks, rows and breaks become line ends.
package htmltext

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// maxToken bounds the memory for one tag or one run of text: at a longer one the text ends. Tags may hold whole pictures.
const maxToken = 8 << 20

// Text returns the text of the HTML document in r, which is UTF-8, up to limit octets (cut between characters). Reading
// stops when the limit is reached. Errors of r end the text; markup has none.
func Text(r io.Reader, limit int) string {
	z := html.NewTokenizer(r)
	z.SetMaxBuf(maxToken)
	w := writer{limit: limit, full: limit <= 0}
	skip := false
	for !w.full {
		switch z.Next() {
		case html.ErrorToken:
			return w.out.String()
		case html.TextToken:
			if !skip {
				w.write(z.Text())
			}
			skip = false
		case html.StartTagToken, html.SelfClosingTagToken:
			name, hasAttr := z.TagName()
			skip = hidden(name)
			w.tag(name)
			if hasAttr && string(name) == "img" {
				w.write(alt(z))
				w.tag(name)
			}
			if string(name) == "pre" {
				w.pre++
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			skip = false
			w.tag(name)
			if string(name) == "pre" && w.pre > 0 {
				w.pre--
			}
		}
	}
	return w.out.String()
}

// hidden reports whether the text inside an element is not for readers. The tokenizer takes the content of all of these
// as one text.
func hidden(name []byte) bool {
	switch string(name) {
	case "script", "style", "title", "iframe", "noembed", "noframes":
		return true
	}
	return false
}

func alt(z *html.Tokenizer) []byte {
	for {
		key, val, more := z.TagAttr()
		if string(key) == "alt" {
			return val
		}
		if !more {
			return nil
		}
	}
}

// A gap is the white space that is due before the next word.
type gap uint8

const (
	none gap = iota
	space
	line
	paragraph
)

// gapOf returns what a tag leaves between the texts on its sides.
func gapOf(name []byte) gap {
	switch string(name) {
	case "p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "dl", "table", "pre", "hr":
		return paragraph
	case "br", "div", "li", "tr", "dt", "dd", "address", "article", "aside", "center", "fieldset", "figure", "footer", "form",
		"header", "main", "nav", "section", "body", "html", "head", "option", "select", "caption", "tbody", "thead", "tfoot":
		return line
	case "td", "th", "img", "input", "button":
		return space
	}
	return none
}

// A writer collects text with its white space collapsed.
type writer struct {
	out   strings.Builder
	limit int
	full  bool
	due   gap
	pre   int
}

func (w *writer) tag(name []byte) { w.due = max(w.due, gapOf(name)) }

func (w *writer) write(b []byte) {
	if !utf8.Valid(b) {
		b = bytes.ToValidUTF8(b, []byte("\uFFFD"))
	}
	for len(b) > 0 && !w.full {
		n := indexSpace(b)
		switch {
		case n < 0:
			n = len(b)
			fallthrough
		case n > 0:
			w.word(b[:n])
		default:
			n = w.blank(b)
		}
		b = b[n:]
	}
}

func (w *writer) word(b []byte) {
	gap := [...]string{"", " ", "\n", "\n\n"}[w.due]
	if w.out.Len() == 0 {
		gap = ""
	}
	if room := w.limit - w.out.Len() - len(gap); len(b) >= room {
		w.full = true
		b = prefix(b, room)
	}
	if len(b) > 0 {
		w.out.WriteString(gap)
		w.out.Write(b)
	}
	w.due = none
}

// prefix returns the first n octets of b, or fewer in order not to cut a character.
func prefix(b []byte, n int) []byte {
	if n >= len(b) {
		return b
	}
	for n = max(n, 0); n > 0 && !utf8.RuneStart(b[n]); n-- {
	}
	return b[:n]
}

// blank takes one white space character.
func (w *writer) blank(b []byte) int {
	_, n := utf8.DecodeRune(b)
	if w.pre > 0 && b[0] == '\n' {
		w.due = min(max(w.due, space)+1, paragraph)
	} else {
		w.due = max(w.due, space)
	}
	return n
}

// indexSpace is bytes.IndexFunc(b, isSpace), faster.
func indexSpace(b []byte) int {
	for i := 0; i < len(b); {
		if c := b[i]; c < utf8.RuneSelf {
			if c <= ' ' && isSpace(rune(c)) {
				return i
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if isSpace(r) {
			return i
		}
		i += n
	}
	return -1
}

// isSpace reports whether r separates words. Characters of no width that only fill up previews count as such.
func isSpace(r rune) bool {
	switch r {
	case ' ', '\t', '\r', '\n', '\f', 0xa0, 0x034f, 0x2007, 0xfeff:
		return true
	}
	return false
}
