package sieve

import (
	"slices"
	"strings"
	"unicode"

	syntax "postroad/internal/format/sieve"
)

// flagList is a list of flags with its place. RFC 5232 §2.
type flagList struct{ list []value }

// flagTag compiles :flags; nil if it wasn't given.
func (c *compiler) flagTag(a *args) *flagList {
	if !a.has("flags") {
		return nil
	}
	return &flagList{c.tagList(a, "flags")}
}

// flagsFor gives an action its flags: those of :flags, or those of the internal variable.
func (m *machine) flagsFor(a *Action, f *flagList) {
	switch {
	case f != nil:
		a.Flags, a.SetFlags = m.splitFlags(f.list), true
	case m.results.setFlags:
		a.Flags, a.SetFlags = slices.Clone(m.results.flags), true
	}
}

// maxFlags bounds the flags of a message.
const maxFlags = 64

// splitFlags takes a list of strings with flags apart. What is no flag is left out (RFC 5232 §2: it SHOULD be ignored), and so
// is one that is there already.
func (m *machine) splitFlags(list []value) []string {
	out := []string{}
	for i := range list {
		text := m.text(&list[i])
		m.burn(len(text))
		for f := range strings.FieldsSeq(text) {
			if validFlag(f) && len(out) < maxFlags && indexFlag(out, f) < 0 {
				out = append(out, f)
			}
		}
	}
	return out
}

// validFlag checks a flag: a system flag that may be set, or a keyword. RFC 9051 §2.3.2.
func validFlag(f string) bool {
	if rest, system := strings.CutPrefix(f, "\\"); system {
		switch strings.ToLower(rest) {
		case "answered", "flagged", "deleted", "seen", "draft":
			return true
		}
		return false
	}
	return len(f) <= 128 && isAtom(f)
}

func indexFlag(list []string, f string) int {
	return slices.IndexFunc(list, func(s string) bool { return equalASCII(s, f) })
}

// flagOp is what a command does with flags.
type flagOp uint8

const (
	setFlag flagOp = iota
	addFlag
	removeFlag
)

// flagCommand is "setflag", "addflag" or "removeflag". RFC 5232 §3.
type flagCommand struct {
	op   flagOp
	pos  syntax.Pos
	in   *variable // nil: the internal variable
	list []value
}

func (c *compiler) flagCommand(op flagOp) func(*compiler, *args) command {
	return func(c *compiler, a *args) command {
		f := &flagCommand{op: op, pos: a.call.Pos, list: c.argList(a, 1)}
		if a.pos[0] != nil {
			if !c.active("variables") {
				c.fail(a.pos[0].Pos, "a variable for flags needs require \"variables\"")
				return nil
			}
			name := c.argText(a, 0)
			f.in = c.variable(&name)
		}
		return f
	}
}

func (f *flagCommand) exec(m *machine) error {
	given := m.splitFlags(f.list)
	old := m.results.flags
	if f.in != nil {
		old = m.splitFlags([]value{{lit: m.load(f.in)}})
	}
	flags := f.op.apply(old, given)
	if f.in != nil {
		m.store(f.in, strings.Join(flags, " "))
		return nil
	}
	m.results.flags, m.results.setFlags = flags, true
	return nil
}

func (op flagOp) apply(old, given []string) []string {
	switch op {
	case setFlag:
		return given
	case addFlag:
		out := slices.Clone(old)
		for _, f := range given {
			if indexFlag(out, f) < 0 && len(out) < maxFlags {
				out = append(out, f)
			}
		}
		return out
	}
	return slices.DeleteFunc(slices.Clone(old), func(f string) bool { return indexFlag(given, f) >= 0 })
}

// hasFlag is "hasflag". RFC 5232 §4.
type hasFlag struct {
	in   []*variable
	list []value
	keys *matcher
}

func (c *compiler) hasFlag(a *args) test {
	t := &hasFlag{list: c.argList(a, 1)}
	if a.pos[0] != nil {
		if !c.active("variables") {
			c.fail(a.pos[0].Pos, "a variable for flags needs require \"variables\"")
			return nil
		}
		for _, v := range c.argList(a, 0) {
			t.in = append(t.in, c.variable(&v))
		}
	}
	if t.keys = c.matcher(a, t.list); t.keys == nil || slices.Contains(t.in, nil) {
		return nil
	}
	return t
}

func (t *hasFlag) eval(m *machine) (bool, error) {
	var flags []string
	for _, v := range t.in {
		flags = append(flags, m.splitFlags([]value{{lit: m.load(v)}})...)
	}
	if t.in == nil {
		flags = m.results.flags
	}
	if t.keys.kind == matchCount {
		return m.count(t.keys, len(flags))
	}
	return m.matchFlags(t, flags)
}

// matchFlags compares each flag with each flag that is asked for: a key may be several flags with blanks between.
func (m *machine) matchFlags(t *hasFlag, flags []string) (bool, error) {
	for i := range t.keys.keys {
		k := &t.keys.keys[i]
		if text := m.text(&k.value); text != "" && strings.IndexFunc(text, unicode.IsSpace) < 0 { // as nearly always
			for _, f := range flags {
				if yes, err := m.matchKey(t.keys, k, f); yes || err != nil {
					return yes, err
				}
			}
			continue
		}
		parts := strings.Fields(m.text(&k.value))
		if t.keys.kind == matchRegex || t.keys.kind == matchList {
			parts = []string{m.text(&k.value)}
		}
		for _, p := range parts {
			one := *t.keys
			one.keys = []key{prepared(t.keys, p, k)}
			for _, f := range flags {
				if yes, err := m.matches(&one, f); yes || err != nil {
					return yes, err
				}
			}
		}
	}
	return false, nil
}

// prepared is a key that is one flag.
func prepared(x *matcher, flag string, from *key) key {
	k := key{value: value{lit: flag, pos: from.value.pos}, re: from.re}
	switch x.kind {
	case matchContains:
		k.plain = x.comp.key(flag)
	case matchMatches:
		k.glob = newGlob(flag, x.comp)
	}
	return k
}
