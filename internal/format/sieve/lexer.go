package sieve

import (
	"fmt"
	"math"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// tokenKind is a token's kind; punctuation is its own character.
type tokenKind byte

const (
	tokEnd tokenKind = iota
	tokName
	tokTag
	tokNumber
	tokString
	tokBad // told already
)

type token struct {
	kind   tokenKind
	pos    Pos
	end    int    // the offset behind it
	text   string // name or tag in lower case; string
	number uint64
}

// describe names a token for an error's text.
func (t *token) describe() string {
	switch t.kind {
	case tokEnd:
		return "the end of the script"
	case tokName:
		return fmt.Sprintf("'%s'", t.text)
	case tokTag:
		return fmt.Sprintf("':%s'", t.text)
	case tokNumber:
		return "a number"
	case tokString:
		return "a string"
	}
	return fmt.Sprintf("'%c'", t.kind)
}

// maxName is how long identifiers may be: none that is known comes near.
const maxName = 32

// lexer cuts a script into tokens. RFC 5228 §8.1.
type lexer struct {
	src       string
	off       int
	line      int
	lineStart int
	limits    Limits
	fail      func(Pos, string, ...any)
}

func (l *lexer) pos() Pos { return Pos{Offset: l.off, Line: l.line, Column: l.off - l.lineStart + 1} }

// next returns the next token.
func (l *lexer) next() token {
	l.skipBlank()
	t := token{pos: l.pos()}
	if l.off == len(l.src) {
		t.end = l.off
		return t
	}
	c := l.src[l.off]
	switch {
	case isLetter(c):
		l.name(&t)
	case c >= '0' && c <= '9':
		l.number(&t)
	case c == ':':
		l.tag(&t)
	case c == '"':
		l.quoted(&t)
	case strings.IndexByte("[](){},;", c) >= 0:
		l.off++
		t.kind = tokenKind(c)
	default:
		l.garbage(&t)
	}
	t.end = l.off
	return t
}

// skipBlank passes white space and comments over.
func (l *lexer) skipBlank() {
	for l.off < len(l.src) {
		switch c := l.src[l.off]; {
		case c == '\n':
			l.newline()
		case c == ' ' || c == '\t' || c == '\r':
			l.off++
		case c == '#':
			l.skipLine()
		case c == '/' && strings.HasPrefix(l.src[l.off:], "/*"):
			l.skipComment()
		default:
			return
		}
	}
}

// newline passes a line feed over.
func (l *lexer) newline() {
	l.off++
	l.line++
	l.lineStart = l.off
}

func (l *lexer) skipLine() {
	if i := strings.IndexByte(l.src[l.off:], '\n'); i >= 0 {
		l.off += i
		return
	}
	l.off = len(l.src)
}

// skipComment passes over /* ... */, which doesn't nest. RFC 5228 §2.3.
func (l *lexer) skipComment() {
	start := l.pos()
	i := strings.Index(l.src[l.off+2:], "*/")
	end := l.off + 2 + i + 2
	if i < 0 {
		l.fail(start, "this comment never ends")
		end = len(l.src)
	}
	l.advance(end)
}

// advance goes to an offset, counting lines.
func (l *lexer) advance(to int) {
	for {
		i := strings.IndexByte(l.src[l.off:to], '\n')
		if i < 0 {
			l.off = to
			return
		}
		l.off += i
		l.newline()
	}
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }

// word reads an identifier, in lower case.
func (l *lexer) word() string {
	start := l.off
	for l.off < len(l.src) && (isLetter(l.src[l.off]) || l.src[l.off] >= '0' && l.src[l.off] <= '9') {
		l.off++
	}
	return l.src[start:l.off]
}

func (l *lexer) name(t *token) {
	w := l.word()
	if strings.EqualFold(w, "text") && l.off < len(l.src) && l.src[l.off] == ':' {
		l.multiline(t)
		return
	}
	t.kind, t.text = tokName, l.lower(t.pos, w)
}

func (l *lexer) lower(at Pos, w string) string {
	if len(w) > maxName {
		l.fail(at, "the name '%s...' is too long", w[:24])
		w = w[:maxName]
	}
	return strings.ToLower(w)
}

func (l *lexer) tag(t *token) {
	l.off++
	if l.off == len(l.src) || !isLetter(l.src[l.off]) {
		l.fail(t.pos, "a colon must begin a tag, such as ':is'")
		t.kind = tokBad
		return
	}
	t.kind, t.text = tokTag, l.lower(t.pos, l.word())
}

// number reads digits and a quantifier. RFC 5228 §2.4.1.
func (l *lexer) number(t *token) {
	t.kind = tokNumber
	var n, over uint64
	for ; l.off < len(l.src) && l.src[l.off] >= '0' && l.src[l.off] <= '9'; l.off++ {
		hi, lo := bits.Mul64(n, 10)
		sum, carry := bits.Add64(lo, uint64(l.src[l.off]-'0'), 0)
		n, over = sum, over|hi|carry
	}
	if l.off < len(l.src) {
		if shift := strings.IndexByte("kmg", l.src[l.off]|0x20); shift >= 0 {
			hi, lo := bits.Mul64(n, 1<<(10*(shift+1)))
			n, over = lo, over|hi
			l.off++
		}
	}
	if l.off < len(l.src) && isLetter(l.src[l.off]) {
		l.fail(l.pos(), "a number ends in K, M, G or a digit")
		l.word()
	}
	if over != 0 {
		l.fail(t.pos, "this number is too large")
		n = math.MaxUint64
	}
	t.number = n
}

// quoted reads "...". RFC 5228 §2.4.2: a backslash makes the character behind it stand for itself.
func (l *lexer) quoted(t *token) {
	l.off++
	start := l.off
	i := strings.IndexAny(l.src[l.off:], "\"\\\r\n")
	if i >= 0 && l.src[l.off+i] == '"' { // the usual case
		l.off += i + 1
		l.finish(t, l.src[start:l.off-1])
		return
	}
	var b strings.Builder
	for l.off < len(l.src) {
		switch c := l.src[l.off]; c {
		case '"':
			l.off++
			l.finish(t, b.String())
			return
		case '\\':
			l.off++
			l.character(&b)
		default:
			l.character(&b)
		}
	}
	l.fail(t.pos, "this string never ends")
	t.kind, t.text = tokString, ""
}

// character copies one; line ends become CRLF.
func (l *lexer) character(b *strings.Builder) {
	switch {
	case l.off == len(l.src):
	case l.src[l.off] == '\n':
		b.WriteString("\r\n")
		l.newline()
	case l.src[l.off] == '\r' && l.off+1 < len(l.src) && l.src[l.off+1] == '\n':
		l.off++
	default:
		b.WriteByte(l.src[l.off])
		l.off++
	}
}

// multiline reads text: ... with a dot on the last line. RFC 5228 §2.4.2, §8.1.
func (l *lexer) multiline(t *token) {
	l.off++ // :
	for l.off < len(l.src) && (l.src[l.off] == ' ' || l.src[l.off] == '\t') {
		l.off++
	}
	if l.off < len(l.src) && l.src[l.off] == '#' {
		l.skipLine()
	} else if l.off < len(l.src) && l.src[l.off] == '\r' {
		l.off++
	}
	if l.off < len(l.src) && l.src[l.off] != '\n' {
		l.fail(l.pos(), "text: must be followed by the end of the line")
		l.skipLine()
	}
	var b strings.Builder
	for l.off < len(l.src) {
		l.newline()
		line := l.src[l.off:]
		if i := strings.IndexByte(line, '\n'); i >= 0 {
			line = line[:i]
		}
		l.off += len(line)
		line = strings.TrimSuffix(line, "\r")
		if line == "." {
			l.finish(t, b.String())
			return
		}
		if strings.HasPrefix(line, "..") {
			line = line[1:]
		}
		b.WriteString(line)
		b.WriteString("\r\n")
	}
	l.fail(t.pos, "this text never ends: a line with a dot alone is missing")
	t.kind, t.text = tokString, ""
}

// finish checks a string's content.
func (l *lexer) finish(t *token, s string) {
	t.kind, t.text = tokString, s
	switch {
	case len(s) > l.limits.StringBytes:
		l.fail(t.pos, "this string is too long")
		t.text = ""
	case strings.IndexByte(s, 0) >= 0:
		l.fail(t.pos, "this string has a NUL in it")
	case !utf8.ValidString(s):
		l.fail(t.pos, "this string is not UTF-8") // RFC 5228 §2.1
		t.text = strings.ToValidUTF8(s, "\uFFFD")
	}
}

// garbage passes over what can't begin a token.
func (l *lexer) garbage(t *token) {
	t.kind = tokBad
	r, n := utf8.DecodeRuneInString(l.src[l.off:])
	l.fail(t.pos, "%q has no meaning here", r)
	for l.off < len(l.src) && l.src[l.off] > ' ' && !isLetter(l.src[l.off]) && strings.IndexByte("\"[](){},;:#/", l.src[l.off]) < 0 {
		l.off++
		n = 0
	}
	l.off += n
}
