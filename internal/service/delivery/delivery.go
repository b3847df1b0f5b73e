// Package delivery brings arriving messages to where they belong: it says at RCPT
// time who an address belongs to and whether there is room, and after the message has come
// puts one copy into a mailbox of each account that the recipients lead to, and hands to the queue what goes to other servers.
//
// Three kinds of mail leave. People who have signed in send under their own names. What strangers send to an alias or
// group that leads elsewhere is forwarded: under a reverse-path of ours (package forward), with a Delivered-To field against
// loops. What goes to a list is sent to its members in the list's name, with List-* fields. Nobody else sends through us.
//
// Accepting means owning: when Deliver says that a recipient has the message, it is
// durable, in the mailbox or in the queue. Up to 256 copies of a message share one sync.
//
// What the queue has for people here, since it was to be held or could not be delivered at once, comes back by Attempt.
package delivery

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/forward"
	"postroad/internal/service/policy"
	"postroad/internal/service/trace"
	"postroad/internal/service/transfer"
)

// Options are what an Agent needs of the world. The zero value works.
type Options struct {
	Logger *slog.Logger // default: nothing is logged
	// Queue takes what has to go to other servers. Nil: such addresses are refused.
	Queue Queue
	// Sealer signs what leaves. Nil: nothing is signed.
	Sealer Sealer
	// Filter decides by people's rules what becomes of their copies. Nil: nobody has rules.
	Filter Filter
	// Judge tells junk from good mail. Nil: the Verdict alone does.
	Judge Judge
	// Counter bounds what people's filters send in their name. Nil: nothing does.
	Counter Counter
	// Handler takes the mail for addresses that nobody has. Nil: there are none such.
	Handler Handler
	// Quarantine keeps messages that the checks want held. Nil: they can't be taken.
	Quarantine Quarantine
	// Policies say what is journaled, and what is written below mail that leaves. Nil: nothing.
	Policies *policy.Book
	// Note hears what becomes of messages. It must not wait, nor keep the event's To. Nil: nobody hears.
	Note func(trace.Event)
	Now  func() time.Time // default: time.Now
}

// Queue keeps mail until others have it.
type Queue interface {
	// Begin hands a message in, for all recipients or none. It is durable when the result's Wait has returned nil, and
	// Wait must be called. The content is not needed any more once Begin has returned.
	// fault.Exists: a message of the same ID is in the queue.
	Begin(ctx context.Context, s Submission) (Pending, error)
	// Delivered tells the sender that recipients here have the message, as far as they asked for it (RFC 3461 §5.2.3);
	// expanded: that it went on to the several addresses that they stand for (§5.2.7.3 (c)).
	Delivered(ctx context.Context, job transfer.Job, expanded bool) error
}

// Submission is a message for the queue.
type Submission struct {
	transfer.Job
	// HoldUntil is before when nothing is tried; zero: at once.
	HoldUntil time.Time
}

// Pending is a message on its way into the queue.
type Pending interface {
	// Wait returns when the message is durable, or won't be.
	Wait() error
}

// Agent delivers messages. It is safe for concurrent use.
type Agent struct {
	dir        *directory.Directory
	store      *mailbox.Store
	queue      Queue
	sealer     Sealer
	filter     Filter            // nil: nobody has rules
	judge      Judge             // nil: nobody judges
	counter    Counter           // nil: nothing is counted
	handler    Handler           // nil: there is none
	quarantine Quarantine        // nil: there is none
	policies   *policy.Book      // nil: there are none
	journalKey []byte            // proves that a journal report is ours
	event      func(trace.Event) // nil: nobody hears
	paths      *forward.Rewriter
	now        func() time.Time
	log        *slog.Logger

	messages, copies, refused, bytes, queued atomic.Uint64
}

// New makes an Agent.
func New(dir *directory.Directory, store *mailbox.Store, o Options) *Agent {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Agent{
		dir: dir, store: store, queue: o.Queue, sealer: o.Sealer, handler: o.Handler, quarantine: o.Quarantine, filter: o.Filter, judge: o.Judge, counter: o.Counter, event: o.Note, now: o.Now, log: o.Logger,
		paths: forward.New(dir.Secret("srs"), o.Now), policies: o.Policies, journalKey: dir.Secret("journal"),
	}
}

// Stats counts what an Agent has done since it was made.
type Stats struct {
	Messages uint64 // of which at least one copy was delivered
	Copies   uint64 // delivered
	Bytes    uint64 // in these copies
	Refused  uint64 // recipients that didn't get their message
	Queued   uint64 // recipients on other servers that were handed to the queue
}

// Stats returns the counts.
func (a *Agent) Stats() Stats {
	return Stats{Messages: a.messages.Load(), Copies: a.copies.Load(), Bytes: a.bytes.Load(), Refused: a.refused.Load(), Queued: a.queued.Load()}
}

// open opens an account's mailbox. Whoever finds it missing makes it: an
// account is added in two steps, and a crash may have come between them.
func (a *Agent) open(ctx context.Context, id ident.AccountID) (*mailbox.Session, error) {
	s, err := a.store.Open(ctx, id, ident.System())
	if !fault.Is(err, fault.NotFound) {
		return s, err
	}
	acc, err := a.dir.Account(ctx, id)
	if err != nil {
		return nil, err
	}
	err = a.store.Create(ctx, id, mailbox.Usage{Bytes: acc.QuotaBytes})
	if err != nil && !fault.Is(err, fault.Exists) {
		return nil, err
	}
	// Removed meanwhile: mail that nobody would find isn't taken. The mailbox stays, empty or not, for whoever checks the store: the error
	// may be another one, and the mail in it somebody else's delivery.
	if _, err := a.dir.Account(ctx, id); err != nil {
		return nil, err
	}
	return a.store.Open(ctx, id, ident.System())
}

// MaySend fails with fault.Denied if who may not send in the name of an address:
// see directory.Directory.MaySend.
func (a *Agent) MaySend(ctx context.Context, who ident.Identity, from string) error {
	if who.System {
		return nil
	}
	may, err := a.dir.MaySend(ctx, who.Account, from)
	if err == nil && !may {
		err = fault.New(fault.Denied, "this sender address isn't yours")
	}
	return err
}
