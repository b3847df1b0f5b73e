package sieve

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"postroad/internal/format/message"
	syntax "postroad/internal/format/sieve"
)

// replace is "replace". RFC 5703 §5.
type replace struct {
	pos           syntax.Pos
	mime          bool
	subject, from *value
	text          value
}

var replaceTags = []tag{{name: "mime"}, {name: "subject", value: aString}, {name: "from", value: aString}}

func (c *compiler) replace(a *args) command {
	r := &replace{pos: a.call.Pos, mime: a.has("mime"), subject: c.tagText(a, "subject"), from: c.tagText(a, "from"), text: c.argText(a, 0)}
	if r.mime && (r.subject != nil || r.from != nil) {
		c.fail(a.call.Pos, "replace with :mime has no :subject and no :from: what it writes is part of the header")
	}
	if r.from != nil && r.from.constant() {
		if _, ok := parseMailboxes(r.from.lit); !ok {
			c.fail(r.from.pos, "'%s' is no address", cut(oneLine(r.from.lit), 200))
		}
	}
	if r.mime && r.text.constant() && !cleanEntity(r.text.lit) {
		c.fail(r.text.pos, "the header of this MIME entity has octets that must be encoded")
	}
	return r
}

func (r *replace) exec(m *machine) error {
	entity, err := r.entity(m)
	if err != nil {
		return err
	}
	m.burn(len(entity) * 4)
	if m.written += len(entity); m.written > m.limits.BodyBytes {
		return m.failure(r.pos, "the script writes too much: %d octets are allowed", m.limits.BodyBytes)
	}
	n := len(m.loops)
	if n == 0 {
		return r.whole(m, entity)
	}
	l := &m.loops[n-1]
	switch {
	case l.place == nil:
		return m.failure(r.pos, "this part was made by replace: it can only be replaced as a whole")
	case !m.holds(l.base):
		return nil // the part isn't there any more
	case l.place.HeaderOffset == 0:
		if err := r.whole(m, entity); err != nil {
			return err
		}
		s, err := m.structure()
		if err == nil {
			*l = loop{part: s.Root, in: m.body, base: m.msg, root: s.Root, place: s.Root}
		}
		return err
	}
	return r.part(m, l, entity)
}

// entity is the replacement as a MIME entity.
func (r *replace) entity(m *machine) ([]byte, error) {
	text := m.text(&r.text)
	if r.mime {
		if !cleanEntity(text) {
			return nil, m.failure(r.text.pos, "the header of this MIME entity has octets that must be encoded")
		}
		return []byte(ended(text)), nil
	}
	d := message.Draft{Body: message.NewText(ended(text))}
	return bytes.TrimPrefix(d.Bytes(), []byte("MIME-Version: 1.0\r\n")), nil
}

// part replaces one part, which the rest of the loop sees as it is then.
func (r *replace) part(m *machine, l *loop, entity []byte) error {
	p := l.place
	if isEmbedded(l, p) { // the header of a message inside is more than that of a part
		head, err := readRange(l.base, p.HeaderOffset, min(p.HeaderSize, int64(m.limits.HeaderBytes)))
		if err != nil {
			return err
		}
		var body []byte
		head, body = reheaded(head, entity)
		entity = slices.Concat(head, body)
	}
	rev := m.revise()
	rev.put(p.HeaderOffset, p.BodyOffset+p.BodySize, bytes.TrimSuffix(entity, []byte("\r\n"))) // the boundary has its own line end
	m.apply(rev)
	made := &revised{}
	made.addText(entity)
	made.head = entityHead(entity)
	s := message.NewParser(message.Limits{Depth: 50, Parts: 2000})
	s.Write(entity)
	l.part = s.Finish().Root
	l.in = newBodies(made)
	return nil
}

// isEmbedded reports whether a part is all of a message inside of the message.
func isEmbedded(l *loop, p *message.Part) bool {
	found := false
	l.root.Walk(func(q *message.Part) bool {
		found = found || q.Message != nil && q.Message.Root == p
		return !found
	})
	return found
}

func entityHead(entity []byte) []byte {
	if bytes.HasPrefix(entity, []byte("\r\n")) {
		return entity[:2]
	}
	if i := bytes.Index(entity, []byte("\r\n\r\n")); i >= 0 {
		return entity[:i+4]
	}
	return entity
}

// whole replaces the message: its header stays, but for what says how the body is to be read.
func (r *replace) whole(m *machine, entity []byte) error {
	head, body := reheaded(m.msg.Header(), entity)
	if r.subject != nil {
		head = renamed(head, "Subject", func(d *message.Draft) { d.AddText("Subject", shortened(oneLine(m.text(r.subject)))) })
	}
	if r.from != nil {
		from := oneLine(m.text(r.from))
		if _, ok := parseMailboxes(from); ok { // RFC 5703 §5: others are ignored
			head = renamed(head, "From", func(d *message.Draft) { d.AddAddresses("From", people(from)...) })
		}
	}
	if len(head) > m.limits.HeaderBytes {
		return m.failure(r.pos, "the header gets too long")
	}
	msg := &revised{head: head}
	msg.addText(head)
	msg.addText(body)
	m.become(msg)
	return nil
}

