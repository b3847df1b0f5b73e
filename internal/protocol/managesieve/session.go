package managesieve

import (
	"bufio"
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
	"strconv"
	"strings"
	"time"

	"postroad/internal/model/mailbox"
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

	line     *auth.Connection
	tls      *tls.Conn
	shown    *x509.Certificate // to the client, in the handshake
	in       decoder
	out      []byte
	broken   error // of writing
	deadline time.Time
	errors   int
	ended    bool

	scripts *mailbox.Session // nil: not signed in
	login   string
}

func newSession(s *Server, conn net.Conn, o ListenerOptions) *session {
	return &session{server: s, opts: o, raw: conn, log: s.config.Logger}
}

// serve is the session's goroutine. Whatever breaks in it breaks it alone.
func (s *session) serve() {
	defer s.close()
	defer s.recover()
	s.addr = peer.Addr(s.raw.RemoteAddr())
	s.log = s.log.With(slog.String("protocol", "managesieve"), slog.String("client", s.addr.String()))
	if !s.server.crowd.Count(s, s.addr) {
		s.server.refused.Add(1)
		s.server.crowd.Leave(s) // it takes nobody's place while it is told
		refuse(s.raw, s.opts, "too many connections from your address", s.server.config.Limits.Write)
		return
	}
	s.line = s.server.config.Auth.Connect(func() { s.raw.Close() })
	s.deadline = time.Now().Add(s.server.config.Limits.Login)
	if s.opts.ImplicitTLS && !s.startTLS() {
		return
	}
	s.in.r = bufio.NewReader(s.conn())
	s.capabilities()
	for !s.ended && s.broken == nil {
		s.next()
	}
	s.flush()
}

func (s *session) recover() {
	if p := recover(); p != nil {
		s.server.panics.Add(1)
		s.log.Error("ManageSieve session ended by a fault of ours", "panic", p, "stack", string(debug.Stack()))
	}
}

func (s *session) close() {
	s.line.Close()
	if s.scripts != nil {
		s.scripts.Close()
	}
	s.server.crowd.Leave(s) // first: who sees the connection's end may count on having left
	s.conn().Close()
	if s.login != "" {
		s.log.Info("ManageSieve session ended", "login", s.login)
	}
}

// conn is what the client's bytes pass.
func (s *session) conn() net.Conn {
	if s.tls != nil {
		return s.tls
	}
	return s.raw
}

// context is that of the session's work.
func (s *session) context() context.Context { return s.server.crowd.Context() }

