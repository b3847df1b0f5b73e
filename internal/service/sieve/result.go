package sieve

import (
	"slices"
	"strings"

	syntax "postroad/internal/format/sieve"
)

// results are the actions that were asked for so far.
type results struct {
	actions   []Action
	canceled  bool // no implicit keep any more
	flags     []string
	setFlags  bool // the internal variable of imap4flags was set
	remember  []Remembered
	redirects int
	notices   int
	before    int // actions of scripts before this one
	carried   *Action
}

// clone is a copy that doesn't change with r.
func (r *results) clone() results {
	c := *r
	c.actions = slices.Clone(r.actions)
	for i := range c.actions { // merging changes these
		c.actions[i].Flags = slices.Clone(c.actions[i].Flags)
	}
	c.remember = slices.Clone(r.remember)
	return c
}

// goOn reports whether another script may follow: this one keeps the message.
func (r *results) goOn() bool {
	if !r.canceled {
		return true
	}
	return slices.ContainsFunc(r.actions[r.before:], func(a Action) bool { return a.Op == Keep })
}

// next begins another script. A keep of the one before is that script's word only until another speaks.
func (r *results) next(again bool) {
	if again {
		r.actions = slices.DeleteFunc(r.actions, func(a Action) bool {
			if a.Op == Keep {
				r.carried = &a
			}
			return a.Op == Keep
		})
		r.canceled = false
	}
	r.before = len(r.actions)
}

// outcome is the result of a run that went well.
func (m *machine) outcome() *Outcome {
	r := &m.results
	out := m.env.Room
	if out == nil {
		out = new(Outcome)
	}
	*out = Outcome{Actions: r.actions, Remember: r.remember, Steps: m.limits.Fuel - m.fuel}
	if !r.canceled {
		k := Action{Op: Keep, Implicit: true, Message: m.changed()}
		if r.carried != nil {
			k = *r.carried
			k.Message = m.changed()
		}
		if k.Flags == nil && r.setFlags {
			k.Flags, k.SetFlags = r.flags, true
		}
		if len(out.Actions) == 0 {
			out.Actions = out.keep[:0]
		}
		out.Actions = append(out.Actions, k)
	}
	out.Kept = slices.ContainsFunc(out.Actions, func(a Action) bool { return a.Op == Keep || a.Op == FileInto })
	return out
}

// changed is the message if the script has changed it; nil otherwise.
func (m *machine) changed() Message { return m.unlessOriginal(m.msg) }

// redirected is the message as it goes on: no enclosure touches that. RFC 5703 §6.
func (m *machine) redirected() Message {
	if m.inner != nil {
		return m.unlessOriginal(m.inner)
	}
	return m.changed()
}

func (m *machine) unlessOriginal(msg Message) Message {
	if msg == m.orig {
		return nil
	}
	return msg
}

// add adds an action.
func (m *machine) add(a Action) error {
	r := &m.results
	if a.Script, a.Message = m.frame.unit.name, m.changed(); a.Op == Redirect {
		a.Message = m.redirected()
	}
	if err := m.conflict(&a); err != nil {
		return err
	}
	if m.settled(&a) {
		return nil
	}
	if i := slices.IndexFunc(r.actions, func(b Action) bool { return sameAction(&a, &b, m.env.Event != nil) }); i >= 0 {
		r.actions[i].merge(&a)
		return nil
	}
	if len(r.actions) >= m.limits.Actions {
		return m.failure(a.Pos, "the script asks for too many actions: %d are allowed", m.limits.Actions)
	}
	switch a.Op {
	case Redirect:
		if r.redirects++; r.redirects > m.limits.Redirects {
			return m.failure(a.Pos, "the script redirects to too many addresses: %d are allowed", m.limits.Redirects)
		}
	case Notify:
		if r.notices++; r.notices > m.limits.Notifications {
			return m.failure(a.Pos, "the script sends too many notifications: %d are allowed", m.limits.Notifications)
		}
	}
	r.actions = append(r.actions, a)
	return nil
}

