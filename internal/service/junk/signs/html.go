package signs

import (
	"bytes"
	"html"
	"strings"
	"unicode"

	"postroad/internal/format/htmltag"
)

// html looks at the tags that matter, one after the other.
func (m *Message) html(body []byte) {
	m.base = nil
	m.tags(body, func(t tag, rest []byte) {
		switch t.name {
		case "a":
			if m.links > maxLinks {
				return
			}
			if href := t.raw("href"); len(href) > 0 {
				m.href(href, m.linkText(rest[:min(len(rest), maxText)]))
			}
		case "area":
			m.href(t.raw("href"), "")
		case "base":
			if m.base == nil {
				m.base = bytes.Clone(t.raw("href"))
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

// maxShown is how much text of a link is looked at, and maxText how far it may be spread.
const (
	maxShown = 1000
	maxText  = 16 << 10
)

// linkText is what people see of the link whose inside is at the beginning of rest, or "" if they see no host in it. It ends where the next link begins, so
// that nothing is looked at for two.
func (m *Message) linkText(rest []byte) string {
	var room [maxShown]byte
	seen := room[:0]
	for len(rest) > 0 && len(seen) < maxShown {
		i := bytes.IndexByte(rest, '<')
		if i < 0 {
			i = len(rest)
		}
		seen = append(seen, rest[:min(i, maxShown-len(seen))]...)
		n := m.markup(rest[i:])
		if n == 0 {
			break
		}
		rest = rest[i+n:]
	}
	if !mayShow(seen) {
		return ""
	}
	return withoutInvisible(unreferenced(seen))
}

// markup is how long a tag or comment is; 0 if the link ends there. A lone "<" is passed over.
func (m *Message) markup(b []byte) int {
	switch {
	case len(b) == 0:
		return 0
	case bytes.HasPrefix(b, []byte("<!--")):
		return htmltag.Comment(b)
	}
	if n := htmltag.Bogus(b); n > 0 {
		return n
	}
	if len(b) < 2 || b[1] != '/' && !letter(b[1]) {
		return 1
	}
	from := htmltag.Name(b[1:])
	if name := bytes.TrimPrefix(b[1:1+from], []byte("/")); len(name) == 1 && name[0]|0x20 == 'a' {
		return 0
	}
	return min(len(b), 1+m.tagEnd(b[1:], from)+1)
}

// withoutInvisible leaves out what has no width: between the letters of a host it makes another of it for programs, but not for people.
func withoutInvisible(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 0x80 && (r == 0x34f || unicode.Is(unicode.Cf, r)) {
			return -1
		}
		return r
	}, s)
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
var names = [...]string{"a", "area", "base", "form", "input", "script"}

// tags calls f for the tags of interest, with the text after each. What is in comments and scripts is looked at as well, for that may be shown, too; but nothing
// in there, or within another tag, hides what comes behind it.
func (m *Message) tags(body []byte, f func(t tag, rest []byte)) { m.tagsIn(body, 0, f) }

func (m *Message) tagsIn(body []byte, depth int, f func(t tag, rest []byte)) {
	for {
		i := bytes.IndexByte(body, '<')
		if i < 0 || i+1 >= len(body) {
			return
		}
		body = body[i:]
		if bytes.HasPrefix(body, []byte("<!--")) {
			n := htmltag.Comment(body)
			m.within(body[len("<!--"):n], depth, f)
			body = body[n:]
			continue
		}
		if n := htmltag.Bogus(body); n > 0 {
			body = body[n:]
			continue
		}
		if body = body[1:]; body[0] == '/' || letter(body[0]) {
			body = m.tag(body, depth, f)
		}
	}
}

// tag looks at a tag, without its "<", and at what is in its element if no other can be, and returns what comes behind.
func (m *Message) tag(b []byte, depth int, f func(t tag, rest []byte)) []byte {
	from := htmltag.Name(b)
	end := m.tagEnd(b, from)
	rest := b[min(end+1, len(b)):]
	if name := tagName(b); name != "" {
		f(tag{name, b[min(from, end):end]}, rest)
	}
	if raw := b[:min(from, end)]; isRaw(raw) {
		n := htmltag.Raw(rest, raw)
		m.within(rest[:n], depth, f)
		rest = rest[n:]
	}
	return rest
}

// within looks at what stands in a comment or script.
func (m *Message) within(b []byte, depth int, f func(t tag, rest []byte)) {
	if depth < maxInside {
		m.tagsIn(b, depth+1, f)
	}
}

// maxInside is how deep comments and scripts in each other are looked into: all of a text is searched as often.
const maxInside = 2

// isRaw reports whether no other elements can be in an element.
func isRaw(name []byte) bool {
	switch len(name) {
	case len("title"):
		return bytes.EqualFold(name, []byte("title")) || bytes.EqualFold(name, []byte("style"))
	case len("script"):
		return bytes.EqualFold(name, []byte("script"))
	case len("textarea"):
		return bytes.EqualFold(name, []byte("textarea"))
	}
	return false
}

func letter(c byte) bool { c |= 0x20; return c >= 'a' && c <= 'z' }

// tagName is the name with which a text begins, if it is one of names.
func tagName(b []byte) string {
	switch b[0] | 0x20 {
	case 'a', 'b', 'f', 'i', 's':
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
	maxTag      = 64 << 10
	maxUnclosed = 50
)

// tagEnd is where a tag ends whose attributes begin at from: at ">" that isn't within quotes.
func (m *Message) tagEnd(b []byte, from int) int {
	b = b[:min(len(b), maxTag)]
	if m.unclosed < maxUnclosed {
		if n, closed := htmltag.End(b[from:]); closed && from+n < len(b) {
			return from + n
		}
	}
	if i := bytes.IndexByte(b, '>'); i >= 0 { // it isn't closed, or a quote isn't
		m.unclosed++
		return i
	}
	return len(b)
}

// attr is the value of an attribute, with its character references undone; "" if there is none.
func (t tag) attr(name string) string { return unreferenced(t.raw(name)) }

// raw is the value of an attribute as it is written; nil if there is none.
func (t tag) raw(name string) []byte {
	v := htmltag.Attr(t.rest, name)
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
