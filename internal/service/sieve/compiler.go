package sieve

import (
	"fmt"
	"slices"

	syntax "postroad/internal/format/sieve"
)

// command is a compiled command, test a compiled test. They are shared by all runs, and change nothing of their own.
type (
	command interface{ exec(m *machine) error }
	test    interface {
		eval(m *machine) (bool, error)
	}
)

// unit is one compiled text: a script or an included one.
type unit struct {
	name     string
	body     []command
	slots    int
	extended extensionSet // required
	limits   Limits
}

// Compile makes a Script of a text. What is wrong comes back as Problems: all of it, up to Limits.Errors.
func Compile(text string, o Options) (*Script, error) {
	o.Limits = o.Limits.withDefaults()
	job := &compilation{opts: o}
	u := job.compile(text, o.Name, nil)
	if len(job.problems) > 0 {
		return nil, job.problems
	}
	return &Script{unit: u, Warnings: job.warnings}, nil
}

// compilation is the compiling of a script with all that it includes.
type compilation struct {
	opts     Options
	problems Problems
	warnings []Problem
	includes int
	// what the regular expressions come to
	regexes, instructions int
	units                 map[include]*unit
}

// include names an included script.
type include struct {
	location Location
	name     string
}

// compiler compiles one text of it.
type compiler struct {
	*compilation
	name     string
	limits   Limits
	chain    []include // how we came here
	required extensionSet
	deferred extensionSet // used by the current call without being required: ihave may enable them
	slots    map[string]int
	assigned map[string]bool
	globals  map[string]bool
	loops    []string // names of the foreverypart loops around
	begun    bool     // something other than require has been seen
	failed   int
}

func (j *compilation) compile(text, name string, chain []include) *unit {
	l := j.opts.Limits
	c := &compiler{compilation: j, name: name, limits: l, chain: chain, slots: map[string]int{}, assigned: map[string]bool{}, globals: map[string]bool{}}
	tree, err := syntax.Parse(text, syntax.Limits{Bytes: l.Bytes, Depth: l.Depth, Errors: l.Errors})
	if errs, ok := err.(syntax.Errors); ok {
		for _, e := range errs {
			c.fail(e.Pos, "%s", e.Text)
		}
		return nil
	}
	u := &unit{name: name, limits: l}
	u.body = c.block(tree.Commands)
	u.slots, u.extended = len(c.slots), c.required
	return u
}

// fail notes an error.
func (c *compiler) fail(at syntax.Pos, format string, args ...any) {
	c.failed++
	if len(c.problems) < c.limits.Errors {
		c.problems = append(c.problems, Problem{Script: c.name, Pos: at, Text: fmt.Sprintf(format, args...)})
	}
}

func (c *compiler) warn(at syntax.Pos, format string, args ...any) {
	if len(c.warnings) < c.limits.Errors {
		c.warnings = append(c.warnings, Problem{Script: c.name, Pos: at, Text: fmt.Sprintf(format, args...)})
	}
}

// block compiles commands.
func (c *compiler) block(calls []syntax.Call) []command {
	out := make([]command, 0, len(calls))
	var prev *ifCommand
	ended := false // the chain of an if has met an error, or its else
	for i := range calls {
		call := &calls[i]
		switch call.Name {
		case "elsif", "else":
			c.begun = true
			prev, ended = c.continued(call, prev, ended)
			continue
		case "if":
			c.begun = true
			prev, ended = c.newIf(call), false
			out = append(out, prev)
			continue
		}
		prev, ended = nil, false
		if cmd := c.command(call); cmd != nil {
			out = append(out, cmd)
		}
	}
	return out
}

// command compiles one; nil if it is wrong or does nothing.
func (c *compiler) command(call *syntax.Call) command {
	if call.Name != "require" {
		c.begun = true
	}
	spec := commandSpecs()[call.Name]
	if c.opts.more != nil && spec == nil {
		spec = c.opts.more.commands[call.Name]
	}
	if spec == nil || spec.command == nil {
		return c.unknown(call)
	}
	outer := c.deferred
	c.deferred = extensionSet{}
	defer func() { c.deferred = outer }()
	a, ok := c.arguments(call, spec, "command")
	if !ok {
		if a != nil && a.unknown != nil {
			return a.unknown
		}
		return nil
	}
	cmd := spec.command(c, a)
	if c.opts.Explain && cmd != nil {
		cmd = &explained{pos: call.Pos, name: call.Name, command: cmd}
	}
	if c.deferred.any() && cmd != nil {
		return &guarded{needs: c.deferred, pos: call.Pos, name: call.Name, command: cmd}
	}
	return cmd
}

