package delivery

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/sieve"
	"postroad/internal/service/sieve/rules"
)

// Filter decides, by an account's rules, what becomes of its copy of a message. *rules.Rules is one.
type Filter interface {
	// Apply reports whether there are any rules for an account. It must cost nothing.
	Apply(s *mailbox.Session) bool
	// Decide runs them. The outcome is never nil: with an error it is to keep the message.
	Decide(ctx context.Context, s *mailbox.Session, env *sieve.Environment, c *mailbox.Content) (*sieve.Outcome, error)
}

// Counter counts what somebody sends.
type Counter interface {
	// Count counts a message to some recipients. An error says that it is too much, or that nobody can say.
	Count(ctx context.Context, who ident.Identity, to []string) error
}

// filtered is one account's copy on its way through the account's rules.
type filtered struct {
	*run
	ctx     context.Context
	place   place
	copied  *copied
	content *mailbox.Content // as it would be stored without rules
	arrived sieve.Message    // as scripts see it; nil: content
	env     *sieve.Environment
	owner   string // the account's address
	who     ident.Identity
	letters int  // that were written
	kept    bool // a copy is on its way into a folder
	refused bool // the sender hears of it by a message
	trouble []string
}

// filter begins what an account's rules want.
func (r *run) filter(ctx context.Context, p place, c *copied) {
	f := r.newFiltered()
	f.ctx, f.place, f.copied, f.content = ctx, p, c, r.copyFor(p, c)
	profile, err := r.a.dir.ProfileByID(ctx, p.account)
	if err != nil {
		c.err = err
		return
	}
	f.owner, f.who = profile.Account.Address, profile.Identity
	f.describe()
	r.noteReceived()
	out, err := f.decide()
	if err != nil {
		r.a.log.WarnContext(ctx, "a filter script failed: the message is kept", "id", r.e.ID, "account", f.owner, "err", err)
		f.trouble = append(f.trouble, err.Error())
	}
	f.perform(out)
	f.tell()
}

// decide runs the rules. If they break, the message is kept: whoever brings it would bring it again and again, and in the end it would be lost.
func (f *filtered) decide() (out *sieve.Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			f.a.log.ErrorContext(f.ctx, "the filter broke at a message", "id", f.e.ID, "account", f.owner, "panic", p, "stack", string(debug.Stack()))
			out, _ = sieve.RunAll(f.ctx, nil, f.env, f.message())
			err = fault.New(fault.Internal, "the server has a mistake, which the log tells of")
		}
	}()
	return f.a.filter.Decide(f.ctx, f.copied.session, f.env, f.content)
}

// junkScore and cleanScore are what scripts hear of junk (RFC 5235) where nobody has judged, but the checks have said whether it is.
const (
	junkScore  = 90
	cleanScore = 1
)

// describe fills in what is known of the message.
func (f *filtered) describe() {
	e := f.env
	e.Envelope.From, e.Envelope.To = f.e.From, f.owner
	for i := range f.to { // what the client said; of a group's and a list's members each is the recipient under the own name
		to := &f.to[i]
		if slices.Contains(to.accounts, f.place.account) && !to.several() {
			e.Envelope.To = to.Address
			if o := to.Original; o != "" && !strings.EqualFold(o, to.Address) {
				e.Envelope.Original = o
			}
			break
		}
	}
	e.Item = f.about
	if f.e.Who != nil {
		e.Envelope.Auth = f.e.Who.Login
	}
	if v := f.e.Verdict; v != nil && v.Scan != nil {
		e.Virus = int(v.Scan.Virus())
	}
	if o := &f.copied.opinion; o.Judged {
		e.Spam, e.Junk = max(1, min(o.Score, 100)), o.Junk
	} else if v := f.e.Verdict; v != nil && f.e.Who == nil {
		e.Spam = cleanScore
		if e.Junk = v.junk(); e.Junk {
			e.Spam = junkScore
		}
	}
}

// about is what is known of the client, for scripts that ask. RFC 5183 §4.1.
func (f *filtered) about(name string) (value string, ok bool) {
	switch c := &f.e.Client; {
	case name == "remote-ip" && c.Addr.IsValid():
		return c.Addr.Unmap().String(), true
	case name == "remote-host" && c.Name != "":
		return c.Name, true
	}
	return "", false
}

