package signs

import (
	"bytes"
	"html"
	"strings"
)

// html looks at the tags that matter, one after the other. It is no parser of documents: comments and scripts are searched as well, which
// finds too much at worst.
func (m *Message) html(body []byte) {
	m.tags(body, func(t tag, rest []byte) {
		switch t.name {
		case "a":
			if m.links > maxLinks {
				return
			}
			if href := t.raw("href"); len(href) > 0 {
				m.href(href, linkText(rest[:min(len(rest), maxText)]))
			}
		case "area":
			m.href(t.raw("href"), "")
		case "form":
			m.all.add(Form, Warning, m.formHost(t.attr("action")))
		case "input":
			if strings.EqualFold(t.attr("type"), "password") {
				m.all.add(FormPassword, Danger)
			}
		}
	})
}

// linkText is what people see of the link whose text is at the beginning of rest, or "" if they see no host in it.
func linkText(rest []byte) string {
	end := bytes.Index(rest, []byte("</"))
	for end >= 0 && (end+2 >= len(rest) || rest[end+2]|0x20 != 'a') { // of a tag inside
		next := bytes.Index(rest[end+2:], []byte("</"))
		if next < 0 {
			return ""
		}
		end += 2 + next
	}
	if end < 0 || !mayShow(rest[:end]) {
		return ""
	}
	return text(rest[:end])
}

// mayShow reports whether there can be a host in markup: a dot that ends no sentence, or something that may stand for one.
func mayShow(markup []byte) bool {
	for i, c := range markup {
		switch {
		case c == '.':
			if i+1 < len(markup) && markup[i+1] > ' ' {
				return true
			}
		case c == '&' || c == '%' || c >= 0x80:
			return true
		}
	}
	return false
}

// maxText is how far from its beginning a link may end, for its text to be looked at.
const maxText = 1000

// formHost is the host to which a form is sent.
func (m *Message) formHost(action string) string {
	l, ok := linkOf(action)
	if !ok || l.host == "" {
		return ""
	}
	m.address([]byte(action), "")
	return l.host
}

// tag is the beginning of an element.
type tag struct {
	name string
	rest []byte // after its name, up to its end
}

// names are the tags that tags calls for.
var names = [...]string{"a", "area", "form", "input", "script"}

// tags calls f for the tags of interest, with the text after each.
func (m *Message) tags(body []byte, f func(t tag, rest []byte)) {
	for {
		i := bytes.IndexByte(body, '<')
		if i < 0 || i+1 >= len(body) {
			return
		}
		body = body[i+1:]
		name := tagName(body)
		if name == "" {
			continue
		}
		end := m.tagEnd(body)
		f(tag{name, body[len(name):end]}, body[min(end+1, len(body)):])
		body = body[end:]
	}
}

// tagName is the name with which a text begins, if it is one of names.
func tagName(b []byte) string {
	switch b[0] | 0x20 {
	case 'a', 'f', 'i', 's':
	default: // most
		return ""
	}
	for _, n := range names {
		if len(b) > len(n) && (b[len(n)] <= ' ' || b[len(n)] == '/' || b[len(n)] == '>') && strings.EqualFold(string(b[:len(n)]), n) {
			return n
		}
	}
	return ""
}

// maxTag is how long a tag may be, and maxUnclosed how often a quote may be missing in a message before quotes count no longer: each
// takes a search through so much.
const (
	maxTag      = 8 << 10
	maxUnclosed = 50
)

// tagEnd is where a tag ends: at ">" that isn't within quotes.
func (m *Message) tagEnd(b []byte) int {
	b = b[:min(len(b), maxTag)]
	if m.unclosed < maxUnclosed {
		if end := quotedEnd(b); end >= 0 {
			return end
		}
	}
	if i := bytes.IndexByte(b, '>'); i >= 0 { // a quote that nobody closed
		m.unclosed++
		return i
	}
	return len(b)
}

// quotedEnd is where the first ">" stands that isn't within quotes; -1: nowhere.
func quotedEnd(b []byte) int {
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '>':
			return i
		case '"', '\'':
			if i == 0 || b[i-1] != '=' && b[i-1] > ' ' {
				continue
			}
			n := bytes.IndexByte(b[i+1:], c)
			if n < 0 {
				return -1
			}
			i += n + 1
		}
	}
	return -1
}

// attr is the value of an attribute, with its character references undone; "" if there is none.
func (t tag) attr(name string) string { return unreferenced(t.raw(name)) }

// raw is the value of an attribute as it is written; nil if there is none.
func (t tag) raw(name string) []byte {
	for rest := t.rest; ; {
		i := indexFold(rest, name)
		if i < 0 {
			return nil
		}
		before, after := i == 0 || rest[i-1] <= ' ' || rest[i-1] == '/' || rest[i-1] == '"' || rest[i-1] == '\'', skipBlank(rest[i+len(name):])
		rest = rest[i+len(name):]
		if v, ok := bytes.CutPrefix(after, []byte("=")); before && ok {
			return attrValue(skipBlank(v))
		}
	}
}

func skipBlank(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n' || b[0] == '\f') {
		b = b[1:]
	}
	return b
}

func attrValue(v []byte) []byte {
	if len(v) == 0 {
		return nil
	}
	end := -1
	if v[0] == '"' || v[0] == '\'' {
		end = bytes.IndexByte(v[1:], v[0])
		v = v[1:]
	} else {
		end = bytes.IndexAny(v, " \t\r\n\f>")
	}
	if end >= 0 {
		v = v[:end]
	}
	return v[:min(len(v), 2*maxURL)]
}

// unreferenced is a value with its character references undone.
func unreferenced(v []byte) string {
	s := string(v)
	if strings.Contains(s, "&") {
		return html.UnescapeString(s)
	}
	return s
}

// indexFold is where a name of lower-case letters stands in b, in any case.
func indexFold(b []byte, name string) int {
	for i := 0; i+len(name) <= len(b); i++ {
		if b[i]|0x20 == name[0] && strings.EqualFold(string(b[i:i+len(name)]), name) {
			return i
		}
	}
	return -1
}