// unknown complains about a command that isn't there. RFC 5463 §4: with ihave it is an error only if it is met.
func (c *compiler) unknown(call *syntax.Call) command {
	switch {
	case testSpecs()[call.Name] != nil:
		c.fail(call.Pos, "cannot use test '%s' as a command", call.Name)
	case c.active("ihave"):
		return &failing{pos: call.Pos, text: "unknown command '" + call.Name + "'"}
	default:
		c.fail(call.Pos, "unknown command '%s'", call.Name)
	}
	return nil
}

// test compiles a test; nil if it is wrong.
func (c *compiler) test(call *syntax.Call) test {
	spec := testSpecs()[call.Name]
	if c.opts.more != nil && spec == nil {
		spec = c.opts.more.tests[call.Name]
	}
	if spec == nil || spec.test == nil {
		return c.unknownTest(call)
	}
	outer := c.deferred
	c.deferred = extensionSet{}
	defer func() { c.deferred = outer }()
	a, ok := c.arguments(call, spec, "test")
	if !ok {
		if a != nil && a.unknown != nil {
			return a.unknown
		}
		return nil
	}
	t := spec.test(c, a)
	if c.opts.Explain && t != nil {
		t = &explained{pos: call.Pos, name: call.Name, test: t}
	}
	if c.deferred.any() && t != nil {
		return &guarded{needs: c.deferred, pos: call.Pos, name: call.Name, test: t}
	}
	return t
}

func (c *compiler) unknownTest(call *syntax.Call) test {
	switch {
	case commandSpecs()[call.Name] != nil || slices.Contains([]string{"if", "elsif", "else"}, call.Name):
		c.fail(call.Pos, "cannot use command '%s' as a test", call.Name)
	case c.active("ihave"):
		return &failing{pos: call.Pos, text: "unknown test '" + call.Name + "'"}
	default:
		c.fail(call.Pos, "unknown test '%s'", call.Name)
	}
	return nil
}

// guarded is what uses extensions that only ihave can enable.
type guarded struct {
	needs   extensionSet
	pos     syntax.Pos
	name    string
	command command
	test    test
}

func (g *guarded) check(m *machine) error {
	if missing := g.needs.minus(m.frame.enabled); missing.any() {
		return m.failure(g.pos, "'%s' needs the extension '%s', which no ihave has enabled", g.name, missing.first())
	}
	return nil
}

func (g *guarded) exec(m *machine) error {
	if err := g.check(m); err != nil {
		return err
	}
	return g.command.exec(m)
}

func (g *guarded) eval(m *machine) (bool, error) {
	if err := g.check(m); err != nil {
		return false, err
	}
	return g.test.eval(m)
}

// explained tells what it does.
type explained struct {
	pos     syntax.Pos
	name    string
	command command
	test    test
}

func (e *explained) tell(m *machine, what string) {
	if m.env.Trace != nil {
		m.env.Trace(m.frame.unit.name, e.pos, what)
	}
}

func (e *explained) exec(m *machine) error {
	e.tell(m, e.name)
	return e.command.exec(m)
}

func (e *explained) eval(m *machine) (bool, error) {
	yes, err := e.test.eval(m)
	switch {
	case err != nil:
		e.tell(m, e.name+": failed")
	case yes:
		e.tell(m, e.name+": true")
	default:
		e.tell(m, e.name+": false")
	}
	return yes, err
}

// failing is what can't work, should it be met.
type failing struct {
	pos  syntax.Pos
	text string
}

func (f *failing) exec(m *machine) error         { return m.failure(f.pos, "%s", f.text) }
func (f *failing) eval(m *machine) (bool, error) { return false, m.failure(f.pos, "%s", f.text) }
