package delivery

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/forward"
	"postroad/internal/service/trace"
	"postroad/internal/service/transfer"
)

// leg is the message as it goes to the queue for some recipients: under one envelope, with the same fields in front.
type leg struct {
	kind    trace.Kind // Forwarded or Listed; 0: under the sender's own name
	by      string     // the address of ours from which it goes on; "": back to who wrote through us
	key     string     // of what is forwarded: where to
	marks   []string   // Delivered-To fields
	e       transfer.Envelope
	to      []transfer.Recipient
	seen    map[string]bool  // addresses in to, while it grows
	content *mailbox.Content // but for the seal
	leaving Leaving
	hold    time.Time
	served  []*Recipient // nil: those that hold is about, which are all, or a list's
	pending Pending
	err     error
}

var noTime time.Time

// serves reports whether a recipient's mail goes by this leg, a list's apart.
func (l *leg) serves(to *Recipient) bool {
	for _, r := range l.served {
		if r == to {
			return true
		}
	}
	return false
}

// gather adds a recipient's addresses elsewhere to the leg that they belong to.
func (r *run) gather(ctx context.Context, to *Recipient) {
	switch {
	case len(to.remote) == 0:
	case r.e.Who != nil && !to.back:
		if r.own == nil {
			r.own = &leg{e: r.transfer(), leaving: r.leaving("")}
			r.own.content, r.own.err = r.outgoing(ctx)
		}
		r.own.add(to)
	default:
		r.forward(ctx, to)
	}
}

// add adds a recipient's addresses elsewhere, each once.
func (l *leg) add(to *Recipient) {
	l.served = append(l.served, to)
	if l.seen == nil {
		l.seen = make(map[string]bool, len(to.remote))
	}
	for _, address := range to.remote {
		if !l.seen[address] {
			l.seen[address] = true
			l.to = append(l.to, to.onward(address))
		}
	}
}

// forward adds a recipient to what goes on to the same addresses: who writes to ann+1@, ann+2@ and so on, or to many
// addresses that only the catch-all knows, has it sent on once.
func (r *run) forward(ctx context.Context, to *Recipient) {
	at := to.at.String()
	if err := r.mayForward(ctx, to, at); err != nil {
		r.send(ctx, &leg{kind: trace.Forwarded, by: at, served: []*Recipient{to}, err: err})
		return
	}
	if to.back {
		at = ""
	}
	if r.joins(to, at) {
		return
	}
	l := &leg{kind: trace.Forwarded, key: wayOf(to), by: at, e: r.transfer(), leaving: r.leaving(to.via)}
	l.e.ID = r.child("to " + l.key)
	l.add(to)
	if at != "" {
		l.marks = []string{at}
	}
	r.forwards = append(r.forwards, l)
}

// joins reports whether a recipient's mail goes by a leg that there is already.
func (r *run) joins(to *Recipient, at string) bool {
	for _, l := range r.forwards {
		if at != "" && slices.Contains(l.marks, at) { // the same address in other words
			l.served = append(l.served, to)
			return true
		}
	}
	key := wayOf(to)
	for _, l := range r.forwards {
		if l.key == key && (at == "") == (l.by == "") {
			l.served = append(l.served, to)
			if at != "" && len(l.marks) < maxMarks {
				l.marks = append(l.marks, at)
			}
			return true
		}
	}
	return false
}

// wayOf says where a recipient's mail goes on to, and by which domain of ours.
func wayOf(to *Recipient) string { return strings.ToLower(to.via + " " + strings.Join(to.remote, " ")) }

// maxMarks is how many Delivered-To fields we put in front of one message.
const maxMarks = 20

