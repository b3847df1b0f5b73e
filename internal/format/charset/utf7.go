package charset

import (
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/transform"
)

// utf7 decodes RFC 2152. What is wrong in it becomes U+FFFD; what is not base64 ends a shifted run, as section "UTF-7
// Definition", rule 2, says.
type utf7 struct {
	shifted bool   // between "+" and the end of the run
	fresh   bool   // directly after the "+", where "-" means a literal "+"
	bits    uint32 // undelivered bits of the run
	n       uint   // how many they are, below 16
	high    rune   // a high surrogate waiting for its low half, or 0
}

// Reset implements transform.Transformer.
func (u *utf7) Reset() { *u = utf7{} }

// Transform implements transform.Transformer.
func (u *utf7) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		// One step writes at most a lost surrogate, its neighbour and a character outside the run.
		if len(dst)-nDst < 3*utf8.UTFMax {
			return nDst, nSrc, transform.ErrShortDst
		}
		nDst = u.step(dst, nDst, src[nSrc])
		nSrc++
	}
	if atEOF && u.high != 0 {
		if len(dst)-nDst < utf8.UTFMax {
			return nDst, nSrc, transform.ErrShortDst
		}
		u.high = 0
		nDst += utf8.EncodeRune(dst[nDst:], utf8.RuneError)
	}
	return nDst, nSrc, nil
}

func (u *utf7) step(dst []byte, n int, c byte) int {
	if !u.shifted {
		return u.direct(dst, n, c)
	}
	if v := sextet(c); v >= 0 {
		u.fresh = false
		return u.push(dst, n, uint32(v))
	}
	fresh := u.fresh
	n = u.unshift(dst, n)
	if c != '-' {
		return u.direct(dst, n, c)
	}
	if fresh {
		dst[n] = '+'
		n++
	}
	return n
}

func (u *utf7) direct(dst []byte, n int, c byte) int {
	switch {
	case c == '+':
		u.shifted, u.fresh = true, true
		return n
	case c < utf8.RuneSelf:
		dst[n] = c
		return n + 1
	}
	return n + utf8.EncodeRune(dst[n:], utf8.RuneError)
}

// push takes six bits more, and writes a character when a UTF-16 unit is complete.
func (u *utf7) push(dst []byte, n int, v uint32) int {
	u.bits, u.n = u.bits<<6|v, u.n+6
	if u.n < 16 {
		return n
	}
	u.n -= 16
	unit := rune(u.bits >> u.n & 0xffff)
	u.bits &= 1<<u.n - 1
	if u.high != 0 {
		r := utf16.DecodeRune(u.high, unit)
		u.high = 0
		if r != utf8.RuneError {
			return n + utf8.EncodeRune(dst[n:], r)
		}
		n += utf8.EncodeRune(dst[n:], utf8.RuneError)
	}
	if unit >= 0xd800 && unit < 0xdc00 {
		u.high = unit
		return n
	}
	return n + utf8.EncodeRune(dst[n:], unit) // a lone low half is written as U+FFFD
}

func (u *utf7) unshift(dst []byte, n int) int {
	if u.high != 0 {
		n += utf8.EncodeRune(dst[n:], utf8.RuneError)
	}
	*u = utf7{}
	return n
}

func sextet(c byte) int {
	switch {
	case c >= 'A' && c <= 'Z':
		return int(c - 'A')
	case c >= 'a' && c <= 'z':
		return int(c-'a') + 26
	case c >= '0' && c <= '9':
		return int(c-'0') + 52
	case c == '+':
		return 62
	case c == '/':
		return 63
	}
	return -1
}
