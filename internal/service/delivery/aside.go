package delivery

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/trace"
)

// Quarantine keeps messages that nobody is to get unless an administrator lets them go on.
type Quarantine interface {
	// Keep takes a message for recipients, whole; e.Verdict.Quarantine says why. It is durable when Keep returns nil. c stays the caller's.
	// fault.OverQuota: there is no room.
	Keep(ctx context.Context, e *Envelope, to []Recipient, c *mailbox.Content) error
}

// aside reports whether nobody gets the message: it goes to the quarantine, or nowhere. Then results say how that went.
func (r *run) aside(ctx context.Context) (results []error, yes bool) {
	v := r.e.Verdict
	if v == nil || r.e.queued || v.Quarantine == "" && v.Discard == "" {
		return nil, false
	}
	results = make([]error, len(r.to))
	kind, why := trace.Discarded, v.Discard
	if v.Quarantine != "" {
		kind, why = trace.Quarantined, v.Quarantine
		if err := r.keepAside(ctx); err != nil {
			for i := range results {
				results[i] = err
			}
			r.a.log.ErrorContext(ctx, "a message can't go to the quarantine", "id", r.e.ID, "err", err)
			return results, true
		}
	}
	r.noteReceived()
	r.noteAside(kind, why)
	r.a.log.InfoContext(ctx, "message "+kind.String(), "id", r.e.ID, "from", r.e.From, "recipients", len(r.to), "size", r.content.Size(), "why", why)
	return results, true
}

func (r *run) keepAside(ctx context.Context) error {
	if r.a.quarantine == nil {
		return fault.New(fault.Unavailable, "there is no quarantine")
	}
	return r.a.quarantine.Keep(ctx, r.e, r.to, r.content)
}

// noteAside tells the trace.
func (r *run) noteAside(kind trace.Kind, why string) {
	if r.a.event == nil {
		return
	}
	ev := trace.Event{Kind: kind, ID: r.e.ID, MessageID: r.messageID, From: r.e.From, Text: why}
	for i := range r.to {
		ev.To = append(ev.To, r.to[i].Address)
	}
	r.a.event(ev)
}