// sendForwards sends a stranger's mail on from addresses of ours, and notifications on their way back to who wrote through
// us. The sender hears of it only if it is certain who that is: else we would write to somebody who has sent nothing.
func (r *run) sendForwards(ctx context.Context) {
	voice := forward.Told
	if !r.known() {
		voice = forward.Mute
	}
	for _, l := range r.forwards {
		for i := range l.to {
			if voice == forward.Mute {
				l.to[i].Notify = transfer.NotifyNever
			}
		}
		var marks []byte
		for _, at := range l.marks {
			marks = append(marks, deliveredTo(at)...)
		}
		l.content = r.content.Prefixed(marks)
		if l.by != "" { // else it is from nobody, and stays so
			l.e.From, l.err = r.a.paths.Path(r.e.From, l.leaving.Via, voice)
		}
		r.send(ctx, l)
	}
}

// known reports whether the sender is who the reverse-path says: they may be written to.
func (r *run) known() bool {
	return r.e.Who != nil || r.e.Trusted || r.e.Verdict != nil && r.e.Verdict.Sender
}

// hold leaves everything to the queue until the time has come: for people here too. What the addresses lead to is found out then. Who
// has it here only gets it without what is written below mail that leaves.
func (r *run) hold(ctx context.Context) {
	here := &leg{e: r.transfer(), content: r.marked(), leaving: r.leaving(""), hold: r.e.HoldUntil}
	away := here
	if slices.ContainsFunc(r.to, leaves) {
		var content *mailbox.Content
		if content, here.err = r.outgoing(ctx); here.err == nil && content != here.content {
			other := *here
			away, other.content = &other, content
		}
	}
	for i := range r.to {
		l := here
		if leaves(r.to[i]) {
			l = away
		}
		l.served = append(l.served, &r.to[i])
		l.to = append(l.to, r.to[i].to(r.to[i].Address))
	}
	if len(here.to) > 0 {
		r.send(ctx, here)
	}
	if away != here {
		if len(here.to) > 0 {
			away.e.ID = r.child("away")
		}
		r.send(ctx, away)
	}
}

// leaves reports whether a recipient's mail goes on to other servers.
func leaves(to Recipient) bool { return len(to.remote) > 0 }

// held reports whether all was left to the queue.
func (r *run) held() bool { return len(r.legs) > 0 && !r.legs[0].hold.IsZero() }

// send seals a leg and begins to hand it in.
func (r *run) send(ctx context.Context, l *leg) {
	r.legs = append(r.legs, l)
	if r.e.queued && l.kind == 0 { // another attempt may have other recipients
		l.e.ID = r.child(strings.Join(addresses(l.to), " "))
	}
	if l.err != nil {
		return
	}
	content := l.content
	if r.a.sealer != nil {
		fields, err := r.a.sealer.Seal(ctx, l.leaving, l.content)
		if err != nil { // it is better to arrive unsigned than not at all
			r.a.log.WarnContext(ctx, "a message leaves unsigned", "id", l.e.ID, "err", err)
		}
		content = content.Prefixed(fields)
	}
	r.noteReceived()
	job := transfer.Job{Envelope: l.e, Recipients: l.to, Content: content}
	l.pending, l.err = r.a.queue.Begin(ctx, Submission{Job: job, HoldUntil: l.hold})
	if (r.e.queued || r.collected != nil) && fault.Is(l.err, fault.Exists) {
		l.err = nil // handed in by an attempt, or a fetching, that was broken off
	}
	if l.err == nil && l.kind != 0 {
		r.noteLeg(l)
	}
}

// wait returns when the leg is durable or has failed.
func (l *leg) wait() {
	if l.pending != nil && l.err == nil {
		l.err = l.pending.Wait()
		l.pending = nil
	}
}

