package server

import (
	"context"

	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/protocol/smtp"
	"postroad/internal/server/certs"
	"postroad/internal/service/auth"
	"postroad/internal/service/delivery"
)

// post is the delivery service as protocol/smtp wants it.
type post struct {
	agent *delivery.Agent
	store *mailbox.Store
}

func (p post) Recipient(ctx context.Context, who *ident.Identity, address string) (smtp.Mailbox, error) {
	return p.agent.Recipient(ctx, who, address)
}

func (p post) NewContent() smtp.Content { return p.store.NewContent() }

func (p post) Deliver(ctx context.Context, e *smtp.Envelope, c smtp.Content) []error {
	content, err := c.(*mailbox.ContentWriter).Finish()
	if err != nil {
		return same(err, len(e.Recipients))
	}
	to := make([]delivery.Recipient, len(e.Recipients))
	for i, r := range e.Recipients {
		to[i] = r.Mailbox.(delivery.Recipient)
	}
	source := e.Mode.String()
	if e.Peer.IsValid() {
		source += " " + e.Peer.String()
	}
	results := p.agent.Deliver(ctx, delivery.Envelope{ID: e.ID, From: e.From, Who: e.Who, Source: source, EnvelopeID: e.EnvelopeID}, to, content)
	_ = content.Close() // the copies are durable, or have failed; the spool is of no more use
	return results
}

// same gives every recipient the same outcome.
func same(err error, n int) []error {
	all := make([]error, n)
	for i := range all {
		all[i] = err
	}
	return all
}

// signIn is the auth service as protocol/smtp wants it.
type signIn struct {
	engine *auth.Engine
	certs  *certs.Keeper
}

func (s signIn) peer(p smtp.Peer) auth.Peer {
	return auth.Peer{Addr: p.Addr, Protocol: p.Protocol, TLS: p.TLS, Certificate: s.certs.Leaf(), PlainAllowed: p.PlainAllowed}
}

func (s signIn) Mechanisms(p smtp.Peer) []string { return s.engine.Mechanisms(s.peer(p)) }

func (s signIn) Start(p smtp.Peer, mechanism string) (smtp.Exchange, error) {
	return s.engine.Start(s.peer(p), mechanism)
}
