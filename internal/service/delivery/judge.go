package delivery

import (
	"context"
	"runtime/debug"

	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// Judge thinks about what may be junk. It must be safe for concurrent use.
type Judge interface {
	// Letter begins to think about a message, which costs nothing yet; nil: it isn't judged. c is the message as mailboxes get it.
	// It and the envelope are valid as long as the Letter is used.
	Letter(e *Envelope, c *mailbox.Content) Letter
	// Wrote hears of a message that somebody here has sent: whom they write to, they know. It must not wait.
	Wrote(who ident.AccountID, to []string)
}

// Letter is a message that is judged: for each account apart, since each has learned other things. It is not safe for concurrent use.
type Letter interface {
	// For tells what an account thinks. It never fails: who knows nothing has no opinion.
	For(ctx context.Context, s *mailbox.Session) Opinion
}

// Opinion is what an account thinks of a message. The zero value: nothing; the Verdict decides.
type Opinion struct {
	// Judged: there is an opinion. Junk: the account's copy goes to its folder for junk.
	Judged, Junk bool
	// Score is from 1 (surely good) to 100 (surely junk).
	Score int
	// Field explains it, with its final CRLF. It goes in front of the account's copy, and nobody else's.
	Field string
}

// JunkField is the name of the field that explains an Opinion. Those that strangers write are taken out of their mail.
const JunkField = "X-Postroad-Junk"

// JunkKeyword marks what is in the folder for junk because we put it there.
const JunkKeyword = "$Junk"

// judge asks for the account's opinion.
func (r *run) judge(ctx context.Context, p place, c *copied) {
	if r.a.judge == nil || r.e.Verdict != nil && r.e.Verdict.Decided || r.collected != nil && (!r.collected.Judge || r.collected.Kept) {
		return
	}
	defer r.unjudged(ctx, c)
	if !r.begunLetter {
		r.begunLetter = true
		r.letter = r.a.judge.Letter(r.e, r.forJudge())
	}
	if r.letter != nil {
		c.opinion = r.letter.For(ctx, c.session)
	}
}

// unjudged has a message arrive at which the judge broke: whoever brings it would bring it again and again, and in the end it would be lost. No
// other account asks about it.
func (r *run) unjudged(ctx context.Context, c *copied) {
	if p := recover(); p != nil {
		r.letter, c.opinion = nil, Opinion{}
		r.a.log.ErrorContext(ctx, "the junk filter broke at a message", "id", r.e.ID, "panic", p, "stack", string(debug.Stack()))
	}
}

// junk reports whether a copy goes to the folder for junk.
func (r *run) junk(c *copied) bool {
	if c.opinion.Judged {
		return c.opinion.Junk
	}
	if x := r.collected; x != nil && (x.Kept || !x.Judge) { // an administrator's word counts all the same
		return r.e.Verdict != nil && r.e.Verdict.Decided && r.e.Verdict.Junk
	}
	return r.e.Verdict.junk()
}

// keywords are those of a copy in a folder. What rules put into the junk is marked, too: else it would look as if a person had put it
// there, from which the judge learns, and rules that go by its own score would have it learn from itself.
func keywords(f mailbox.Folder) []string {
	if f.Role == mailbox.Junk {
		return []string{JunkKeyword}
	}
	return nil
}

// noteWritten tells the judge whom somebody here writes to. A receipt or an answer that a program gives by itself says nothing: whoever gets one
// out of people isn't somebody whom they know.
func (r *run) noteWritten() {
	e := r.e
	if r.a.judge == nil || e.Who == nil || e.Who.System || e.Who.Account == 0 || e.queued || e.From == "" || r.header().automatic {
		return
	}
	to := make([]string, len(r.to))
	for i := range r.to {
		to[i] = r.to[i].Address
	}
	r.a.judge.Wrote(e.Who.Account, to)
}
