package delivery

import (
	"context"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/service/trace"
	"postroad/internal/service/transfer"
)

// fromQuarantine is the Source of what is released.
const fromQuarantine = "quarantine"

// Release delivers a message out of the quarantine as it was meant, and returns an error or nil for each recipient. Nobody
// doubts it again: e.Verdict is what was found when it came. With part, it isn't for all that it came for, and gets an ID of its own.
func (a *Agent) Release(ctx context.Context, e Envelope, part bool, recipients []transfer.Recipient, c transfer.Content) []error {
	v := Verdict{}
	if e.Verdict != nil {
		v = *e.Verdict
	}
	v.Decided, v.Quarantine, v.Discard, v.Junk, v.ScanJunk = true, "", "", false, false
	e.Verdict, e.Source, e.queued = &v, fromQuarantine, true
	parent := ""
	if part {
		r := run{a: a, e: &e}
		parent, e.ID = e.ID, r.child("release "+strings.Join(addresses(recipients), " "))
	}
	if a.event != nil {
		a.event(trace.Event{Kind: trace.Released, ID: e.ID, Parent: parent, From: e.From, To: addresses(recipients), Text: "from the quarantine"})
	}
	errs := make([]error, len(recipients))
	var to []Recipient
	var which []int
	for i, r := range recipients {
		found, err := a.Recipient(ctx, Sender{Who: e.Who, From: e.From}, r.Address)
		if err != nil {
			errs[i] = err
			continue
		}
		found.Notify, found.OriginalType, found.Original = r.Notify, r.OriginalType, r.Original
		to, which = append(to, found), append(which, i)
	}
	for k, err := range a.deliverAgain(ctx, e, to, c) {
		errs[which[k]] = err
	}
	return errs
}

// Sent is the envelope of a message that somebody may have sent who had signed in: who is filled in from their account, if it is there still.
func (a *Agent) Sent(ctx context.Context, e Envelope, account ident.AccountID) (Envelope, error) {
	if account == 0 {
		return e, nil
	}
	who, err := a.dir.Identity(ctx, account)
	if fault.Is(err, fault.NotFound) {
		return e, fault.New(fault.NotFound, "the account that sent the message is gone")
	}
	e.Who = &who
	return e, err
}
