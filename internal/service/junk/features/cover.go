package features

import (
	"bytes"
	"html"
	"strconv"
)

// trait is a property that can make text invisible, and the bit by which covers know it.
type trait uint8

const (
	display trait = 1 << iota
	visibility
	fontSize
	opacity
	maxHeight
	minHeight
	overflow

	everything = 1<<iota - 1
	inherited  = visibility | fontSize // an element inside can be seen again by saying so itself
)

// maxOpen is how many elements inside one that hides them are known: what ends there isn't looked for among more.
const maxOpen = 64

// cover is what hides a document's text, at present. When in doubt nothing does: what people see must be looked at, while what they don't see is there to
// mislead programs, which can be had otherwise, too.
type cover struct {
	hider []byte   // the name of the element that hides what is in it; nil: none does
	by    trait    // what it does it by
	open  [][]byte // elements that began inside of it, and haven't ended
}

func (c *cover) hiding() bool { return c.hider != nil }

// begin notes the beginning of an element.
func (c *cover) begin(name, attrs, style []byte) {
	if c.hider != nil && (c.endsFor(name) || c.by&^inherited == 0 && c.by&^shownBy(name, attrs, style) == 0) {
		c.hider = nil
	}
	switch {
	case void(name) || bytes.HasSuffix(attrs, []byte("/")): // nothing is in it
	case c.hider == nil:
		if by, _ := looks(style); by != 0 {
			c.hider, c.by, c.open = name, by, c.open[:0]
		}
	case len(c.open) < maxOpen:
		c.open = append(c.open, name)
	}
}

// end notes the end of an element. If it didn't begin inside of the one that hides, it is that one, or one around it.
func (c *cover) end(name []byte) {
	if c.hider == nil || is(name, "br") {
		return
	}
	for i := len(c.open) - 1; i >= 0; i-- {
		if bytes.EqualFold(c.open[i], name) {
			c.open = c.open[:i]
			return
		}
	}
	c.hider = nil
}

// endsFor reports whether the element that hides ends where another one begins (HTML §13.1.2.4).
func (c *cover) endsFor(name []byte) bool {
	switch h := c.hider; {
	case is(h, "p"):
		return !inline(name)
	case is(h, "li"):
		return is(name, "li") && !c.inside("ul", "ol", "menu")
	case is(h, "dt"), is(h, "dd"):
		return (is(name, "dt") || is(name, "dd")) && !c.inside("dl")
	case is(h, "td"), is(h, "th"):
		return (is(name, "td") || is(name, "th") || row(name)) && !c.inside("table")
	case is(h, "tr"):
		return row(name) && !c.inside("table")
	case is(h, "option"):
		return true
	}
	return false
}

func row(name []byte) bool {
	return is(name, "tr") || is(name, "tbody") || is(name, "thead") || is(name, "tfoot")
}

// inside reports whether one of some elements has begun inside of the one that hides.
func (c *cover) inside(names ...string) bool {
	for _, o := range c.open {
		for _, n := range names {
			if is(o, n) {
				return true
			}
		}
	}
	return false
}

// inline reports whether an element surely doesn't end a paragraph.
func inline(name []byte) bool {
	for _, n := range [...]string{"a", "b", "i", "u", "s", "br", "em", "img", "sub", "sup", "span", "font", "code", "small", "strong", "wbr"} {
		if is(name, n) {
			return true
		}
	}
	return false
}

// void reports whether nothing can be in an element (HTML §13.1.2).
func void(name []byte) bool {
	for _, n := range [...]string{"br", "hr", "img", "area", "base", "col", "embed", "input", "link", "meta", "param", "source", "track", "wbr", "keygen", "frame", "bgsound", "basefont"} {
		if is(name, n) {
			return true
		}
	}
	return false
}

// shownBy is what an element makes of its own that it would inherit.
func shownBy(name, attrs, style []byte) trait {
	_, own := looks(style)
	switch {
	case is(name, "table"), is(name, "button"), is(name, "select"), is(name, "textarea"), is(name, "input"), is(name, "font") && len(attrs) > 0:
		own |= fontSize
	}
	return own
}

