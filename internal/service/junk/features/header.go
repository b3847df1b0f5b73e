package features

import (
	"bytes"

	"postroad/internal/format/htmltag"
	"postroad/internal/format/summary"
)

// header adds what the message's header tells.
func (x *extraction) header(m *Message) {
	x.limit = fieldLimit
	var last *field
	for i := range x.fields {
		f := &x.fields[i]
		passed := f.passed()
		x.listed = x.listed || passed
		if (passed || f.about&addedByList != 0) && len(x.lists) < maxHops {
			x.lists = append(x.lists, f.value)
		}
		if f.about&ofReceived != 0 && len(x.hops) < maxHops {
			x.hops = append(x.hops, f.value)
		}
		if f.about&(traced|addedByList) != 0 {
			continue
		}
		name := x.reading.name(f)
		x.put(Field, f.whole, name, nil)
		if last != nil {
			x.put(Order, hash(last.first, name), x.reading.name(last), name)
		}
		last = f
		x.field(f, name)
	}
	x.limit = headLimit
	x.subject(m.Summary.Subject())
	x.addresses(m)
	if m.Summary.MessageID() == "" {
		x.addString(ID, "missing")
	}
}

// HeaderOf returns a message's header, of a long one the beginning: MaxHeader octets, in two parts.
func HeaderOf(m *Message) (front, rest []byte) {
	front = m.Front[:min(len(m.Front), MaxHeader)]
	if h := m.Summary.Header(); h != nil {
		return front, h
	}
	root, ok := m.Summary.Root()
	if !ok || m.Body == nil {
		return front, nil
	}
	rest = make([]byte, min(root.Header.Size, int64(MaxHeader-len(front))))
	n, _ := m.Body.ReadAt(rest, root.Header.Offset) // what was read is what there is
	return front, rest[:max(n, 0)]
}

// field adds what the value of a field tells.
func (x *extraction) field(f *field, name []byte) {
	switch value := bytes.TrimSpace(f.value); {
	case f.about&ofMailer != 0:
		x.program = value
		x.mailer(value)
	case f.about&ofDate != 0:
		x.date(value)
	case f.about&ofID != 0:
		value = bytes.Trim(value, "<> ")
		x.shapes = appendShape(x.shapes[:0], value)
		x.add(ID, x.shapes)
	case f.about&ofType != 0:
		if i := indexFold(value, "boundary"); i >= 0 {
			x.shapes = appendShape(x.shapes[:0], bytes.Trim(htmltag.Attr(value[i:], "boundary"), "\"; "))
			x.add2String(Part, "boundary", x.shapes)
		}
	case f.about&valued != 0:
		x.low = append(append(x.low[:0], name...), ':')
		for _, c := range value[:min(len(value), 30)] {
			x.low = append(x.low, lower(c))
		}
		x.add(Field, x.low)
	}
}

// mailer adds the words of a program's name, without its version.
func (x *extraction) mailer(v []byte) {
	v = x.lower(v[:min(len(v), 80)])
	n := 0
	for w := range bytes.FieldsSeq(v) {
		if c := w[0]; c >= '0' && c <= '9' || c == 'v' && len(w) > 1 && w[1] <= '9' {
			x.shapes = appendShape(x.shapes[:0], w)
			w = x.shapes
		}
		x.add(Mailer, w)
		if n++; n >= 5 {
			return
		}
	}
}

func (x *extraction) date(v []byte) {
	x.shapes = appendShape(x.shapes[:0], v)
	x.add(Date, x.shapes)
	if i := bytes.LastIndexAny(v, "+-"); i > 0 && len(v)-i >= 5 {
		x.add2String(Date, "zone", v[i:i+5])
	}
}

// subject adds the words of the subject, and how it is written.
func (x *extraction) subject(s string) {
	if x.listed {
		s = withoutTag(s)
	}
	before := x.folder
	x.shapes = x.folder.append(x.shapes[:0], []byte(s[:min(len(s), 500)]), 400)
	text := x.shapes
	capitals := x.folder.upper - before.upper
	x.some(Subject, "(tricks with characters)", x.folder.tricks()-before.tricks())
	x.words(Subject, SubjectPair, text)
	x.count, x.single, x.long = 0, 0, 0
	switch n := len(text); {
	case n == 0:
		x.addString(Subject, "(nothing)")
	case n > 8 && capitals*2 > n:
		x.addString(Subject, "(capitals)")
	}
	if n := bytes.Count(text, []byte("!")); n > 0 {
		x.shape(Subject, "!", min(n, 3))
	}
	if bytes.IndexByte(text, '?') >= 0 {
		x.addString(Subject, "?")
	}
	if bytes.Contains(text, []byte("     ")) {
		x.addString(Subject, "(gaps)")
	}
}