// refuses reports whether an action refuses the message.
func (o Op) refuses() bool { return o == Reject || o == Ereject }

// conflict finds actions that contradict a: RFC 5429 §2.3, RFC 5230 §4.7.
func (m *machine) conflict(a *Action) error {
	if m.env.Event != nil && (a.Op.refuses() || a.Op == Vacation) { // that ihave has enabled: RFC 6785 §3.11
		return m.failure(a.Pos, "'%s' is for mail that is delivered", a.Op)
	}
	for i := m.results.before; i < len(m.results.actions); i++ {
		b := &m.results.actions[i]
		switch {
		case a.Op.refuses() && b.Op.refuses():
			return m.failure(a.Pos, "the message has been refused already")
		case a.Op == Vacation && b.Op == Vacation:
			return m.failure(a.Pos, "there is an answer by vacation already")
		case a.Op.refuses() && b.Op != Notify, b.Op.refuses() && a.Op != Notify:
			return m.failure(a.Pos, "'%s' contradicts '%s'", a.Op, b.Op)
		}
	}
	return nil
}

// settled reports whether a script before this one has done something that leaves no room for a.
func (m *machine) settled(a *Action) bool {
	return slices.ContainsFunc(m.results.actions[:m.results.before], func(b Action) bool {
		return a.Op.refuses() && b.Op.refuses() || a.Op == Vacation && b.Op == Vacation
	})
}

// sameAction reports whether two actions do one thing. On an event keep has nothing to do with the INBOX.
func sameAction(a, b *Action, event bool) bool {
	switch {
	case !event && a.isInbox() && b.isInbox():
		return true
	case a.Op != b.Op:
		return false
	case a.Op == FileInto:
		return a.Mailbox == b.Mailbox && a.MailboxID == b.MailboxID && a.Use == b.Use
	case a.Op == Redirect:
		return strings.EqualFold(a.Address, b.Address) && a.List == b.List
	case a.Op == Notify:
		return a.Notice.Method == b.Notice.Method && a.Notice.Message == b.Notice.Message && slices.Equal(a.Notice.Options, b.Notice.Options)
	}
	return a.Op == Keep
}

func (a *Action) isInbox() bool {
	return a.Op == Keep || a.Op == FileInto && strings.EqualFold(a.Mailbox, "INBOX") && a.MailboxID == "" && a.Use == ""
}

// merge adds what is new in an action that is asked for twice.
func (a *Action) merge(b *Action) {
	if b.SetFlags {
		a.Flags, a.SetFlags = b.Flags, true
	}
	a.Create = a.Create || b.Create
	if a.Op == FileInto && b.Op == Keep { // into the INBOX
		a.Op, a.Mailbox = Keep, ""
	}
}

// keepCommand is "keep". RFC 5228 §4.3.
type keepCommand struct {
	pos   syntax.Pos
	flags *flagList
}

func (c *compiler) keep(a *args) command {
	return &keepCommand{a.call.Pos, c.flagTag(a)}
}

func (k *keepCommand) exec(m *machine) error {
	m.results.canceled = true
	act := Action{Op: Keep, Pos: k.pos}
	m.flagsFor(&act, k.flags)
	return m.add(act)
}

// discard is "discard". RFC 5228 §4.4.
type discard struct{}

func (discard) exec(m *machine) error {
	m.results.canceled = true
	return nil
}

// fileInto is "fileinto". RFC 5228 §4.1.
type fileInto struct {
	pos          syntax.Pos
	mailbox      value
	copy, create bool
	id, use      *value
	flags        *flagList
}

func (c *compiler) fileInto(a *args) command {
	f := &fileInto{
		pos: a.call.Pos, mailbox: c.argText(a, 0), copy: a.has("copy"), create: a.has("create"),
		id: c.tagText(a, "mailboxid"), use: c.tagText(a, "specialuse"), flags: c.flagTag(a),
	}
	if f.mailbox.constant() {
		if why := badMailbox(f.mailbox.lit); why != "" {
			c.fail(f.mailbox.pos, "%s", why)
		}
	}
	c.special(a, f.use, f.id)
	return f
}

