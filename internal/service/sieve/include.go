package sieve

import (
	"slices"
	"strings"

	syntax "postroad/internal/format/sieve"
)

// includeCommand is "include". RFC 6609 §3.2.
type includeCommand struct {
	pos  syntax.Pos
	unit *unit // nil: it isn't there, and need not be
	once bool
	why  string // why it can't be included
}

var includeTags = []tag{{name: "personal", group: "location"}, {name: "global", group: "location"}, {name: "once"}, {name: "optional"}}

func (c *compiler) include(a *args) command {
	name := c.argText(a, 0)
	if !c.constant(&name, "the name of a script") {
		return nil
	}
	if !ValidName(name.lit) {
		c.fail(name.pos, "'%s' cannot be the name of a script", cut(oneLine(name.lit), 64))
		return nil
	}
	if c.includes++; c.includes > c.limits.Includes {
		c.fail(a.call.Pos, "too many scripts are included: %d are allowed", c.limits.Includes)
		return nil
	}
	what := include{Personal, name.lit}
	if a.has("global") {
		what.location = Global
	}
	cmd := &includeCommand{pos: a.call.Pos, once: a.has("once")}
	if c.goesRound(what, cmd) {
		return cmd
	}
	return c.included(a, what, cmd)
}

// goesRound finds out whether a script includes itself. That is an error when it is met, not before: RFC 6609 §3.1. With :once
// it is as if it had been included already.
func (c *compiler) goesRound(what include, cmd *includeCommand) bool {
	self := what == include{Personal, c.opts.Name}
	switch {
	case !self && !slices.Contains(c.chain, what):
		return false
	case !cmd.once:
		cmd.why = "the script '" + what.name + "' includes itself"
		c.warn(cmd.pos, "%s", cmd.why)
	}
	return true
}

// included compiles the script that is included, once.
func (c *compiler) included(a *args, what include, cmd *includeCommand) command {
	if u, ok := c.units[what]; ok {
		cmd.unit = u
		return cmd
	}
	if len(c.chain) >= c.limits.IncludeDepth {
		c.fail(a.call.Pos, "scripts include one another too deeply: %d are allowed", c.limits.IncludeDepth)
		return nil
	}
	text, ok, err := "", false, error(nil)
	if c.opts.Include != nil {
		text, ok, err = c.opts.Include(what.location, what.name)
	}
	switch {
	case err != nil:
		c.fail(a.call.Pos, "the script '%s' can't be read now", what.name)
		return nil
	case !ok && a.has("optional"):
		return cmd
	case !ok:
		cmd.why = "there is no script '" + what.name + "'"
		c.warn(cmd.pos, "%s", cmd.why)
		return cmd
	}
	before := len(c.problems)
	cmd.unit = c.compile(text, what.name, append(c.chain[:len(c.chain):len(c.chain)], what))
	if len(c.problems) > before {
		return nil
	}
	if c.units == nil {
		c.compilation.units = map[include]*unit{}
	}
	c.units[what] = cmd.unit
	return cmd
}

func (i *includeCommand) exec(m *machine) error {
	switch {
	case i.why != "":
		return m.failure(i.pos, "%s", i.why)
	case i.unit == nil || i.once && m.once[i.unit]:
		return nil
	case m.frame.depth >= m.limits.IncludeDepth:
		return m.failure(i.pos, "scripts include one another too deeply")
	}
	if m.once == nil {
		m.once = map[*unit]bool{}
	}
	m.once[i.unit] = true
	m.fuel -= 20 + int64(i.unit.slots)
	err := m.runUnit(i.unit)
	if err == errReturn {
		err = nil
	}
	return err
}

// MaxName is how long the name of a script may be, in octets: RFC 5804 §1.6 asks for 128 characters.
const MaxName = 512

// ValidName reports whether a script may have a name. RFC 5804 §1.6.
func ValidName(s string) bool {
	bad := func(r rune) bool {
		return r < 0x20 || r >= 0x7F && r <= 0x9F || r == '\u2028' || r == '\u2029' || r == '\uFFFD' || r == '/'
	}
	return s != "" && len(s) <= MaxName && strings.IndexFunc(s, bad) < 0
}
