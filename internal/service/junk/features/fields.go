package features

import (
	"bytes"

	"postroad/internal/format/message"
)

// eachField calls yield for each field of a header, with the value as it is written, until it returns false. It reports whether it never did.
func eachField(header []byte, yield func(name, value []byte) bool) bool {
	for len(header) > 0 {
		end := message.FieldEnd(header)
		field := header[:end]
		header = header[end:]
		colon := bytes.IndexByte(field, ':')
		n := colon
		for n > 0 && (field[n-1] == ' ' || field[n-1] == '\t') { // RFC 5322 §4.5
			n--
		}
		if n <= 0 || bytes.IndexByte(field[:n], ' ') >= 0 {
			continue
		}
		if !yield(field[:n], field[colon+1:]) {
			return false
		}
	}
	return true
}

// eachFieldOf does so for a header in two parts.
func eachFieldOf(front, rest []byte, yield func(name, value []byte) bool) {
	if eachField(front, yield) {
		eachField(rest, yield)
	}
}

// is reports whether a field has a name, which is ASCII.
func is(field []byte, name string) bool {
	if len(field) != len(name) {
		return false
	}
	for i := range field {
		if lower(field[i]) != lower(name[i]) {
			return false
		}
	}
	return true
}

func hasPrefix(field []byte, prefix string) bool {
	return len(field) >= len(prefix) && is(field[:len(prefix)], prefix)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
