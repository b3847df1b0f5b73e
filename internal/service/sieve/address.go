package sieve

import (
	"strings"

	"postroad/internal/format/message"
	syntax "postroad/internal/format/sieve"
)

// addressPart says which part of an address is meant. RFC 5228 §2.7.4, RFC 5233.
type addressPart uint8

const (
	allOfIt addressPart = iota
	localPart
	domainPart
	userPart
	detailPart
)

var partTags = []tag{
	{name: "all", group: "address part"}, {name: "localpart", group: "address part"}, {name: "domain", group: "address part"},
	{name: "user", group: "address part", exts: []string{"subaddress"}}, {name: "detail", group: "address part", exts: []string{"subaddress"}},
}

func (a *args) addressPart() addressPart {
	switch a.oneOf("address part") {
	case "localpart":
		return localPart
	case "domain":
		return domainPart
	case "user":
		return userPart
	case "detail":
		return detailPart
	}
	return allOfIt
}

// pick takes the part out of an address; ok is false if it has none.
func (m *machine) pick(p addressPart, local, host string) (string, bool) {
	switch p {
	case localPart:
		return local, true
	case domainPart:
		return host, true
	case allOfIt:
		return joined(local, host), true
	}
	i := strings.IndexAny(local, m.separators())
	switch {
	case p == userPart && i < 0:
		return local, true
	case p == userPart:
		return local[:i], true
	case i < 0:
		return "", false // RFC 5233 §4: without a detail :detail doesn't match
	}
	return local[i+1:], true
}

// separators are the characters in front of a detail.
func (m *machine) separators() string {
	if m.env.Owner != nil {
		if s := m.env.Owner.Separators(); s != "" {
			return s
		}
	}
	return "+"
}

// joined is an address in one piece.
func joined(local, host string) string {
	if host == "" {
		return local
	}
	return local + "@" + host
}

// addressTest is "address". RFC 5228 §5.1.
type addressTest struct {
	from *source
	part addressPart
	keys *matcher
}

// addressFields are the fields that have addresses. RFC 5228 §5.1: other fields are refused.
var addressFields = map[string]bool{
	"from": true, "to": true, "cc": true, "bcc": true, "sender": true, "reply-to": true, "resent-from": true, "resent-to": true,
	"resent-cc": true, "resent-bcc": true, "resent-sender": true, "resent-reply-to": true, "return-path": true, "delivered-to": true,
	"x-original-to": true, "errors-to": true, "return-receipt-to": true, "disposition-notification-to": true, "mail-followup-to": true,
	"mail-reply-to": true, "envelope-to": true, "x-envelope-to": true, "apparently-to": true, "x-apparently-to": true, "envelope-from": true,
	"list-post": true, "x-beenthere": true, "approved-by": true, "x-delivered-to": true, "x-envelope-from": true, "x-sender": true,
	"x-resent-from": true, "x-resent-to": true, "x-forwarded-to": true, "x-forwarded-for": true, "read-receipt-to": true, "abuse-reports-to": true,
	"x-complaints-to": true, "x-report-abuse-to": true, "x-sieve-redirected-from": true, "original-recipient": true, "final-recipient": true,
}

func (c *compiler) addressTest(a *args) test {
	names := c.argList(a, 0)
	for i := range names {
		if names[i].constant() && isFieldName(names[i].lit) && !addressFields[lowerASCII(names[i].lit)] {
			c.fail(names[i].pos, "the header field '%s' is not allowed for the address test: it has no addresses", cut(names[i].lit, 64))
		}
	}
	t := &addressTest{c.source(a, names), a.addressPart(), c.matcher(a, c.argList(a, 1))}
	if t.keys == nil {
		return nil
	}
	return t
}

func (t *addressTest) eval(m *machine) (bool, error) {
	count := 0
	yes, err := m.walk(t.from, func(f *field) (bool, error) {
		m.burn(len(f.raw))
		list := f.addresses()
		for i := range list {
			a := &list[i]
			if a.Group != message.NoGroup {
				continue
			}
			if t.keys.kind == matchCount {
				count++
				continue
			}
			var yes bool
			var err error
			if t.part == allOfIt {
				yes, err = m.matches(t.keys, f.inOnePiece()[i])
			} else {
				yes, err = m.matchAddress(t, a)
			}
			if yes || err != nil {
				return yes, err
			}
		}
		return false, nil
	})
	if err == nil && t.keys.kind == matchCount {
		return m.count(t.keys, count)
	}
	return yes, err
}

func (m *machine) matchAddress(t *addressTest, a *message.Address) (bool, error) {
	if a.Host == "" {
		return false, nil // it is no address
	}
	v, ok := m.pick(t.part, a.Mailbox, a.Host)
	if !ok {
		return false, nil
	}
	return m.matches(t.keys, v)
}

// envelopeTest is "envelope". RFC 5228 §5.4.
type envelopeTest struct {
	pos   syntax.Pos
	parts []value
	part  addressPart
	keys  *matcher
}

func (c *compiler) envelopeTest(a *args) test {
	names := c.argList(a, 0)
	for i := range names {
		if n := lowerASCII(names[i].lit); names[i].constant() && n != "from" && n != "to" && n != "auth" && n != "orig_to" {
			c.fail(names[i].pos, "the envelope has no part '%s'", cut(oneLine(names[i].lit), 64))
		}
	}
	t := &envelopeTest{a.call.Pos, names, a.addressPart(), c.matcher(a, c.argList(a, 1))}
	if t.keys == nil {
		return nil
	}
	return t
}

func (t *envelopeTest) eval(m *machine) (bool, error) {
	if m.env.Event != nil { // RFC 6785 §4.6
		return false, m.failure(t.pos, "there is no envelope on IMAP events")
	}
	count := 0
	for i := range t.parts {
		name := lowerASCII(m.text(&t.parts[i]))
		v, ok := m.envelope(name)
		if !ok {
			continue
		}
		if t.keys.kind == matchCount {
			if v != "" { // RFC 5231 §4.2: the null path doesn't count
				count++
			}
			continue
		}
		if name != "auth" || t.part != allOfIt {
			if v, ok = m.envelopePart(t.part, v, name); !ok {
				continue
			}
		}
		if yes, err := m.matches(t.keys, v); yes || err != nil {
			return yes, err
		}
	}
	if t.keys.kind == matchCount {
		return m.count(t.keys, count)
	}
	return false, nil
}

// envelopePart takes a part out of an address. Of the null path all parts are empty.
func (m *machine) envelopePart(p addressPart, v, name string) (string, bool) {
	if v == "" {
		return "", true
	}
	i := strings.LastIndexByte(v, '@')
	if i < 0 {
		if p == allOfIt || name == "auth" && p == localPart {
			return v, true
		}
		return "", false
	}
	if p == allOfIt && v[0] != '"' && i < len(v)-1 {
		return v, true
	}
	return m.pick(p, unquote(v[:i]), v[i+1:])
}

// unquote takes the quotes off a local part.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s)-1; i++ {
		if s[i] == '\\' && i+2 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (m *machine) envelope(name string) (string, bool) {
	e := &m.env.Envelope
	switch name {
	case "from":
		return e.From, true
	case "to":
		return e.To, true
	case "orig_to":
		return e.Original, e.Original != ""
	case "auth":
		return e.Auth, e.Auth != ""
	}
	return "", false
}
