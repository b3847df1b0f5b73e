package sieve

import "fmt"

// Parse reads a script. What is wrong comes back as Errors (all of them up to Limits.Errors), with the tree of the rest, so that
// more can be found wrong in it. A nil error means a whole tree.
//
// The result shares memory with src.
func Parse(src string, l Limits) (*Script, error) {
	l = l.withDefaults()
	p := parser{limits: l}
	p.lexer = lexer{src: src, line: 1, limits: l, fail: p.fail}
	if len(src) > l.Bytes {
		return &Script{}, Errors{{Pos{Line: 1, Column: 1}, fmt.Sprintf("the script is too long: %d octets are allowed", l.Bytes)}}
	}
	if len(src) >= 3 && src[:3] == "\xEF\xBB\xBF" { // a mark that some editors leave
		p.lexer.off, p.lexer.lineStart = 3, 3
	}
	p.advance()
	s := &Script{Commands: p.commands(0)}
	for p.tok.kind == '}' && !p.stopped {
		p.fail(p.tok.pos, "this brace closes nothing")
		p.advance()
		s.Commands = append(s.Commands, p.commands(0)...)
	}
	if len(p.errs) > 0 {
		return s, p.errs
	}
	return s, nil
}

type parser struct {
	limits  Limits
	lexer   lexer
	tok     token // the next one
	last    Pos   // the end of the one before
	errs    Errors
	calls   int
	stopped bool // too much: nothing more is read
	lost    bool // the current command can't be read further
}

// fail notes an error. Of two at one place the first one counts.
func (p *parser) fail(at Pos, format string, args ...any) {
	if p.stopped || len(p.errs) > 0 && p.errs[len(p.errs)-1].Pos == at {
		return
	}
	p.errs = append(p.errs, Error{at, fmt.Sprintf(format, args...)})
	if len(p.errs) >= p.limits.Errors {
		p.stop()
	}
}

// stop ends the reading.
func (p *parser) stop() {
	p.stopped = true
	p.tok = token{kind: tokEnd, pos: p.tok.pos}
}

func (p *parser) advance() {
	if p.stopped {
		return
	}
	p.last = p.lexer.pos()
	t := p.lexer.next()
	if !p.stopped {
		p.tok = t
	}
}

// commands = *command
func (p *parser) commands(depth int) []Call {
	var cs []Call
	for p.tok.kind != tokEnd && p.tok.kind != '}' {
		if p.tok.kind != tokName {
			p.unexpected("a command must begin here")
			p.recover()
			continue
		}
		if c, ok := p.command(depth); ok {
			cs = append(cs, c)
		}
	}
	return cs
}

// unexpected complains about the next token, unless it was complained about already.
func (p *parser) unexpected(what string) {
	if p.tok.kind != tokBad {
		p.fail(p.tok.pos, "%s, not %s", what, p.tok.describe())
	}
	p.lost = true
}

// command = identifier arguments (";" / block)
func (p *parser) command(depth int) (Call, bool) {
	p.lost = false
	c := p.call(depth)
	switch {
	case p.lost:
		p.recover()
		return c, false
	case p.tok.kind == ';':
		p.advance()
	case p.tok.kind == '{':
		return c, p.block(&c, depth)
	case p.tok.kind == tokBad:
		p.recover()
	default:
		p.fail(p.last, "a semicolon or a block is missing after '%s'", c.Name)
		if p.tok.kind != tokName && p.tok.kind != '}' {
			p.recover()
		}
	}
	return c, true
}

// block = "{" commands "}"
func (p *parser) block(c *Call, depth int) bool {
	open := p.tok.pos
	c.HasBlock = true
	if depth+1 >= p.limits.Depth {
		p.fail(open, "blocks and tests are nested too deeply")
		p.skipBlock()
		return false
	}
	p.advance()
	c.Block = p.commands(depth + 1)
	if p.tok.kind == '}' {
		p.advance()
	} else {
		p.fail(open, "this block is never closed")
	}
	return true
}

