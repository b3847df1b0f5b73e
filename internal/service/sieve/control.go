package sieve

import (
	"slices"
	"strings"

	syntax "postroad/internal/format/sieve"
)

// require makes extensions usable. RFC 5228 §3.2.
func (c *compiler) require(a *args) command {
	if c.begun {
		c.fail(a.call.Pos, "require must stand before all other commands")
		return nil
	}
	for _, t := range a.pos[0].List {
		switch {
		case slices.Contains(c.opts.moreExtensions(), t.Value):
		case !c.known(t.Value):
			c.fail(t.Pos, "unknown extension '%s'", cut(t.Value, 64))
		default:
			c.required.add(t.Value)
		}
	}
	return nil
}

func (o *Options) moreExtensions() []string {
	if o.more == nil {
		return nil
	}
	return o.more.extensions
}

// ifCommand is a chain of conditions with their blocks. RFC 5228 §3.1.
type ifCommand struct {
	branches []branch
	last     []command
	complete bool // it has its else
}

type branch struct {
	test test
	body []command
}

func (i *ifCommand) exec(m *machine) error {
	for k := range i.branches {
		yes, err := m.eval(i.branches[k].test)
		if err != nil {
			return err
		}
		if yes {
			return m.execAll(i.branches[k].body)
		}
	}
	return m.execAll(i.last)
}

// newIf begins a chain.
func (c *compiler) newIf(call *syntax.Call) *ifCommand {
	i := &ifCommand{}
	c.addBranch(i, call)
	return i
}

func (c *compiler) addBranch(i *ifCommand, call *syntax.Call) {
	a, ok := c.arguments(call, ifSpec, "command")
	if !call.HasBlock {
		return
	}
	body := c.block(call.Block)
	if ok && len(a.tests) == 1 {
		i.branches = append(i.branches, branch{a.tests[0], body})
	}
}

var (
	ifSpec   = &spec{tests: oneTest, block: true}
	elseSpec = &spec{block: true}
)

// continued adds elsif or else to a chain. It returns what the next may be added to.
func (c *compiler) continued(call *syntax.Call, prev *ifCommand, ended bool) (*ifCommand, bool) {
	if prev == nil || prev.complete {
		if !ended {
			c.fail(call.Pos, "'%s' must follow the block of an if or elsif", call.Name)
		}
		return nil, true
	}
	if call.Name == "elsif" {
		c.addBranch(prev, call)
		return prev, false
	}
	if _, ok := c.arguments(call, elseSpec, "command"); ok || call.HasBlock {
		prev.last = c.block(call.Block)
	}
	prev.complete = true
	return prev, false
}

type stopCommand struct{ err error }

func (s *stopCommand) exec(*machine) error { return s.err }

// Tests that combine others. RFC 5228 §5.
type (
	allOf []test
	anyOf []test
	not   struct{ test test }
	truth bool
)

func (ts allOf) eval(m *machine) (bool, error) {
	for _, t := range ts {
		if yes, err := m.eval(t); err != nil || !yes {
			return false, err
		}
	}
	return true, nil
}

func (ts anyOf) eval(m *machine) (bool, error) {
	for _, t := range ts {
		if yes, err := m.eval(t); err != nil || yes {
			return yes, err
		}
	}
	return false, nil
}

func (n not) eval(m *machine) (bool, error) {
	yes, err := m.eval(n.test)
	return !yes, err
}

func (b truth) eval(*machine) (bool, error) { return bool(b), nil }

// errorCommand ends the run with an error of the script's own. RFC 5463 §5.
type errorCommand struct {
	pos  syntax.Pos
	text value
}

func (e *errorCommand) exec(m *machine) error {
	return m.failure(e.pos, "%s", oneLine(cut(m.text(&e.text), 1000)))
}

// ihave asks for extensions, and enables them. RFC 5463 §4.
type ihave struct {
	has bool
	set extensionSet
}

func (i *ihave) eval(m *machine) (bool, error) {
	if i.has {
		m.frame.enabled.addAll(i.set)
	}
	return i.has, nil
}

func (c *compiler) ihave(a *args) test {
	t := &ihave{has: true}
	for _, name := range c.constants(c.argList(a, 0), "a capability") {
		if !c.known(name) || !deferrable(name) && !c.active(name) {
			t.has = false
		}
		t.set.add(name)
	}
	return t
}

// oneLine makes a text fit for a line of a log.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 127 {
			return ' '
		}
		return r
	}, s)
}
