package server

import (
	"context"
	"crypto/tls"
	"net/http"
	"time"

	"postroad/internal/server/config"
	"postroad/internal/service/mtasts"
)

// How long others keep our policies (RFC 8461 §3.2). What is only tested can be taken back within a day.
const (
	testingAge = 24 * time.Hour
	enforceAge = 14 * 24 * time.Hour
)

// policyFor is the MTA-STS policy of a domain of ours. It names this host, and those that the settings add.
func policyFor(c config.Config, domain string) mtasts.Policy {
	p := mtasts.Policy{MaxAge: testingAge, MX: append([]string{hostOf(c)}, c.MTASTS.MX...)}
	switch c.MTASTS.ModeOf(domain) {
	case config.Enforce:
		p.Mode, p.MaxAge = mtasts.Enforce, enforceAge
	case config.Testing:
		p.Mode = mtasts.Testing
	default: // RFC 8461 §8.3: a policy is taken back by one that demands nothing
		p.MX = nil
	}
	return p
}

// policyHost answers at https://mta-sts.<domain> for every domain that is served here. Over plain HTTP it answers on loopback
// only, where a web server in front of this one may have ended TLS.
func (s *Server) policyHost() http.Handler {
	policies := mtasts.Handler(func(domain string) (mtasts.Policy, bool) {
		ours, err := s.store.Directory.IsLocal(context.Background(), domain)
		if err != nil {
			s.log.Error("cannot tell whether a domain is ours", "err", err)
		}
		return policyFor(s.config, domain), ours && err == nil
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil && viaLoopback(r) {
			r = r.Clone(r.Context())
			r.TLS = &tls.ConnectionState{}
		}
		policies.ServeHTTP(w, r)
	})
}
