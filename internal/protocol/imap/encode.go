package imap

import (
	"strconv"

	"postroad/internal/model/mailbox"
)

const crlf = "\r\n"

// appendQuoted writes a quoted string, or a literal if s can't be quoted (line ends, NUL).
func appendQuoted(dst []byte, s string) []byte {
	for i := range len(s) {
		if s[i] == '\r' || s[i] == '\n' || s[i] == 0 {
			return appendLiteral(dst, s)
		}
	}
	dst = append(dst, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

// appendLiteral writes a literal.
func appendLiteral(dst []byte, s string) []byte {
	dst = strconv.AppendInt(append(dst, '{'), int64(len(s)), 10)
	return append(append(dst, "}\r\n"...), s...)
}

// appendString writes a string: quoted if it is ASCII or 8-bit is welcome, else a literal.
func appendString(dst []byte, s string, utf8 bool) []byte {
	if !utf8 {
		for i := range len(s) {
			if s[i] >= 0x80 {
				return appendLiteral(dst, s)
			}
		}
	}
	return appendQuoted(dst, s)
}

// flagNames are the system flags in the order in which they are shown.
var flagNames = [...]struct {
	flag mailbox.Flags
	name string
}{
	{mailbox.Answered, `\Answered`}, {mailbox.Flagged, `\Flagged`}, {mailbox.Deleted, `\Deleted`},
	{mailbox.Seen, `\Seen`}, {mailbox.Draft, `\Draft`},
}

// appendFlags writes a message's flags in parentheses.
func appendFlags(dst []byte, r *mailbox.Row, recent bool) []byte {
	dst = append(dst, '(')
	start := len(dst)
	for _, f := range flagNames {
		if r.Flags&f.flag != 0 {
			dst = append(append(dst, f.name...), ' ')
		}
	}
	if recent {
		dst = append(dst, `\Recent `...)
	}
	for _, k := range r.Keywords.Names() {
		dst = append(append(dst, k...), ' ')
	}
	if len(dst) > start {
		dst = dst[:len(dst)-1]
	}
	return append(dst, ')')
}

func appendUint[T ~uint32 | ~uint64](dst []byte, n T) []byte {
	return strconv.AppendUint(dst, uint64(n), 10)
}

// line appends an untagged response: its parts joined as they are, and a line end.
func (o *output) line(parts ...string) {
	b := o.buf()
	for _, p := range parts {
		b = append(b, p...)
	}
	o.set(append(b, crlf...))
}

// number appends "* n WORD".
func (o *output) number(n int, word string) {
	b := strconv.AppendInt(append(o.buf(), "* "...), int64(n), 10)
	o.set(append(append(append(b, ' '), word...), crlf...))
}
