package acme

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// ALPN is the protocol that an authority offers when it looks by tls-alpn-01 (RFC 8737 §3). A listener on port 443 must
// have it among its own.
const ALPN = acmez.ACMETLS1Protocol

// Path is where an authority looks by http-01 (RFC 8555 §8.3).
const Path = "/.well-known/acme-challenge/"

// challenges are those that an authority may look at now. Other nodes of a cluster find them in the storage, since
// nobody knows which of them the authority will reach.
type challenges struct {
	storage *Storage

	mu   sync.Mutex
	open map[string]acme.Challenge // guarded by mu: by name
}

var _ acmez.Solver = (*challenges)(nil)

func challengeFile(name string) string { return "challenges/" + name }

// Present implements acmez.Solver.
func (c *challenges) Present(ctx context.Context, ch acme.Challenge) error {
	c.mu.Lock()
	if c.open == nil {
		c.open = map[string]acme.Challenge{}
	}
	c.open[ch.Identifier.Value] = ch
	c.mu.Unlock()
	text, err := json.Marshal(ch)
	if err != nil {
		return err
	}
	return c.storage.Store(ctx, challengeFile(ch.Identifier.Value), text)
}

// CleanUp implements acmez.Solver.
func (c *challenges) CleanUp(ctx context.Context, ch acme.Challenge) error {
	c.mu.Lock()
	delete(c.open, ch.Identifier.Value)
	c.mu.Unlock()
	return c.storage.Delete(context.WithoutCancel(ctx), challengeFile(ch.Identifier.Value))
}

// find returns the challenge for a name.
func (c *challenges) find(ctx context.Context, name string) (ch acme.Challenge, ok bool) {
	c.mu.Lock()
	ch, ok = c.open[name]
	c.mu.Unlock()
	if ok {
		return ch, true
	}
	text, err := c.storage.Load(ctx, challengeFile(name))
	return ch, err == nil && json.Unmarshal(text, &ch) == nil
}

// Challenge returns the certificate with which to answer an authority that looks by tls-alpn-01 (RFC 8737). ok is false if a
// client isn't one, and then it gets an ordinary certificate.
func (m *Manager) Challenge(hello *tls.ClientHelloInfo) (cert *tls.Certificate, ok bool, err error) {
	if !slices.Equal(hello.SupportedProtos, []string{ALPN}) {
		return nil, false, nil
	}
	ch, found := m.challenges.find(hello.Context(), fold(hello.ServerName))
	if !found || ch.Type != acme.ChallengeTypeTLSALPN01 {
		return nil, false, nil
	}
	cert, err = acmez.TLSALPN01ChallengeCert(ch)
	return cert, true, err
}

// Handler answers an authority that looks by http-01, and leaves all else to next.
func (m *Manager) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ours := strings.CutPrefix(r.URL.Path, Path)
		if !ours || r.Method != http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		host, _, _ := strings.Cut(r.Host, ":")
		ch, ok := m.challenges.find(r.Context(), fold(host))
		if !ok || ch.Type != acme.ChallengeTypeHTTP01 || ch.Token != token {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Write([]byte(ch.KeyAuthorization)) // the authority has gone if this fails
	})
}

// fold is a name as certificates are filed.
func fold(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
