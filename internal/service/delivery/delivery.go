// Package delivery brings arriving messages into mailboxes: it says at RCPT
// time who an address belongs to and whether there is room, and after the message has come
// puts one copy into the INBOX of each account that the recipients lead to.
//
// What has to go to other servers is handed to the queue, for people who have signed in;
// nobody else sends through us.
//
// Accepting means owning: when Deliver says that a recipient has the message, it is
// durable, in the mailbox or in the queue. Up to 256 copies of a message share one sync.
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
	"postroad/internal/service/transfer"
)

// Options are what an Agent needs of the world. The zero value works.
type Options struct {
	Logger *slog.Logger // default: nothing is logged
	// Queue takes what has to go to other servers. Nil: such addresses are refused.
	Queue Queue
	Now   func() time.Time // default: time.Now
}

// Queue keeps mail for other servers until they have it.
type Queue interface {
	// Submit takes a message over, for all recipients or none: when it
	// returns nil the message is durable. c stays the caller's.
	Submit(ctx context.Context, e transfer.Envelope, to []transfer.Recipient, c transfer.Content) error
	// Delivered tells the sender that recipients here have the message, as far as they asked for it (RFC 3461 §5.2.3).
	Delivered(ctx context.Context, job transfer.Job) error
}

// Agent delivers messages. It is safe for concurrent use.
type Agent struct {
	dir   *directory.Directory
	store *mailbox.Store
	queue Queue
	now   func() time.Time
	log   *slog.Logger

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
	return &Agent{dir: dir, store: store, queue: o.Queue, now: o.Now, log: o.Logger}
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

// Recipient is an address that mail may be delivered to, as Agent.Recipient found it.
type Recipient struct {
	// Address is what the client said.
	Address string
	// Notify, OriginalType and Original are what the client asked for by DSN parameters. They
	// matter for recipients on other servers.
	Notify                 transfer.Notify
	OriginalType, Original string

	accounts []ident.AccountID // here
	remote   []string          // elsewhere
}

// fullChecks bounds the mailboxes that are looked at for room when somebody
// writes to a group.
const fullChecks = 10

// Recipient finds out whether mail for an address can be delivered. who has
// signed in; nil for a stranger. "postmaster" needs no domain.
//
// Errors: fault.NotFound: no such address; fault.Unsupported: the domain
// isn't ours, or the address leads to one that isn't, and the client hasn't signed in or there
// is no queue; fault.OverQuota: there is no
// room in the mailbox (of a group: in none of them), which may change;
// fault.Invalid: not an address.
func (a *Agent) Recipient(ctx context.Context, who *ident.Identity, address string) (Recipient, error) {
	t, err := a.dir.Resolve(ctx, address)
	if fault.Is(err, fault.Unsupported) && a.mayRelay(who) {
		return Recipient{Address: address, remote: []string{address}}, nil
	}
	if err != nil {
		return Recipient{}, refusal(who, err)
	}
	if len(t.Remote) > 0 && !a.mayRelay(who) {
		return Recipient{}, fault.New(fault.Unsupported, "this address leads to another server, and forwarding isn't available yet")
	}
	if err := a.room(ctx, t); err != nil {
		return Recipient{}, err
	}
	return Recipient{Address: address, accounts: t.Accounts, remote: t.Remote}, nil
}

// mayRelay: only those who have signed in send to other servers through us.
func (a *Agent) mayRelay(who *ident.Identity) bool { return who != nil && a.queue != nil }

// refusal says why an address can't be resolved, in words for the client.
func refusal(who *ident.Identity, err error) error {
	switch fault.KindOf(err) {
	case fault.NotFound:
		return fault.Wrap(fault.NotFound, err, "there is no such mailbox here")
	case fault.Unsupported:
		if who != nil {
			return fault.Wrap(fault.Unsupported, err, "sending to other domains isn't available yet")
		}
		return fault.Wrap(fault.Unsupported, err, "mail for this domain is not handled here")
	}
	return err
}

// room fails with fault.OverQuota if no mailbox of the target has room for a byte.
func (a *Agent) room(ctx context.Context, t *directory.Target) error {
	if len(t.Accounts) > fullChecks || len(t.Accounts) == 0 || len(t.Remote) > 0 {
		return nil
	}
	for _, id := range t.Accounts {
		s, err := a.open(ctx, id)
		if err != nil {
			return err
		}
		st := s.State()
		s.Close()
		if !full(st) {
			return nil
		}
	}
	return fault.New(fault.OverQuota, "the mailbox is full")
}

func full(st mailbox.State) bool {
	return st.Limit.Bytes > 0 && st.Used.Bytes >= st.Limit.Bytes ||
		st.Limit.Items > 0 && st.Used.Items >= st.Limit.Items
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
