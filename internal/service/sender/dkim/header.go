package dkim

import (
	"bytes"
	"strings"
)

// Header is a message's header section, field by field, from the top.
type Header []Field

// Field is one field as it stands in the message.
type Field struct {
	// Name is in lower case, without the white space, folded even, that obsolete syntax allows before the colon.
	Name string
	// Raw is the whole field with folding, without its final line end.
	Raw string
}

// Body is what follows the colon.
func (f Field) Body() string {
	_, body, _ := strings.Cut(f.Raw, ":")
	return body
}

// ParseHeader splits a header section, up to the empty line or the end. Lines that are no
// field and continue none are passed over.
func ParseHeader(raw string) Header {
	h := make(Header, 0, 32)
	for raw != "" && !strings.HasPrefix(raw, "\r\n") {
		n := fieldLength(raw)
		field := strings.TrimSuffix(raw[:n], "\r\n")
		raw = raw[n:]
		if name, _, ok := strings.Cut(field, ":"); ok {
			h = append(h, Field{strings.ToLower(strings.TrimRight(name, fws)), field})
		}
	}
	return h
}

// fieldLength is the length of the first field with its line end. Only CRLF ends a line.
func fieldLength(s string) int {
	for i := 0; ; {
		j := strings.Index(s[i:], "\r\n")
		if j < 0 {
			return len(s)
		}
		if i += j + 2; i == len(s) || s[i] != ' ' && s[i] != '\t' {
			return i
		}
	}
}

// appendField appends a field's canonical form (RFC 6376 §3.4.1, §3.4.2), without the final line end.
func appendField(b []byte, raw string, relaxed bool) []byte {
	if !relaxed {
		return append(b, raw...)
	}
	name, body, _ := strings.Cut(raw, ":")
	for i := range len(name) {
		if c := name[i]; c >= 'A' && c <= 'Z' {
			b = append(b, c|0x20)
		} else {
			b = append(b, c)
		}
	}
	b = append(bytes.TrimRight(b, fws), ':')
	return appendUnfolded(b, body)
}

// appendUnfolded appends s on one line, with each run of white space as one space, and none at either end.
func appendUnfolded(b []byte, s string) []byte {
	start, space := len(b), false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == ' ' || c == '\t':
			space = true
		case c == '\r' && i+1 < len(s) && s[i+1] == '\n':
			i++
		default:
			if space && len(b) > start {
				b = append(b, ' ')
			}
			space = false
			b = append(b, c)
		}
	}
	return b
}

// AppendRelaxed appends a field in relaxed form, without the final line end.
func AppendRelaxed(b []byte, raw string) []byte { return appendField(b, raw, true) }
