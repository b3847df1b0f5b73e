package delivery

import (
	"context"
	"log/slog"
	"strings"

	"postroad/internal/fault"
)

// shown is how many recipients the log names.
const shown = 20

// note writes the one line that tells what happened to a message.
func (a *Agent) note(ctx context.Context, e Envelope, to []Recipient, size int64, results []error) {
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
	case fault.OverQuota, fault.NotFound, fault.Canceled:
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
