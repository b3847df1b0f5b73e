package delivery

import (
	"context"
	"io"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/service/transfer"
)

// Local reports whether an address is of a domain that is ours: mail for it never goes out.
func (a *Agent) Local(ctx context.Context, address string) (bool, error) {
	return a.isOurs(ctx, address[strings.LastIndexByte(address, '@')+1:])
}

func (a *Agent) isOurs(ctx context.Context, domain string) (bool, error) {
	name, err := directory.ParseDomain(domain)
	if err != nil {
		return false, nil // whatever it is
	}
	return a.dir.IsLocal(ctx, name)
}

// Attempt delivers what the queue has for people here: what was to be held (FUTURERELEASE), what could not be
// delivered when it came, and what was on its way to another server when its domain became ours. It returns an
// outcome for each recipient.
func (a *Agent) Attempt(ctx context.Context, job transfer.Job) []transfer.Outcome {
	outs := make([]transfer.Outcome, len(job.Recipients))
	e, err := a.resumed(ctx, &job)
	var to []Recipient
	var which []int
	for i, r := range job.Recipients {
		var found Recipient
		if err == nil {
			found, outs[i] = a.again(ctx, &e, r)
		} else {
			outs[i] = outcome(err)
		}
		if outs[i].Status == "" {
			to, which = append(to, found), append(which, i)
		}
	}
	for k, err := range a.deliverAgain(ctx, e, to, job.Content) {
		outs[which[k]] = outcome(err)
	}
	for i := range outs {
		outs[i].At = a.now()
	}
	return outs
}

// again finds a recipient once more. The outcome has a status if that fails.
func (a *Agent) again(ctx context.Context, e *Envelope, r transfer.Recipient) (Recipient, transfer.Outcome) {
	found, err := a.Recipient(ctx, Sender{Who: e.Who, From: e.From}, r.Address)
	if err != nil {
		return found, outcome(err)
	}
	found.Notify, found.OriginalType, found.Original = r.Notify, r.OriginalType, r.Original
	return found, transfer.Outcome{}
}

// resumed is the envelope of a message that comes out of the queue. Its sender is known: else it would not have been kept.
func (a *Agent) resumed(ctx context.Context, job *transfer.Job) (Envelope, error) {
	e := Envelope{
		ID: job.ID, From: job.From, Source: "queue", EnvelopeID: job.EnvelopeID, Return: job.Return,
		EightBit: job.EightBit, Binary: job.Binary, UTF8: job.UTF8, Deadline: job.Deadline, NotifyLate: job.NotifyLate,
		ByTrace: job.ByTrace, Priority: job.Priority, RequireTLS: job.RequireTLS, Verdict: &Verdict{Sender: true}, queued: true,
	}
	if job.Account != 0 {
		who, err := a.dir.Identity(ctx, job.Account)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return e, err
		}
		if err == nil {
			e.Who = &who
		}
	}
	return e, nil
}

// deliverAgain delivers a content that lies in the queue.
func (a *Agent) deliverAgain(ctx context.Context, e Envelope, to []Recipient, c transfer.Content) []error {
	if len(to) == 0 {
		return nil
	}
	errs := make([]error, len(to))
	w := a.store.NewContent()
	defer w.Discard()
	_, err := io.Copy(w, io.NewSectionReader(c, 0, c.Size()))
	if err == nil {
		content, err2 := w.Finish()
		if err = err2; err == nil {
			defer content.Close()
			return a.Deliver(ctx, e, to, content)
		}
	}
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// Notify delivers a notification of ours to the people in n.Recipients, here or elsewhere. fault.Exists: it was handed in before.
func (a *Agent) Notify(ctx context.Context, n transfer.Job) error {
	who := ident.System()
	var to []Recipient
	for _, r := range n.Recipients {
		found, err := a.Recipient(ctx, Sender{Who: &who, From: n.From}, r.Address)
		if err != nil {
			return err
		}
		to = append(to, found)
	}
	e := Envelope{ID: n.ID, From: n.From, Who: &who, Source: "queue", EightBit: n.EightBit, UTF8: n.UTF8, RequireTLS: n.RequireTLS, Priority: n.Priority}
	for _, err := range a.deliverAgain(ctx, e, to, n.Content) {
		if err != nil {
			return err
		}
	}
	return nil
}
