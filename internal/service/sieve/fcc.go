package sieve

import syntax "postroad/internal/format/sieve"

// fcc is where a copy of what is sent is filed. RFC 8580.
type fcc struct {
	pos     syntax.Pos
	mailbox value
	create  bool
	id, use *value
	flags   *flagList
}

// fccTags are those of vacation and notify.
var fccTags = []tag{
	{name: "fcc", value: aString, exts: []string{"fcc"}}, {name: "create", exts: []string{"mailbox"}}, {name: "flags", value: aList, exts: []string{"imap4flags"}},
	{name: "specialuse", value: aString, exts: []string{"special-use"}}, {name: "mailboxid", value: aString, exts: []string{"mailboxid"}},
}

// fcc compiles them; nil if there is no :fcc.
func (c *compiler) fcc(a *args) *fcc {
	box := c.tagText(a, "fcc")
	if box == nil {
		for _, name := range []string{"create", "flags", "specialuse", "mailboxid"} {
			if g, ok := a.find(name); ok {
				c.fail(g.arg.Pos, ":%s needs :fcc", name)
			}
		}
		return nil
	}
	if why := badMailbox(box.lit); box.constant() && why != "" {
		c.fail(box.pos, "%s", why)
	}
	f := &fcc{pos: box.pos, mailbox: *box, create: a.has("create"), id: c.tagText(a, "mailboxid"), use: c.tagText(a, "specialuse"), flags: c.flagTag(a)}
	c.special(a, f.use, f.id)
	return f
}

// apply adds the copy to an action.
func (f *fcc) apply(m *machine, to *Action) error {
	if f == nil {
		return nil
	}
	a := &Action{Op: FileInto, Pos: f.pos, Mailbox: m.text(&f.mailbox), Create: f.create}
	if why := badMailbox(a.Mailbox); why != "" {
		return m.failure(f.pos, "%s", why)
	}
	if f.id != nil {
		a.MailboxID = m.text(f.id)
	}
	if f.use != nil {
		if a.Use = m.text(f.use); !isUse(a.Use) {
			return m.failure(f.use.pos, "'%s' is no special use", cut(oneLine(a.Use), 64))
		}
	}
	if f.flags != nil {
		a.Flags, a.SetFlags = m.splitFlags(f.flags.list), true
	}
	to.Copies = a
	return nil
}
