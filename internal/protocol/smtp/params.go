package smtp

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Replies to parameters of MAIL and RCPT.
var (
	replyBadParameter     = reply{code: 501, status: "5.5.4", text: "Bad parameter"}
	replyUnknownParameter = reply{code: 555, status: "5.5.4", text: "Unknown parameter"} // RFC 5321 §4.1.1.11
)

// Lengths of RFC 3461 §4.2 and §4.4, in encoded characters.
const (
	maxORCPT = 500
	maxENVID = 100
)

// nextParam splits the first " keyword[=value]" off the rest of a command line
// (RFC 5321 §4.1.2). An absent value is nil. ok is false at a syntax error; an
// empty keyword means that there is nothing more.
func nextParam(b []byte) (keyword, value, rest []byte, ok bool) {
	b = bytes.TrimLeft(b, " ") // more than one space, or one at the end, harms nobody
	if len(b) == 0 {
		return nil, nil, nil, true
	}
	b, rest, _ = bytes.Cut(b, []byte{' '})
	keyword, value, valued := bytes.Cut(b, []byte{'='})
	if !isKeyword(keyword) || valued && !isValue(value) {
		return nil, nil, nil, false
	}
	return keyword, value, rest, true
}

// isKeyword is esmtp-keyword.
func isKeyword(b []byte) bool {
	if len(b) == 0 || b[0] == '-' {
		return false
	}
	for _, c := range b {
		if !letDig(c) && c != '-' {
			return false
		}
	}
	return true
}

// isValue is esmtp-value with the extension of RFC 6531 §3.3. An "=" inside is
// refused as the grammar says.
func isValue(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c == '=' || c == 0x7F {
			return false
		}
	}
	return len(b) > 0 && utf8.Valid(b)
}

// is compares a keyword or value with an ASCII word, without regard to case.
func is(b []byte, word string) bool {
	return len(b) == len(word) && strings.EqualFold(string(b), word)
}

// parseSize is size-value: 1*20DIGIT (RFC 1870 §3). Numbers too large for an
// int64 give the largest one.
func parseSize(b []byte) (n int64, ok bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	const largest = 1<<63 - 1
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > (largest-9)/10 {
			n = largest
			continue
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// decodeXtext undoes xtext (RFC 3461 §4). The result may hold only printable
// ASCII, as notices demand.
func decodeXtext(b []byte) (string, bool) {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == '+' {
			if i+2 >= len(b) {
				return "", false
			}
			hi, lo := upperHex(b[i+1]), upperHex(b[i+2])
			if hi < 0 || lo < 0 {
				return "", false
			}
			c = byte(hi<<4 | lo)
			i += 2
		} else if c <= ' ' || c > '~' || c == '=' {
			return "", false
		}
		if c < ' ' || c > '~' {
			return "", false
		}
		out = append(out, c)
	}
	return string(out), true
}

// upperHex is the value of an upper case hexadecimal digit, or -1.
func upperHex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// decodeUTF8Address undoes utf-8-addr-xtext and takes utf-8-addr-unitext as it
// is (RFC 6533 §3): "\x{HEX}" stands for a character.
func decodeUTF8Address(b []byte) (string, bool) {
	var out strings.Builder
	for len(b) > 0 {
		if !bytes.HasPrefix(b, []byte(`\x{`)) {
			if b[0] <= ' ' || b[0] == 0x7F || b[0] == '=' || b[0] == '\\' {
				return "", false
			}
			out.WriteByte(b[0])
			b = b[1:]
			continue
		}
		hex, rest, closed := bytes.Cut(b[3:], []byte{'}'})
		r, ok := parseHexRune(hex)
		if !closed || !ok {
			return "", false
		}
		out.WriteRune(r)
		b = rest
	}
	return out.String(), out.Len() > 0 && utf8.ValidString(out.String())
}

// parseHexRune reads two to six upper case digits that name a character other than a control.
func parseHexRune(hex []byte) (rune, bool) {
	if len(hex) < 2 || len(hex) > 6 {
		return 0, false
	}
	r := rune(0)
	for _, c := range hex {
		d := upperHex(c)
		if d < 0 {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, utf8.ValidRune(r) && r >= ' ' && r != 0x7F
}

// parseNotify is notify-esmtp-value (RFC 3461 §4.1).
func parseNotify(b []byte) (n Notify, ok bool) {
	if is(b, "NEVER") {
		return NotifyNever, true
	}
	for _, word := range bytes.Split(b, []byte{','}) {
		switch {
		case is(word, "SUCCESS"):
			n |= NotifySuccess
		case is(word, "FAILURE"):
			n |= NotifyFailure
		case is(word, "DELAY"):
			n |= NotifyDelay
		default:
			return 0, false
		}
	}
	return n, true
}

// parseORCPT is original-recipient-address (RFC 3461 §4.2, RFC 6533 §3).
func parseORCPT(b []byte) (addrType, address string, ok bool) {
	kind, encoded, found := bytes.Cut(b, []byte{';'})
	if !found || len(b) > maxORCPT || len(encoded) == 0 {
		return "", "", false
	}
	g := grammar{b: kind, ascii: true}
	if !g.atom() || g.pos != len(kind) || !g.ascii {
		return "", "", false
	}
	if is(kind, "utf-8") {
		address, ok = decodeUTF8Address(encoded)
	} else {
		address, ok = decodeXtext(encoded)
	}
	return string(kind), address, ok
}
