package dkim

import "strings"

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
	var room [32]Field // as many as most messages have
	h := Header(room[:0])
	for raw != "" && !strings.HasPrefix(raw, "\r\n") {
		n := fieldLength(raw)
		field := strings.TrimSuffix(raw[:n], "\r\n")
		raw = raw[n:]
		if name, _, ok := strings.Cut(field, ":"); ok {
			h = append(h, Field{lowerName(name), field})
		}
	}
	return append(make(Header, 0, len(h)), h...)
}

// lowerName is a field's name in lower case, without the white space behind it.
func lowerName(name string) string {
	for name != "" && isFWS(name[len(name)-1]) {
		name = name[:len(name)-1]
	}
	var room [32]byte
	if len(name) > len(room) {
		return strings.ToLower(name)
	}
	b := room[:len(name)]
	for i := range len(name) {
		c := name[i]
		if c >= 0x80 {
			return strings.ToLower(name)
		}
		b[i] = lower(c)
	}
	return usualName(b)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// usualName spares most messages' names a copy each.
func usualName(name []byte) string {
	switch string(name) {
	case "from":
		return "from"
	case "to":
		return "to"
	case "cc":
		return "cc"
	case "date":
		return "date"
	case "subject":
		return "subject"
	case "message-id":
		return "message-id"
	case "received":
		return "received"
	case "mime-version":
		return "mime-version"
	case "content-type":
		return "content-type"
	case "content-transfer-encoding":
		return "content-transfer-encoding"
	case "dkim-signature":
		return "dkim-signature"
	case "references":
		return "references"
	case "in-reply-to":
		return "in-reply-to"
	case "reply-to":
		return "reply-to"
	}
	return string(name)
}

// fieldLength is the length of the first field with its line end. Only CRLF ends a line.
func fieldLength(s string) int {
	for i := 0; ; {
		j := strings.IndexByte(s[i:], '\n')
		if j < 0 {
			return len(s)
		}
		i += j + 1
		if i > 1 && s[i-2] == '\r' && (i == len(s) || s[i] != ' ' && s[i] != '\t') {
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
	start := len(b)
	for i := range len(name) {
		b = append(b, lower(name[i]))
	}
	for len(b) > start && isFWS(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return appendUnfolded(append(b, ':'), body)
}

// appendUnsigned is appendField of a signature field without its value, which need not be put together for it: what is around the value has no white
// space next to it.
func appendUnsigned(b []byte, own string, relaxed bool) []byte {
	before, behind := aroundSignature(own)
	b = appendField(b, before, relaxed)
	if !relaxed {
		return append(b, behind...)
	}
	return appendUnfolded(b, behind)
}

// appendUnfolded appends s on one line, with each run of white space as one space, and none at either end.
func appendUnfolded(b []byte, s string) []byte {
	start, space := len(b), false
	for i := 0; i < len(s); {
		n := i + words([]byte(s[i:]))
		switch {
		case n > i:
		case s[i] == ' ' || s[i] == '\t':
			space = true
			i++
			continue
		case i+1 < len(s) && s[i+1] == '\n':
			i += 2
			continue
		default: // a CR by itself
			n++
		}
		if space && len(b) > start {
			b = append(b, ' ')
		}
		space = false
		b = append(b, s[i:n]...)
		i = n
	}
	return b
}

// AppendRelaxed appends a field in relaxed form, without the final line end.
func AppendRelaxed(b []byte, raw string) []byte { return appendField(b, raw, true) }
