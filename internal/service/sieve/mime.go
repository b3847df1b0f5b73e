package sieve

import (
	"errors"
	"slices"
	"unicode/utf8"

	"postroad/internal/format/charset"
	"postroad/internal/format/message"
	syntax "postroad/internal/format/sieve"
)

// everyPart is "foreverypart". RFC 5703 §3.
type everyPart struct {
	pos  syntax.Pos
	name string
	body []command
}

// maxLoops is how deep loops may lie inside one another: RFC 5703 §3 asks for two.
const maxLoops = 4

func (c *compiler) everyPart(a *args) command {
	f := &everyPart{pos: a.call.Pos}
	if name := c.tagText(a, "name"); name != nil && c.constant(name, "the name of a loop") {
		f.name = name.lit
	}
	if len(c.loops) == maxLoops {
		c.fail(a.call.Pos, "loops are nested too deeply: %d are allowed", maxLoops)
		return nil
	}
	c.loops = append(c.loops, f.name)
	f.body = c.block(a.call.Block)
	c.loops = c.loops[:len(c.loops)-1]
	return f
}

func (f *everyPart) exec(m *machine) error {
	n := len(m.loops)
	if n == maxLoops { // by an include
		return m.failure(f.pos, "loops are nested too deeply: %d are allowed", maxLoops)
	}
	parts, outer, err := m.loopParts()
	if err != nil {
		return err
	}
	defer func() { m.loops = m.loops[:n] }()
	for _, p := range parts {
		l := loop{part: p, in: outer.in, base: outer.base, root: outer.root}
		if outer.place != nil {
			l.place = p
			if !m.holds(l.base) || m.removed(p) { // RFC 5703 §5: what was replaced isn't gone into
				continue
			}
		}
		m.loops = append(m.loops[:n], l)
		if m.fuel -= 10; m.fuel < 0 {
			return m.outOfFuel(f.pos)
		}
		err := m.execAll(f.body)
		var out *breakOut
		switch {
		case err == nil:
		case errors.As(err, &out) && (out.name == "" || out.name == f.name):
			return nil
		default:
			return err
		}
	}
	return nil
}

// loopParts are the parts that a loop goes through, in depth first order: all of the message, or inside a loop those below its part;
// and what they lie in.
func (m *machine) loopParts() (parts []*message.Part, outer loop, err error) {
	collect := func(p *message.Part) bool { parts = append(parts, p); return true }
	if n := len(m.loops); n > 0 {
		l := m.loops[n-1]
		if l.place != nil && l.place != l.part {
			l.place = nil
		}
		for _, child := range childrenOf(l.part) {
			child.Walk(collect)
		}
		return parts, l, nil
	}
	s, err := m.structure()
	if err != nil {
		return nil, loop{}, err
	}
	m.rev = nil // places are those of the message as it is now
	s.Root.Walk(collect)
	return parts, loop{in: m.body, base: m.msg, root: s.Root, place: s.Root}, nil
}

// breakCommand is "break".
func (c *compiler) breakCommand(a *args) command {
	name := c.tagText(a, "name")
	switch {
	case name != nil && !c.constant(name, "the name of a loop"):
		return nil
	case len(c.loops) == 0:
		c.fail(a.call.Pos, "break is only possible inside of foreverypart")
		return nil
	case name != nil && !slices.Contains(c.loops, name.lit):
		c.fail(name.pos, "there is no loop '%s' around this break", cut(oneLine(name.lit), 64))
		return nil
	}
	b := &breakOut{}
	if name != nil {
		b.name = name.lit
	}
	return &stopCommand{b}
}

// extractText is "extracttext". RFC 5703 §7.
type extractText struct {
	to    *variable
	first int // characters; 0: all
	mods  []func(string, int) string
}

func (c *compiler) extractText(a *args) command {
	if !c.active("variables") {
		c.fail(a.call.Pos, "extracttext needs require \"variables\"")
		return nil
	}
	if len(c.loops) == 0 {
		c.fail(a.call.Pos, "extracttext is only possible inside of foreverypart")
		return nil
	}
	e := &extractText{mods: modifiersOf(a)}
	if n, ok := a.tagNumber("first"); ok {
		e.first = small(n)
		if n == 0 {
			e.first = -1
		}
	}
	name := c.argText(a, 0)
	if e.to = c.variable(&name); e.to == nil {
		return nil
	}
	return e
}

func (e *extractText) exec(m *machine) error {
	p, err := m.currentPart()
	if err != nil {
		return err
	}
	text := ""
	if p.Type == "text" && readable(p) {
		if text, err = m.asText(m.inside(), p); err != nil {
			return err
		}
	}
	if e.first != 0 {
		text = firstRunes(text, max(e.first, 0))
	}
	m.assign(e.to, text, e.mods)
	return nil
}

// readable reports whether the transfer encoding and the character set of a part are known: of others nothing is extracted.
func readable(p *message.Part) bool {
	return message.KnownEncoding(p.Encoding) && (p.Charset() == "" || charset.Known(p.Charset()))
}

// firstRunes is a text's first n characters.
func firstRunes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	at := 0
	for ; n > 0 && at < len(s); n-- {
		_, w := utf8.DecodeRuneInString(s[at:])
		at += w
	}
	return s[:at]
}
