package sieve

import (
	"errors"
	"regexp"
	resyntax "regexp/syntax"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	syntax "postroad/internal/format/sieve"
)

// matchKind is a match type.
type matchKind uint8

const (
	matchIs matchKind = iota
	matchContains
	matchMatches
	matchRegex
	matchValue
	matchCount
	matchList
)

// matchTags are the tags that say how to compare. RFC 5228 §2.7, RFC 5231, RFC 6134, the draft on regex.
var matchTags = []tag{
	{name: "is", group: "match type"}, {name: "contains", group: "match type"}, {name: "matches", group: "match type"},
	{name: "regex", group: "match type", exts: []string{"regex"}},
	{name: "value", group: "match type", exts: []string{"relational"}, value: aString},
	{name: "count", group: "match type", exts: []string{"relational"}, value: aString},
	{name: "list", group: "match type", exts: []string{"extlists"}},
	{name: "comparator", value: aString},
}

// matcher compares values with keys.
type matcher struct {
	pos     syntax.Pos
	kind    matchKind
	comp    comparator
	rel     relation
	keys    []key
	capture bool // match variables are wanted
}

// key is one key, prepared as far as it is constant.
type key struct {
	value value
	plain string // as comparator.key makes it
	glob  glob
	re    *expression
}

// matcher compiles the match type, the comparator and the keys of a test; nil if something is wrong.
func (c *compiler) matcher(a *args, keys []value) *matcher {
	x := &matcher{pos: a.call.Pos, capture: c.active("variables")}
	before := c.failed
	c.matchType(a, x)
	c.comparator(a, x)
	if c.failed > before {
		return nil
	}
	for _, k := range keys {
		x.keys = append(x.keys, c.key(x, k))
	}
	if c.failed > before {
		return nil
	}
	return x
}

func (c *compiler) matchType(a *args, x *matcher) {
	name := a.oneOf("match type")
	switch name {
	case "contains":
		x.kind = matchContains
	case "matches":
		x.kind = matchMatches
	case "regex":
		x.kind = matchRegex
	case "list":
		x.kind = matchList
	case "value", "count":
		x.kind = matchValue
		if name == "count" {
			x.kind = matchCount
		}
		rel := c.tagText(a, name)
		r, ok := relations[lowerASCII(rel.lit)]
		if !c.constant(rel, "the relation behind :"+name) {
			return
		}
		if !ok {
			c.fail(rel.pos, "'%s' is no relation: gt, ge, lt, le, eq, ne are", cut(rel.lit, 16))
		}
		x.rel = r
	}
}

func (c *compiler) comparator(a *args, x *matcher) {
	name := c.tagText(a, "comparator")
	if name == nil {
		return
	}
	if !c.constant(name, "the comparator") {
		return
	}
	comp, ok := comparatorNames[lowerASCII(name.lit)]
	switch {
	case !ok || !c.known("comparator-"+lowerASCII(name.lit)):
		c.fail(name.pos, "unknown comparator '%s'", cut(name.lit, 64))
	case comp == asciiNumeric && !c.usable("comparator-"+lowerASCII(name.lit)):
		c.fail(name.pos, "the comparator '%s' needs require \"comparator-%s\"", name.lit, name.lit)
	case comp == asciiNumeric && (x.kind == matchContains || x.kind == matchMatches || x.kind == matchRegex):
		c.fail(name.pos, "the comparator '%s' can't look for parts of strings", name.lit) // RFC 4790 §9.1.1
	}
	x.comp = comp
	if x.kind == matchList { // RFC 6134 §2.2
		c.fail(name.pos, "a comparator has no meaning with :list")
	}
}

// key prepares a key.
func (c *compiler) key(x *matcher, v value) key {
	k := key{value: v}
	if !v.constant() {
		return k
	}
	switch x.kind {
	case matchIs, matchContains:
		k.plain = x.comp.key(v.lit)
	case matchMatches:
		k.glob = newGlob(v.lit, x.comp)
	case matchRegex:
		var err error
		if k.re, err = c.expression(v.lit, x.comp); err != nil {
			c.fail(v.pos, "%s", err)
		}
	}
	return k
}