// skipBlock passes over a block and all in it.
func (p *parser) skipBlock() {
	for open := 0; p.tok.kind != tokEnd; p.advance() {
		switch p.tok.kind {
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				p.advance()
				return
			}
		}
	}
}

// recover passes over what is left of a command that can't be read: to its semicolon or the end of its block.
func (p *parser) recover() {
	for {
		switch p.tok.kind {
		case tokEnd, '}':
			return
		case ';':
			p.advance()
			return
		case '{':
			p.skipBlock()
			return
		}
		p.advance()
	}
}

// call = identifier *argument [test / test-list]
func (p *parser) call(depth int) Call {
	c := Call{Name: p.tok.text, Pos: p.tok.pos}
	if p.calls++; p.calls > p.limits.Calls {
		p.fail(p.tok.pos, "the script has too many commands and tests: %d are allowed", p.limits.Calls)
		p.stop()
		return c
	}
	p.advance()
	p.arguments(&c)
	if p.lost {
		return c
	}
	switch p.tok.kind {
	case '(':
		p.testList(&c, depth)
	case tokName:
		if p.startsTest(&c) {
			p.test(&c, depth)
		}
	}
	return c
}

// startsTest tells a test behind a command from the next command where a semicolon is missing. A name on a later line that ends
// with a semicolon or is one of a few that can't be a test is the latter.
func (p *parser) startsTest(c *Call) bool {
	if p.tok.pos.Line == c.Pos.Line {
		return true
	}
	ahead := p.lexer
	ahead.fail = func(Pos, string, ...any) {}
	for {
		switch t := ahead.next(); t.kind {
		case tokString, tokNumber, tokTag, '[', ']', ',':
		case ';':
			return false
		case '}', tokEnd:
			return false
		default:
			return true
		}
	}
}

func (p *parser) test(c *Call, depth int) {
	if depth+1 >= p.limits.Depth {
		p.fail(p.tok.pos, "blocks and tests are nested too deeply")
		p.lost = true
		return
	}
	c.Tests = append(c.Tests, p.call(depth+1))
}

// test-list = "(" test *("," test) ")"
func (p *parser) testList(c *Call, depth int) {
	c.List = true
	p.advance()
	for !p.lost {
		if p.tok.kind != tokName {
			p.unexpected("a test must begin here")
			return
		}
		p.test(c, depth)
		if p.lost {
			return
		}
		switch p.tok.kind {
		case ',':
			p.advance()
		case ')':
			p.advance()
			return
		default:
			p.unexpected("a comma or a parenthesis must follow a test")
			return
		}
	}
}

// arguments = *(string-list / number / tag)
func (p *parser) arguments(c *Call) {
	for {
		a := Arg{Pos: p.tok.pos}
		switch p.tok.kind {
		case tokNumber:
			a.Kind, a.Number = Number, p.tok.number
		case tokTag:
			a.Kind, a.Text = Tag, p.tok.text
		case tokString:
			a.Kind, a.List = String, []Text{{p.tok.text, p.tok.pos}}
		case '[':
			a.Kind, a.List = Strings, p.stringList()
		case tokBad:
			p.lost = true
			return
		default:
			return
		}
		if p.lost {
			return
		}
		if a.Kind != Strings {
			p.advance()
		}
		if len(c.Args) == p.limits.Arguments {
			p.fail(a.Pos, "'%s' has too many arguments", c.Name)
			p.lost = true
			return
		}
		c.Args = append(c.Args, a)
	}
}

// string-list = "[" string *("," string) "]"
func (p *parser) stringList() []Text {
	list := []Text{}
	open := p.tok.pos
	p.advance()
	for {
		if p.tok.kind != tokString {
			p.unexpected("a string must stand here")
			return list
		}
		if len(list) == p.limits.Strings {
			p.fail(open, "this list has too many strings")
			p.lost = true
			return list
		}
		list = append(list, Text{p.tok.text, p.tok.pos})
		p.advance()
		switch p.tok.kind {
		case ',':
			p.advance()
		case ']':
			p.advance()
			return list
		default:
			p.unexpected("a comma or a bracket must follow a string")
			return list
		}
	}
}
