package delivery

import (
	"context"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/trace"
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
	// Client is who brought it, for the trace.
	Client trace.Client
	// EnvelopeID is what the sender calls the message (RFC 3461 §4.4), and Return how much
	// of it a notification should give back (§4.3).
	EnvelopeID string
	Return     transfer.Return
	// EightBit, Binary and UTF8: the client said that the message needs 8BITMIME, BINARYMIME, SMTPUTF8.
	EightBit, Binary, UTF8 bool
	// HoldUntil is before when nobody gets it (RFC 4865), if somebody who has signed in asks for it; zero: at once.
	HoldUntil time.Time
	// Deadline, NotifyLate, ByTrace, Priority and RequireTLS are as in transfer.Envelope.
	Deadline            time.Time
	NotifyLate, ByTrace bool
	Priority            int
	RequireTLS          bool
	// Each: whoever brought it hears of each recipient apart, and keeps what fails (LMTP).
	Each bool
	// Trusted: whoever brought it is one of ours, who know from whom they take mail: a relay in front, a host of a trusted network.
	Trusted bool
	// Verdict is what the checks found out; nil: nothing was checked.
	Verdict *Verdict

	queued bool // it comes out of the queue
	report bool // it is a journal's report on another message
}

// Deliver puts a copy of the message into a mailbox of every account that the recipients lead to, one
// for each account and list, hands what must go elsewhere to the queue, and returns when all that succeeded is durable. The
// result has an error, or nil, for each recipient. c stays the caller's; it has no Return-Path field yet.
//
// Recipients that are aliases of several or groups succeed if somebody got the
// message and the others can't for reasons of their own (no room, no account any more): else one full
// mailbox would make the sender try again, and everybody else would get the message again and again.
//
// If some recipients fail, others don't, and the sender is known, the queue takes those that failed, and tells the sender
// what becomes of them (RFC 5321 §4.4); otherwise the caller hears of it.
//
// Errors: fault.OverQuota, fault.NotFound if the account has gone since, those of Problem, and what the store and the queue may fail with.
func (a *Agent) Deliver(ctx context.Context, e Envelope, to []Recipient, c *mailbox.Content) []error {
	r := a.newRun(e, to, c)
	results := r.deliver(ctx)
	r.release()
	return results
}

func (r *run) deliver(ctx context.Context) []error {
	if results, yes := r.aside(ctx); yes {
		return results
	}
	defer r.discardMade()
	if err := r.journal(ctx); err != nil {
		return r.all(err)
	}
	a, e, to := r.a, r.e, r.to
	if a.queue != nil && e.Who != nil && e.HoldUntil.After(a.now()) {
		r.hold(ctx)
	} else {
		r.begin(ctx)
	}
	r.wait()
	results := make([]error, len(to))
	for i := range to {
		results[i] = r.outcome(i)
	}
	r.keepFailed(ctx, results)
	r.report(ctx, results)
	a.count(r, results)
	r.noteWritten()
	r.noteDelivered(ctx)
	a.note(ctx, e, to, r.content.Size(), results)
	return results
}

// all gives each recipient the same error.
func (r *run) all(err error) []error {
	results := make([]error, len(r.to))
	for i := range results {
		results[i] = err
	}
	r.a.note(context.Background(), r.e, r.to, r.content.Size(), results)
	return results
}

// run is one message's delivery.
type run struct {
	a          *Agent
	e          *Envelope
	to         []Recipient
	content    *mailbox.Content // as it came
	mail       *mailbox.Content // for mailboxes: with Return-Path and what the checks found; nil: not made yet
	withFields *mailbox.Content // see marked; nil: not made yet
	copies     copies
	begun      []*copied // and not waited for yet
	own        *leg      // what goes on under the sender's own name; nil: nothing
	legs       []*leg    // all that goes to the queue
	forwards   []*leg    // of them, what goes on from addresses of ours
	lists      []*listing
	head       *head

	letter      Letter // for the judge; nil: it isn't judged, or not begun
	begunLetter bool

	noted     bool      // that it was received
	messageID string    // of the header, for the trace; see noteReceived
	name      [1]string // room for events' To

	temporary []*mailbox.Content // made for this delivery

	collected *Collected // it was fetched elsewhere; nil: it was brought

	handed    bool  // to the handler
	unhandled error // why it didn't take it

	room room
}

// together is how many copies share a sync. More wouldn't make it cheaper, but hold more mailboxes open.
const together = 256

// begin begins all that the recipients lead to.
func (r *run) begin(ctx context.Context) {
	for i := range r.to {
		to := &r.to[i]
		for _, id := range to.accounts {
			r.submit(ctx, place{account: id})
		}
		for l := range to.lists {
			r.distribute(ctx, &to.lists[l])
		}
		if to.handled {
			r.hand(ctx)
		}
		r.gather(ctx, to)
	}
	if r.own != nil {
		r.send(ctx, r.own)
	}
	r.sendForwards(ctx)
}

