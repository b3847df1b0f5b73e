package delivery

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/format/message"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/forward"
	"postroad/internal/service/sieve"
	"postroad/internal/service/trace"
	"postroad/internal/service/transfer"
)

// refuse refuses the message for this recipient: the client hears of it at once, so that no notification goes to somebody who
// has sent nothing (RFC 5429 §2.1, §2.2). A reject whose words a reply can't tell is told by a message instead (§2.2.1), if it is certain
// who has sent it.
func (f *filtered) refuse(a *sieve.Action) {
	if a.Op == sieve.Reject && (!isPlain(oneLine(a.Text)) || len(oneLine(a.Text)) > maxReason) && f.tellSender(a) {
		f.refused = true
		return
	}
	text := oneLine(a.Text)
	if text == "" || !isPlain(text) {
		text = "The recipient does not take this message" // only ASCII can be told in a reply
	}
	f.copied.err = Problem{550, "5.7.1", cutText(text, maxReason)}.fault()
}

// oneLine puts a reason on one line.
func oneLine(s string) string {
	return strings.Join(strings.Fields(safe(strings.NewReplacer("\r", " ", "\n", " ").Replace(s))), " ")
}

// tellSender sends the sender a notification with all words of a refusal, and reports whether that is on its way.
func (f *filtered) tellSender(a *sieve.Action) bool {
	if f.a.queue == nil || f.e.From == "" || !f.known() {
		return false
	}
	err := f.sendRefusal(a.Text)
	if err != nil {
		f.a.log.WarnContext(f.ctx, "the sender could not be told that a filter refuses the message", "id", f.e.ID, "account", f.owner, "err", err)
	}
	return err == nil
}

// sendRefusal gives the header back as it came: what was put in front for the mailbox is its owner's business.
func (f *filtered) sendRefusal(reason string) error {
	came, err := f.leavingContent(nil)
	if err != nil {
		return err
	}
	l, err := f.composer().Rejection(f.env, incoming{came}, reason)
	if err != nil {
		return err
	}
	c, err := f.made(bytes.NewReader(l.Text))
	if err != nil {
		return err
	}
	return f.sendLetter(l, c, "refusal")
}

// maxReason bounds what a reply tells of a reason.
const maxReason = 400

// redirect sends the message on, as an alias does: under a reverse-path of ours, marked against loops.
func (f *filtered) redirect(a *sieve.Action) {
	switch {
	case f.a.queue == nil:
		f.instead(a, "mail does not leave here")
	case f.header().passed(f.owner):
		f.instead(a, "the message was redirected by you before, and has come back: it is in a loop")
	default:
		f.redirectFurther(a)
	}
}

// maxRedirected is how often a message goes on from addresses here. Each may send it to several others who do so, too: without a bound some
// dozen people could make millions of one message, none of which comes to an address twice (RFC 5228 §10).
const maxRedirected = 5

// maxSeenMarks is how many marks of that are looked at, the newest first.
const maxSeenMarks = 20

// redirectFurther redirects what hasn't been so often.
func (f *filtered) redirectFurther(a *sieve.Action) {
	n, err := f.redirected()
	switch {
	case err != nil:
		f.notRedirected(a, err)
	case n >= maxRedirected:
		f.instead(a, fmt.Sprintf("the message has been redirected here %d times already", n))
	default:
		f.redirectReal(a)
	}
}

// redirected is from how many addresses of ours the message has gone on.
func (f *filtered) redirected() (n int, err error) {
	marks := f.header().deliveredTo
	for _, v := range marks[:min(len(marks), maxSeenMarks)] {
		v = strings.TrimSpace(v)
		ours, err := f.a.isOurs(f.ctx, v[strings.LastIndexByte(v, '@')+1:])
		if err != nil {
			return n, err
		}
		if ours {
			n++
		}
	}
	return n, nil
}

// redirectReal redirects what isn't forged in the name of one of our domains. What is stays here, and nobody is told: the script does its work.
func (f *filtered) redirectReal(a *sieve.Action) {
	forged, err := f.forged(f.ctx, f.owner[strings.LastIndexByte(f.owner, '@')+1:])
	if err == nil && forged {
		f.keep()
		return
	}
	content, err2 := f.leavingContent(a.Message)
	if err = cmp.Or(err, err2); err != nil {
		f.notRedirected(a, err)
		return
	}
	f.onward(a, content)
}

// leavingContent is the message as it goes on: without what was put in front for the mailbox, as far as that says who sent it (RFC 5321 §4.4)
// or what the mailbox thinks of it, which is its owner's business.
func (f *filtered) leavingContent(m sieve.Message) (*mailbox.Content, error) {
	switch {
	case m == nil && f.place.list != nil:
		return f.place.list.content, nil
	case m == nil:
		return f.run.content, nil
	}
	head := m.Header()
	ix := message.ParseHeader(string(head))
	kept, from, seen := make([]byte, 0, len(head)), int32(0), false
	for _, field := range ix.Fields {
		name := ix.Name(field)
		path := strings.EqualFold(name, "Return-Path") && !seen
		if path || strings.EqualFold(name, JunkField) {
			seen = seen || path
			kept, from = append(kept, head[from:field.Start]...), field.End
		}
	}
	rest := io.NewSectionReader(m, int64(len(head)), m.Size()-int64(len(head)))
	return f.made(io.MultiReader(bytes.NewReader(append(kept, head[from:]...)), rest))
}

// instead keeps a message that can't be redirected, once.
func (f *filtered) instead(a *sieve.Action, why string) {
	f.trouble = append(f.trouble, fmt.Sprintf("%s: cannot redirect to %s: %s", a.Pos, safe(a.Address), why))
	f.keep()
}

func (f *filtered) onward(a *sieve.Action, content *mailbox.Content) {
	domain := f.owner[strings.LastIndexByte(f.owner, '@')+1:]
	l := &leg{kind: trace.Forwarded, by: f.owner, e: f.transfer(), leaving: f.leaving(strings.ToLower(domain))}
	if a.Message != nil && l.leaving.Who != nil { // the script's owner has had a hand in it: it is their word, and not ours or a colleague's, that is signed
		who := f.who
		l.leaving.Who = &who
	}
	l.e.ID = f.child("redirect " + f.owner + " " + a.Address)
	l.to = []transfer.Recipient{{Address: a.Address}}
	voice := forward.Told
	if !f.known() {
		voice, l.to[0].Notify = forward.Mute, transfer.NotifyNever
	}
	l.content = content.Prefixed(deliveredTo(f.owner))
	l.e.From, l.err = f.a.paths.Path(f.e.From, l.leaving.Via, voice)
	if f.send(f.ctx, l); l.err != nil {
		f.notRedirected(a, l.err)
		return
	}
	f.copied.legs = append(f.copied.legs, l)
}

// notRedirected has all of it tried again, unless something is done already, which would be done twice then.
func (f *filtered) notRedirected(a *sieve.Action, err error) {
	if f.kept || len(f.copied.legs) > 0 {
		f.instead(a, fault.TextOf(err))
		return
	}
	f.copied.err = err
}
