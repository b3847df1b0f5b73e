package features

import (
	"bytes"

	"postroad/internal/format/message"
)

// eachField calls yield for each field of a header, with the value as it is written, until it returns false.
func eachField(header []byte, yield func(name, value []byte) bool) {
	for len(header) > 0 {
		end := message.FieldEnd(header)
		name, value, ok := bytes.Cut(header[:end], []byte(":"))
		header = header[end:]
		name = bytes.TrimRight(name, " \t")
		if !ok || len(name) == 0 || bytes.IndexByte(name, ' ') >= 0 {
			continue
		}
		if !yield(name, value) {
			return
		}
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
