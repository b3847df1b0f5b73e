package sieve

import (
	"strings"

	syntax "postroad/internal/format/sieve"
)

func (u *unit) start() syntax.Pos { return syntax.Pos{Line: 1, Column: 1} }

// mailboxExists is "mailboxexists" and "mailboxidexists". RFC 5490 §3.1, RFC 9042 §6.
type mailboxExists struct {
	names []value
	byID  bool
}

func (t *mailboxExists) eval(m *machine) (bool, error) {
	for i := range t.names {
		yes, err := t.one(m, m.text(&t.names[i]))
		if err != nil || !yes {
			return false, err
		}
	}
	return true, nil
}

func (t *mailboxExists) one(m *machine, name string) (bool, error) {
	m.fuel -= 200
	switch {
	case t.byID && m.env.World == nil:
		return false, nil
	case t.byID:
		return m.env.World.MailboxID(m.ctx, name)
	case badMailbox(name) != "":
		return false, nil
	case m.env.World == nil:
		return equalASCII(name, "INBOX"), nil
	}
	return m.env.World.Mailbox(m.ctx, name)
}

// specialUseExists is "specialuse_exists". RFC 8579 §3.
type specialUseExists struct {
	mailbox *value
	uses    []value
}

func (c *compiler) specialUseExists(a *args) test {
	t := &specialUseExists{uses: c.argList(a, 1)}
	if a.pos[0] != nil {
		v := c.argText(a, 0)
		t.mailbox = &v
		if v.constant() && badMailbox(v.lit) != "" {
			c.fail(v.pos, "%s", badMailbox(v.lit))
		}
	}
	for i := range t.uses {
		if u := &t.uses[i]; u.constant() && !isUse(u.lit) {
			c.fail(u.pos, "'%s' is no special use", cut(oneLine(u.lit), 64))
		}
	}
	return t
}

func (t *specialUseExists) eval(m *machine) (bool, error) {
	name := ""
	if t.mailbox != nil {
		name = m.text(t.mailbox)
		if badMailbox(name) != "" || m.env.World == nil {
			return false, nil
		}
		if yes, err := m.env.World.Mailbox(m.ctx, name); err != nil || !yes {
			return false, err
		}
	}
	for i := range t.uses {
		use := m.text(&t.uses[i])
		m.fuel -= 200
		if !isUse(use) || m.env.World == nil {
			return false, nil
		}
		if yes, err := m.env.World.SpecialUse(m.ctx, name, use); err != nil || !yes {
			return false, err
		}
	}
	return true, nil
}

// metadata is "metadata" and "servermetadata". RFC 5490 §3.3, §4.1.
type metadata struct {
	mailbox *value // nil: the server's
	name    value
	keys    *matcher
}

func (c *compiler) metadata(server bool) func(*compiler, *args) test {
	return func(c *compiler, a *args) test {
		t := &metadata{}
		at := 0
		if !server {
			v := c.argText(a, 0)
			t.mailbox, at = &v, 1
			c.checkMailbox(&v)
		}
		t.name = c.argText(a, at)
		c.checkAnnotation(&t.name)
		if t.keys = c.matcher(a, c.argList(a, at+1)); t.keys == nil {
			return nil
		}
		return t
	}
}

func (c *compiler) checkMailbox(v *value) {
	if why := badMailbox(v.lit); v.constant() && why != "" {
		c.fail(v.pos, "%s", why)
	}
}

func (c *compiler) checkAnnotation(v *value) {
	if v.constant() && !isAnnotation(v.lit) {
		c.warn(v.pos, "'%s' is no annotation: it must begin with /private or /shared", cut(oneLine(v.lit), 64))
	}
}

// isAnnotation checks the name of an entry. RFC 5464 §4.1.
func isAnnotation(s string) bool {
	l := lowerASCII(s)
	if !strings.HasPrefix(l, "/private/") && !strings.HasPrefix(l, "/shared/") || strings.HasSuffix(l, "/") || strings.Contains(l, "//") {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r >= 127 || r == '*' || r == '%' }) < 0
}

