package delivery

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/format/message"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/sieve"
	"postroad/internal/service/transfer"
)

// Event is what somebody's program has done with messages of a folder: put them there, or changed their flags. RFC 6785 §2.2.
type Event struct {
	// Who did it; Account and Folder are where.
	Who     ident.Identity
	Account ident.AccountID
	Folder  mailbox.FolderID
	// Cause is "APPEND", "COPY" or "FLAG".
	Cause    string
	Messages []EventMessage
}

// EventMessage is one of the messages.
type EventMessage struct {
	UID mailbox.UID
	// Changed are the flags that have been set or taken off, if that is the cause.
	Changed []string
}

// EventFilter decides, by an account's rules, what becomes of messages on events. A Filter may be one. *rules.Rules is.
type EventFilter interface {
	// EventScript is the script that runs on what happens in a folder; "": none does.
	EventScript(ctx context.Context, s *mailbox.Session, id mailbox.FolderID) (string, error)
	// DecideEvent runs it. The outcome is never nil: with an error it is to keep the message.
	DecideEvent(ctx context.Context, s *mailbox.Session, script string, env *sieve.Environment, msg sieve.Message) (*sieve.Outcome, error)
}

// Happened runs the script of a folder on messages there, one by one, and does what it decides. What it does is no event. The
// program's command has succeeded already: what fails is logged, and the mailbox's owner told.
func (a *Agent) Happened(ctx context.Context, e Event) {
	rules, ok := a.filter.(EventFilter)
	if !ok {
		return
	}
	s, err := a.open(ctx, e.Account)
	if err != nil {
		return // it is gone
	}
	defer s.Close()
	script, err := rules.EventScript(ctx, s, e.Folder)
	if err == nil && script != "" {
		err = a.runEvents(ctx, rules, s, script, &e)
	}
	if err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, "filter scripts could not be run on an IMAP event", "account", e.Account, "err", err)
	}
}

func (a *Agent) runEvents(ctx context.Context, rules EventFilter, s *mailbox.Session, script string, e *Event) error {
	owner, err := a.dir.ProfileByID(ctx, e.Account)
	if err != nil {
		return err
	}
	email := e.Who.Login
	if p, err := a.dir.ProfileByID(ctx, e.Who.Account); err == nil {
		email = p.Account.Address
	}
	v, err := s.View(ctx, e.Folder)
	if err != nil {
		return err
	}
	batch := flagBatch{}
	for _, m := range e.Messages {
		if err := ctx.Err(); err != nil {
			return err
		}
		if batch.n >= maxFlagBatch {
			if err := batch.apply(ctx, s, e.Folder); err != nil {
				return err
			}
		}
		i, ok := v.Find(m.UID)
		if !ok {
			continue // gone already
		}
		o := &occurrence{rules: rules, script: script, event: e, batch: &batch, row: v.At(i)}
		o.filtered = filtered{
			run: &run{a: a, e: &Envelope{ID: fmt.Sprintf("event-%d-%d-%d-%d", e.Account, e.Folder, m.UID, o.row.ModSeq()), Who: &owner.Identity, From: owner.Account.Address}},
			ctx: ctx, place: place{account: e.Account}, copied: &copied{session: s}, owner: owner.Account.Address, who: owner.Identity,
		}
		o.env = &sieve.Environment{
			Envelope: sieve.Envelope{To: o.owner}, Flags: flagNames(o.row),
			Event: &sieve.Event{Cause: e.Cause, Mailbox: pathOf(s, e.Folder), ChangedFlags: m.Changed, User: e.Who.Login, Email: email},
		}
		o.decide()
		o.discardMade()
	}
	return batch.apply(ctx, s, e.Folder)
}

// flagBatch gathers changes of flags: somebody may copy thousands of messages, or mark them as read. The zero value is empty.
type flagBatch struct {
	changes map[string]*mailbox.FlagChange
	n       int
}

// maxFlagBatch is how many messages wait for the change of their flags.
const maxFlagBatch = 1000

func (b *flagBatch) add(op mailbox.FlagOp, names []string, uid mailbox.UID) {
	key := fmt.Sprint(op, names)
	c := b.changes[key]
	if c == nil {
		c = &mailbox.FlagChange{Op: op}
		c.Flags, c.Keywords = flagsOf(names)
		if b.changes == nil {
			b.changes = map[string]*mailbox.FlagChange{}
		}
		b.changes[key] = c
	}
	c.UIDs = append(c.UIDs, uid)
	b.n++
}