// submit begins a copy, once.
func (r *run) submit(ctx context.Context, p place) {
	if r.copies.at(p) != nil {
		return
	}
	if len(r.begun) == together {
		r.waitCopies()
	}
	c := r.newCopied(p)
	r.begun = append(r.begun, c)
	if c.session, c.err = r.a.open(ctx, p.account); c.err != nil {
		return
	}
	r.judge(ctx, p, c)
	if r.a.filter != nil && r.ruled() && r.a.filter.Apply(c.session) {
		r.filter(ctx, p, c)
		return
	}
	folder, ok := r.folder(c)
	if !ok {
		c.err = fault.New(fault.Corrupt, "account %d has no INBOX", p.account)
		return
	}
	c.folder = folder.Name
	r.noteReceived()
	pending, err := c.session.SubmitAppend(ctx, folder.ID, r.item(r.copyFor(p, c), 0, keywords(folder)))
	if c.err = err; err == nil {
		c.one[0] = pending
		c.pending = c.one[:]
	}
}

// folder is where the message goes in a mailbox.
func (r *run) folder(c *copied) (mailbox.Folder, bool) {
	if r.junk(c) {
		if f, ok := c.session.FolderByRole(mailbox.Junk); ok {
			return f, true
		}
	}
	if f, ok := r.collectedFolder(c); ok {
		return f, true
	}
	return c.session.FolderByRole(mailbox.Inbox)
}

// copyFor is the message for a mailbox: the reverse-path, what the account thinks of it, what the checks found, and what was in
// front when it came.
func (r *run) copyFor(p place, c *copied) *mailbox.Content {
	m := r.frontedFor(p, c.opinion.Field)
	c.size = m.Size()
	return m
}

func (r *run) frontedFor(p place, opinion string) *mailbox.Content {
	switch {
	case p.list != nil && opinion == "":
		return p.list.mail
	case p.list != nil:
		return p.list.content.Prefixed(r.front(p.list.from, opinion))
	case opinion != "":
		return r.copyWith(opinion)
	case r.collected != nil && r.found() == "":
		return r.content
	case r.mail == nil:
		r.mail = r.copyWith("")
	}
	return r.mail
}

// front is what stands in front of a mailbox's copy.
func (r *run) front(from, opinion string) []byte {
	return r.appendFront(make([]byte, 0, len("Return-Path: <>\r\n")+len(from)+len(opinion)+len(r.found())), from, opinion)
}

func (r *run) appendFront(b []byte, from, opinion string) []byte {
	if r.collected == nil { // else it has a Return-Path of where it was delivered
		b = appendReturnPath(b, from)
	}
	return append(append(b, opinion...), r.found()...)
}

// found is the field that tells what the checks found.
func (r *run) found() string {
	if r.e.Verdict == nil {
		return ""
	}
	return r.e.Verdict.Field
}

// wait returns when all that has begun is durable or has failed.
func (r *run) wait() {
	r.waitCopies()
	for _, l := range r.legs {
		l.wait()
	}
}

// waitCopies does so for mailboxes.
func (r *run) waitCopies() {
	for _, c := range r.begun {
		for _, p := range c.pending {
			if _, err := p.Wait(); c.err == nil {
				c.err = err
			}
		}
		if c.session != nil {
			c.session.Close()
		}
	}
	r.begun = r.begun[:0]
}

// discardMade lets go of messages that were made for this delivery.
func (r *run) discardMade() {
	for _, c := range r.temporary {
		c.Close()
	}
}

// tally gathers what became of a recipient's parts.
type tally struct {
	own, first error // own: a failure that is one member's alone
	delivered  bool
}

func (t *tally) add(err error) {
	switch fault.KindOf(err) {
	case fault.OverQuota, fault.NotFound, fault.Denied:
		t.own = err
	default:
		t.delivered = t.delivered || err == nil
		if t.first == nil {
			t.first = err
		}
	}
}

// addCopy adds an account's copy, with where its rules sent it.
func (t *tally) addCopy(c *copied) {
	err := c.err
	for _, l := range c.legs {
		if err == nil {
			err = l.err
		}
	}
	t.add(err)
}

// outcome is what became of one recipient's message.
func (r *run) outcome(i int) error {
	to := &r.to[i]
	if to.mute {
		return nil
	}
	var t tally
	for _, l := range r.legs {
		if l.serves(to) {
			t.add(l.err)
		}
	}
	if r.held() {
		return t.first
	}
	for _, id := range to.accounts {
		t.addCopy(r.copies.at(place{account: id}))
	}
	for l := range to.lists {
		r.listing(&to.lists[l]).outcome(r, &t)
	}
	if to.handled {
		t.add(r.unhandled)
	}
	if t.first == nil && !t.delivered {
		t.first = t.own
	}
	return t.first
}

func (a *Agent) count(r *run, results []error) {
	delivered, queued := uint64(0), uint64(0)
	for _, c := range r.copies.all {
		if c.err == nil {
			delivered++
			a.bytes.Add(uint64(c.size))
		}
	}
	for _, l := range r.legs {
		if l.err == nil {
			queued += uint64(len(l.to))
		}
	}
	a.copies.Add(delivered)
	a.queued.Add(queued)
	if delivered+queued > 0 {
		a.messages.Add(1)
	}
	for _, err := range results {
		if err != nil {
			a.refused.Add(1)
		}
	}
}
