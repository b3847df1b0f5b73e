package sieve

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	syntax "postroad/internal/format/sieve"
)

// variable is one that can be set.
type variable struct {
	slot   int    // in the script; -1: it is shared
	global string // its name, if it is shared
}

// variable compiles the name of a variable that is set; nil if it can't be. RFC 5229 §4.
func (c *compiler) variable(name *value) *variable {
	if !c.constant(name, "the name of a variable") {
		return nil
	}
	n := strings.ToLower(name.lit)
	if space, rest, ok := strings.Cut(n, "."); ok {
		return c.spaceVariable(name, space, rest)
	}
	switch {
	case n != "" && strings.Trim(n, "0123456789") == "":
		c.fail(name.pos, "the match variable ${%s} can't be set", cut(n, 32))
		return nil
	case !isIdentifier(n):
		c.fail(name.pos, "'%s' cannot be the name of a variable", cut(oneLine(name.lit), 64))
		return nil
	case c.globals[n]:
		return &variable{slot: -1, global: n}
	}
	slot := c.slot(n, name.pos, true)
	if slot < 0 {
		return nil
	}
	return &variable{slot: slot}
}

func (c *compiler) spaceVariable(name *value, space, rest string) *variable {
	if space == "global" && c.active("include") && isIdentifier(rest) {
		return &variable{slot: -1, global: rest}
	}
	c.fail(name.pos, "'%s' cannot be set", cut(oneLine(name.lit), 64))
	return nil
}

func (m *machine) load(v *variable) string {
	if v.slot < 0 {
		return m.globals[v.global]
	}
	return m.frame.vars[v.slot]
}

// store sets a variable. A value that is too long is cut: RFC 5229 §6.
func (m *machine) store(v *variable, s string) {
	s = cut(s, m.limits.VariableBytes)
	if v.slot >= 0 {
		m.frame.vars[v.slot] = s
		return
	}
	if m.globals == nil {
		m.globals = map[string]string{}
	}
	if _, there := m.globals[v.global]; there || len(m.globals) < m.limits.Variables {
		m.globals[v.global] = s
	}
}

// modifier changes a value before it is stored. RFC 5229 §4.1.
type modifier struct {
	name       string
	precedence int
	apply      func(s string, most int) string // the result may be cut to at most so many octets
}

// modifiers stand in the order in which they are applied.
var modifiers = []modifier{
	{"lower", 40, func(s string, _ int) string { return lowerASCII(s) }}, {"upper", 40, upperASCII}, {"lowerfirst", 30, lowerFirst}, {"upperfirst", 30, upperFirst},
	{"quotewildcard", 20, quoteWildcard}, {"quoteregex", 20, quoteRegex}, {"encodeurl", 15, encodeURL}, {"length", 10, length},
}

var modifierTags = []tag{
	{name: "lower", group: "modifier 40"}, {name: "upper", group: "modifier 40"}, {name: "lowerfirst", group: "modifier 30"},
	{name: "upperfirst", group: "modifier 30"}, {name: "quotewildcard", group: "modifier 20"},
	{name: "quoteregex", group: "modifier 20", exts: []string{"regex"}}, {name: "encodeurl", group: "modifier 15", exts: []string{"enotify"}},
	{name: "length", group: "modifier 10"},
}

func upperASCII(s string, _ int) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

func lowerFirst(s string, _ int) string { return lowerASCII(s[:min(1, len(s))]) + s[min(1, len(s)):] }
func upperFirst(s string, n int) string {
	return upperASCII(s[:min(1, len(s))], n) + s[min(1, len(s)):]
}
func length(s string, _ int) string { return strconv.Itoa(utf8.RuneCountInString(s)) }

func quoteWildcard(s string, most int) string { return quoteAny(s, `*?\`, most) }
func quoteRegex(s string, most int) string    { return quoteAny(s, `\.+*?()|[]{}^$`, most) }

// quoteAny puts a backslash before each of some characters. No pair is cut.
func quoteAny(s, these string, most int) string {
	if !strings.ContainsAny(s, these) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(these, s[i]) >= 0 {
			if b.Len()+2 > most {
				break
			}
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// encodeURL is percent-encoding of all that is not unreserved. RFC 5435 §6. No character is cut.
func encodeURL(s string, most int) string {
	var b strings.Builder
	for len(s) > 0 {
		_, n := utf8.DecodeRuneInString(s)
		e := strings.ReplaceAll(url.QueryEscape(s[:n]), "+", "%20")
		if b.Len()+len(e) > most {
			break
		}
		b.WriteString(e)
		s = s[n:]
	}
	return b.String()
}

// setCommand is "set". RFC 5229 §4.
type setCommand struct {
	pos   syntax.Pos
	to    *variable
	value value
	mods  []func(string, int) string
}

func (c *compiler) set(a *args) command {
	name := c.argText(a, 0)
	s := &setCommand{pos: a.call.Pos, value: c.argText(a, 1), mods: modifiersOf(a)}
	if s.to = c.variable(&name); s.to == nil {
		return nil
	}
	return s
}

// modifiersOf are the modifiers of a call, in their order.
func modifiersOf(a *args) []func(string, int) string {
	var mods []func(string, int) string
	for _, mod := range modifiers {
		if a.has(mod.name) {
			mods = append(mods, mod.apply)
		}
	}
	return mods
}

func (s *setCommand) exec(m *machine) error {
	m.assign(s.to, m.text(&s.value), s.mods)
	return nil
}

// assign stores a value as modifiers change it.
func (m *machine) assign(to *variable, v string, mods []func(string, int) string) {
	for _, mod := range mods {
		m.burn(len(v))
		v = mod(v, m.limits.VariableBytes)
	}
	m.store(to, v)
}

// globalCommand is "global": it does nothing when the script runs. RFC 6609 §3.4.1.
func (c *compiler) global(a *args) command {
	if !c.active("variables") {
		c.fail(a.call.Pos, "global needs require \"variables\"")
		return nil
	}
	for _, v := range c.argList(a, 0) {
		n := strings.ToLower(v.lit)
		switch {
		case !c.constant(&v, "the name of a variable"):
		case !isIdentifier(n):
			c.fail(v.pos, "'%s' cannot be the name of a global variable", cut(oneLine(v.lit), 64))
		case c.assigned[n] && !c.globals[n]:
			c.fail(v.pos, "the variable '%s' is in use already, as one of this script", n)
		default:
			c.globals[n] = true
		}
	}
	return nil
}
