package server

import (
	"context"
	"net"

	"postroad/internal/protocol/imap"
	"postroad/internal/protocol/pop3"
	"postroad/internal/protocol/smtp"
	"postroad/internal/server/config"
	"postroad/internal/service/auth"
	"postroad/internal/service/delivery"
)

// frontEnd is a protocol's server as this package sees it.
type frontEnd interface {
	// serve accepts connections until the listener closes or ctx ends.
	serve(ctx context.Context, b bound) error
	// shutdown says goodbye to the sessions and waits for them. When ctx ends they are cut.
	shutdown(ctx context.Context) error
}

// front is a frontEnd made of a protocol server's two methods.
type front struct {
	serveFunc    func(context.Context, net.Listener, config.Listener) error
	shutdownFunc func(context.Context) error
}

func (f *front) serve(ctx context.Context, b bound) error { return f.serveFunc(ctx, b.Listener, b.set) }
func (f *front) shutdown(ctx context.Context) error       { return f.shutdownFunc(ctx) }

// buildFronts makes one front end for each protocol; all its listeners share it, and its limits.
func (s *Server) buildFronts() (map[string]frontEnd, error) {
	engine := s.engine
	s.agent = delivery.New(s.store.Directory, s.store.Mailboxes, delivery.Options{
		Logger: s.log, Now: s.world.Now, Queue: s.outbox(), Note: s.store.Trace.Note, Sealer: s.newSealer(), Filter: s.store.Rules, Judge: s.judge(), Counter: s.store.Accounts, Handler: reportReader{s.reports}, Policies: s.store.Policies, Quarantine: isolation{s.store.Quarantine},
	})
	s.metrics.services(engine, s.agent)
	s.metrics.junk(s.store.Junk)
	s.metrics.quarantine(s.store.Quarantine)
	s.store.Admin.SetRelease(s.release)
	s.store.Fetch.SetReceiver(fetched{s})
	folders, imapServer := s.imapFront(engine)
	mail, err := s.smtpFront(engine, s.agent, &urls{imapServer, s.config.Hostname})
	if err != nil {
		return nil, err
	}
	web, err := newWeb(s)
	if err != nil {
		return nil, err
	}
	return map[string]frontEnd{
		config.HTTP: web,
		config.SMTP: mail, config.Submission: mail, config.LMTP: mail,
		config.IMAP: folders, config.POP3: s.pop3Front(engine), config.ManageSieve: s.sieveFront(engine),
	}, nil
}

func (s *Server) smtpFront(engine *auth.Engine, agent *delivery.Agent, urls smtp.URLs) (frontEnd, error) {
	l := s.config.Limits
	endings := smtp.RefuseBare
	if s.config.SMTP.BareLineEndings == config.Normalise {
		endings = smtp.NormaliseBare
	}
	gate, err := s.gate()
	if err != nil {
		return nil, err
	}
	if err := s.openScanners(); err != nil {
		return nil, err
	}
	server, err := smtp.New(smtp.Config{
		Gate: gate, Policies: s.store.Policies, Scan: s.scanners, Note: s.store.Trace.Note, Hold: s.hold(),
		BareLineEndings: endings,
		Hostname:        s.config.Hostname, Post: smtp.NewPost(agent, s.store.Mailboxes), Auth: smtp.NewAuth(engine, s.certs.LeafFor), Senders: agent, URLs: urls,
		TLS: s.certs.TLS(), SubmissionTLS: s.mailTLS(), Logger: s.log, Now: s.world.Now, Rand: s.world.Rand,
		Limits: smtp.Limits{MessageBytes: int64(l.MessageSize), Recipients: l.Recipients,
			Connections: l.Connections, ConnectionsPerAddress: l.ConnectionsPerAddress},
	})
	if err != nil {
		return nil, err
	}
	s.metrics.smtp(server)
	modes := map[string]smtp.Mode{config.SMTP: smtp.MX, config.Submission: smtp.Submission, config.LMTP: smtp.LMTP}
	return &front{
		func(ctx context.Context, n net.Listener, c config.Listener) error {
			return server.Serve(ctx, n, smtp.ListenerOptions{Mode: modes[c.Protocol],
				ImplicitTLS: c.TLS == config.Implicit, PlainAllowed: c.PlainLogin})
		}, server.Shutdown}, nil
}

func (s *Server) imapFront(engine *auth.Engine) (frontEnd, *imap.Server) {
	l := s.config.Limits
	server := imap.New(imap.Config{
		Auth: engine, Store: s.store.Mailboxes, Hostname: s.config.Hostname, TLS: s.mailTLS(), Certificate: s.certs.LeafFor,
		Logger: s.log, Metrics: s.metrics.protocol(config.IMAP), Now: s.world.Now, Rand: s.world.Rand,
		Principals: principals{s.store.Directory}, Anyone: s.config.Sharing.Anyone, Quotas: s.quotas(), Events: s.imapEvents(),
		Admin: s.config.IMAP.Admin, Comment: s.config.IMAP.Comment,
		Limits: imap.Limits{Message: int64(l.MessageSize), Conns: l.Connections, ConnsPerAddr: l.ConnectionsPerAddress,
			Messages: s.config.IMAP.MessageLimit},
	})
	return &front{
		func(ctx context.Context, n net.Listener, c config.Listener) error {
			return server.Serve(ctx, n, imap.ListenerOptions{ImplicitTLS: c.TLS == config.Implicit, PlainAllowed: c.PlainLogin})
		}, server.Shutdown}, server
}

func (s *Server) pop3Front(engine *auth.Engine) frontEnd {
	l := s.config.Limits
	server := pop3.New(pop3.Config{
		Auth: engine, Mailboxes: s.store.Mailboxes, Hostname: s.config.Hostname, TLS: s.mailTLS(), Certificate: s.certs.LeafFor,
		Logger: s.log, Now: s.world.Now, LoginDelay: s.config.POP3.LoginDelay.OrZero(),
		Limits: pop3.Limits{Connections: l.Connections, ConnectionsPerAddress: l.ConnectionsPerAddress},
	})
	s.metrics.pop3(server)
	return &front{
		func(ctx context.Context, n net.Listener, c config.Listener) error {
			return server.Serve(ctx, n, pop3.ListenerOptions{ImplicitTLS: c.TLS == config.Implicit, PlainAllowed: c.PlainLogin})
		}, server.Shutdown}
}

// loopback reports whether an address can be reached from this machine only.
func loopback(a net.Addr) bool {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}