// matches compares one value with all keys.
func (m *machine) matches(x *matcher, v string) (bool, error) {
	for i := range x.keys {
		yes, err := m.matchKey(x, &x.keys[i], v)
		if err != nil || yes {
			return yes, err
		}
		if m.fuel < 0 {
			return false, m.outOfFuel(x.pos)
		}
	}
	return false, nil
}

func (m *machine) matchKey(x *matcher, k *key, v string) (bool, error) {
	lit := m.text(&k.value)
	m.burn(len(v) + len(lit))
	if x.comp == unicodeCasemap {
		m.burn((len(v) + len(lit)) * 32) // it is dear
	}
	if m.fuel < 0 {
		return false, m.outOfFuel(x.pos)
	}
	switch x.kind {
	case matchIs:
		return m.same(x, k, v, lit), nil
	case matchContains:
		plain := k.plain
		if !k.value.constant() {
			plain = x.comp.key(lit)
		}
		if x.comp == unicodeCasemap {
			return strings.Contains(m.titled(v), plain), nil
		}
		return x.comp.contains(v, plain), nil
	case matchMatches:
		g := &k.glob
		if !k.value.constant() {
			made := newGlob(lit, x.comp)
			g = &made
		}
		return m.glob(x, g, v)
	case matchRegex:
		return m.regex(x, k, lit, v)
	case matchList:
		yes, err := m.inList(x.pos, lit, v)
		if yes && x.capture {
			m.frame.matches = []string{m.captured(v)}
		}
		return yes, err
	}
	return x.rel.holds(x.comp.compare(v, lit)), nil
}

func (m *machine) same(x *matcher, k *key, v, key string) bool {
	switch x.comp {
	case asciiCasemap:
		return equalASCII(v, key)
	case octet:
		return v == key
	case unicodeCasemap:
		if k.value.constant() {
			return m.titled(v) == k.plain
		}
	}
	return x.comp.compare(v, key) == 0
}

// maxTitles is how many values are remembered as i;unicode-casemap sees them.
const maxTitles = 32

// titled is what i;unicode-casemap compares, remembered, since many rules look at the same fields.
func (m *machine) titled(v string) string {
	t, ok := m.titles[v]
	if ok {
		return t
	}
	if t = titled(v); len(m.titles) < maxTitles && len(v) < 4096 {
		if m.titles == nil {
			m.titles = map[string]string{}
		}
		m.titles[v] = t
	}
	return t
}

// count compares a number with all keys. RFC 5231 §4.2.
func (m *machine) count(x *matcher, n int) (bool, error) {
	v := strconv.Itoa(n)
	for i := range x.keys {
		if x.rel.holds(x.comp.compare(v, m.text(&x.keys[i].value))) {
			return true, nil
		}
	}
	return false, nil
}

// glob matches a pattern, and sets the match variables.
func (m *machine) glob(x *matcher, g *glob, v string) (bool, error) {
	subject, from := v, []int32(nil)
	if x.comp == unicodeCasemap {
		v = norm.NFC.String(v)
		f := fold(v)
		subject, from = f.text, f.from
	}
	var room [8]span
	yes, steps, spans := g.match(subject, x.comp, room[:0], (m.fuel+1)*16)
	m.burn(int(steps))
	if m.fuel < 0 {
		return false, m.outOfFuel(x.pos)
	}
	if !yes || !x.capture {
		return yes, nil
	}
	vars := make([]string, 0, len(spans)+1)
	vars = append(vars, m.captured(v))
	for _, s := range spans[:min(len(spans), maxMatch)] {
		if from != nil {
			s = span{int(from[s.from]), int(from[s.to])}
		}
		vars = append(vars, m.captured(v[s.from:s.to]))
	}
	m.frame.matches = vars
	return true, nil
}

// captured bounds what a match variable keeps.
func (m *machine) captured(s string) string { return cut(s, m.limits.VariableBytes) }