// looks is by what properties a style makes text invisible, and which it sets to something else. The last word on each counts, unless one is important.
func looks(style []byte) (hide, show trait) {
	if bytes.IndexByte(style, '&') >= 0 {
		style = []byte(html.UnescapeString(string(style)))
	}
	var important trait
	for len(style) > 0 {
		n := declaration(style)
		name, value, ok := bytes.Cut(style[:n], []byte(":"))
		style = style[min(n+1, len(style)):]
		if !ok {
			continue
		}
		name, value = bytes.TrimSpace(name), bytes.TrimSpace(value)
		p := traitOf(name)
		loud := hasSuffix(value, "!important")
		if loud {
			value = bytes.TrimSpace(value[:len(value)-len("!important")])
			important |= p
		} else if p &^= important; p == 0 {
			continue
		}
		if hide, show = hide&^p, show|p; hides(p, value) {
			hide, show = hide|p, show&^p
		}
	}
	if hide&overflow == 0 || show&minHeight != 0 {
		hide &^= maxHeight
	}
	return hide &^ (overflow | minHeight), show
}

// traitOf is which of them a name stands for; several for those that set all.
func traitOf(name []byte) trait {
	switch len(name) {
	case len("all"), len("font"):
		switch {
		case is(name, "all"):
			return everything
		case is(name, "font"):
			return fontSize
		}
	case len("display"):
		switch {
		case is(name, "display"):
			return display
		case is(name, "opacity"):
			return opacity
		}
	case len("overflow"):
		if is(name, "overflow") {
			return overflow
		}
	case len("font-size"):
		if is(name, "font-size") {
			return fontSize
		}
	case len("visibility"):
		switch {
		case is(name, "visibility"):
			return visibility
		case is(name, "max-height"):
			return maxHeight
		case is(name, "min-height"): // wins, whatever that says
			return minHeight
		}
	}
	return 0
}

// hides reports whether a trait's value makes text invisible: overflow does together with a height.
func hides(p trait, value []byte) bool {
	switch p {
	case display:
		return is(value, "none")
	case visibility:
		return is(value, "hidden")
	case overflow:
		return is(value, "hidden") || is(value, "clip")
	case fontSize:
		n, unit, ok := length(value)
		return ok && (n < 0.1 || n <= 1 && unit == "px")
	case opacity, maxHeight, minHeight:
		n, _, ok := length(value)
		return ok && n < 0.1
	}
	return false
}

// units are those of lengths. Without one only programs that are not strict take a length for one.
var units = [...]string{"", "px", "em", "pt", "%", "rem", "ex", "ch", "vw", "vh", "in", "cm", "mm", "pc"}

// length reads a number with its unit.
func length(value []byte) (n float64, unit string, ok bool) {
	i := 0
	for i < len(value) && (value[i] >= '0' && value[i] <= '9' || value[i] == '.') {
		i++
	}
	if i == 0 {
		return 0, "", false
	}
	n, err := strconv.ParseFloat(string(value[:i]), 64)
	for _, u := range units {
		if is(value[i:], u) {
			return n, u, err == nil
		}
	}
	return 0, "", false
}

// declaration is how long the first declaration of a style is: up to a semicolon that isn't in a comment, in quotes or in parentheses.
func declaration(style []byte) int {
	for i := 0; i < len(style); i++ {
		end := byte(0)
		switch c := style[i]; c {
		case ';':
			return i
		case '"', '\'':
			end = c
		case '(':
			end = ')'
		case '\\':
			i++
		case '/':
			if i+1 < len(style) && style[i+1] == '*' {
				n := bytes.Index(style[i+2:], []byte("*/"))
				if n < 0 {
					return len(style)
				}
				i += n + 3
			}
		}
		if end != 0 {
			n := bytes.IndexByte(style[i+1:], end)
			if n < 0 {
				return len(style)
			}
			i += n + 1
		}
	}
	return len(style)
}
