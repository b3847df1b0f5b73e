// Package talk is what servers of plain protocols (POP3, ManageSieve) are beneath their commands: the connection of one client,
// with its place in the crowd, its TLS, the time it has, and who sign-in takes it for. What is said on it is the protocol's business.
package talk

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"postroad/internal/service/auth"
	"postroad/internal/service/crowd"
)

// Session is the conversation with one client. Its connection's goroutine calls both methods.
type Session interface {
	// Run talks until either side has had enough. If it panics, that ends this session alone.
	Run()
	// End gives back what the session holds, before the connection is closed.
	End()
}

// Config is what a Server needs. TLS, Certificate, zero limits and Logger may be left out.
type Config struct {
	// Name is the protocol's, as logs write it. Sign-in calls it the same in lower case.
	Name string
	Auth *auth.Engine
	// Session makes the one for a client, whose TLS has begun where it comes first.
	Session func(*Conn) Session
	// Refusal is what a client hears who isn't served.
	Refusal func(why string) string
	// TLS is for those who ask for it, and for listeners with ImplicitTLS; nil: there is none.
	TLS *tls.Config
	// Certificate gives our certificate for a server's name, for channel binding to it (RFC 5929 §4) in resumed sessions, where
	// clients are shown none. If nil, that binding is offered there only if TLS has one certificate and no choice.
	Certificate func(serverName string) *x509.Certificate
	Limits      Limits
	Logger      *slog.Logger // default: nothing is logged
}

// Limits bound what clients can take. Zero fields have the defaults.
type Limits struct {
	// Connections at a time; default 10,000.
	Connections int
	// ConnectionsPerAddress at a time from an IPv4 address or IPv6 /64; default 100. Loopback isn't counted.
	ConnectionsPerAddress int
	// Errors are how many unknown, malformed or misplaced commands and failed sign-ins a session may make; default 10.
	Errors int
	// Idle is how long a client may take for a command; default 10 minutes.
	Idle time.Duration
	// Login is how long a client may take from connecting to having signed in; default 3 minutes.
	Login time.Duration
	// Write is how long a client may take to read what is written at once; default 2 minutes.
	Write time.Duration
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Connections: cmp.Or(l.Connections, 10_000), ConnectionsPerAddress: cmp.Or(l.ConnectionsPerAddress, 100),
		Errors: cmp.Or(l.Errors, 10), Idle: cmp.Or(l.Idle, 10*time.Minute),
		Login: cmp.Or(l.Login, 3*time.Minute), Write: cmp.Or(l.Write, 2*time.Minute),
	}
}

// ListenerOptions are what one listener does differently from others.
type ListenerOptions struct {
	// ImplicitTLS: connections begin with the TLS handshake (RFC 8314 §3).
	ImplicitTLS bool
	// PlainAllowed: passwords may be sent without TLS.
	PlainAllowed bool
}

// Server has the connections of one protocol, on any number of listeners. It is safe for concurrent use.
type Server struct {
	config Config
	crowd  *crowd.Crowd

	connections, refused, commands, errors, panics atomic.Uint64
}

// New makes a Server, which does nothing before Serve.
func New(c Config) *Server {
	c.Limits = c.Limits.withDefaults()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Server{config: c, crowd: crowd.New(crowd.Options{Protocol: c.Name, Logger: c.Logger,
		Sessions: c.Limits.Connections, PerClient: c.Limits.ConnectionsPerAddress})}
}

// Stats counts what a Server has done since it was made.
type Stats struct {
	Open        int    // connections now
	Clients     int    // whose connections are counted, now
	Connections uint64 // accepted
	Refused     uint64 // connections turned away for their number
	Commands    uint64
	Errors      uint64 // unknown, malformed or misplaced commands and failed sign-ins
	Panics      uint64 // sessions that ended by a fault of ours
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	return Stats{
		Open: s.crowd.Len(), Clients: s.crowd.Clients(), Connections: s.connections.Load(), Refused: s.refused.Load(),
		Commands: s.commands.Load(), Errors: s.errors.Load(), Panics: s.panics.Load(),
	}
}

// Serve accepts connections, each served in a goroutine of its own, until ctx ends, the listener is closed or Shutdown is
// called, when it returns nil, or the listener fails. It closes the listener. Sessions go on: Shutdown ends them.
func (s *Server) Serve(ctx context.Context, l net.Listener, o ListenerOptions) error {
	return s.crowd.Serve(ctx, l, func(raw net.Conn) { s.begin(raw, o) })
}

// Shutdown stops accepting, takes leave of clients that are silent, lets replies under way come to their end, and waits
// for all sessions. If ctx ends before that, the connections that are left are cut, and ctx's error is returned when their
// sessions have ended.
func (s *Server) Shutdown(ctx context.Context) error { return s.crowd.Shutdown(ctx) }

// begin serves a connection, if there is room.
func (s *Server) begin(raw net.Conn, o ListenerOptions) {
	c := &Conn{server: s, opts: o, raw: raw}
	if why := s.crowd.Begin(c, c.serve); why != "" {
		s.refuse(raw, o, why, 100*time.Millisecond) // others wait to be accepted
		return
	}
	s.connections.Add(1)
}

// refuse says why a connection isn't served, if the client listens.
func (s *Server) refuse(raw net.Conn, o ListenerOptions, why string, patience time.Duration) {
	s.refused.Add(1)
	defer raw.Close()
	if o.ImplicitTLS || raw.SetWriteDeadline(time.Now().Add(patience)) != nil {
		return
	}
	raw.Write([]byte(s.config.Refusal(why)))
}