func (t *metadata) eval(m *machine) (bool, error) {
	box := ""
	if t.mailbox != nil {
		box = m.text(t.mailbox)
	}
	v, ok, err := m.annotation(t.mailbox != nil, box, m.text(&t.name))
	if t.keys.kind == matchCount && err == nil {
		n := 0
		if ok {
			n = 1
		}
		return m.count(t.keys, n)
	}
	if err != nil || !ok {
		return false, err
	}
	return m.matches(t.keys, v)
}

func (m *machine) annotation(ofMailbox bool, box, name string) (string, bool, error) {
	if m.fuel -= 2000; m.fuel < 0 { // all annotations are read
		return "", false, m.outOfFuel(m.frame.unit.start())
	}
	if m.env.World == nil || !isAnnotation(name) || ofMailbox && badMailbox(box) != "" {
		return "", false, nil
	}
	return m.env.World.Metadata(m.ctx, box, name)
}

// metadataExists is "metadataexists" and "servermetadataexists". RFC 5490 §3.4, §4.2.
type metadataExists struct {
	mailbox *value
	names   []value
}

func (c *compiler) metadataExists(server bool) func(*compiler, *args) test {
	return func(c *compiler, a *args) test {
		t := &metadataExists{}
		at := 0
		if !server {
			v := c.argText(a, 0)
			t.mailbox, at = &v, 1
			c.checkMailbox(&v)
		}
		t.names = c.argList(a, at)
		for i := range t.names {
			c.checkAnnotation(&t.names[i])
		}
		return t
	}
}

func (t *metadataExists) eval(m *machine) (bool, error) {
	box := ""
	if t.mailbox != nil {
		box = m.text(t.mailbox)
	}
	for i := range t.names {
		_, ok, err := m.annotation(t.mailbox != nil, box, m.text(&t.names[i]))
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// validList is "valid_ext_list". RFC 6134 §2.7.
type validList []value

func (t validList) eval(m *machine) (bool, error) {
	for i := range t {
		if m.fuel -= 2000; m.fuel < 0 {
			return false, m.outOfFuel(t[i].pos)
		}
		if m.env.World == nil {
			return false, nil
		}
		_, known, err := m.env.World.List(m.ctx, m.text(&t[i]), "")
		if err != nil || !known {
			return false, err
		}
	}
	return true, nil
}

// scoreTest is "spamtest" or "virustest". RFC 5235.
type scoreTest struct {
	virus, percent bool
	keys           *matcher
}

func (c *compiler) spamTest(a *args) test {
	t := &scoreTest{percent: a.has("percent"), keys: c.matcher(a, c.argText1(a))}
	if t.keys == nil {
		return nil
	}
	return t
}

func (c *compiler) virusTest(a *args) test {
	t := &scoreTest{virus: true, keys: c.matcher(a, c.argText1(a))}
	if t.keys == nil {
		return nil
	}
	return t
}

// argText1 is the first argument as a list.
func (c *compiler) argText1(a *args) []value { return []value{c.argText(a, 0)} }

func (t *scoreTest) eval(m *machine) (bool, error) {
	n, there := m.score(t)
	if t.keys.kind == matchCount { // RFC 5235 §3.1: 0 if it was not tested
		if !there {
			return m.count(t.keys, 0)
		}
		return m.count(t.keys, 1)
	}
	return m.matches(t.keys, itoa(n))
}

// score is on the scale of the test: 0 to 10, with :percent 0 to 100, for viruses 0 to 5.
func (m *machine) score(t *scoreTest) (int, bool) {
	switch {
	case t.virus:
		return m.env.Virus, m.env.Virus > 0
	case m.env.Spam <= 0:
		return 0, false
	case t.percent:
		return min(m.env.Spam, 100), true
	}
	return 1 + min(m.env.Spam, 100)*9/100, true
}