// keepFailed has the queue take the recipients that failed while others got the message: the client can only be told of all
// together, and would bring all of it again (RFC 5321 §4.4). Whoever can't be written to must be told now, and so must who brings what is
// doubtful: the queue doesn't remember that.
func (r *run) keepFailed(ctx context.Context, results []error) {
	if r.a.queue == nil || r.e.queued || r.e.Each || r.e.From == "" || !r.known() || r.e.Verdict.doubtful() || !slices.ContainsFunc(results, isError) {
		return
	}
	l := &leg{e: r.transfer(), content: r.marked()}
	l.e.ID = r.child("later")
	for i, err := range results {
		if err == nil {
			continue
		}
		if r.to[i].at == (directory.Address{}) {
			return // it isn't ours: the queue itself is in trouble
		}
		l.to = append(l.to, r.to[i].to(r.to[i].Address))
	}
	if len(l.to) == 0 || len(l.to) == len(results) {
		return
	}
	job := transfer.Job{Envelope: l.e, Recipients: l.to, Content: l.content}
	if l.pending, l.err = r.a.queue.Begin(ctx, Submission{Job: job}); l.err == nil {
		l.wait()
	}
	if l.err != nil {
		return // then the client hears of it
	}
	for i, err := range results {
		if err != nil {
			r.a.log.InfoContext(ctx, "a recipient is left to the queue", "id", r.e.ID, "to", r.to[i].Address, "err", err)
			results[i] = nil
		}
	}
}

func isError(err error) bool { return err != nil }

// report has the queue tell the sender of the recipients here that have the message, if they asked to be told
// (NOTIFY=SUCCESS): if it is certain who they are, for strangers may give any address for theirs. A list has the message when it was
// taken for the members (RFC 3461 §5.2.7.1). An alias of one elsewhere leaves it to the host there (§5.2.7.2), one of several
// has it when all that it stands for was taken (§5.2.7.3). The message is delivered whatever becomes of the notification.
func (r *run) report(ctx context.Context, results []error) {
	if r.a.queue == nil || r.e.From == "" || !r.known() || r.held() {
		return
	}
	var here, expanded []transfer.Recipient
	for i := range r.to {
		to := &r.to[i]
		switch {
		case to.Notify&transfer.NotifySuccess == 0 || results[i] != nil || r.outcome(i) != nil:
		case len(to.remote) == 0 && len(to.accounts)+len(to.lists) > 0:
			here = append(here, to.to(to.Address))
		case len(to.remote) > 0 && to.several():
			expanded = append(expanded, to.to(to.Address))
		}
	}
	r.tell(ctx, here, false)
	r.tell(ctx, expanded, true)
}

func (r *run) tell(ctx context.Context, of []transfer.Recipient, expanded bool) {
	if len(of) == 0 {
		return
	}
	err := r.a.queue.Delivered(ctx, transfer.Job{Envelope: r.transfer(), Recipients: of, Content: r.content}, expanded)
	if err != nil {
		r.a.log.WarnContext(ctx, "a notification of success could not be sent", "id", r.e.ID, "err", err)
	}
}

// transfer is the envelope in the queue's words.
func (r *run) transfer() transfer.Envelope {
	e := r.e
	t := transfer.Envelope{
		ID: e.ID, From: e.From, EnvelopeID: e.EnvelopeID, Return: e.Return,
		EightBit: e.EightBit, Binary: e.Binary, UTF8: e.UTF8, RequireTLS: e.RequireTLS, TLSOptional: r.header().tlsOptional,
		Priority: e.Priority, Deadline: e.Deadline, NotifyLate: e.NotifyLate, ByTrace: e.ByTrace, Received: r.a.now(),
	}
	if e.Who != nil {
		t.Account = e.Who.Account
	}
	if e.RequireTLS {
		t.Return = transfer.ReturnHeaders // RFC 8689 §5
	}
	return t
}

func (r *run) leaving(via string) Leaving {
	return Leaving{Who: r.e.Who, From: r.e.From, Via: via, Verdict: r.e.Verdict}
}

// child names a copy with an envelope of its own: the same whenever the same message is tried again.
func (r *run) child(what string) string {
	h := fnv.New64a()
	h.Write([]byte(strings.ToLower(what)))
	return fmt.Sprintf("%s.%016x", r.e.ID[:min(len(r.e.ID), 230)], h.Sum64())
}

func addresses(to []transfer.Recipient) []string {
	all := make([]string, len(to))
	for i := range to {
		all[i] = to[i].Address
	}
	return all
}