// perform does what was decided: first what can fail, so that nobody hears of a message that is refused after all.
func (f *filtered) perform(out *sieve.Outcome) {
	for i := range out.Actions {
		a := &out.Actions[i]
		switch a.Op {
		case sieve.Keep, sieve.FileInto:
			f.store(a)
		case sieve.Reject, sieve.Ereject:
			if f.collected == nil {
				f.refuse(a)
			} else { // nobody can be told any more
				f.keep()
			}
		}
		if f.copied.err != nil {
			return
		}
	}
	for i := range out.Actions {
		switch a := &out.Actions[i]; a.Op {
		case sieve.Redirect:
			if f.silent() {
				f.keep()
				continue
			}
			f.redirect(a)
		case sieve.Vacation:
			f.answer(a)
		case sieve.Notify:
			f.notify(a)
		}
		if f.copied.err != nil { // all of it will be tried again
			return
		}
	}
	if len(out.Remember) > 0 {
		f.remember(out.Remember)
	}
	switch {
	case f.kept || f.copied.err != nil:
	case f.refused:
		f.copied.fate = "refused by the recipient's filter: its sender is told by a message"
	case len(f.copied.legs) > 0:
		f.copied.fate = "redirected by the recipient's filter"
	default:
		f.copied.fate = "discarded by the recipient's filter"
	}
}

// changed is the message as the script has changed it, stored for as long as the delivery lasts.
func (f *filtered) changed(m sieve.Message) (*mailbox.Content, error) {
	if m == nil {
		return f.content, nil
	}
	return f.made(io.NewSectionReader(m, 0, m.Size()))
}

// made stores a message that this delivery needs.
func (r *run) made(text io.Reader) (*mailbox.Content, error) {
	w := r.a.store.NewContent()
	defer w.Discard()
	if _, err := io.Copy(w, text); err != nil {
		return nil, err
	}
	c, err := w.Finish()
	if err == nil {
		r.temporary = append(r.temporary, c)
	}
	return c, err
}

// store begins to put a copy into a folder. One that can't be used is replaced by the INBOX.
func (f *filtered) store(a *sieve.Action) {
	content, err := f.changed(a.Message)
	if err != nil {
		f.notStored(a, "as it was changed", err)
		return
	}
	folder, err := f.target(a)
	if err != nil {
		f.trouble = append(f.trouble, fmt.Sprintf("%s: %s", a.Pos, fault.TextOf(err)))
	}
	if folder.ID == 0 {
		var ok bool
		if folder, ok = f.folder(f.copied); !ok {
			f.copied.err = fault.New(fault.Corrupt, "account %d has no INBOX", f.place.account)
			return
		}
	}
	f.append(folder, a, content)
}

// append begins the copy itself. Keywords that the account can't have are left out rather than the message lost, and so is a
// folder that can't take it.
func (f *filtered) append(folder mailbox.Folder, a *sieve.Action, content *mailbox.Content) {
	flags, words := flagsOf(a.Flags)
	item := f.item(content, flags, append(words, keywords(folder)...))
	p, folder, err := f.submitInto(folder, item)
	if err != nil {
		f.notStored(a, "in the folder '"+safe(folder.Name)+"'", err)
		return
	}
	f.copied.pending = append(f.copied.pending, p)
	if !f.kept {
		f.copied.folder = folder.Name
	}
	f.kept = true
}

// notStored only tells of a copy that fails when another is on its way: were the message refused, it would come again, and so would that one.
func (f *filtered) notStored(a *sieve.Action, which string, err error) {
	if f.kept {
		f.trouble = append(f.trouble, fmt.Sprintf("%s: no copy %s: %s", a.Pos, which, fault.TextOf(err)))
		return
	}
	f.copied.err = err
}

