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
			href := t.attr("href")
			if href == "" || m.links > maxLinks {
				return
			}
			end := bytes.Index(rest[:min(len(rest), maxText)], []byte("</"))
			for end >= 0 && (end+2 >= len(rest) || rest[end+2]|0x20 != 'a') { // of a tag inside
				next := bytes.Index(rest[end+2:min(len(rest), maxText)], []byte("</"))
				if next < 0 {
					end = -1
					break
				}
				end += 2 + next
			}
			shows := ""
			if end >= 0 {
				shows = text(rest[:end])
			}
			m.address(href, shows)
		case "area":
			if href := t.attr("href"); href != "" {
				m.address(href, "")
			}
		case "form":
			m.all.add(Form, Warning, m.formHost(t.attr("action")))
		case "input":
			if strings.EqualFold(t.attr("type"), "password") {
				m.all.add(FormPassword, Danger)
			}
		}
	})
}

// maxText is how far from its beginning a link may end, for its text to be looked at.
const maxText = 1000

// formHost is the host to which a form is sent.
func (m *Message) formHost(action string) string {
	l, ok := linkOf(action)
	if !ok || l.host == "" {
		return ""
	}
	m.address(action, "")
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
		end := tagEnd(body)
		f(tag{name, body[len(name):end]}, body[min(end+1, len(body)):])
		body = body[end:]
	}
}

// tagName is the name with which a text begins, if it is one of names.
func tagName(b []byte) string {
	for _, n := range names {
		if len(b) > len(n) && strings.EqualFold(string(b[:len(n)]), n) && (b[len(n)] <= ' ' || b[len(n)] == '/' || b[len(n)] == '>') {
			return n
		}
	}
	return ""
}

// maxTag is how long a tag may be.
const maxTag = 8 << 10

// tagEnd is where a tag ends: at ">" that isn't within quotes.
func tagEnd(b []byte) int {
	quote := byte(0)
	limit := min(len(b), maxTag)
	for i := range limit {
		switch c := b[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '>':
			return i
		case (c == '"' || c == '\'') && i > 0 && (b[i-1] == '=' || b[i-1] <= ' '):
			quote = c
		}
	}
	if i := bytes.IndexByte(b[:limit], '>'); i >= 0 { // a quote that nobody closed
		return i
	}
	return limit
}

// attr is the value of an attribute, with its character references undone; "" if there is none.
func (t tag) attr(name string) string {
	for rest := t.rest; ; {
		i := indexFold(rest, name)
		if i < 0 {
			return ""
		}
		before, after := i == 0 || rest[i-1] <= ' ' || rest[i-1] == '/' || rest[i-1] == '"' || rest[i-1] == '\'', bytes.TrimLeft(rest[i+len(name):], " \t\r\n\f")
		rest = rest[i+len(name):]
		if v, ok := bytes.CutPrefix(after, []byte("=")); before && ok {
			return attrValue(bytes.TrimLeft(v, " \t\r\n\f"))
		}
	}
}

func attrValue(v []byte) string {
	if len(v) == 0 {
		return ""
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
	s := string(v[:min(len(v), 2*maxURL)])
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
