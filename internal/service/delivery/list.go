package delivery

import (
	"context"
	"strings"

	"postroad/internal/model/directory"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/trace"
	"postroad/internal/service/transfer"
)

// listing is what a list's members get of the message.
type listing struct {
	target  *directory.ListTarget
	content *mailbox.Content // with the list's fields
	mail    *mailbox.Content // the same for mailboxes
	from    string           // its reverse-path
	leg     *leg             // for members elsewhere; nil: there are none
	err     error            // why the list doesn't take the message
}

// mayPost reports whether a list takes a sender's mail. Notifications are for people, not for lists; and who would write to
// the list in answer to one that the list itself has caused?
func (a *Agent) mayPost(ctx context.Context, s Sender, l *directory.ListTarget) error {
	if s.From == "" {
		return errNoPerson()
	}
	may, err := a.dir.MayPost(ctx, l, s.From)
	if err == nil && !may {
		err = errNotPoster()
	}
	return err
}

// listing finds what was begun for a list; nil if nothing was.
func (r *run) listing(l *directory.ListTarget) *listing {
	for _, have := range r.lists {
		if have.target.Address == l.Address {
			return have
		}
	}
	return nil
}

// distribute begins the copies for a list's members, once.
func (r *run) distribute(ctx context.Context, target *directory.ListTarget) {
	if r.listing(target) != nil {
		return
	}
	l := &listing{target: target}
	r.lists = append(r.lists, l)
	if l.err = r.admitPost(ctx, target); l.err != nil {
		return
	}
	bounces := own(&target.Group, "bounces")
	l.content = r.content.Prefixed(listFields(&target.Group))
	l.from, l.mail = bounces, l.content.Prefixed(r.front(bounces, ""))
	for _, id := range target.Accounts {
		r.submit(ctx, place{id, l})
	}
	if len(target.Remote) > 0 {
		l.leg = r.listLeg(l, bounces)
		r.send(ctx, l.leg)
	}
}

// admitPost is mayPost with what is known of the message by now.
func (r *run) admitPost(ctx context.Context, l *directory.ListTarget) error {
	if err := r.a.mayPost(ctx, Sender{Who: r.e.Who, From: r.e.From}, l); err != nil {
		return err
	}
	v := r.e.Verdict
	switch {
	case r.header().inList(l.Group.ListID()):
		return errLoop()
	case r.e.Who != nil:
		return r.borrowed(ctx, l)
	case v == nil:
		return nil
	case v.ScanJunk && !v.Decided:
		return errSpam()
	case v.Junk:
		return errDoubtful()
	case l.Group.Posters != directory.Anyone && !v.Sender:
		return errUnproved()
	}
	forged, err := r.forged(ctx, l.Address.Domain) // that a policy lets in what its bearer brings is no reason to put our name to it
	if err == nil && forged {
		err = errForged()
	}
	return err
}

// listLeg is a list's mail for members elsewhere. It is the list's own: notifications go to those who run it, and what the
// author asked for by DSN parameters ends here (RFC 3461 §5.2.7.1). It doesn't overtake what people write to each other.
func (r *run) listLeg(l *listing, bounces string) *leg {
	e := r.transfer()
	e.ID, e.From, e.EnvelopeID, e.Return = r.child(l.target.Address.String()), bounces, "", transfer.ReturnHeaders
	e.Priority = min(e.Priority, -1)
	e.Deadline, e.NotifyLate, e.ByTrace = noTime, false, false
	out := &leg{kind: trace.Listed, by: l.target.Group.Address, e: e, content: l.content, leaving: r.leaving(l.target.Address.Domain)}
	out.leaving.List = true
	for _, address := range l.target.Remote {
		out.to = append(out.to, transfer.Recipient{Address: address})
	}
	return out
}

// outcome adds what became of the members' copies.
func (l *listing) outcome(r *run, t *tally) {
	if l.err != nil {
		t.add(l.err)
		return
	}
	for _, id := range l.target.Accounts {
		t.addCopy(r.copies.at(place{id, l}))
	}
	if l.leg != nil {
		t.add(l.leg.err)
	}
}

// inList reports whether the message has been through a list already.
func (h *head) inList(id string) bool {
	for _, v := range h.listIDs {
		open, end := strings.LastIndexByte(v, '<'), strings.LastIndexByte(v, '>')
		if open >= 0 && end > open && strings.EqualFold(strings.TrimSpace(v[open+1:end]), id) {
			return true
		}
	}
	return false
}