// apply makes the changes. Messages that are gone meanwhile are left out.
func (b *flagBatch) apply(ctx context.Context, s *mailbox.Session, id mailbox.FolderID) error {
	var failed error
	for _, c := range b.changes {
		if _, err := s.SetFlags(ctx, id, *c); err != nil && !fault.Is(err, fault.NotFound) {
			failed = err
		}
	}
	*b = flagBatch{}
	return failed
}

// pathOf is a folder's name in scripts.
func pathOf(s *mailbox.Session, id mailbox.FolderID) string {
	var parts []string
	for id != 0 && len(parts) < 100 {
		f, err := s.Folder(id)
		if err != nil {
			break
		}
		parts, id = append(parts, f.Name), f.Parent
	}
	slices.Reverse(parts)
	return strings.Join(parts, "/")
}

// flagNames are a message's flags as scripts name them.
func flagNames(r *mailbox.Row) []string {
	var names []string
	for _, f := range systemFlags {
		if r.Flags&f.flag != 0 {
			names = append(names, f.name)
		}
	}
	return append(names, r.Keywords.Names()...)
}

var systemFlags = []struct {
	flag mailbox.Flags
	name string
}{{mailbox.Seen, "\\Seen"}, {mailbox.Answered, "\\Answered"}, {mailbox.Flagged, "\\Flagged"}, {mailbox.Deleted, "\\Deleted"}, {mailbox.Draft, "\\Draft"}}

// ChangedFlags are the flags in which two rows differ, as scripts name them.
func ChangedFlags(old, now *mailbox.Row) []string {
	before, after := flagNames(old), flagNames(now)
	var changed []string
	for _, f := range before {
		if !slices.Contains(after, f) {
			changed = append(changed, f)
		}
	}
	for _, f := range after {
		if !slices.Contains(before, f) {
			changed = append(changed, f)
		}
	}
	return changed
}

// occurrence is an event with one message.
type occurrence struct {
	filtered
	rules  EventFilter
	script string
	event  *Event
	batch  *flagBatch
	row    *mailbox.Row
}

// decide runs the script and does what it says.
func (o *occurrence) decide() {
	msg, err := openStored(o.copied.session, o.row)
	if err != nil {
		o.a.log.WarnContext(o.ctx, "a message can't be read for its filter", "account", o.owner, "err", err)
		return
	}
	o.arrived = msg
	out, err := o.rules.DecideEvent(o.ctx, o.copied.session, o.script, o.env, msg)
	if err != nil {
		o.a.log.WarnContext(o.ctx, "a filter script failed on an IMAP event: the message is left alone", "account", o.owner, "err", err)
		o.trouble = append(o.trouble, err.Error())
	}
	for i := range out.Actions {
		o.perform(&out.Actions[i], msg)
	}
	if !o.kept { // RFC 6785 §3.3, §3.4, §3.5
		o.batch.add(mailbox.AddFlags, []string{"\\Deleted"}, o.row.UID)
	}
	if len(out.Remember) > 0 {
		o.remember(out.Remember)
	}
	o.tell()
}

// perform does one thing. kept is set by all that leaves the message as it is, also by what can't be done.
func (o *occurrence) perform(a *sieve.Action, msg sieve.Message) {
	switch a.Op {
	case sieve.Keep: // messages don't change: RFC 6785 §3.1
		o.kept = true
		if a.SetFlags {
			o.batch.add(mailbox.ReplaceFlags, a.Flags, o.row.UID)
		}
	case sieve.FileInto:
		o.failed(a, o.file(a))
	case sieve.Redirect:
		o.failed(a, o.resend(a, msg))
	case sieve.Notify:
		o.notify(a)
	}
}

// failed notes what could not be done: then the message stays.
func (o *occurrence) failed(a *sieve.Action, err error) {
	if err != nil {
		o.kept = true
		o.trouble = append(o.trouble, fmt.Sprintf("%s: %s", a.Pos, fault.TextOf(err)))
	}
}

