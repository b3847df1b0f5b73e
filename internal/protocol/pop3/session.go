package pop3

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/auth"
	"postroad/internal/service/peer"
)

// session is one connection. It is used by its own goroutine, but for Interrupt and Cut.
type session struct {
	server *Server
	opts   ListenerOptions
	raw    net.Conn
	addr   netip.Addr
	log    *slog.Logger

	line     *auth.Connection // listed once somebody has signed in
	tls      *tls.Conn
	shown    *x509.Certificate // to the client, in the handshake
	in       input
	out      output
	deadline time.Time // by which the client must have signed in
	errors   int       // of the client
	ended    bool

	user      []byte // named by USER
	challenge string // of the greeting, for APOP; "": APOP isn't offered
	utf8      bool
	drop      *maildrop // nil: not signed in

	// for the log
	login            string
	retrieved, bytes int64
	deleted          int
}

func newSession(s *Server, conn net.Conn, o ListenerOptions) *session {
	return &session{
		server: s, opts: o, raw: conn, out: output{conn: conn, limit: s.config.Limits.Write},
		log: s.config.Logger,
	}
}

// serve is the session's goroutine. Whatever breaks in it breaks it alone.
func (s *session) serve() {
	defer s.close()
	defer s.recover()
	s.addr = peer.Addr(s.raw.RemoteAddr())
	s.log = s.log.With(slog.String("protocol", "pop3"), slog.String("client", s.addr.String()))
	if !s.server.crowd.Count(s, s.addr) {
		s.server.counts.refused.Add(1)
		refuse(s.raw, s.opts, "too many connections from your address", s.server.config.Limits.Write)
		return
	}
	s.line = s.server.config.Auth.Connect(func() { s.raw.Close() })
	s.deadline = time.Now().Add(s.server.config.Limits.Login)
	if s.opts.ImplicitTLS && !s.startTLS() {
		return
	}
	s.out.text("+OK " + s.server.config.Hostname + " Postroad POP3 ready" + s.newChallenge() + "\r\n")
	for !s.ended && s.out.err == nil {
		s.next()
	}
	s.out.flush()
}

func (s *session) recover() {
	if p := recover(); p != nil {
		s.server.counts.panics.Add(1)
		s.log.Error("POP3 session ended by a fault of ours", "panic", p, "stack", string(debug.Stack()))
	}
}

func (s *session) close() {
	s.line.Close()
	if s.drop != nil {
		s.drop.close()
	}
	s.in.drop()
	s.server.crowd.Leave(s) // first: who sees the connection's end may count on having left
	s.conn().Close()
	if s.login != "" {
		s.log.Info("POP3 session ended", "login", s.login, "retrieved", s.retrieved, "bytes", s.bytes, "deleted", s.deleted)
	}
}

// conn is what the client's bytes pass.
func (s *session) conn() net.Conn {
	if s.tls != nil {
		return s.tls
	}
	return s.raw
}

// next reads and runs one command.
func (s *session) next() {
	line, err := s.readLine(limitOf)
	switch {
	case err == nil:
		s.server.counts.commands.Add(1)
		s.run(line)
	case errors.Is(err, errLong):
		s.clientError("the line is too long")
	case errors.Is(err, errOdd):
		s.clientError("the line holds characters that no command has")
	case errors.Is(err, errFlood):
		s.goodbye("the line is too long")
	case errors.Is(err, os.ErrDeadlineExceeded) && s.server.crowd.Closing():
		s.goodbye("[SYS/TEMP] shutting down")
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.goodbye("you were silent for too long")
	default:
		s.ended = true // the client has gone
	}
}

// limitOf is how long a command may be.
func limitOf(line []byte) int {
	if len(line) > 4 && bytes.EqualFold(line[:5], []byte("AUTH ")) {
		return maxSASLLine // an initial response may be long (RFC 5034 §4)
	}
	return maxLine
}

