package smtp

import (
	"context"
	"crypto/tls"
	"time"

	"postroad/internal/service/auth"
)

// STARTTLS (RFC 3207).

var (
	replyTLSReady  = reply{code: 220, status: "2.0.0", text: "Ready to start TLS"}
	replyTLSActive = reply{code: 503, status: "5.5.1", text: "TLS is active already"}
	replyNoTLS     = reply{code: 502, status: "5.5.1", text: "STARTTLS is not offered"}
	replyInjected  = reply{code: 503, status: "5.5.1", text: "Nothing may follow STARTTLS before the handshake", close: true}
)

func (s *session) startTLSOffered() bool {
	return s.server.config.TLS != nil && s.tls == nil
}

func (s *session) startTLS(ctx context.Context, _ []byte) reply {
	if s.tls != nil {
		return replyTLSActive
	}
	if !s.startTLSOffered() {
		return replyNoTLS
	}
	// STARTTLS ends a group. What follows it in the clear could have been put there
	// by anybody, in order to be taken for something said in private.
	if !s.in.empty() {
		s.log.Warn("plain text after STARTTLS")
		return replyInjected
	}
	s.reply(replyTLSReady)
	if err := s.flush(); err != nil {
		return reply{close: true}
	}
	if err := s.handshake(ctx); err != nil {
		s.log.Debug("TLS handshake failed", "err", err)
		return reply{close: true}
	}
	if !s.forget(ctx, s.who != nil) {
		return reply{close: true}
	}
	return reply{}
}

// forget drops all that was said in the clear (RFC 3207 §4.2). Who had signed in is a stranger again, and looked at as one: it
// returns false if the gate won't have them.
func (s *session) forget(ctx context.Context, signedIn bool) bool {
	s.reset()
	s.helo, s.extended, s.who = "", false, nil
	if !signedIn {
		return true
	}
	s.leaveGate()
	return s.enter(ctx)
}

// handshake makes the connection private.
func (s *session) handshake(ctx context.Context) error {
	deadline := time.Now().Add(s.limits.HandshakeTimeout)
	if err := s.raw.SetDeadline(deadline); err != nil {
		return err
	}
	config := s.server.config.TLS
	if other := s.server.config.SubmissionTLS; other != nil && s.opts.Mode == Submission {
		config = other
	}
	conn := tls.Server(s.raw, config)
	ctx, shown := auth.NoteCertificate(ctx)
	if err := conn.HandshakeContext(ctx); err != nil {
		s.server.counts.handshakesFailed.Add(1)
		return err
	}
	state := conn.ConnectionState()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn, s.tls, s.shown = conn, &state, shown.Leaf()
	return nil
}
