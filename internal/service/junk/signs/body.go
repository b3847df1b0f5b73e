package signs

import (
	"io"

	"postroad/internal/format/charset"
	"postroad/internal/format/message"
)

// read returns the decoded beginning of a text, as UTF-8 as far as it matters for links. It is valid until the next read.
func (m *Message) read(p *message.Part) []byte {
	b := m.raw(p, maxBody)
	if m.facts.Keep != nil && !message.Identity(p.Encoding) {
		m.facts.Keep(p.BodyOffset, b, len(b) < min(maxBody, m.room+len(b)))
	}
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

// tail returns the decoded end of a part, of about limit bytes.
func (m *Message) tail(p *message.Part, limit int) []byte {
	b := p.Tail(m.msg, min(limit, m.room))
	m.room -= len(b)
	return b
}
