package auth

import (
	"context"
	"crypto/x509"
	"sync/atomic"
)

// Shown is the certificate that one connection's client was shown: later ones may be shown another, after a renewal, or
// because they ask for another name. It is safe for concurrent use.
type Shown struct {
	leaf atomic.Pointer[x509.Certificate]
}

type shownKey struct{}

// NoteCertificate returns a context for a TLS handshake, and where what the client was shown is noted during it, by whoever
// chooses (tls.Config.GetCertificate gets the context by its hello).
func NoteCertificate(ctx context.Context) (context.Context, *Shown) {
	s := new(Shown)
	return context.WithValue(ctx, shownKey{}, s), s
}

// ShownIn is where to note a certificate in a handshake's context; nil if nobody asks.
func ShownIn(ctx context.Context) *Shown {
	s, _ := ctx.Value(shownKey{}).(*Shown)
	return s
}

// Set notes the certificate. On a nil Shown it does nothing.
func (s *Shown) Set(leaf *x509.Certificate) {
	if s != nil {
		s.leaf.Store(leaf)
	}
}

// Leaf is what was noted; nil if nothing was, as on a connection that resumes an earlier session.
func (s *Shown) Leaf() *x509.Certificate { return s.leaf.Load() }
