package features

import (
	"encoding/binary"
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A folder writes text so that different spellings of it are the same: lower case, digits as 0, no accents, letters that only
// look like Latin ones as those, characters without width left out. It counts what it met on the way.
type folder struct {
	invisible, lookalike, wide int // tricks with characters
	latin, cyrillic, greek     int // letters
	arabic, hebrew, cjk, other int // letters
	upper                      int // capitals
}

// tricks is how many characters were there to deceive programs.
func (f *folder) tricks() int { return f.invisible + f.lookalike + f.wide }

// asciiFold maps ASCII to what is written for it; controls and blanks to a space.
var asciiFold = func() (t [utf8.RuneSelf]byte) {
	for c := range t {
		switch {
		case c <= ' ' || c == 0x7f:
			t[c] = ' '
		case c >= 'A' && c <= 'Z':
			t[c] = byte(c) + 'a' - 'A'
		case c >= '0' && c <= '9':
			t[c] = '0'
		default:
			t[c] = byte(c)
		}
	}
	return t
}()

// append appends text, folded, up to limit octets in dst.
func (f *folder) append(dst, text []byte, limit int) []byte {
	for len(text) > 0 && len(dst) < limit {
		dst, text = f.ascii(dst, text, limit)
		for len(text) > 0 && text[0] >= utf8.RuneSelf && len(dst) < limit {
			r, n := utf8.DecodeRune(text)
			dst = f.rune(dst, r)
			text = text[n:]
		}
	}
	return dst
}

// ascii is append for the ASCII at the beginning of text. It returns the rest of it.
func (f *folder) ascii(dst, text []byte, limit int) (out, rest []byte) {
	start := len(dst)
	n := min(len(text), limit-start)
	dst = slices.Grow(dst, n)
	n, upper := foldASCII(dst[start:start+n], text[:n])
	f.upper += upper
	return dst[:start+n], text[n:]
}

// foldASCII folds the ASCII at the beginning of text into dst, which is as long. It returns how much that is, and how many were capitals.
func foldASCII(dst, text []byte) (n, upper int) {
	for len(text)-n >= 8 && len(dst)-n >= 8 {
		v := binary.LittleEndian.Uint64(text[n:])
		if v&highs != 0 {
			break
		}
		v, capitals := foldEight(v)
		binary.LittleEndian.PutUint64(dst[n:], v)
		upper += int(capitals >> 7 * eight >> 56) // how many of eight
		n += 8
	}
	for ; n < len(text) && text[n] < utf8.RuneSelf; n++ {
		dst[n] = asciiFold[text[n]]
		upper += int(isUpper[text[n]])
	}
	return n, upper
}

// eight repeats an octet eight times; highs are the highest bits of eight.
const (
	eight = 0x0101010101010101
	highs = 0x80 * eight
)

// foldEight folds eight octets of ASCII at once as asciiFold does, and has the highest bits of those set that were capitals.
func foldEight(v uint64) (folded, capitals uint64) {
	capitals = (v + (0x80-'A')*eight) &^ (v + (0x7f-'Z')*eight) & highs // nothing is carried from one octet to the next
	digits := (v + (0x80-'0')*eight) &^ (v + (0x7f-'9')*eight) & highs
	blanks := (^(v + (0x7f-' ')*eight) | (v + eight)) & highs // up to a space, and 0x7f
	v = (v | capitals>>2) &^ (digits >> 7 * 0x0f)
	blanks = blanks >> 7 * 0xff
	return v&^blanks | blanks&(' '*eight), capitals
}

// isUpper is 1 for capitals.
var isUpper = func() (t [utf8.RuneSelf]uint8) {
	for c := 'A'; c <= 'Z'; c++ {
		t[c] = 1
	}
	return t
}()

// rune appends one character that isn't ASCII.
func (f *folder) rune(dst []byte, r rune) []byte {
	switch {
	case invisible(r):
		f.invisible++
		return dst
	case r == 0xa0 || unicode.IsSpace(r):
		return append(dst, ' ')
	case r >= 0x300 && r <= 0x36f: // combining marks
		f.lookalike++
		return dst
	}
	if c := lookalike(r); c != 0 && f.inLatin(dst) {
		f.lookalike++
		return append(dst, c)
	}
	if r >= 0xff00 && r <= 0xff5e || r >= 0x1d400 && r <= 0x1d7ff || r >= 0x2460 && r <= 0x24ff || r >= 0x1f100 && r <= 0x1f1ff {
		f.wide++
		return f.decomposed(dst, r)
	}
	f.script(r)
	if r < 0x250 || r >= 0x1e00 && r < 0x1f00 { // Latin with accents
		return f.decomposed(dst, r)
	}
	return utf8.AppendRune(dst, unicode.ToLower(r))
}

// decomposed appends what a character is made of, without accents.
func (f *folder) decomposed(dst []byte, r rune) []byte {
	var in [utf8.UTFMax]byte
	n := utf8.EncodeRune(in[:], r)
	d := norm.NFKD.Properties(in[:n]).Decomposition()
	if d == nil {
		d = in[:n]
	}
	for len(d) > 0 {
		r, n := utf8.DecodeRune(d)
		d = d[n:]
		switch {
		case r < utf8.RuneSelf:
			dst = append(dst, asciiFold[r])
		case !unicode.Is(unicode.Mn, r):
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		}
	}
	return dst
}

// inLatin reports whether the text before is in the middle of a word of Latin letters.
func (f *folder) inLatin(dst []byte) bool {
	if len(dst) == 0 {
		return false
	}
	c := dst[len(dst)-1]
	return c >= 'a' && c <= 'z'
}

func (f *folder) script(r rune) {
	switch {
	case r < 0x370:
		f.latin++
	case r < 0x400:
		f.greek++
	case r < 0x530:
		f.cyrillic++
	case r >= 0x590 && r < 0x600:
		f.hebrew++
	case r >= 0x600 && r < 0x780:
		f.arabic++
	case cjk(r):
		f.cjk++
	default:
		f.other++
	}
}

// cjk reports whether r is of a script that is written without spaces between words.
func cjk(r rune) bool {
	return r >= 0x2e80 && r < 0xa4d0 || r >= 0xac00 && r < 0xd7b0 || r >= 0xf900 && r < 0xfb00 || r >= 0x20000 && r < 0x32000 ||
		r >= 0xe00 && r < 0xe80 // Thai
}

// invisible reports whether r has no width.
func invisible(r rune) bool {
	switch r {
	case 0xad, 0x34f, 0x61c, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x180e, 0x3164, 0xfeff, 0xffa0:
		return true
	}
	return r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r >= 0xfe00 && r <= 0xfe0f ||
		r >= 0xe0000 && r <= 0xe01ef
}

// lookalikes are letters of other scripts that look like a Latin one.
var lookalikes = map[rune]byte{
	'а': 'a', 'А': 'a', 'В': 'b', 'с': 'c', 'С': 'c', 'ԁ': 'd', 'е': 'e', 'Е': 'e', 'ё': 'e', 'һ': 'h', 'Н': 'h', 'і': 'i', 'І': 'i', 'ї': 'i',
	'ј': 'j', 'Ј': 'j', 'К': 'k', 'к': 'k', 'М': 'm', 'м': 'm', 'о': 'o', 'О': 'o', 'р': 'p', 'Р': 'p', 'ԛ': 'q', 'ѕ': 's', 'Ѕ': 's',
	'Т': 't', 'т': 't', 'ѵ': 'v', 'ԝ': 'w', 'х': 'x', 'Х': 'x', 'у': 'y', 'У': 'y', 'п': 'n', 'г': 'r',
	'α': 'a', 'Α': 'a', 'Β': 'b', 'ε': 'e', 'Ε': 'e', 'Ζ': 'z', 'Η': 'h', 'ι': 'i', 'Ι': 'i', 'κ': 'k', 'Κ': 'k', 'Μ': 'm', 'η': 'n', 'Ν': 'n',
	'ο': 'o', 'Ο': 'o', 'ρ': 'p', 'Ρ': 'p', 'τ': 't', 'Τ': 't', 'υ': 'u', 'ν': 'v', 'χ': 'x', 'Χ': 'x', 'γ': 'y', 'Υ': 'y', 'ω': 'w',
	'ı': 'i', 'ɑ': 'a', 'ɡ': 'g', 'ɩ': 'i', 'ʀ': 'r', 'ʏ': 'y', 'ո': 'n', 'օ': 'o', 'ս': 'u', 'ց': 'g',
}

func lookalike(r rune) byte {
	if r < 0x131 || r > 0x590 {
		return 0
	}
	return lookalikes[r]
}
