// Package confusable tells which texts look alike: names and domains written with characters of other scripts, with accents, with digits
// for letters.
//
// Skeleton is UTS 39 section 4's, for one purpose: to find what looks like Latin letters. It goes further where mail is read by people in a
// hurry: accents are left out, and digits stand for the letters that they are put for. What has the same skeleton is not the same; it is only
// easily taken for it.
package confusable

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Skeleton returns what a text looks like, in lower-case Latin letters where it can be said so. Texts that look alike have the same one.
func Skeleton(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 4)
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return unicodeSkeleton(s)
		}
		writeASCII(&b, s[i])
	}
	return b.String()
}

// HasSkeleton reports whether skeleton is Skeleton(s). It allocates nothing if s is ASCII.
func HasSkeleton(s, skeleton string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= utf8.RuneSelf {
			return unicodeSkeleton(s[i:]) == skeleton
		}
		switch l := looksOf(c); {
		case l != 0:
			if skeleton == "" || skeleton[0] != l {
				return false
			}
			skeleton = skeleton[1:]
		case c|0x20 == 'm':
			if !strings.HasPrefix(skeleton, "rn") {
				return false
			}
			skeleton = skeleton[2:]
		default:
			if !strings.HasPrefix(skeleton, "vv") {
				return false
			}
			skeleton = skeleton[2:]
		}
	}
	return skeleton == ""
}

// writeASCII writes what an ASCII character looks like.
func writeASCII(b *strings.Builder, c byte) {
	switch l := looksOf(c); {
	case l != 0:
		b.WriteByte(l)
	case c|0x20 == 'm':
		b.WriteString("rn")
	default:
		b.WriteString("vv")
	}
}

// looksOf is what an ASCII character looks like; 0 for m and w, which fall apart to "rn" and "vv".
func looksOf(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	switch c {
	case 'm', 'w':
		return 0
	case '0':
		return 'o'
	case '1', '|':
		return 'l'
	case '3':
		return 'e'
	case '4':
		return 'a'
	case '5', '$':
		return 's'
	case '7':
		return 't'
	}
	return c
}

// unicodeSkeleton is Skeleton for text that isn't ASCII.
func unicodeSkeleton(s string) string {
	var b strings.Builder
	for _, r := range norm.NFKC.String(s) {
		writeRune(&b, r)
	}
	return b.String()
}

// writeRune writes what a character looks like: the table knows, or its form without accents is asked.
func writeRune(b *strings.Builder, r rune) {
	if r < utf8.RuneSelf {
		writeASCII(b, byte(r))
		return
	}
	if invisible(r) {
		return
	}
	if l, ok := looks(r); ok {
		writeLatin(b, l)
		return
	}
	var buf [16]byte
	for _, r := range string(norm.NFKD.AppendString(buf[:0], string(r))) {
		switch l, ok := looks(r); {
		case unicode.Is(unicode.Mn, r):
		case ok:
			writeLatin(b, l)
		case r < utf8.RuneSelf:
			writeASCII(b, byte(r))
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
}

func writeLatin(b *strings.Builder, s string) {
	for i := range len(s) {
		writeASCII(b, s[i])
	}
}

// looks is what the table says of a character.
func looks(r rune) (string, bool) {
	l, ok := index()[r]
	return l, ok
}

// index is the table, made when it is needed first: most mail never does.
var index = sync.OnceValue(func() map[rune]string {
	m := map[rune]string{}
	for _, e := range strings.Fields(table) {
		r, n := utf8.DecodeRuneInString(e)
		m[r] = e[n:]
	}
	return m
})

// invisible reports whether nothing is seen of a character.
func invisible(r rune) bool {
	return unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r)
}

// Imitates reports whether a word isn't ASCII but looks as if it were, letter by letter and without any accents: "раураl" of Cyrillic letters.
func Imitates(word string) bool {
	foreign := false
	for _, r := range word {
		if r < utf8.RuneSelf {
			continue
		}
		if _, ok := looks(r); !ok {
			return false
		}
		foreign = true
	}
	return foreign
}