// special checks the other ways to say which folder is meant. RFC 8579 §4, RFC 9042 §4.2, §5.
func (c *compiler) special(a *args, use, id *value) {
	if use != nil && use.constant() && !isUse(use.lit) {
		c.fail(use.pos, "'%s' is no special use", cut(oneLine(use.lit), 64))
	}
	if use != nil && id != nil {
		c.fail(a.call.Pos, ":mailboxid and :specialuse can't be used together")
	}
}

func (f *fileInto) exec(m *machine) error {
	act := Action{Op: FileInto, Pos: f.pos, Mailbox: m.text(&f.mailbox), Create: f.create}
	if why := badMailbox(act.Mailbox); why != "" {
		return m.failure(f.mailbox.pos, "%s", why)
	}
	if f.id != nil {
		act.MailboxID = m.text(f.id)
	}
	if f.use != nil {
		if act.Use = m.text(f.use); !isUse(act.Use) {
			return m.failure(f.use.pos, "'%s' is no special use", cut(oneLine(act.Use), 64))
		}
	}
	m.flagsFor(&act, f.flags)
	m.results.canceled = m.results.canceled || !f.copy
	return m.add(act)
}

// maxMailbox bounds the name of a folder with its parents.
const maxMailbox = 1000

// badMailbox says what is wrong with a folder's name; "": nothing.
func badMailbox(name string) string {
	switch {
	case name == "":
		return "a folder must have a name"
	case len(name) > maxMailbox:
		return "the folder's name is too long"
	case strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r == 127 || r == '\uFFFD' }) >= 0:
		return "the folder's name has characters that can't be in one"
	}
	return ""
}

// isUse checks a special use: RFC 6154 §6.
func isUse(s string) bool {
	return len(s) > 1 && s[0] == '\\' && isAtom(s[1:])
}

// isAtom checks an atom of IMAP.
func isAtom(s string) bool {
	bad := func(r rune) bool { return r <= ' ' || r >= 127 || strings.ContainsRune("(){%*\"\\]", r) }
	return s != "" && strings.IndexFunc(s, bad) < 0
}

// redirect is "redirect". RFC 5228 §4.2, RFC 3894, RFC 6134 §2.3.
type redirect struct {
	pos        syntax.Pos
	address    value
	copy, list bool
}

func (c *compiler) redirect(a *args) command {
	r := &redirect{a.call.Pos, c.argText(a, 0), a.has("copy"), a.has("list")}
	if !r.list && r.address.constant() {
		if _, ok := parseMailbox(r.address.lit); !ok {
			c.fail(r.address.pos, "'%s' is no address to redirect to", cut(oneLine(r.address.lit), 200))
		}
	}
	return r
}

func (r *redirect) exec(m *machine) error {
	to := m.text(&r.address)
	act := Action{Op: Redirect, Pos: r.pos}
	if r.list {
		m.fuel -= 2000
		if act.List = to; m.env.World != nil {
			var err error
			if act.Address, err = m.env.World.ListAddress(m.ctx, to); err != nil {
				return err
			}
		}
		if act.Address == "" {
			return m.failure(r.address.pos, "there is no list '%s' that can be redirected to", cut(oneLine(to), 200))
		}
	} else {
		addr, ok := parseMailbox(to)
		if !ok {
			return m.failure(r.address.pos, "'%s' is no address to redirect to", cut(oneLine(to), 200))
		}
		act.Address = addr
	}
	m.results.canceled = m.results.canceled || !r.copy
	return m.add(act)
}

// reject is "reject" or "ereject". RFC 5429.
type reject struct {
	pos  syntax.Pos
	op   Op
	text value
}

func (c *compiler) reject(op Op) func(*compiler, *args) command {
	return func(c *compiler, a *args) command { return &reject{a.call.Pos, op, c.argText(a, 0)} }
}

func (r *reject) exec(m *machine) error {
	m.results.canceled = true
	return m.add(Action{Op: r.op, Pos: r.pos, Text: m.text(&r.text)})
}
