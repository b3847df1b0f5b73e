package fulltext

import (
	"encoding/binary"
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// AppendFolded appends text as searches compare it: by i;unicode-casemap (RFC 5051 §2.3), case first and then characters
// taken apart, with lower case for its title case. Characters that can't be seen (soft hyphens and the like) are left out.
func AppendFolded[S string | []byte](dst []byte, s S) []byte {
	dst = slices.Grow(dst, len(s))
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf { // most text is runs of ASCII
			at, n := len(dst), min(len(s)-i, foldPiece)
			dst = append(dst, s[i:i+n]...)
			n = foldASCII(dst[at:])
			dst = dst[:at+n]
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
		dst = appendFoldedRune(dst, string(s[i:i+n]), r)
		i += n
	}
	return dst
}

// foldPiece is how much text is taken for ASCII at a time, without knowing.
const foldPiece = 128

// foldASCII folds the ASCII that b begins with, and returns how long it is. Eight octets at a time: adding makes the high bit of those
// that are letters tell it.
func foldASCII(b []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		if x&highs != 0 {
			break
		}
		upper := (x + (0x80-'A')*ones) &^ (x + (0x7f-'Z')*ones) & highs
		binary.LittleEndian.PutUint64(b[i:], x|upper>>2)
	}
	for ; i < len(b) && b[i] < utf8.RuneSelf; i++ {
		b[i] = lower(b[i])
	}
	return i
}

func appendFoldedRune(dst []byte, s string, r rune) []byte {
	if invisible(r) {
		return dst
	}
	if apart := norm.NFKD.PropertiesString(s).Decomposition(); apart != nil {
		for len(apart) > 0 {
			r, n := utf8.DecodeRune(apart)
			dst = appendCased(dst, r)
			apart = apart[n:]
		}
		return dst
	}
	return appendCased(dst, r)
}

func appendCased(dst []byte, r rune) []byte {
	if r < utf8.RuneSelf {
		return append(dst, lower(byte(r)))
	}
	return utf8.AppendRune(dst, unicode.ToLower(unicode.ToUpper(r)))
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c |= 0x20
	}
	return c
}

// invisible reports whether r only says where a line may break, or joins.
func invisible(r rune) bool {
	switch r {
	case 0xad, 0x200b, 0x200c, 0x200d, 0x2060, 0xfeff:
		return true
	}
	return false
}
