package sieve

import (
	"strings"
	"unicode/utf8"

	syntax "postroad/internal/format/sieve"
)

// value is a string of a script: constant, or with references to variables.
type value struct {
	pos   syntax.Pos
	lit   string // all of it, if there are no parts
	parts []part
}

type partKind uint8

const (
	partText   partKind = iota
	partLocal           // a variable of the script
	partGlobal          // one that scripts share
	partMatch           // ${1}
	partEnv             // ${env.name}
)

type part struct {
	kind partKind
	text string
	slot int
}

func (v *value) constant() bool { return v.parts == nil }

// text is what a value means now.
func (m *machine) text(v *value) string {
	if v.parts == nil {
		return v.lit
	}
	if len(v.parts) == 1 {
		return m.part(&v.parts[0])
	}
	m.buf = m.buf[:0]
	for i := range v.parts {
		m.buf = append(m.buf, m.part(&v.parts[i])...)
	}
	m.burn(len(m.buf))
	return string(m.buf)
}

func (m *machine) part(p *part) string {
	switch p.kind {
	case partLocal:
		return m.frame.vars[p.slot]
	case partGlobal:
		return m.globals[p.text]
	case partMatch:
		if p.slot < len(m.frame.matches) {
			return m.frame.matches[p.slot]
		}
		return ""
	case partEnv:
		s, _ := m.item(p.text)
		return s
	}
	return p.text
}

// texts are what a list of values means now.
func (m *machine) texts(vs []value) []string {
	out := make([]string, len(vs))
	for i := range vs {
		out[i] = m.text(&vs[i])
	}
	return out
}

// cut shortens a text to at most n octets, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// value compiles a string: first encoded characters, then variables. RFC 5229 §3.1.
func (c *compiler) value(t syntax.Text) value {
	s := t.Value
	if c.active("encoded-character") && strings.Contains(s, "${") {
		s = c.encodedCharacters(s, t.Pos)
	}
	v := value{pos: t.Pos, lit: s}
	if c.active("variables") && strings.Contains(s, "${") {
		v.parts = c.references(s, t.Pos)
	}
	return v
}

func (c *compiler) values(ts []syntax.Text) []value {
	vs := make([]value, len(ts))
	for i, t := range ts {
		vs[i] = c.value(t)
	}
	return vs
}

// references cuts a string at its variables; nil if there are none. What only looks like a reference is text.
func (c *compiler) references(s string, at syntax.Pos) []part {
	var parts []part
	text, found := "", false
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			break
		}
		name, n := referenceName(s[i+2:])
		if n == 0 {
			text, s = text+s[:i+2], s[i+2:]
			continue
		}
		if text += s[:i]; text != "" {
			parts = append(parts, part{text: text})
		}
		text, s, found = "", s[i+2+n:], true
		parts = append(parts, c.reference(name, at))
	}
	if !found {
		return nil
	}
	if text += s; text != "" {
		parts = append(parts, part{text: text})
	}
	return parts
}

// referenceName reads what may stand in ${...}, and how long it is with its brace; 0 if it is no name.
func referenceName(s string) (name string, n int) {
	i := strings.IndexByte(s, '}')
	if i <= 0 || !validName(s[:i]) {
		return "", 0
	}
	return s[:i], i + 1
}

// validName = num-variable / [namespace] identifier. RFC 5229 §3.
func validName(s string) bool {
	first := true
	for part := range strings.SplitSeq(s, ".") {
		switch {
		case isIdentifier(part):
		case !first || s == part:
			if part == "" || strings.Trim(part, "0123456789") != "" {
				return false
			}
		default:
			return false
		}
		first = false
	}
	return true
}

func isIdentifier(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// maxMatch is how many match variables are kept: RFC 5229 §6 asks for 9.
const maxMatch = 32

// reference compiles the use of a variable.
func (c *compiler) reference(name string, at syntax.Pos) part {
	name = strings.ToLower(name)
	if name[0] >= '0' && name[0] <= '9' {
		return part{kind: partMatch, slot: c.matchIndex(name, at)}
	}
	if space, rest, ok := strings.Cut(name, "."); ok {
		return c.namespaced(space, rest, at)
	}
	if c.globals[name] {
		return part{kind: partGlobal, text: name}
	}
	if slot := c.slot(name, at, false); slot >= 0 {
		return part{kind: partLocal, slot: slot}
	}
	return part{}
}

func (c *compiler) matchIndex(name string, at syntax.Pos) int {
	n := 0
	for i := range len(name) {
		if n = n*10 + int(name[i]-'0'); n > maxMatch {
			c.fail(at, "match variables end at ${%d}", maxMatch)
			return maxMatch
		}
	}
	return n
}

// namespaced compiles the use of a variable in a namespace.
func (c *compiler) namespaced(space, rest string, at syntax.Pos) part {
	switch {
	case space == "global" && c.active("include"): // RFC 6609 §3.4.2
		if !isIdentifier(rest) {
			c.fail(at, "'%s' cannot be the name of a global variable", rest)
		}
		return part{kind: partGlobal, text: rest}
	case space == "env" && c.active("vnd.dovecot.environment"):
		return part{kind: partEnv, text: rest}
	}
	if c.opts.more != nil && c.opts.more.namespace != nil {
		if p, ok := c.opts.more.namespace(space, rest); ok {
			return p
		}
	}
	c.fail(at, "there is no namespace '%s' for variables here", space)
	return part{}
}

// slot is the place of a local variable; -1 if there are too many. A variable that is only read has one too: it is empty.
func (c *compiler) slot(name string, at syntax.Pos, set bool) int {
	n, ok := c.slots[name]
	if !ok {
		if len(name) > maxVariableName {
			c.fail(at, "the variable's name is too long")
			return -1
		}
		if n = len(c.slots); n >= c.limits.Variables {
			c.fail(at, "there are too many variables: %d are allowed", c.limits.Variables)
			return -1
		}
		c.slots[name] = n
	}
	if set {
		c.assigned[name] = true
	}
	return n
}

// maxVariableName bounds names of variables.
const maxVariableName = 64
