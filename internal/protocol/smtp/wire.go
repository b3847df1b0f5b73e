package smtp

import (
	"context"
	"crypto/x509"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/auth"
	"postroad/internal/service/delivery"
	history "postroad/internal/service/trace"
	"postroad/internal/service/transfer"
)

// NewPost makes a Post of the delivery agent and the store it delivers to. The
// agent is a Senders as it stands.
func NewPost(agent *delivery.Agent, store *mailbox.Store) Post {
	return post{agent, store}
}

var _ Senders = (*delivery.Agent)(nil)

type post struct {
	agent *delivery.Agent
	store *mailbox.Store
}

func (p post) Recipient(ctx context.Context, e *Envelope, address string) (Mailbox, error) {
	return p.agent.Recipient(ctx, delivery.Sender{Who: e.Who, From: e.From}, address)
}

// Onward implements Onward.
func (p post) Onward(by Mailbox, address string) (Mailbox, error) {
	return p.agent.Onward(by.(delivery.Recipient), address)
}

func (p post) NewContent() Content { return p.store.NewContent() }

func (p post) Deliver(ctx context.Context, e *Envelope, c Content) []error {
	content, err := finish(c)
	if err != nil {
		return everybody(e, err)
	}
	defer content.Close() //nolint:errcheck // it is in the mailboxes, or it isn't
	to := make([]delivery.Recipient, len(e.Recipients))
	for i := range e.Recipients {
		to[i] = e.Recipients[i].Mailbox.(delivery.Recipient)
		to[i].Notify = e.Recipients[i].Notify.transfer()
		to[i].OriginalType, to[i].Original = e.Recipients[i].OriginalType, e.Recipients[i].Original
	}
	return p.agent.Deliver(ctx, e.delivery(), to, content)
}

// delivery is the envelope in the agent's words.
func (e *Envelope) delivery() delivery.Envelope {
	return delivery.Envelope{
		ID: e.ID, From: e.From, Who: e.Who, Source: e.source(), Client: e.client(), EnvelopeID: e.EnvelopeID, Return: e.Return.transfer(), Verdict: e.Verdict,
		EightBit: e.Body != Body7Bit, Binary: e.Body == BodyBinaryMIME, UTF8: e.UTF8,
		HoldUntil: e.HoldUntil, Deadline: e.Deadline, NotifyLate: e.NotifyLate, ByTrace: e.ByTrace,
		Priority: e.Priority, RequireTLS: e.RequireTLS, Each: e.Mode == LMTP, Trusted: e.Trusted,
	}
}

// client is who brought the message, for the trace.
func (e *Envelope) client() history.Client {
	c := history.Client{Addr: e.Peer, Helo: e.Helo, TLS: e.Cipher, Protocol: e.Protocol}
	if e.Who != nil {
		c.Account = e.Who.Login
	}
	return c
}

// finish ends the message's bytes.
func finish(c Content) (*mailbox.Content, error) {
	w, ok := c.(*mailbox.ContentWriter)
	if !ok {
		return nil, fault.New(fault.Internal, "content of type %T", c)
	}
	return w.Finish()
}

// everybody gives each recipient the same error.
func everybody(e *Envelope, err error) []error {
	errs := make([]error, len(e.Recipients))
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// source says for the log where a message came from: "smtp client.example [192.0.2.7]".
func (e *Envelope) source() string {
	b := make([]byte, 0, 64)
	b = append(append(b, e.Mode.String()...), ' ')
	b = append(b, e.Helo...)
	if e.Peer.IsValid() {
		b = appendLiteral(append(b, ' '), e.Peer)
	}
	return string(b)
}

// NewAuth makes an Auth of the engine that all protocols share. For the channel binding tls-server-end-point it takes the
// certificate that a client was shown; in a resumed session, where none is, certificate gives that for a server's name (nil: the
// binding isn't offered there).
func NewAuth(engine *auth.Engine, certificate func(serverName string) *x509.Certificate) Auth {
	if certificate == nil {
		certificate = func(string) *x509.Certificate { return nil }
	}
	return signIn{engine, certificate}
}

type signIn struct {
	engine      *auth.Engine
	certificate func(serverName string) *x509.Certificate
}

func (s signIn) Mechanisms(p Peer) []string { return s.engine.Mechanisms(s.peer(p)) }

func (s signIn) Start(p Peer, mechanism string) (Exchange, error) {
	return s.engine.Start(s.peer(p), mechanism)
}

// Connect implements Connector.
func (s signIn) Connect(end func()) Connection { return s.engine.Connect(end) }

func (s signIn) peer(p Peer) auth.Peer {
	if p.TLS != nil && p.Certificate == nil {
		p.Certificate = s.certificate(p.TLS.ServerName)
	}
	line, _ := p.Connection.(*auth.Connection)
	return auth.Peer{
		Connection: line, Addr: p.Addr, Protocol: p.Protocol, TLS: p.TLS, Certificate: p.Certificate, PlainAllowed: p.PlainAllowed,
	}
}

// transfer says the same in the words that queue and relay share.
func (n Notify) transfer() transfer.Notify {
	var t transfer.Notify
	for _, same := range [...]struct {
		n Notify
		t transfer.Notify
	}{
		{NotifyNever, transfer.NotifyNever}, {NotifySuccess, transfer.NotifySuccess},
		{NotifyFailure, transfer.NotifyFailure}, {NotifyDelay, transfer.NotifyDelay},
	} {
		if n&same.n != 0 {
			t |= same.t
		}
	}
	return t
}

// transfer likewise.
func (r Return) transfer() transfer.Return {
	switch r {
	case ReturnFull:
		return transfer.ReturnFull
	case ReturnHeaders:
		return transfer.ReturnHeaders
	}
	return transfer.ReturnDefault
}
