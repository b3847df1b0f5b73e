package fulltext

import (
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
		// Runs of ASCII, which most text is, are written where there is room for them.
		room := dst[len(dst):cap(dst)]
		n := min(len(room), len(s)-i)
		k := 0
		for ; k < n && s[i+k] < utf8.RuneSelf; k++ {
			room[k] = lower(s[i+k])
		}
		dst = dst[:len(dst)+k]
		if i += k; i == len(s) {
			break
		}
		if k == n { // what came before has become longer
			dst = slices.Grow(dst, len(s)-i)
			continue
		}
		r, n := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
		dst = appendFoldedRune(dst, string(s[i:i+n]), r)
		i += n
	}
	return dst
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
