package sieve

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// glob is a pattern of :matches. RFC 5228 §2.7.1.
type glob struct {
	ops []globOp
	// wildcards is how many there are.
	wildcards int
}

type globOp struct {
	kind byte // 'c': the octet c; '?': a character; '*': anything
	c    byte
}

// newGlob reads a pattern. Case is folded for a comparator that wants it.
func newGlob(pattern string, c comparator) glob {
	if c == unicodeCasemap {
		pattern = fold(norm.NFC.String(pattern)).text
	}
	g := glob{ops: make([]globOp, 0, len(pattern))}
	for i := 0; i < len(pattern); i++ {
		switch b := pattern[i]; {
		case b == '*' || b == '?':
			g.ops = append(g.ops, globOp{kind: b})
			g.wildcards++
			continue
		case b == '\\' && i+1 < len(pattern):
			i++
		}
		b := pattern[i]
		if c == asciiCasemap {
			b = lowerByte(b)
		}
		g.ops = append(g.ops, globOp{'c', b})
	}
	return g
}

// span is where a wildcard matched.
type span struct{ from, to int }

// matching is one attempt to match a glob.
type matching struct {
	g     *glob
	s     string
	comp  comparator
	spans []span
	op    int // next in the pattern
	at    int // next in the string
	wild  int // wildcards passed
	// Where to go on if it doesn't fit: the last "*" takes one more. star is -1 if there was none.
	star, starWild, starAt int
}

// match matches a string. Wildcards take as little as possible (RFC 5229 §3.2), and where they matched is in
// spans. steps is how much work it was; it gives up at most.
func (g *glob) match(s string, c comparator, spans []span, most int64) (ok bool, steps int64, out []span) {
	if cap(spans) < g.wildcards {
		spans = make([]span, g.wildcards)
	}
	x := matching{g: g, s: s, comp: c, spans: spans[:g.wildcards], star: -1}
	for ; steps <= most; steps++ {
		if x.op == len(g.ops) && x.at == len(s) {
			return true, steps, x.spans
		}
		if !x.step() && !x.again() {
			return false, steps, x.spans
		}
	}
	return false, steps, x.spans
}

// step matches the next of the pattern.
func (x *matching) step() bool {
	if x.op == len(x.g.ops) {
		return false
	}
	switch op := x.g.ops[x.op]; op.kind {
	case '*':
		x.star, x.starWild, x.starAt = x.op, x.wild, x.at
		x.spans[x.wild] = span{x.at, x.at}
		x.wild++
		if x.op+1 == len(x.g.ops) { // the rest, whatever it is
			x.spans[x.wild-1].to, x.at = len(x.s), len(x.s)
		}
	case '?':
		n := x.width()
		if n == 0 {
			return false
		}
		x.spans[x.wild] = span{x.at, x.at + n}
		x.wild++
		x.at += n
	default:
		if x.at == len(x.s) || x.octet() != op.c {
			return false
		}
		x.at++
	}
	x.op++
	return true
}

// width is how long the next character is.
func (x *matching) width() int {
	if x.at == len(x.s) {
		return 0
	}
	if x.comp == octet {
		return 1
	}
	_, n := utf8.DecodeRuneInString(x.s[x.at:])
	return n
}

func (x *matching) octet() byte {
	if x.comp == asciiCasemap {
		return lowerByte(x.s[x.at])
	}
	return x.s[x.at]
}

// again lets the last "*" take one more.
func (x *matching) again() bool {
	if x.star < 0 || x.starAt == len(x.s) {
		return false
	}
	x.starAt++
	x.op, x.at, x.wild = x.star+1, x.starAt, x.starWild+1
	x.spans[x.starWild].to = x.starAt
	return true
}

// folded is a string as i;unicode-casemap sees it, but for characters that stay composed, so that "?" is one; with where its
// octets come from.
type folded struct {
	text string
	from []int32
}

// fold makes one.
func fold(s string) folded {
	var f folded
	var b strings.Builder
	for i, r := range s {
		start := b.Len()
		b.WriteString(norm.NFKC.String(string(unicode.ToTitle(r))))
		for range b.Len() - start {
			f.from = append(f.from, int32(i))
		}
	}
	f.from = append(f.from, int32(len(s)))
	f.text = b.String()
	return f
}
