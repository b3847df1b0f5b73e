package server

import (
	"context"
	"net/http"
	"os"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/server/config"
	"postroad/internal/service/auth"
	"postroad/internal/service/oauth"
	"postroad/internal/service/oidc"
)

// tokenVerifier is who verifies access tokens; nil if none are taken.
func (s *Server) tokenVerifier(ctx context.Context) (auth.TokenVerifier, error) {
	outside, err := s.outsideTokens()
	if err != nil {
		return nil, err
	}
	if s.oauth, err = s.openOAuth(ctx); err != nil {
		return nil, err
	}
	switch {
	case s.oauth == nil && outside == nil:
		return nil, nil
	case s.oauth == nil:
		return outside, nil
	case outside == nil:
		return s.oauth, nil
	}
	return eitherTokens{s.oauth, outside}, nil
}

// eitherTokens takes our own tokens and those of others. Programs are sent to us for one.
type eitherTokens struct {
	*oauth.Provider
	outside auth.TokenVerifier
}

// Verify implements auth.TokenVerifier.
func (e eitherTokens) Verify(ctx context.Context, token string) (auth.TokenClaims, error) {
	if oauth.IsOurs(token) {
		return e.Provider.Verify(ctx, token)
	}
	return e.outside.Verify(ctx, token)
}

// outsideTokens verifies those of other providers; nil if none are taken.
func (s *Server) outsideTokens() (*oidc.Verifier, error) {
	var issuers []oidc.Issuer
	for _, c := range s.config.Auth.OIDC {
		i, err := s.issuerOf(c)
		if err != nil {
			return nil, err
		}
		issuers = append(issuers, i)
	}
	if len(issuers) == 0 {
		return nil, nil
	}
	return oidc.New(issuers, oidc.Options{Now: s.world.Now, Logger: s.log.With("part", "oidc")})
}

// askingClient is what a provider is asked by. Its answers have to come soon: somebody waits to sign in.
func (s *Server) askingClient(caFile string) (*http.Client, error) {
	authorities, err := trusting(caFile, s.world.Roots)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "cannot use auth.oidc's ca_file "+caFile)
	}
	return &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{
		DialContext: s.world.Dial, TLSClientConfig: authorities, MaxConnsPerHost: 16,
		TLSHandshakeTimeout: 10 * time.Second, DisableKeepAlives: true, // what was verified is remembered: they are asked seldom
	}}, nil
}

func (s *Server) issuerOf(c config.OIDC) (oidc.Issuer, error) {
	client, err := s.askingClient(c.CAFile)
	if err != nil {
		return oidc.Issuer{}, err
	}
	i := oidc.Issuer{URL: c.Issuer, Audience: c.Audience, Scope: c.Scope, Claim: c.Claim, Domains: c.Domains, ClientID: c.ClientID, Introspect: c.Introspect, Client: client}
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
