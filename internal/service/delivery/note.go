package delivery

import (
	"context"
	"log/slog"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/trace"
)

// shown is how many recipients the log names.
const shown = 20

// note writes the one line that tells what happened to a message.
func (a *Agent) note(ctx context.Context, e *Envelope, to []Recipient, size int64, results []error) {
	level, failed := slog.LevelInfo, 0
	for _, err := range results {
		if err != nil {
			failed++
		}
		if ours(err) {
			level = slog.LevelError
		}
	}
	if !a.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("id", e.ID), slog.String("from", e.From), slog.Int("recipients", len(to)),
		slog.Int("failed", failed), slog.Int64("size", size), slog.String("to", outcomes(to, results)),
	}
	if e.Source != "" {
		attrs = append(attrs, slog.String("source", e.Source))
	}
	if e.Who != nil {
		attrs = append(attrs, slog.String("login", e.Who.Login))
	}
	if e.EnvelopeID != "" {
		attrs = append(attrs, slog.String("envid", e.EnvelopeID))
	}
	a.log.LogAttrs(ctx, level, "message", append(attrs, details(results)...)...)
}

// ours reports whether a failure is our own, which somebody should look into.
func ours(err error) bool {
	if err == nil {
		return false
	}
	switch fault.KindOf(err) {
	case fault.OverQuota, fault.NotFound, fault.Canceled, fault.Denied:
		return false
	}
	return true
}

// outcomes names the recipients, with what went wrong, if anything: "ann@example.org, bob@example.org (over quota)".
func outcomes(to []Recipient, results []error) string {
	var b strings.Builder
	for i, r := range to {
		if i == shown {
			b.WriteString(", ...")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(r.Address)
		if results[i] != nil {
			b.WriteString(" (" + fault.KindOf(results[i]).String() + ")")
		}
	}
	return b.String()
}

// details gives the whole story of the first failure that is our own.
func details(results []error) []slog.Attr {
	for _, err := range results {
		if ours(err) {
			return []slog.Attr{slog.String("error", err.Error())}
		}
	}
	return nil
}

// noteReceived tells the trace, once, that we have the message: before anything that becomes of it, but not if it is refused
// for all.
func (r *run) noteReceived() {
	if r.noted || r.a.event == nil {
		return
	}
	r.noted = true
	r.messageID = r.content.Summary().MessageID()
	if r.e.queued {
		return // told when it came
	}
	ev := trace.Event{Kind: trace.Received, ID: r.e.ID, MessageID: r.messageID, From: r.e.From, Size: r.content.Size(), Client: r.e.Client, To: r.name[:0]}
	if r.e.Verdict != nil {
		ev.Text = r.e.Verdict.Summary
	}
	for i := range r.to {
		ev.To = append(ev.To, r.to[i].Address)
	}
	r.a.event(ev)
}

// noteLeg tells it of a copy that goes on under an envelope of its own.
func (r *run) noteLeg(l *leg) {
	if r.a.event == nil {
		return
	}
	ev := trace.Event{Kind: l.kind, ID: l.e.ID, Parent: r.e.ID, MessageID: r.messageID, From: r.e.From, Size: l.content.Size(), Account: l.by}
	for i := range l.to {
		ev.To = append(ev.To, l.to[i].Address)
	}
	r.a.event(ev)
}

// noteDelivered tells it of the mailboxes that have a copy.
func (r *run) noteDelivered(ctx context.Context) {
	if r.a.event == nil {
		return
	}
	for i := range r.to {
		to := &r.to[i]
		for _, id := range to.accounts {
			r.noteCopy(ctx, to.Address, place{account: id})
		}
		for l := range to.lists {
			for _, id := range to.lists[l].Accounts {
				r.noteCopy(ctx, to.Address, place{id, r.listing(&to.lists[l])})
			}
		}
	}
}

func (r *run) noteCopy(ctx context.Context, to string, p place) {
	c := r.copies.at(p)
	if c == nil || c.err != nil {
		return
	}
	r.name[0] = to
	ev := trace.Event{Kind: trace.Delivered, ID: r.e.ID, MessageID: r.messageID, From: r.e.From, To: r.name[:], Folder: c.folder, Text: c.fate}
	if who, err := r.a.dir.ProfileByID(ctx, p.account); err == nil {
		ev.Account = who.Account.Address
	}
	r.a.event(ev)
}
