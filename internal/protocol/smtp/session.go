package smtp

import (
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
	"sync"
	"time"

	"postroad/internal/model/ident"
	"postroad/internal/service/scan"
)

// session is one connection. Only its own goroutine touches it, but for what mu guards.
type session struct {
	server *Server
	opts   ListenerOptions
	limits *Limits
	log    *slog.Logger
	peer   netip.Addr         // invalid: unknown
	cancel context.CancelFunc // of the work for the session

	raw   net.Conn          // as accepted
	conn  net.Conn          // raw, or the TLS connection once there is one; changed under mu
	shown *x509.Certificate // to the client, in the handshake
	tls   *tls.ConnectionState
	line  Connection // as whoever signs people in knows it; nil: nobody does
	in    input
	out   *[]byte // replies not sent yet, in a buffer from the pool; nil: none

	helo      string // as given; empty: not yet
	extended  bool   // EHLO or LHLO
	who       *ident.Identity
	mechanism string       // by which they signed in
	tx        *transaction // nil: none
	room      *transaction // what tx points to as a rule; nil: there was none yet
	visit     Visit        // what the gate knows of the client; nil: nobody looks
	others    *scan.Visit  // other programs that go along; nil: none does
	known     *introduced  // what these are told of the client; nil: nobody asked yet

	messages int   // transactions so far
	errors   int   // wrong commands since the last accepted message
	idle     int   // commands that get nowhere, likewise
	refused  int   // recipients
	turned   int   // recipients that the gate has refused
	logins   int   // failed
	dropped  int64 // bytes of chunks that belonged to no message
	deaf     bool  // the client doesn't take replies any more
	hungUp   bool  // we end the session, and more may be on its way

	mu      sync.Mutex
	waiting bool // for a command, with nothing under way. Guarded by mu
	closing bool // the server shuts down. Guarded by mu
}

// transaction is what lies between MAIL and the end of data (RFC 5321 §3.3).
type transaction struct {
	envelope Envelope
	deadline time.Time
	message  *message // its bytes come, or have begun to by BDAT; nil: not yet
	lines    lines

	apart  string // under whose policies the recipients' mail comes in: a domain, or "" for the server's alone
	most   int64  // bytes that policies allow; 0: any number
	mostBy uint64 // the policy

	first [1]Recipient // most messages have one
	room  message      // what message points to
	said  *said        // for other programs; nil: none goes along
	named recipients   // those whom the client has named, if a program has changed them; nil: it hasn't
}

// run is the whole session.
func (s *session) run(ctx context.Context) {
	defer s.finish()
	defer s.recovered()
	if s.opts.ImplicitTLS {
		if err := s.handshake(ctx); err != nil {
			s.log.Debug("TLS handshake failed", "err", err)
			return
		}
	}
	if !s.enter(ctx) {
		return
	}
	if c, ok := s.server.config.Auth.(Connector); ok {
		s.line = c.Connect(func() { s.raw.Close() })
		defer s.line.Close()
	}
	s.greet()
	for {
		line, err := s.nextLine(s.limits.CommandLine)
		if err == nil {
			err = s.command(ctx, line)
		} else {
			err = s.lineError(err)
		}
		if err != nil {
			return
		}
	}
}

// recovered turns a panic, which is a broken invariant of ours, into the end of this session alone.
func (s *session) recovered() {
	p := recover()
	if p == nil {
		return
	}
	s.server.counts.panics.Add(1)
	s.log.Error("session panicked", "panic", p, "stack", string(debug.Stack()))
	s.reply(replyInternal)
	s.hungUp = true
}

func (s *session) greet() {
	protocol := " ESMTP Postroad"
	if s.opts.Mode == LMTP {
		protocol = " LMTP Postroad"
	}
	s.reply(reply{code: 220, text: s.server.config.Hostname + protocol})
}

// errHangUp ends the session; all that was to be said is in the output.
var errHangUp = errors.New("session over")

// command runs one command line and queues its reply.
func (s *session) command(ctx context.Context, line []byte) error {
	c, args := findCommand(line)
	r := replyNoArguments
	if !c.bare || len(args) == 0 {
		r = c.run(s, ctx, args)
	}
	if r.code != 0 {
		s.reply(r)
	}
	if r.close {
		s.hungUp = r.code != 221 // after QUIT there is nothing more to come
		return errHangUp
	}
	if c.idle {
		s.idle++
	}
	if err := s.count(r); err != nil {
		return err
	}
	if c.last || s.out != nil && len(*s.out) > pendingReplies {
		return s.flush()
	}
	return nil
}

// count counts what the client does wrong, and ends the session at too much of it.
func (s *session) count(r reply) error {
	if r.bad() {
		s.errors++
	}
	if s.errors < s.limits.Errors && s.idle < s.limits.IdleCommands {
		return nil
	}
	s.reply(replyTooManyErrors)
	s.hungUp = true
	return errHangUp
}

// lineError answers what isn't a command line. It returns nil if the session may go on.
func (s *session) lineError(err error) error {
	switch {
	case errors.Is(err, errLineTooLong):
		s.reply(replyLineTooLong)
		return s.count(replyLineTooLong)
	case errors.Is(err, errControls):
		s.reply(replyControls)
		return s.count(replyControls)
	case errors.Is(err, errBareNewline):
		s.reply(replyBareNewline)
		s.hungUp = true
	case errors.Is(err, errFlood):
		s.reply(replyLineTooLong.closing())
		s.hungUp = true
	case errors.Is(err, errShutdown):
		s.reply(replyShutdown)
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.reply(replyTimeout)
	case !errors.Is(err, io.EOF):
		s.log.Debug("connection lost", "err", err)
	}
	return errHangUp
}

// reset ends the transaction, if any, without delivering (RFC 5321 §4.1.1.5).
func (s *session) reset() {
	if s.tx != nil && s.tx.message != nil {
		s.tx.message.content.Discard()
	}
	s.endTransaction()
}

// endTransaction forgets the transaction.
func (s *session) endTransaction() {
	if s.tx != nil {
		if check := s.tx.room.check; check != nil {
			check.Drop()
		}
		*s.tx = transaction{} // so that the message can be forgotten, too
	}
	s.tx = nil
	s.others.Abort()
}

// peerForAuth describes the client to Auth.
func (s *session) peerForAuth() Peer {
	return Peer{Addr: s.peer, Protocol: s.opts.Mode.String(), TLS: s.tls, Certificate: s.shown, PlainAllowed: s.opts.PlainAllowed, Connection: s.line}
}
