package server

import (
	"context"
	"net"
	"net/http"

	"postroad/internal/server/config"
	"postroad/internal/service/audit"
	"postroad/internal/service/auth"
	"postroad/internal/storage/kv"
)

// openAudit opens the log of sign-ins and acts.
func openAudit(ctx context.Context, db kv.DB, c config.Audit, w World) (*audit.Log, error) {
	return audit.Open(ctx, db, audit.Options{Now: w.Now, Logger: w.Logger.With("part", "audit"), Keep: c.Keep.OrZero(), Entries: c.Entries})
}

// runAudit writes down what is noted, until ctx ends.
func (s *Server) runAudit(ctx context.Context) { s.store.Audit.Run(ctx) }

// noteSignIn puts an attempt to sign in into the log.
func noteSignIn(log *audit.Log) func(auth.Event) {
	return func(e auth.Event) {
		entry := audit.Entry{Kind: audit.Failure, What: string(e.Outcome), Who: e.Login, Protocol: e.Protocol, Mechanism: e.Mechanism, Key: e.Key.String(), TLS: e.TLS}
		if e.Client.IsValid() {
			entry.Client = e.Client.String()
		}
		if e.Address != "" {
			entry.Who = e.Address
		}
		if e.Outcome == auth.SignedIn {
			entry.Kind = audit.SignIn
		}
		log.Note(entry)
	}
}

// noteWrongToken remembers somebody who wanted to administer without the token.
func (s *Server) noteWrongToken(r *http.Request) {
	client, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		client = r.RemoteAddr
	}
	s.store.Audit.Note(audit.Entry{Kind: audit.Failure, What: "wrong admin token", Protocol: "http", Client: client, TLS: r.TLS != nil})
}