// reheaded is the header of a message that gets another body, and that body. Of the entity's header only Content-* fields count.
func reheaded(head, entity []byte) (newHead, body []byte) {
	old, given := message.ParseHeader(string(head)), message.ParseHeader(string(entityHead(entity)))
	for _, f := range old.Fields {
		name := lowerASCII(old.Name(f))
		if name != "mime-version" && !strings.HasPrefix(name, "content-") {
			newHead = append(newHead, head[f.Start:f.End]...)
		}
	}
	newHead = append(newHead, "MIME-Version: 1.0\r\n"...)
	for _, f := range given.Fields {
		if strings.HasPrefix(lowerASCII(given.Name(f)), "content-") {
			newHead = append(newHead, entity[f.Start:f.End]...)
		}
	}
	return append(newHead, "\r\n"...), entity[len(entityHead(entity)):]
}

// renamed gives a header another field of a name; the old one stays as Original-NAME. RFC 5703 §5.
func renamed(head []byte, name string, add func(*message.Draft)) []byte {
	h := message.ParseHeader(string(head))
	d := message.Draft{}
	add(&d)
	out := make([]byte, 0, len(head)+128)
	done := false
	for _, f := range h.Fields {
		if !equalASCII(h.Name(f), name) {
			out = append(out, head[f.Start:f.End]...)
			continue
		}
		if !done {
			out, done = append(out, fieldLine(&d)...), true
		}
		out = append(append(out, "Original-"...), head[f.Start:f.End]...)
	}
	if !done {
		out = append(out, fieldLine(&d)...)
	}
	return append(out, "\r\n"...)
}

// enclose is "enclose". RFC 5703 §6.
type enclose struct {
	pos     syntax.Pos
	subject *value
	headers []value
	text    value
}

// maxEnclosures is how many messages may lie around one another.
const maxEnclosures = 4

func (c *compiler) enclose(a *args) command {
	return &enclose{a.call.Pos, c.tagText(a, "subject"), c.tagList(a, "headers"), c.argText(a, 0)}
}

func (e *enclose) exec(m *machine) error {
	if m.enclosed == maxEnclosures {
		return m.failure(e.pos, "the message has been enclosed too often: %d times are allowed", maxEnclosures)
	}
	fields := fieldLines(e.draft(m))
	sum := sha256.Sum256(append(slices.Clone(fields), m.msg.Header()...))
	boundary := hex.EncodeToString(sum[:16]) // what nobody can have put into the message
	var text message.Draft
	text.Body = message.NewText(ended(m.text(&e.text)))
	head := slices.Concat(e.trace(m), fields, []byte("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="+boundary+"\r\n\r\n"))
	if len(head) > m.limits.HeaderBytes {
		return m.failure(e.pos, "the header gets too long")
	}
	msg := &revised{head: head}
	msg.addText(head)
	part := bytes.TrimPrefix(text.Bytes(), []byte("MIME-Version: 1.0\r\n"))
	msg.addText(slices.Concat([]byte("--"+boundary+"\r\n"), part, []byte("\r\n--"+boundary+"\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")))
	msg.add(m.msg, 0, m.msg.Size())
	msg.addText([]byte("\r\n--" + boundary + "--\r\n"))
	if m.enclosed == 0 {
		m.inner = m.msg
	}
	m.enclosed++
	m.become(msg)
	return nil
}

// fieldLines are a draft's fields as they are written.
func fieldLines(d *message.Draft) []byte {
	b := d.Bytes()
	return b[:bytes.LastIndex(b, []byte("MIME-Version:"))]
}

// draft is the header of the new message, where it came from apart: what is to be taken over, and what there must be.
func (e *enclose) draft(m *machine) *message.Draft {
	d := &message.Draft{}
	taken := map[string]bool{}
	names := m.texts(e.headers)
	h := m.head()
	for i := range h.labels {
		f := h.at(i)
		name := lowerASCII(f.name)
		if !containsFold(names, name) || name == "mime-version" || strings.HasPrefix(name, "content-") || name == "subject" && e.subject != nil || slices.Contains(protected, name) {
			continue
		}
		taken[name] = true
		d.Add(f.name, strings.TrimSpace(f.unfolded()))
	}
	if !taken["date"] {
		d.AddDate("Date", m.now())
	}
	if !taken["from"] {
		d.AddAddresses("From", m.owner())
	}
	switch f := h.first("Subject"); {
	case e.subject != nil:
		d.AddText("Subject", shortened(oneLine(m.text(e.subject))))
	case f != nil && !taken["subject"]:
		d.Add("Subject", strings.TrimSpace(f.unfolded()))
	}
	return d
}

// owner is whose script it is.
func (m *machine) owner() message.Address {
	address := m.env.Envelope.To
	if len(m.env.Addresses) > 0 {
		address = m.env.Addresses[0]
	}
	for _, a := range people(address) {
		a.Name = m.env.Name
		return a
	}
	return message.Address{Mailbox: "postmaster", Group: message.NoGroup}
}

// trace are the fields that say where the message came from: they are the new one's as well.
func (e *enclose) trace(m *machine) []byte {
	head := m.msg.Header()
	h := message.ParseHeader(string(head))
	var out []byte
	for _, f := range h.Fields {
		if name := lowerASCII(h.Name(f)); name != "auto-submitted" && slices.Contains(protected, name) {
			out = append(out, head[f.Start:f.End]...)
		}
	}
	return out
}