// file puts another copy into a folder. RFC 6785 §3.3.
func (o *occurrence) file(a *sieve.Action) error {
	to, err := o.target(a)
	if err != nil {
		return err
	}
	if to.ID == 0 {
		return fault.New(fault.NotFound, "there is no folder '%s'", safe(a.Mailbox))
	}
	s := o.copied.session
	if a.Message != nil {
		c, err := o.made(io.NewSectionReader(a.Message, 0, a.Message.Size()))
		if err != nil {
			return err
		}
		flags := a.Flags
		if !a.SetFlags {
			flags = flagNames(o.row)
		}
		item := mailbox.Append{Content: c, Received: o.row.Received()}
		item.Flags, item.Keywords = flagsOf(flags)
		_, err = s.Append(o.ctx, to.ID, item)
		return err
	}
	done, _, err := s.Copy(o.ctx, o.event.Folder, []mailbox.UID{o.row.UID}, to.ID)
	if err != nil || len(done) == 0 || !a.SetFlags {
		return err
	}
	c := mailbox.FlagChange{UIDs: []mailbox.UID{done[0].To}, Op: mailbox.ReplaceFlags}
	c.Flags, c.Keywords = flagsOf(a.Flags)
	_, err = s.SetFlags(o.ctx, to.ID, c)
	return err
}

// resend submits the message in the owner's name: RFC 6785 §3.4. It counts as what the owner sends by hand.
func (o *occurrence) resend(a *sieve.Action, msg sieve.Message) error {
	if a.Message != nil {
		msg = a.Message
	}
	h := message.ParseHeader(string(msg.Header()))
	passed := head{deliveredTo: h.All(deliveredToField)}
	switch {
	case o.a.queue == nil:
		return fault.New(fault.Unsupported, "cannot redirect to %s: mail does not leave here", safe(a.Address))
	case passed.passed(o.owner):
		return fault.New(fault.Denied, "cannot redirect to %s: the message was redirected by you before", safe(a.Address))
	}
	if o.a.counter != nil {
		if err := o.a.counter.Count(o.ctx, o.who, []string{a.Address}); err != nil {
			return err
		}
	}
	c, err := o.leavingContent(msg)
	if err != nil {
		return err
	}
	o.letters++
	l := &leg{e: transfer.Envelope{ID: o.child(fmt.Sprintf("resend %s %d", a.Address, o.letters)), From: o.owner, Account: o.who.Account, Received: o.a.now(), EightBit: true}}
	l.e.UTF8 = !isASCII([]byte(a.Address)) || !isASCII(msg.Header())
	l.to = []transfer.Recipient{{Address: a.Address, Notify: transfer.NotifyNever}}
	l.leaving = Leaving{Who: &o.who, From: o.owner}
	l.content = c.Prefixed(append([]byte(deliveredTo(o.owner)), o.missing(&h)...))
	return o.queueLeg(l)
}

// missing are the fields that a message must have to be sent (RFC 6409 §8), and that a draft may lack.
func (o *occurrence) missing(h *message.Header) []byte {
	ours := o.composer().Heading(o.env.Now, o.owner)
	parsed := message.ParseHeader(string(ours))
	var out []byte
	for _, f := range parsed.Fields {
		if len(h.All(parsed.Name(f))) == 0 {
			out = append(out, ours[f.Start:f.End]...)
		}
	}
	return out
}

// inFolder is a message in a mailbox as scripts see it.
type inFolder struct {
	io.ReaderAt
	size int64
	head []byte
}

func (m *inFolder) Size() int64    { return m.size }
func (m *inFolder) Header() []byte { return m.head }

// openStored opens a message and reads its header, up to a bound.
func openStored(s *mailbox.Session, r *mailbox.Row) (*inFolder, error) {
	m := &inFolder{s.Content(r), r.Size, nil}
	for n := int64(8 << 10); ; n *= 4 {
		b := make([]byte, min(n, m.size))
		got, err := m.ReadAt(b, 0)
		if err != nil && err != io.EOF {
			return nil, err
		}
		m.head = b[:got]
		if i := bytes.Index(m.head, []byte("\r\n\r\n")); i >= 0 {
			m.head = m.head[:i+4]
			return m, nil
		}
		if n >= m.size || n >= maxEventHeader {
			return m, nil
		}
	}
}

// maxEventHeader bounds how much of a header is looked at.
const maxEventHeader = 256 << 10