// submitInto puts a message into a folder, or, if that can't be used, where it goes without rules. It returns which it was.
func (f *filtered) submitInto(folder mailbox.Folder, item mailbox.Append) (*mailbox.Pending, mailbox.Folder, error) {
	s := f.copied.session
	p, err := s.SubmitAppend(f.ctx, folder.ID, item)
	if err != nil && len(item.Keywords) > 0 && !fault.Is(err, fault.OverQuota) {
		item.Keywords = nil
		p, err = s.SubmitAppend(f.ctx, folder.ID, item)
	}
	if usual, ok := f.folder(f.copied); ok && usual.ID != folder.ID && unusable(err) {
		f.trouble = append(f.trouble, fmt.Sprintf("the folder '%s' can't be used: %s", safe(folder.Name), fault.TextOf(err)))
		folder = usual
		p, err = s.SubmitAppend(f.ctx, folder.ID, item)
	}
	return p, folder, err
}

// unusable reports whether it is the folder that is to blame: it is for other things, is full, or was removed just now.
func unusable(err error) bool {
	return fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) || fault.Is(err, fault.TooLarge)
}

// flagsOf parts system flags from keywords.
func flagsOf(list []string) (flags mailbox.Flags, keywords []string) {
	for _, f := range list {
		switch strings.ToLower(f) {
		case "\\seen":
			flags |= mailbox.Seen
		case "\\answered":
			flags |= mailbox.Answered
		case "\\flagged":
			flags |= mailbox.Flagged
		case "\\deleted":
			flags |= mailbox.Deleted
		case "\\draft":
			flags |= mailbox.Draft
		default:
			keywords = append(keywords, f)
		}
	}
	return flags, keywords
}

// target finds the folder that an action names, or makes it; the zero folder is where the message goes without rules.
func (f *filtered) target(a *sieve.Action) (mailbox.Folder, error) {
	s := f.copied.session
	switch {
	case a.Op == sieve.Keep:
		return mailbox.Folder{}, nil
	case a.MailboxID != "": // RFC 9042 §4: else the name counts
		if found, ok := rules.ByMailboxID(s, a.MailboxID); ok {
			return found, nil
		}
	case a.Use != "": // RFC 8579 §4
		if found, ok := rules.ByUse(s, a.Use); ok {
			return found, nil
		}
	}
	found, at, missing := rules.FindFolder(s, a.Mailbox)
	switch {
	case missing == nil:
		return found, nil
	case !a.Create:
		return mailbox.Folder{}, fault.New(fault.NotFound, "there is no folder '%s'", safe(a.Mailbox))
	}
	for i, name := range missing {
		n := mailbox.NewFolder{Name: name, Parent: at, Subscribed: true}
		if i == len(missing)-1 && a.MailboxID == "" { // RFC 8579 §4.1: there is no other with this use
			n.Role = rules.RoleOf(a.Use)
		}
		made, err := f.makeFolder(n)
		if err != nil {
			return mailbox.Folder{}, fault.Wrap(fault.KindOf(err), err, "the folder '"+safe(a.Mailbox)+"' can't be made: "+fault.TextOf(err))
		}
		found, at = made, made.ID
	}
	return found, nil
}

// makeFolder makes a folder, if another delivery wasn't faster; without its role if another folder was.
func (f *filtered) makeFolder(n mailbox.NewFolder) (mailbox.Folder, error) {
	s := f.copied.session
	made, err := s.CreateFolder(f.ctx, n)
	if !fault.Is(err, fault.Exists) {
		return made, err
	}
	if child, ok := s.Child(n.Parent, n.Name); ok {
		return child, nil
	}
	n.Role = mailbox.NoRole
	return s.CreateFolder(f.ctx, n)
}

// keep keeps a message, once.
func (f *filtered) keep() {
	if !f.kept {
		f.store(&sieve.Action{Op: sieve.Keep})
	}
}

// remember keeps what tells duplicates (RFC 7352 §3: not before all went well).
func (f *filtered) remember(list []sieve.Remembered) {
	all := make([]mailbox.Memory, len(list))
	for i, r := range list {
		all[i] = mailbox.Memory{ID: rules.DuplicateID(r.ID), Until: r.Until, Extend: r.Extend}
	}
	if _, err := f.copied.session.Remember(f.ctx, all...); err != nil {
		f.a.log.WarnContext(f.ctx, "what tells duplicates could not be kept", "id", f.e.ID, "account", f.owner, "err", err)
	}
}