// readLine waits for a line, after all replies so far have been sent. The
// deadline is the line's, not the byte's.
func (s *session) readLine(limit func([]byte) int) ([]byte, error) {
	armed := false
	for {
		line, whole, err := s.in.line(limit)
		if whole || err != nil {
			return line, err
		}
		if !armed {
			if s.out.flush(); s.out.err != nil {
				return nil, s.out.err
			}
			if err := s.arm(); err != nil {
				return nil, err
			}
			armed = true
		}
		if err := s.in.fill(s.conn()); err != nil {
			return nil, err
		}
	}
}

// arm sets the time by which the client must have sent its next line.
func (s *session) arm() error {
	until := time.Now().Add(s.server.config.Limits.Idle)
	if s.drop == nil && s.deadline.Before(until) {
		until = s.deadline
	}
	if err := s.raw.SetReadDeadline(until); err != nil {
		return err
	}
	if s.server.crowd.Closing() { // Interrupt may have come before the deadline was set
		return s.raw.SetReadDeadline(time.Unix(1, 0))
	}
	return nil
}

// Interrupt ends the waiting for a command.
func (s *session) Interrupt() { s.raw.SetReadDeadline(time.Unix(1, 0)) }

// Cut ends the connection.
func (s *session) Cut() { s.raw.Close() }

// run runs a command line.
func (s *session) run(line []byte) {
	name, arg, _ := bytes.Cut(line, []byte{' '})
	var upper [8]byte
	if len(name) > len(upper) {
		s.clientError("unknown command")
		return
	}
	for i, c := range name {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper[i] = c
	}
	c, ok := s.server.commands[string(upper[:len(name)])]
	switch {
	case !ok:
		s.clientError("unknown command")
	case c.when == signedOut && s.drop != nil:
		s.clientError("you have signed in already")
	case c.when == signedIn && s.drop == nil:
		s.clientError("sign in first")
	default:
		c.do(s, arg)
	}
}

// ok begins and ends a one-line reply.
func (s *session) ok(text string) { s.out.text("+OK " + text + "\r\n") }

// fail answers with what went wrong.
func (s *session) fail(err error) {
	if fault.KindOf(err) == fault.Internal || fault.KindOf(err) == fault.Corrupt {
		s.log.Error("POP3 command failed", "error", err)
	}
	s.out.text("-ERR " + replyTo(err) + "\r\n")
}

// clientError answers a command that can't be. Those who make too many are sent away.
func (s *session) clientError(text string) {
	s.out.text("-ERR " + text + "\r\n")
	s.blame()
}

func (s *session) blame() {
	s.server.counts.errors.Add(1)
	if s.errors++; s.errors >= s.server.config.Limits.Errors {
		s.goodbye("too many errors")
	}
}

// goodbye ends the session with a word.
func (s *session) goodbye(text string) {
	s.out.text("-ERR " + text + "\r\n")
	s.ended = true
}

// context is that of the session's work.
func (s *session) context() context.Context { return s.server.crowd.Context() }

func (s *session) peer() auth.Peer {
	p := auth.Peer{Addr: s.addr, Protocol: "pop3", PlainAllowed: s.opts.PlainAllowed, Connection: s.line}
	if s.tls != nil {
		st := s.tls.ConnectionState()
		p.TLS, p.Certificate = &st, s.shown
		if p.Certificate == nil {
			p.Certificate = s.server.config.certificate(st.ServerName)
		}
	}
	return p
}

// mayShowPassword reports whether USER and PASS may be used.
func (s *session) mayShowPassword() bool { return s.tls != nil || s.opts.PlainAllowed }

// startTLS does the handshake; false if it failed, and the session is over.
func (s *session) startTLS() bool {
	if s.server.config.TLS == nil {
		return false
	}
	conn := tls.Server(s.raw, s.server.config.TLS)
	if err := s.raw.SetDeadline(s.deadline); err != nil {
		return false
	}
	if s.server.crowd.Closing() {
		return false
	}
	ctx, shown := auth.NoteCertificate(s.context())
	if err := conn.HandshakeContext(ctx); err != nil {
		if !errors.Is(err, io.EOF) {
			s.log.Debug("TLS handshake failed", "error", err)
		}
		return false
	}
	s.tls, s.shown, s.out.conn = conn, shown.Leaf(), conn
	return true
}