// maxExpressions bounds all regular expressions of a script together: their text in octets, and their instructions.
const maxExpressions, maxInstructions = 64 << 10, 100_000

// expression compiles a constant one, as far as a script may have so many.
func (c *compiler) expression(text string, comp comparator) (*expression, error) {
	if c.regexes += len(text); c.regexes > maxExpressions || c.instructions > maxInstructions {
		return nil, errExpressions
	}
	e, err := newExpression(text, comp)
	if err == nil {
		c.instructions += e.size
	}
	return e, err
}

var errExpressions = errors.New("the script's regular expressions are too large together")

// expression is a regular expression with its size.
type expression struct {
	re   *regexp.Regexp
	size int
}

// maxExpression bounds the size of a compiled expression, in instructions.
const maxExpression = 10_000

// newExpression compiles one. Its time is linear in the text, whatever it says: there are no back-references.
func newExpression(pattern string, c comparator) (*expression, error) {
	flags := "(?s)"
	if c != octet {
		flags = "(?si)"
	}
	parsed, err := resyntax.Parse(flags+pattern, resyntax.Perl)
	if err != nil {
		return nil, regexProblem{err}
	}
	prog, err := resyntax.Compile(parsed.Simplify())
	if err != nil || len(prog.Inst) > maxExpression {
		return nil, regexProblem{err}
	}
	re, err := regexp.Compile(flags + pattern)
	if err != nil {
		return nil, regexProblem{err}
	}
	re.Longest()
	return &expression{re, len(prog.Inst)}, nil
}

type regexProblem struct{ err error }

func (p regexProblem) Error() string {
	if e, ok := p.err.(*resyntax.Error); ok {
		return "this regular expression is wrong: " + e.Code.String()
	}
	return "this regular expression is too large"
}

// pattern names an expression that was made while the script runs.
type pattern struct {
	text string
	comp comparator
}

// expression makes one of a variable. It is the dearest thing a script can ask for, so it is made once.
func (m *machine) expression(text string, c comparator) (*expression, error) {
	p := pattern{text, c}
	if e := m.made[p]; e != nil {
		return e, nil
	}
	if m.fuel -= int64(len(text)) * 100; m.fuel < 0 {
		return nil, regexProblem{}
	}
	e, err := newExpression(text, c)
	if err == nil {
		if m.made == nil {
			m.made = map[pattern]*expression{}
		}
		m.made[p] = e
		m.fuel -= int64(e.size) * 20
	}
	return e, err
}

func (m *machine) regex(x *matcher, k *key, lit, v string) (bool, error) {
	e := k.re
	if e == nil {
		var err error
		if e, err = m.expression(lit, x.comp); err != nil {
			return false, m.failure(k.value.pos, "%s", err)
		}
	}
	if m.fuel -= int64(len(v)) * int64(e.size) / 16; m.fuel < 0 {
		return false, m.outOfFuel(x.pos)
	}
	if !x.capture {
		return e.re.MatchString(v), nil
	}
	at := e.re.FindStringSubmatchIndex(v)
	if at == nil {
		return false, nil
	}
	vars := make([]string, 0, len(at)/2)
	for i := 0; i < len(at) && len(vars) <= maxMatch; i += 2 {
		s := ""
		if at[i] >= 0 {
			s = m.captured(v[at[i]:at[i+1]])
		}
		vars = append(vars, s)
	}
	m.frame.matches = vars
	return true, nil
}

// inList asks whether a value is in an external list. RFC 6134 §2.2.
func (m *machine) inList(at syntax.Pos, list, v string) (bool, error) {
	if m.fuel -= 2000; m.fuel < 0 { // it is looked up
		return false, m.outOfFuel(at)
	}
	if m.env.World == nil {
		return false, m.failure(at, "there is no list '%s'", cut(list, 100))
	}
	in, known, err := m.env.World.List(m.ctx, list, v)
	if err == nil && !known {
		err = m.failure(at, "there is no list '%s'", cut(list, 100))
	}
	return in, err
}