// addresses adds who wrote the message and to whom, and how these addresses go together.
func (x *extraction) addresses(m *Message) {
	from := first(m.Summary, summary.From)
	x.author(&from)
	host := x.authorHost(&from)
	x.relation("reply to", first(m.Summary, summary.ReplyTo), host)
	if x.listed {
		x.addString(To, "a list")
	} else {
		x.relation("sent by", first(m.Summary, summary.Sender), host)
		x.envelope(&m.Facts, host)
	}
	x.recipients(m.Summary, &from)
	if id := m.Summary.MessageID(); id != "" {
		d := []byte(domainOf(id))
		x.same(ID, "of the author's domain", host, d)
		x.trace(host, d)
	} else {
		x.trace(host, nil)
	}
	x.domain = append(x.domain, domainIn(host)...)
	x.agreement(m.Summary.MessageID())
}

func first(r summary.Record, l summary.List) summary.AddressBytes {
	list := r.Addresses(l)
	for {
		a, ok := list.Next()
		if !ok || a.Host != nil || a.Mailbox != nil {
			return a
		}
	}
}

// author adds the author's address and name.
func (x *extraction) author(a *summary.AddressBytes) {
	if len(a.Host) == 0 {
		x.addString(Address, "no author")
		return
	}
	x.low = append(x.lower(a.Mailbox), '@')
	for _, c := range a.Host {
		x.low = append(x.low, lower(c))
	}
	x.add(From, x.low)
	x.host(From, From, x.low[len(a.Mailbox)+1:])
	x.shapes = appendShape(x.shapes[:0], a.Mailbox)
	x.add2String(Address, "author like", x.shapes)
	name := bytes.TrimSpace(a.Name)
	if len(name) == 0 {
		x.addString(Address, "author without a name")
		return
	}
	before := x.folder
	x.shapes = x.folder.append(x.shapes[:0], name, 200)
	x.some(Name, "(tricks with characters)", x.folder.tricks()-before.tricks())
	x.words(Name, Name, x.shapes)
	x.count, x.single, x.long = 0, 0, 0
	if at := bytes.IndexByte(x.shapes, '@'); at > 0 {
		x.same(Address, "name is an address", x.authorHost(a), bytes.Trim(x.shapes[at+1:], " <>\"'"))
	}
}

// authorHost returns the author's host in lower case. It is valid until the next message.
func (x *extraction) authorHost(a *summary.AddressBytes) []byte {
	x.authors = x.authors[:0]
	for _, c := range a.Host {
		x.authors = append(x.authors, lower(c))
	}
	return x.authors
}

// same adds whether two domains belong together.
func (x *extraction) same(k Kind, what string, a, b []byte) {
	switch {
	case bytes.EqualFold(a, b):
		x.add2String(k, what, []byte("yes"))
	case bytes.EqualFold(domainIn(a), domainIn(b)):
		x.add2String(k, what, []byte("nearly"))
	default:
		x.add2String(k, what, []byte("no"))
	}
}

// relation adds how another address goes with the author's.
func (x *extraction) relation(what string, a summary.AddressBytes, host []byte) {
	if len(a.Host) > 0 {
		x.same(Address, what, host, a.Host)
	}
}

// recipients adds to how many the message is, and how they are written.
func (x *extraction) recipients(r summary.Record, from *summary.AddressBytes) {
	n, named, self := 0, 0, false
	for _, l := range [...]summary.List{summary.To, summary.Cc} {
		list := r.Addresses(l)
		for a, ok := list.Next(); ok && n < 200; a, ok = list.Next() {
			if len(a.Host) == 0 {
				continue
			}
			n++
			if len(a.Name) > 0 {
				named++
			}
			self = self || bytes.EqualFold(a.Host, from.Host) && bytes.EqualFold(a.Mailbox, from.Mailbox)
		}
	}
	x.shape(To, "number", bucket(n))
	if n == 1 && named == 1 {
		x.addString(To, "named")
	}
	if self {
		x.addString(To, "the author")
	}
}

// envelope adds how the reverse-path goes with the author.
func (x *extraction) envelope(f *Facts, host []byte) {
	if f.From == "" {
		return
	}
	d := []byte(domainOf(f.From))
	x.same(Envelope, "the author's domain", host, d)
	x.host(Envelope, Envelope, d)
}
