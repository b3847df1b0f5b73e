package signs

import (
	"slices"
	"strings"

	"postroad/internal/format/message"
)

// author looks at who the message says it is from.
func (m *Message) author(e *message.Envelope) {
	m.subject = message.DecodeWords(e.Subject)
	if turned(m.subject) {
		m.all.add(NameHidden, Warning, m.subject)
	}
	i := slices.IndexFunc(e.From, func(a message.Address) bool { return a.Group == message.NoGroup })
	if i < 0 {
		return
	}
	m.from = e.From[i]
	m.name = m.from.DisplayName()
	m.domain = ascii(lower(message.DecodeText(m.from.Host)))
	m.site = siteOf(m.domain)
	if turned(m.name) {
		m.all.add(NameHidden, Danger, m.name)
	}
	m.authorName()
	m.authorDomain()
}

// maxName is how much of a name is looked at.
const maxName = 300

// authorName looks for somebody else in the author's name.
func (m *Message) authorName() {
	name := withoutInvisible(m.name[:min(len(m.name), maxName)])
	own := m.site.registered
	for w := range strings.FieldsFuncSeq(name, func(r rune) bool { return r <= ' ' || strings.ContainsRune(`()<>[]{}",;:'|`, r) }) {
		_, host, at := strings.Cut(w, "@")
		if !at {
			host = w
		}
		host = strings.Trim(host, ".")
		if !hostLike(host) {
			continue
		}
		host = ascii(lower(host))
		other := registered(host)
		if other == own || !at && label(other) == label(own) {
			continue
		}
		kind, severity := NameDomain, Notice
		if at {
			kind, severity = NameAddress, Warning
		}
		if m.local(other) || m.local(host) {
			severity = Danger
		}
		m.all.add(kind, severity, host, m.domain)
	}
	if b := brandOf(name); b != "" && !strings.Contains(m.domain, b) {
		m.all.add(NameBrand, Warning, m.name, m.domain)
	}
}

// authorDomain looks at the author's domain, and at what proves it.
func (m *Message) authorDomain() {
	if m.domain == "" {
		return
	}
	if s := tricky(m.domain); s > 0 {
		m.all.add(FromScript, s, shown(m.domain))
	}
	if b, s := brandAlike(&m.site); s > 0 {
		m.all.add(FromLookalike, s, shown(m.domain), b)
	}
	if !m.facts.Checked || m.facts.Proven {
		return
	}
	switch {
	case m.local(m.domain):
		m.all.add(FromForged, Danger, m.domain)
	case m.facts.Usual != nil && m.facts.Usual(m.domain):
		m.all.add(FromUnproven, Warning, m.domain)
	}
}

func (m *Message) local(domain string) bool { return m.facts.Local != nil && m.facts.Local(domain) }

// replies looks at where answers go.
func (m *Message) replies(e *message.Envelope) {
	for i := range e.ReplyTo {
		a := &e.ReplyTo[i]
		host := ascii(lower(a.Host))
		if a.Group != message.NoGroup || m.domain == "" || registered(host) == m.site.registered || !isFreeMail(host) {
			continue
		}
		severity := Warning
		if isFreeMail(m.domain) {
			severity = Notice
		}
		m.all.add(ReplyElsewhere, severity, m.from.Addr(), a.Addr())
	}
}

// turned reports whether a text has characters that turn the direction of what follows (UAX 9 section 2): names don't need them.
func turned(s string) bool {
	if !strings.Contains(s, "\xe2\x80") && !strings.Contains(s, "\xe2\x81") {
		return false
	}
	return strings.ContainsAny(s, "\u202a\u202b\u202d\u202e\u2066\u2067\u2068")
}
