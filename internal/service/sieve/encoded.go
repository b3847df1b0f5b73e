package sieve

import (
	"strconv"
	"strings"
	"unicode/utf8"

	syntax "postroad/internal/format/sieve"
)

// encodedCharacters replaces ${hex:...} and ${unicode:...}. RFC 5228 §2.4.2.4. What is malformed stays as it is, but
// a number that is no character is an error.
func (c *compiler) encodedCharacters(s string, at syntax.Pos) string {
	var b strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			b.WriteString(s)
			break
		}
		b.WriteString(s[:i])
		n := c.encodedCharacter(&b, s[i+2:], at)
		if n == 0 {
			b.WriteString("${")
		}
		s = s[i+2+n:]
	}
	out := b.String()
	if strings.IndexByte(out, 0) >= 0 {
		c.fail(at, "an encoded character must not be NUL")
	}
	return out
}

// encodedCharacter decodes one, and tells how long it is; 0: it is none.
func (c *compiler) encodedCharacter(b *strings.Builder, s string, at syntax.Pos) int {
	end := strings.IndexByte(s, '}')
	if end < 0 {
		return 0
	}
	kind, list, ok := strings.Cut(s[:end], ":")
	words := strings.FieldsFunc(list, func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' })
	if !ok || len(words) == 0 {
		return 0
	}
	var text []byte
	switch strings.ToLower(kind) {
	case "hex":
		text, ok = hexOctets(words)
	case "unicode":
		text, ok = c.unicodes(words, at)
	default:
		return 0
	}
	if !ok {
		return 0
	}
	b.Write(text)
	return end + 1
}

func hexOctets(words []string) ([]byte, bool) {
	var out []byte
	for _, w := range words {
		n, err := strconv.ParseUint(w, 16, 8)
		if err != nil || len(w) > 2 || w[0] == '+' {
			return nil, false
		}
		out = append(out, byte(n))
	}
	return out, true
}

func (c *compiler) unicodes(words []string, at syntax.Pos) ([]byte, bool) {
	var out []byte
	for _, w := range words {
		if strings.Trim(w, "0123456789abcdefABCDEF") != "" {
			return nil, false
		}
		n, err := strconv.ParseUint(w, 16, 32)
		if err != nil || !utf8.ValidRune(rune(n)) || n > utf8.MaxRune {
			c.fail(at, "'%s' is no Unicode character", cut(w, 16))
			return out, true
		}
		out = utf8.AppendRune(out, rune(n))
	}
	return out, true
}
