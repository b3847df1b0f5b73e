package server

import (
	"context"
	"net/http"
	"os"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/protocol/oauthweb"
	"postroad/internal/server/config"
	"postroad/internal/service/oauth"
)

// openOAuth opens our own provider of tokens; nil if it is off.
func (s *Server) openOAuth(ctx context.Context) (*oauth.Provider, error) {
	c := s.config.OAuth
	if !c.Enable {
		return nil, nil
	}
	issuer := c.Issuer
	if issuer == "" {
		issuer = "https://" + strings.ToLower(s.config.Hostname)
	}
	clients, err := oauthClients(c.Client)
	if err != nil {
		return nil, err
	}
	p, err := oauth.New(ctx, oauth.Options{
		DB: s.store.DB, Directory: s.store.Directory, Issuer: issuer, Clients: clients, Now: s.world.Now, Rand: s.world.Rand, Logger: s.log.With("part", "oauth"),
		Ended: func(ctx context.Context, id ident.AccountID) { s.engine.EndStale(ctx, id) },
	})
	if err == nil {
		s.store.Admin.SetGrants(p)
	}
	return p, err
}

func oauthClients(set []config.OAuthClient) (all []oauth.Client, err error) {
	for _, c := range set {
		client := oauth.Client{ID: c.ID, Name: c.Name, Redirects: c.Redirects}
		if c.SecretFile != "" {
			b, err := os.ReadFile(c.SecretFile)
			if err != nil {
				return nil, fault.Wrap(fault.Unavailable, err, "cannot read secret_file of "+c.ID)
			}
			if client.Secret, _, _ = strings.Cut(strings.TrimSpace(string(b)), "\n"); client.Secret == "" {
				return nil, fault.New(fault.Invalid, "secret_file of %s is empty", c.ID)
			}
		}
		all = append(all, client)
	}
	return all, nil
}

// mountOAuth puts the provider's endpoints where programs look for them. Passwords are typed there, so over plain HTTP it answers on
// loopback only, where a web server in front of this one may have ended TLS.
func (s *Server) mountOAuth(mux *http.ServeMux) {
	if s.oauth == nil {
		return
	}
	web := oauthweb.New(oauthweb.Config{Provider: s.oauth, Engine: s.engine, Now: s.world.Now, Logger: s.log.With("part", "oauth")})
	for _, path := range append(oauthweb.Metadata(), oauthweb.Prefix) {
		mux.Handle(path, safely(web))
	}
}

// safely refuses what comes in the clear, but from this machine.
func safely(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil && !viaLoopback(r) {
			http.Error(w, "use https", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// tidyGrants forgets what has expired, until ctx ends.
func (s *Server) tidyGrants(ctx context.Context) {
	if s.oauth != nil {
		s.oauth.RunTidy(ctx)
	}
}
