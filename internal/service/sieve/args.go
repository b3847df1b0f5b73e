package sieve

import (
	"strconv"
	"strings"

	syntax "postroad/internal/format/sieve"
)

// argKind says what kind of argument is wanted.
type argKind uint8

const (
	noValue  argKind = iota
	aString          // one string
	aList            // a string or a list of them
	aNumber          // a number
	anything         // whatever it is
)

func (k argKind) String() string {
	return [...]string{"nothing", "a string", "a string list", "a number", "a value"}[k]
}

// fits reports whether an argument is of the kind.
func (k argKind) fits(a *syntax.Arg) bool {
	switch k {
	case aString:
		return a.Kind == syntax.String
	case aList:
		return a.Kind == syntax.String || a.Kind == syntax.Strings
	case aNumber:
		return a.Kind == syntax.Number
	}
	return a.Kind != syntax.Tag
}

// tag is a tagged argument that a call may have.
type tag struct {
	name string
	// exts are extensions of which one must be required; none: it is always there.
	exts  []string
	value argKind
	// group: of the tags of one group there may be one.
	group string
}

// positional is an argument without a tag.
type positional struct {
	what string // for errors
	kind argKind
}

// arity says how many tests a call has.
type arity uint8

const (
	noTests arity = iota
	oneTest
	manyTests
)

// spec says how a command or a test is written, and compiles it.
type spec struct {
	exts []string // one of which must be required
	tags []tag
	args []positional
	// optional is how many arguments at the beginning may be missing.
	optional int
	tests    arity
	block    bool
	command  func(c *compiler, a *args) command
	test     func(c *compiler, a *args) test
}

func (s *spec) tag(name string) *tag {
	for i := range s.tags {
		if s.tags[i].name == name {
			return &s.tags[i]
		}
	}
	return nil
}

// args are a call's arguments, checked against its spec.
type args struct {
	call    *syntax.Call
	kind    string // "command" or "test"
	spec    *spec
	tags    []given
	pos     []*syntax.Arg // nil where an optional one is missing
	tests   []test
	unknown *failing // what the call becomes, if it can't be compiled for want of an extension
}

// given is a tag with its value.
type given struct {
	tag   *tag
	arg   *syntax.Arg
	value *syntax.Arg
}

// arguments checks a call. Nothing can be made of it if ok is false.
func (c *compiler) arguments(call *syntax.Call, s *spec, kind string) (a *args, ok bool) {
	a = &args{call: call, kind: kind, spec: s}
	before := c.failed
	if !c.anyUsable(s.exts) {
		if c.active("ihave") {
			a.unknown = &failing{call.Pos, "the " + kind + " '" + call.Name + "' is not to be had"}
			return a, false
		}
		c.fail(call.Pos, "%s '%s' needs require \"%s\"", kind, call.Name, s.exts[0])
		return nil, false
	}
	if !c.sortArguments(a) {
		return a, false
	}
	c.checkTests(a)
	c.checkBlock(a)
	return a, c.failed == before
}

// sortArguments parts tagged arguments from the others.
func (c *compiler) sortArguments(a *args) bool {
	list := a.call.Args
	var pos []*syntax.Arg
	for i := 0; i < len(list); i++ {
		arg := &list[i]
		if arg.Kind != syntax.Tag {
			pos = append(pos, arg)
			continue
		}
		if len(pos) > 0 {
			c.fail(arg.Pos, "unexpected ':%s' behind the other arguments of the %s %s", arg.Text, a.call.Name, a.kind)
			return false
		}
		t := a.spec.tag(arg.Text)
		if t == nil || !c.anyUsable(t.exts) {
			return c.unknownTag(a, arg, t)
		}
		g := given{tag: t, arg: arg}
		if t.value != noValue {
			if i++; i == len(list) || !t.value.fits(&list[i]) {
				c.fail(arg.Pos, "the tag ':%s' of the %s %s wants %s behind it", arg.Text, a.call.Name, a.kind, t.value)
				return false
			}
			g.value = &list[i]
		}
		if !c.only(a, g) {
			return false
		}
		a.tags = append(a.tags, g)
	}
	return c.place(a, pos)
}

// only checks that a tag doesn't contradict another.
func (c *compiler) only(a *args, g given) bool {
	for _, other := range a.tags {
		if other.tag == g.tag || g.tag.group != "" && other.tag.group == g.tag.group {
			c.fail(g.arg.Pos, "unexpected ':%s' in the %s %s: there is ':%s' already", g.arg.Text, a.call.Name, a.kind, other.arg.Text)
			return false
		}
	}
	return true
}

func (c *compiler) unknownTag(a *args, arg *syntax.Arg, t *tag) bool {
	switch {
	case c.active("ihave"):
		a.unknown = &failing{arg.Pos, "unknown tagged argument ':" + arg.Text + "' of '" + a.call.Name + "'"}
	case t != nil && len(t.exts) > 0:
		c.fail(arg.Pos, "unknown tagged argument ':%s' for the %s %s: it needs require \"%s\"", arg.Text, a.call.Name, a.kind, t.exts[0])
	default:
		c.fail(arg.Pos, "unknown tagged argument ':%s' for the %s %s: it has %s", arg.Text, a.call.Name, a.kind, a.spec.tagNames())
	}
	return false
}

