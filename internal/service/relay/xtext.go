package relay

import (
	"fmt"
	"strings"

	"golang.org/x/net/idna"
)

// xtext encodes a DSN parameter (RFC 3461 §4).
func xtext(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < '!' || c > '~' || c == '+' || c == '=' {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// utf8xtext encodes an ORCPT of type utf-8: as utf-8-addr-unitext for hops with SMTPUTF8, and as
// utf-8-addr-xtext, which passes everywhere, for the others (RFC 6533 §3).
func utf8xtext(s string, smtputf8 bool) string {
	var b strings.Builder
	for _, c := range s {
		if c < '!' || c == 0x7f || c > '~' && !smtputf8 || c == '+' || c == '=' || c == '\\' {
			fmt.Fprintf(&b, `\x{%02X}`, c)
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// plainAddress returns an address for a hop without SMTPUTF8: a domain in U-labels
// becomes A-labels, which aren't "internationalized" (RFC 6531 §3.2).
func plainAddress(address string) (string, bool) {
	if ascii(address) {
		return address, true
	}
	at := strings.LastIndexByte(address, '@')
	if at < 0 || !ascii(address[:at]) {
		return "", false
	}
	domain, err := idna.Lookup.ToASCII(address[at+1:])
	return address[:at+1] + domain, err == nil
}

// maxAddress is more than any address has (RFC 5321 §4.5.3.1), even in UTF-8.
const maxAddress = 1000

// safeAddress reports whether an address can stand between angle brackets without ending
// them: control characters never, blanks and brackets only quoted (RFC 5321 §4.1.2).
func safeAddress(a string) bool {
	quoted := false
	for i := 0; i < len(a); i++ {
		switch c := a[i]; {
		case c < ' ' || c == 0x7f:
			return false
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			if i++; i == len(a) || a[i] < ' ' || a[i] == 0x7f {
				return false
			}
		case !quoted && (c == ' ' || c == '<' || c == '>'):
			return false
		}
	}
	return !quoted && len(a) <= maxAddress
}
