package delivery

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/sieve"
	"postroad/internal/service/sieve/rules"
	"postroad/internal/service/transfer"
)

// answer sends a vacation's answer, unless its sender has had it lately. Strangers that nothing proves get none: they may be
// somebody who has written nothing.
func (f *filtered) answer(a *sieve.Action) {
	if a.Reply.To == "" || !f.known() || f.a.queue == nil || f.collected != nil {
		return
	}
	if a.Reply.Every > 0 {
		m := mailbox.Memory{ID: rules.AnswerID(a.Reply.Handle, a.Reply.To), Until: f.a.now().Add(a.Reply.Every)}
		known, err := f.copied.session.Remember(f.ctx, m)
		if err != nil {
			f.trouble = append(f.trouble, "the answer was not sent: "+fault.TextOf(err))
		}
		if err != nil || known[0] {
			return
		}
	}
	f.post(a, f.composer().Reply(f.env, a.Reply), "answer")
}

func (f *filtered) notify(a *sieve.Action) {
	if f.a.queue == nil || f.silent() {
		return
	}
	l, err := f.composer().Notification(f.env, f.message(), a.Notice)
	if err != nil {
		return
	}
	// What notices say, and to whom, is the owner's word: they count as what the owner sends by hand.
	if f.a.counter != nil {
		err = f.a.counter.Count(f.ctx, f.who, l.To)
	}
	if err != nil {
		f.trouble = append(f.trouble, fmt.Sprintf("%s: the notification was not sent: %s", a.Pos, fault.TextOf(err)))
		return
	}
	f.post(a, l, "notice")
}

// composer writes messages in the owner's domain.
func (f *filtered) composer() *sieve.Composer {
	return &sieve.Composer{Host: f.owner[strings.LastIndexByte(f.owner, '@')+1:], ID: func() string {
		f.letters++
		return fmt.Sprintf("%s.%d", f.child("letter "+f.owner), f.letters)
	}}
}

// post hands a message of ours to the queue, and files a copy if that is wanted (RFC 8580). The message that it is about is
// delivered whatever becomes of it.
func (f *filtered) post(a *sieve.Action, l sieve.Letter, what string) {
	c, err := f.made(strings.NewReader(string(l.Text)))
	if err == nil {
		err = f.sendLetter(l, c, what)
	}
	if err == nil && a.Copies != nil {
		var folder mailbox.Folder
		if folder, err = f.target(a.Copies); err == nil {
			item := mailbox.Append{Content: c}
			item.Flags, item.Keywords = flagsOf(a.Copies.Flags)
			_, err = f.copied.session.Append(f.ctx, folder.ID, item)
		}
	}
	if err != nil {
		f.trouble = append(f.trouble, fmt.Sprintf("%s: %s", a.Pos, fault.TextOf(err)))
	}
}

func (f *filtered) sendLetter(l sieve.Letter, c *mailbox.Content, what string) error {
	who := ident.System()
	leg := &leg{e: transfer.Envelope{ID: f.child(fmt.Sprintf("%s %s %d", what, f.owner, f.letters)), From: l.From, Received: f.a.now()}, content: c}
	leg.leaving = Leaving{Who: &who, From: l.From}
	for _, to := range l.To {
		leg.to = append(leg.to, transfer.Recipient{Address: to, Notify: transfer.NotifyNever})
		leg.e.UTF8 = leg.e.UTF8 || !isASCII([]byte(to))
	}
	head, _, _ := bytes.Cut(l.Text, []byte("\r\n\r\n"))
	leg.e.UTF8, leg.e.EightBit = leg.e.UTF8 || !isASCII(head), !isASCII(l.Text)
	return f.queueLeg(leg)
}

// queueLeg seals a message and hands it to the queue, once.
func (f *filtered) queueLeg(leg *leg) error {
	content := leg.content
	if f.a.sealer != nil {
		if fields, err := f.a.sealer.Seal(f.ctx, leg.leaving, content); err == nil {
			content = content.Prefixed(fields)
		}
	}
	p, err := f.a.queue.Begin(f.ctx, Submission{Job: transfer.Job{Envelope: leg.e, Recipients: leg.to, Content: content}})
	if fault.Is(err, fault.Exists) { // by an attempt that was broken off
		return nil
	}
	if err == nil {
		err = p.Wait()
	}
	return err
}

func isASCII(b []byte) bool { return bytes.IndexFunc(b, func(r rune) bool { return r >= 0x80 }) < 0 }

// toldEvery is how often an owner is told that a script fails.
const toldEvery = 24 * time.Hour

// tell tells the owner what went wrong, by a message in the INBOX, once a day.
func (f *filtered) tell() {
	if len(f.trouble) == 0 {
		return
	}
	s := f.copied.session
	known, err := s.Remember(f.ctx, mailbox.Memory{ID: rules.FailureID(), Until: f.a.now().Add(toldEvery)})
	if err != nil || known[0] {
		return
	}
	inbox, ok := s.FolderByRole(mailbox.Inbox)
	c, err := f.made(strings.NewReader(string(f.composer().Trouble(f.owner, f.a.now(), f.trouble).Text)))
	if err == nil && ok {
		_, err = s.Append(f.ctx, inbox.ID, mailbox.Append{Content: c})
	}
	if err != nil {
		f.a.log.WarnContext(f.ctx, "the owner of a failing filter script could not be told", "id", f.e.ID, "account", f.owner, "err", err)
	}
}

// message is the message as notifications see it.
func (f *filtered) message() sieve.Message {
	if f.arrived != nil {
		return f.arrived
	}
	return incoming{f.content}
}

// incoming is a message that arrives.
type incoming struct{ *mailbox.Content }

// Header returns what is kept of the header beside the message; nothing of one that is very long.
func (m incoming) Header() []byte { return m.Summary().Header() }