// tagNames tells which tags there are.
func (s *spec) tagNames() string {
	var names []string
	for _, t := range s.tags {
		names = append(names, ":"+t.name)
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, " ")
}

// place checks the arguments that have no tag.
func (c *compiler) place(a *args, pos []*syntax.Arg) bool {
	want := a.spec.args
	if missing := len(want) - len(pos); missing > 0 && missing <= a.spec.optional {
		pos = append(make([]*syntax.Arg, missing, len(want)), pos...)
	}
	for i, arg := range pos {
		if i < len(want) && arg != nil && !want[i].kind.fits(arg) {
			c.fail(arg.Pos, "the %s %s expects %s as argument %d (%s), but a %s was found", a.call.Name, a.kind, want[i].kind, i+1, want[i].what, arg.Kind)
			return false
		}
	}
	if len(pos) != len(want) {
		at := a.call.Pos
		if len(pos) > len(want) {
			at = pos[len(want)].Pos
		}
		c.fail(at, "the %s %s requires %s, but %s", a.call.Name, a.kind, a.spec.howMany(), areGiven(len(pos)))
		return false
	}
	a.pos = pos
	return true
}

// howMany tells how many positional arguments there must be.
func (s *spec) howMany() string {
	n := strconv.Itoa(len(s.args))
	switch {
	case len(s.args) == 0:
		return "no positional arguments"
	case s.optional > 0:
		return strconv.Itoa(len(s.args)-s.optional) + " or " + n + " positional arguments"
	case len(s.args) == 1:
		return "1 positional argument"
	}
	return n + " positional arguments"
}

func areGiven(n int) string {
	if n == 1 {
		return "1 is given"
	}
	return strconv.Itoa(n) + " are given"
}

// checkTests compiles the tests.
func (c *compiler) checkTests(a *args) {
	call, want := a.call, a.spec.tests
	switch {
	case want == noTests && len(call.Tests) > 0:
		c.fail(call.Tests[0].Pos, "the %s %s accepts no tests, but some are given", call.Name, a.kind)
		return
	case want == oneTest && (len(call.Tests) != 1 || call.List):
		c.fail(call.Pos, "the %s %s requires one test", call.Name, a.kind)
		return
	case want == manyTests && !call.List:
		c.fail(call.Pos, "the %s %s requires a list of tests in parentheses", call.Name, a.kind)
		return
	}
	for i := range call.Tests {
		if t := c.test(&call.Tests[i]); t != nil {
			a.tests = append(a.tests, t)
		}
	}
}

func (c *compiler) checkBlock(a *args) {
	switch {
	case a.spec.block && !a.call.HasBlock:
		c.fail(a.call.Pos, "the %s %s requires a block of commands", a.call.Name, a.kind)
	case !a.spec.block && a.call.HasBlock:
		c.fail(a.call.Pos, "the %s %s accepts no block of commands", a.call.Name, a.kind)
	}
}

// find returns a tag, if it was given.
func (a *args) find(name string) (given, bool) {
	for _, g := range a.tags {
		if g.tag.name == name {
			return g, true
		}
	}
	return given{}, false
}

func (a *args) has(name string) bool { _, ok := a.find(name); return ok }

// oneOf returns the name of the tag of a group; "": none was given.
func (a *args) oneOf(group string) string {
	for _, g := range a.tags {
		if g.tag.group == group {
			return g.tag.name
		}
	}
	return ""
}

// text compiles a tag's string; nil if the tag was not given.
func (c *compiler) tagText(a *args, name string) *value {
	g, ok := a.find(name)
	if !ok || len(g.value.List) == 0 {
		return nil
	}
	v := c.value(g.value.List[0])
	return &v
}

// tagList compiles a tag's strings; nil if the tag was not given.
func (c *compiler) tagList(a *args, name string) []value {
	g, ok := a.find(name)
	if !ok {
		return nil
	}
	return c.values(g.value.List)
}

// tagNumber returns a tag's number.
func (a *args) tagNumber(name string) (n uint64, ok bool) {
	g, ok := a.find(name)
	if !ok {
		return 0, false
	}
	return g.value.Number, true
}

// text compiles a positional string.
func (c *compiler) argText(a *args, i int) value { return c.value(a.pos[i].List[0]) }

func (c *compiler) argList(a *args, i int) []value { return c.values(a.pos[i].List) }

// constant checks that a string has no variables in it.
func (c *compiler) constant(v *value, what string) bool {
	if !v.constant() {
		c.fail(v.pos, "%s must be a constant string", what)
		return false
	}
	return true
}

// constants are the texts of a list without variables.
func (c *compiler) constants(vs []value, what string) []string {
	out := make([]string, 0, len(vs))
	for i := range vs {
		if c.constant(&vs[i], what) {
			out = append(out, vs[i].lit)
		}
	}
	return out
}

// tagsOf joins lists of tags.
func tagsOf(lists ...[]tag) []tag {
	var all []tag
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// flag is a tag without a value.
func flag(name string, exts ...string) tag { return tag{name: name, exts: exts} }

// isFieldName checks the name of a header field. RFC 5322 §2.2.
func isFieldName(s string) bool {
	bad := func(r rune) bool { return r <= ' ' || r >= 127 || r == ':' }
	return s != "" && strings.IndexFunc(s, bad) < 0
}
