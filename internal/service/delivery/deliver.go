package delivery

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/transfer"
)

// Envelope is what is known of a message apart from its bytes.
type Envelope struct {
	// ID names the message in the log.
	ID string
	// From is the reverse-path without brackets; empty: the null path.
	From string
	// Who signed in; nil: a stranger.
	Who *ident.Identity
	// Source says where the message came from, for the log: an address, "lmtp", "demo", ...
	Source string
	// EnvelopeID is what the sender calls the message (RFC 3461 §4.4), and Return how much
	// of it a notification should give back (§4.3).
	EnvelopeID string
	Return     transfer.Return
	// EightBit, Binary and UTF8: the client said that the message needs 8BITMIME, BINARYMIME, SMTPUTF8.
	EightBit, Binary, UTF8 bool
	// Verdict is what the checks found out; nil: nothing was checked.
	Verdict *Verdict
}

// Deliver puts a copy of the message into the INBOX of every account that the recipients lead to, one
// for each account, hands what must go elsewhere to the queue, and returns when all that succeeded is durable. The
// result has an error, or nil, for each recipient. c stays the caller's.
//
// Recipients that are aliases of several or groups succeed if somebody got the
// message and the others can't for reasons of their own (no room, no account any more): else one full
// mailbox would make the sender try again, and everybody else would get the message again and again.
// Errors: fault.OverQuota, fault.NotFound if the account has gone since, and what the store may fail with.
func (a *Agent) Deliver(ctx context.Context, e Envelope, to []Recipient, c *mailbox.Content) []error {
	r := run{a: a, content: c, copies: make(map[ident.AccountID]*copied, len(to))}
	for i := range to {
		for _, id := range to[i].accounts {
			r.submit(ctx, id)
		}
	}
	r.enqueue(ctx, e, to)
	r.wait()
	results := make([]error, len(to))
	for i := range to {
		results[i] = r.outcome(to[i])
	}
	r.report(ctx, e, to, results)
	a.count(&r, results)
	a.note(ctx, e, to, c.Size(), results)
	return results
}

// run is one message's delivery.
type run struct {
	a       *Agent
	content *mailbox.Content
	copies  map[ident.AccountID]*copied
	begun   []*copied // and not waited for yet
	queued  int       // recipients elsewhere
	lost    error     // why the queue didn't take them
}

// together is how many copies share a sync. More wouldn't make it cheaper, but hold more mailboxes open.
const together = 256

// copied is one account's copy.
type copied struct {
	session *mailbox.Session
	pending *mailbox.Pending
	err     error
}

// submit begins an account's copy, once.
func (r *run) submit(ctx context.Context, id ident.AccountID) {
	if r.copies[id] != nil {
		return
	}
	if len(r.begun) == together {
		r.wait()
	}
	c := &copied{}
	r.copies[id] = c
	r.begun = append(r.begun, c)
	if c.session, c.err = r.a.open(ctx, id); c.err != nil {
		return
	}
	inbox, ok := c.session.FolderByRole(mailbox.Inbox)
	if !ok {
		c.err = fault.New(fault.Corrupt, "account %d has no INBOX", id)
		return
	}
	c.pending, c.err = c.session.SubmitAppend(ctx, inbox.ID, mailbox.Append{Content: r.content})
}

// wait returns when all copies that have begun are durable or have failed.
func (r *run) wait() {
	for _, c := range r.begun {
		if c.err == nil {
			_, c.err = c.pending.Wait()
		}
		if c.session != nil {
			c.session.Close()
		}
	}
	r.begun = r.begun[:0]
}

// outcome is what became of one recipient's message.
func (r *run) outcome(to Recipient) error {
	var own, first error // own: a failure that is one member's alone
	delivered := false
	if len(to.remote) > 0 {
		first, delivered = r.lost, r.lost == nil
	}
	for _, id := range to.accounts {
		switch err := r.copies[id].err; fault.KindOf(err) {
		case fault.OverQuota, fault.NotFound:
			own = err
		default:
			delivered = delivered || err == nil
			if first == nil {
				first = err
			}
		}
	}
	if first == nil && !delivered {
		first = own
	}
	return first
}

func (a *Agent) count(r *run, results []error) {
	delivered := uint64(0)
	for _, c := range r.copies {
		if c.err == nil {
			delivered++
		}
	}
	a.copies.Add(delivered)
	a.bytes.Add(delivered * uint64(r.content.Size()))
	if r.lost == nil {
		a.queued.Add(uint64(r.queued))
	}
	if delivered > 0 || r.queued > 0 && r.lost == nil {
		a.messages.Add(1)
	}
	for _, err := range results {
		if err != nil {
			a.refused.Add(1)
		}
	}
}
