package signs

import (
	"io"

	"postroad/internal/format/charset"
	"postroad/internal/format/message"
)

// read returns the decoded beginning of a text, as UTF-8 as far as it matters for links. It is valid until the next read.
func (m *Message) read(p *message.Part) []byte {
	b := m.raw(p, maxBody)
	if name := p.Charset(); name != "" && !charset.IsUTF8(name, b) {
		s, _ := charset.Decode(name, b)
		return []byte(s)
	}
	return b
}

// raw returns the decoded beginning of a part, of at most limit bytes and what is left of the room for all. It is valid until the next read.
func (m *Message) raw(p *message.Part, limit int) []byte {
	limit = min(limit, m.room, int(min(p.BodySize, maxBodies)))
	if limit <= 0 {
		return nil
	}
	if cap(m.buffer) < limit {
		m.buffer = make([]byte, limit)
	}
	b := m.buffer[:limit]
	var n int
	if message.Identity(p.Encoding) {
		n, _ = m.msg.ReadAt(b, p.BodyOffset) // what was read is what there is
	} else {
		n, _ = io.ReadFull(p.Body(m.msg), b)
	}
	m.room -= n
	return b[:n]
}

// tail returns the decoded end of a part, of about limit bytes. It is valid until the next read.
//
// Groups of four characters of base64 are counted from the end: it is complete, the beginning of what is read isn't.
func (m *Message) tail(p *message.Part, limit int) []byte {
	raw := min(int64(limit), p.BodySize)
	if p.Encoding == "base64" {
		raw = min(int64(limit)*3/2, p.BodySize)
	}
	if raw = min(raw, int64(m.room)); raw <= 0 || !message.Identity(p.Encoding) && p.Encoding != "base64" {
		return nil
	}
	b := make([]byte, raw)
	n, _ := m.msg.ReadAt(b, p.BodyOffset+p.BodySize-raw)
	m.room -= n
	if p.Encoding != "base64" {
		return b[:n]
	}
	return fromBase64(b[:n])
}

// fromBase64 decodes the end of a body in base64, in place.
func fromBase64(b []byte) []byte {
	k := 0
	for _, c := range b {
		if value(c) != 0xff || c == '=' {
			b[k] = c
			k++
		}
	}
	b = b[k%4 : k]
	n := 0
	for i := 0; i+4 <= len(b); i += 4 {
		q := b[i : i+4]
		v := uint32(value(q[0])&63)<<18 | uint32(value(q[1])&63)<<12 | uint32(value(q[2])&63)<<6 | uint32(value(q[3])&63)
		out := 3
		if q[3] == '=' {
			out--
		}
		if q[2] == '=' {
			out--
		}
		for j := range out {
			b[n] = byte(v >> (16 - 8*j))
			n++
		}
	}
	return b[:n]
}

// value is a character's in base64; 0xff: it is none.
func value(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c - 'A'
	case 'a' <= c && c <= 'z':
		return c - 'a' + 26
	case '0' <= c && c <= '9':
		return c - '0' + 52
	case c == '+':
		return 62
	case c == '/':
		return 63
	}
	return 0xff
}