// await waits for the client, after all replies have been sent.
func (s *session) await() error {
	if s.in.r.Buffered() > 0 {
		return nil
	}
	if s.flush(); s.broken != nil {
		return s.broken
	}
	until := time.Now().Add(s.server.config.Limits.Idle)
	if s.scripts == nil && s.deadline.Before(until) {
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

// flush sends what there is to be sent.
func (s *session) flush() {
	if len(s.out) == 0 || s.broken != nil {
		return
	}
	if s.broken = s.raw.SetWriteDeadline(time.Now().Add(s.server.config.Limits.Write)); s.broken == nil {
		_, s.broken = s.conn().Write(s.out)
	}
	if s.out = s.out[:0]; cap(s.out) > 64<<10 {
		s.out = nil
	}
}

// next reads and runs one command.
func (s *session) next() {
	if s.await() != nil {
		s.ended = true
		return
	}
	limit := maxEarly
	if s.scripts != nil {
		limit = mailbox.MaxScriptBytes
	}
	s.in.begin(limit)
	name := s.in.word()
	c, known := commands[name]
	if !known {
		s.in.fail(errSyntax)
	}
	var do func(*session)
	if known && s.in.err == nil {
		do = c.parse(&s.in)
	}
	err := s.in.end()
	s.server.commands.Add(1)
	switch {
	case err == nil && !c.mayRun(s):
		s.clientError(c.why(s))
	case err == nil:
		do(s)
	default:
		s.inputError(err, known)
	}
}

// inputError answers what can't be read.
func (s *session) inputError(err error, known bool) {
	switch {
	case errors.Is(err, errTooLong):
		s.reply("NO", "QUOTA/MAXSIZE", "that is too long: "+strconv.Itoa(s.in.limit)+" octets are allowed here")
		s.blame()
	case errors.Is(err, errSyntax) && !known:
		s.clientError("unknown command")
	case errors.Is(err, errSyntax):
		s.clientError("the command's arguments are wrong")
	case errors.Is(err, errFlood):
		s.goodbye("", "that is far too long")
	case errors.Is(err, os.ErrDeadlineExceeded) && s.server.crowd.Closing():
		s.goodbye("TRYLATER", "shutting down")
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.goodbye("", "you were silent for too long")
	default:
		s.ended = true // the client has gone
	}
}

// reply writes OK, NO or BYE with a response code ("": none) and a text ("": none).
func (s *session) reply(what, code, text string) {
	s.out = append(s.out, what...)
	if code != "" {
		s.out = append(append(append(s.out, " ("...), code...), ')')
	}
	if text != "" {
		s.out = appendString(append(s.out, ' '), text)
	}
	s.out = append(s.out, "\r\n"...)
}

func (s *session) ok(text string) { s.reply("OK", "", text) }

// clientError answers a command that can't be. Those who make too many are sent away.
func (s *session) clientError(text string) {
	s.reply("NO", "", text)
	s.blame()
}

func (s *session) blame() {
	s.server.failures.Add(1)
	if s.errors++; s.errors >= s.server.config.Limits.Errors {
		s.goodbye("", "too many errors")
	}
}

// goodbye ends the session with a word.
func (s *session) goodbye(code, text string) {
	s.reply("BYE", code, text)
	s.ended = true
}

// capabilities lists them: RFC 5804 §1.7.
func (s *session) capabilities() {
	c := &s.server.config
	s.capability("IMPLEMENTATION", "Postroad")
	s.capability("SASL", strings.Join(c.Auth.Mechanisms(s.peer()), " "))
	s.capability("SIEVE", strings.Join(c.Extensions, " "))
	s.capability("NOTIFY", "mailto")
	s.capability("MAXREDIRECTS", strconv.Itoa(c.MaxRedirects))
	if c.Lists != "" {
		s.capability("EXTLISTS", c.Lists)
	}
	s.capability("LANGUAGE", "en")
	if s.mayStartTLS() {
		s.out = append(s.out, "\"STARTTLS\"\r\n"...)
	}
	s.out = append(s.out, "\"UNAUTHENTICATE\"\r\n"...)
	if s.scripts != nil {
		s.capability("OWNER", s.login)
	}
	s.capability("VERSION", "1.0")
	s.ok("Postroad ManageSieve ready")
}

func (s *session) capability(name, value string) {
	s.out = appendString(append(appendString(s.out, name), ' '), value)
	s.out = append(s.out, "\r\n"...)
}

func (s *session) peer() auth.Peer {
	p := auth.Peer{Addr: s.addr, Protocol: "managesieve", PlainAllowed: s.opts.PlainAllowed, Connection: s.line}
	if s.tls != nil {
		st := s.tls.ConnectionState()
		p.TLS, p.Certificate = &st, s.shown
		if p.Certificate == nil && s.server.config.Certificate != nil {
			p.Certificate = s.server.config.Certificate(st.ServerName)
		}
	}
	return p
}

func (s *session) mayStartTLS() bool {
	return s.server.config.TLS != nil && s.tls == nil && s.scripts == nil
}

// startTLS does the handshake; false if it failed, and the session is over.
func (s *session) startTLS() bool {
	if s.server.config.TLS == nil {
		return false
	}
	conn := tls.Server(s.raw, s.server.config.TLS)
	if err := s.raw.SetDeadline(s.deadline); err != nil || s.server.crowd.Closing() {
		return false
	}
	ctx, shown := auth.NoteCertificate(s.context())
	if err := conn.HandshakeContext(ctx); err != nil {
		if !errors.Is(err, io.EOF) {
			s.log.Debug("TLS handshake failed", "error", err)
		}
		return false
	}
	s.tls, s.shown = conn, shown.Leaf()
	return true
}
