package imap

import "strings"

// match reports whether a mailbox name matches a pattern, in which "*" stands for anything and "%"
// for anything without a separator (RFC 9051 §6.3.9). "INBOX" matches in any case, also in front of others.
// The work is bounded by the product of the lengths.
func match(pattern, name string) bool {
	pattern, literals := squeeze(pattern)
	if literals > len(name) {
		return false
	}
	// can[i]: pattern[:p] may match name[:i], for the p at hand.
	can := make([]bool, len(name)+1)
	can[0] = true
	fold := 0 // how many bytes match in any case
	if isInbox(name) || strings.HasPrefix(name, "INBOX/") {
		fold = len("INBOX")
	}
	for p := range len(pattern) {
		switch c := pattern[p]; c {
		case '*', '%':
			spread(can, name, c == '*')
		default:
			step(can, name, c, fold)
		}
	}
	return can[len(name)]
}

// squeeze makes one wildcard of several in a row, and counts the other bytes.
func squeeze(pattern string) (_ string, literals int) {
	b := make([]byte, 0, len(pattern))
	for i := range len(pattern) {
		c, last := pattern[i], len(b)-1
		switch {
		case c != '*' && c != '%':
			literals++
			b = append(b, c)
		case last < 0 || b[last] != '*' && b[last] != '%':
			b = append(b, c)
		case c == '*':
			b[last] = c
		}
	}
	return string(b), literals
}

// spread lets a wildcard take any number of further bytes.
func spread(can []bool, name string, all bool) {
	on := false
	for i := range can {
		if i > 0 && name[i-1] == separator && !all {
			on = false
		}
		on = on || can[i]
		can[i] = on
	}
}

// step lets one byte of the pattern take one of the name.
func step(can []bool, name string, c byte, fold int) {
	for i := len(name); i > 0; i-- {
		n := name[i-1]
		can[i] = can[i-1] && (n == c || i <= fold && lower(n) == lower(c))
	}
	can[0] = false
}

// isInbox reports whether a path is INBOX itself.
func isInbox(name string) bool { return name == "INBOX" }

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
