package sieve

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// comparator says how strings are compared. RFC 4790, RFC 5051.
type comparator uint8

const (
	asciiCasemap comparator = iota // the default, RFC 5228 §2.7.3
	octet
	asciiNumeric
	unicodeCasemap
)

var comparatorNames = map[string]comparator{
	"i;ascii-casemap": asciiCasemap, "i;octet": octet, "i;ascii-numeric": asciiNumeric, "i;unicode-casemap": unicodeCasemap,
}

func lowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// lowerASCII changes A to Z only.
func lowerASCII(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				b[i] = lowerByte(b[i])
			}
			return string(b)
		}
	}
	return s
}

// equalASCII compares without regard to the case of A to Z.
func equalASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && lowerByte(a[i]) != lowerByte(b[i]) {
			return false
		}
	}
	return true
}

// compareASCII orders without regard to the case of A to Z.
func compareASCII(a, b string) int {
	for i := range min(len(a), len(b)) {
		if x, y := lowerByte(a[i]), lowerByte(b[i]); x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

// titled is a string as i;unicode-casemap sees it: in title case and decomposed. RFC 5051 §2.
func titled(s string) string {
	ascii := true
	for i := range len(s) {
		ascii = ascii && s[i] < 0x80
	}
	if ascii {
		return strings.ToUpper(s)
	}
	return norm.NFKD.String(strings.Map(unicode.ToTitle, norm.NFKC.String(s)))
}

// digits are the number at the beginning of a string, without leading zeroes; ok is false if there is none: that counts
// as infinite. RFC 4790 §9.1.
func digits(s string) (d string, ok bool) {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return strings.TrimLeft(s[:n], "0"), n > 0
}

func compareNumeric(a, b string) int {
	x, okX := digits(a)
	y, okY := digits(b)
	switch {
	case !okX && !okY:
		return 0
	case !okX:
		return 1
	case !okY:
		return -1
	case len(x) != len(y):
		return len(x) - len(y)
	}
	return strings.Compare(x, y)
}

// compare orders two strings.
func (c comparator) compare(a, b string) int {
	switch c {
	case octet:
		return strings.Compare(a, b)
	case asciiNumeric:
		return compareNumeric(a, b)
	case unicodeCasemap:
		return strings.Compare(titled(a), titled(b))
	}
	return compareASCII(a, b)
}

// key makes of a key what contains wants.
func (c comparator) key(s string) string {
	switch c {
	case asciiCasemap:
		return lowerASCII(s)
	case unicodeCasemap:
		return titled(s)
	}
	return s
}

// shortFold is how large a search may be that goes without a copy in lower case.
const shortFold = 2048

// contains looks for a key, which comparator.key has made, in a value.
func (c comparator) contains(v, key string) bool {
	switch {
	case len(key) == 0:
		return true
	case c == unicodeCasemap:
		return strings.Contains(titled(v), key)
	case c == octet:
		return strings.Contains(v, key)
	case len(v)*len(key) > shortFold:
		return strings.Contains(lowerASCII(v), key)
	}
	for i := 0; i+len(key) <= len(v); i++ {
		if lowerByte(v[i]) == key[0] && equalASCII(v[i:i+len(key)], key) {
			return true
		}
	}
	return false
}

// relation is how :value and :count compare. RFC 5231 §4.
type relation uint8

const (
	greater relation = iota
	greaterEqual
	less
	lessEqual
	equal
	unequal
)

var relations = map[string]relation{"gt": greater, "ge": greaterEqual, "lt": less, "le": lessEqual, "eq": equal, "ne": unequal}

// holds tells whether a comparison's result is what the relation wants.
func (r relation) holds(order int) bool {
	switch r {
	case greater:
		return order > 0
	case greaterEqual:
		return order >= 0
	case less:
		return order < 0
	case lessEqual:
		return order <= 0
	case equal:
		return order == 0
	}
	return order != 0
}
