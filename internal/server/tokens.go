package server

import (
	"crypto/tls"
	"net/http"
	"os"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/server/config"
	"postroad/internal/service/auth"
	"postroad/internal/service/oidc"
)

// tokenVerifier is who verifies access tokens; nil if none are taken.
func (s *Server) tokenVerifier() (auth.TokenVerifier, error) {
	var issuers []oidc.Issuer
	for _, c := range s.config.Auth.OIDC {
		i, err := issuerOf(c)
		if err != nil {
			return nil, err
		}
		issuers = append(issuers, i)
	}
	if len(issuers) == 0 {
		return nil, nil
	}
	// Providers are asked by a client of our own, whose answers have to come soon: somebody waits to sign in.
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{
		DialContext: s.world.Dial, TLSClientConfig: &tls.Config{RootCAs: s.world.Roots}, MaxConnsPerHost: 16,
		TLSHandshakeTimeout: 10 * time.Second, DisableKeepAlives: true, // what was verified is remembered: they are asked seldom
	}}
	return oidc.New(issuers, oidc.Options{Client: client, Now: s.world.Now, Logger: s.log.With("part", "oidc")})
}

func issuerOf(c config.OIDC) (oidc.Issuer, error) {
	i := oidc.Issuer{URL: c.Issuer, Audience: c.Audience, Scope: c.Scope, Claim: c.Claim, Domains: c.Domains, ClientID: c.ClientID, Introspect: c.Introspect}
	if c.ClientSecretFile == "" {
		return i, nil
	}
	b, err := os.ReadFile(c.ClientSecretFile)
	if err != nil {
		return i, fault.Wrap(fault.Unavailable, err, "cannot read client_secret_file of "+c.Issuer)
	}
	i.ClientSecret, _, _ = strings.Cut(strings.TrimSpace(string(b)), "\n")
	return i, nil
}
