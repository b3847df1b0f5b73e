package scan

import (
	"bytes"

	"postroad/internal/fault"
)

// MaxHeader is the largest header that can be shown field by field, in bytes, and MaxHeaderFields how many fields.
const (
	MaxHeader       = 1 << 20
	MaxHeaderFields = 5000
)

// Header reads the header, without the empty line behind it. fault.Unsupported: it is larger than MaxHeader.
func (m *Message) Header() ([]byte, error) {
	for n := int64(8 << 10); ; n *= 4 {
		n = min(n, m.Size, MaxHeader)
		b := make([]byte, n)
		if got, err := m.Content.ReadAt(b, 0); got < len(b) {
			return nil, fault.Wrap(fault.Unavailable, err, "the message can't be read")
		}
		if bytes.HasPrefix(b, []byte("\r\n")) {
			return nil, nil
		}
		if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
			return b[:i+2], nil
		}
		if n == m.Size {
			return b, nil
		}
		if n == MaxHeader {
			return nil, fault.New(fault.Unsupported, "the message's header is too large for milters")
		}
	}
}

// CutField parts the first field of a header, with its line ends, from those behind it.
func CutField(head []byte) (field, rest []byte) {
	for i := 0; ; {
		n := bytes.Index(head[i:], []byte("\r\n"))
		if n < 0 {
			return head, nil
		}
		if i += n + 2; i == len(head) || head[i] != ' ' && head[i] != '\t' {
			return head[:i], head[i:]
		}
	}
}

// FieldName is the name of a field that CutField gave; ok is false if it is none.
func FieldName(field []byte) (name string, value []byte, ok bool) {
	before, value, ok := bytes.Cut(field, []byte(":"))
	return string(bytes.TrimRight(before, " \t")), value, ok
}
