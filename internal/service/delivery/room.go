package delivery

import (
	"sync"

	"postroad/internal/fault/spoil"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/sieve"
)

// room is for what nearly every message needs while it is delivered, so that it is found in one piece, and used for the next message: no longer than
// the content that the delivery is of, which is closed when it has ended.
type room struct {
	envelope Envelope
	copied   copied // the first one
	filtered filtered
	env      sieve.Environment
	outcome  sieve.Outcome
	judged   fronted
	mail     fronted // the first copy
}

// fronted is a message with something in front of it.
type fronted struct {
	content mailbox.Content
	front   []byte
}

// of makes one.
func (f *fronted) of(r *run, from, opinion string) *mailbox.Content {
	f.front = r.appendFront(f.front[:0], from, opinion)
	return r.content.PrefixedIn(&f.content, f.front)
}

// emptied is the room of what was in front.
func (f *fronted) emptied() []byte {
	if cap(f.front) > maxFront {
		return nil
	}
	spoil.Bytes(f.front)
	return f.front[:0]
}

// maxFront is how large a front's room is that is kept.
const maxFront = 4 << 10

// runs are those that have ended.
var runs = sync.Pool{New: func() any { return new(run) }}

// newRun takes up a message.
func (a *Agent) newRun(e Envelope, to []Recipient, c *mailbox.Content) *run {
	r := runs.Get().(*run)
	r.a, r.to, r.content, r.room.envelope = a, to, c, e
	r.e = &r.room.envelope
	return r
}

// release gives back the room of a delivery that has ended. If the message has gone further than to mailboxes, or nowhere, others have been shown
// it and its envelope, and nobody asks them whether they still look.
func (r *run) release() {
	if len(r.copies.all) == 0 || len(r.legs) > 0 || r.handed {
		return
	}
	judged, mail := r.room.judged.emptied(), r.room.mail.emptied()
	*r = run{}
	r.room.judged.front, r.room.mail.front = judged, mail
	runs.Put(r)
}

// newCopied begins a copy.
func (r *run) newCopied(p place) *copied {
	c := &r.room.copied
	if len(r.copies.all) > 0 {
		c = new(copied)
	}
	c.place = p
	r.copies.add(c)
	return c
}

// newFiltered is for a copy's way through the rules: there is one at a time.
func (r *run) newFiltered() *filtered {
	f := &r.room.filtered
	*f, r.room.env = filtered{run: r, env: &r.room.env}, sieve.Environment{Room: &r.room.outcome}
	return f
}

// forJudge is the message as mailboxes get it, but for what they think of it.
func (r *run) forJudge() *mailbox.Content {
	if r.collected != nil && r.found() == "" {
		return r.content
	}
	return r.room.judged.of(r, r.e.From, "")
}

// copyWith is the message for mailboxes, with what they think of it.
func (r *run) copyWith(opinion string) *mailbox.Content {
	if len(r.room.mail.front) > 0 { // it is another copy already
		return r.content.Prefixed(r.front(r.e.From, opinion))
	}
	return r.room.mail.of(r, r.e.From, opinion)
}
