package acme

import (
	"context"
	"crypto/x509"
	"log/slog"
	"time"
)

// renewal is when a certificate is renewed if its authority doesn't say: with a third of its life left.
func renewal(leaf *x509.Certificate) time.Time {
	return leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore) / 3)
}

// askEvery is how often an authority that doesn't say is asked when to renew.
const askEvery = 6 * time.Hour

// askWhen asks the authority now and then when to renew a name's certificate. It is never put off beyond the last eighth
// of its life.
func (m *Manager) askWhen(ctx context.Context, n *name) {
	m.mu.Lock()
	leaf := n.cert.Leaf
	m.mu.Unlock()
	now := m.o.Now()
	if leaf == nil || now.Before(n.ask) || now.After(leaf.NotAfter) {
		return
	}
	at, again, ok := m.issuer.renewalTime(ctx, leaf)
	n.ask = now.Add(askEvery)
	if again.After(now) && again.Before(n.ask) {
		n.ask = again
	}
	if !ok {
		return
	}
	if last := lastChance(leaf); at.After(last) {
		at = last
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n.renew = at
}

// Pauses after failed attempts.
const (
	firstPause = 10 * time.Minute
	longPause  = 12 * time.Hour
)

// pause is how long to wait after so many failures: authorities allow only few (five an hour at Let's Encrypt).
func pause(failures int) time.Duration {
	if failures > 6 {
		return longPause
	}
	return min(firstPause<<failures, longPause)
}

// failed remembers that a name didn't get its certificate.
func (m *Manager) failed(ctx context.Context, n *name, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	wait := pause(n.failures)
	n.failures++
	n.next, n.problem = m.o.Now().Add(wait), shorten(err.Error())
	level := slog.LevelWarn
	if !n.cert.Empty() {
		level = slog.LevelError // what is in use will end
	}
	m.log.Log(ctx, level, "cannot get a certificate", "name", n.name, "err", err, "again_in", wait)
}

// maxProblem is how much of an error is shown.
const maxProblem = 500

func shorten(s string) string {
	if len(s) > maxProblem {
		return s[:maxProblem] + "..."
	}
	return s
}
