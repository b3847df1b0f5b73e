package imap

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/auth"
	"postroad/internal/service/crowd"
)

// Config is what a Server needs. Auth, Store and Hostname are required.
type Config struct {
	Auth     *auth.Engine
	Store    *mailbox.Store
	Hostname string // shown in the greeting

	// TLS serves implicit TLS and STARTTLS. Without it neither is offered.
	TLS *tls.Config
	// Certificate gives our certificate for a server's name, for channel binding to it (RFC 5929 §4) in resumed sessions,
	// where clients are shown none. If nil, that binding is not offered there.
	Certificate func(serverName string) *x509.Certificate
	// Principals are whom rights on mailboxes can be given to (ACL, RFC 4314). If nil, that isn't offered, and mailboxes of
	// others aren't shown.
	Principals Principals
	// Anyone: people may give rights to everybody.
	Anyone bool
	// Quotas changes quotas for those who may (SETQUOTA, RFC 9208). If nil, nobody may.
	Quotas Quotas

	// Events runs people's filter scripts on what happens to messages (RFC 6785). If nil, that isn't offered.
	Events Events

	// Admin is a URI by which clients reach the administrator, Comment a text about the server (RFC 5464 §3.2.1.1). Without them it is
	// the postmaster of the client's domain, and nothing.
	Admin, Comment string

	Limits  Limits
	Logger  *slog.Logger     // nil: nothing is logged
	Metrics Metrics          // nil: nothing is counted
	Now     func() time.Time // the clock for dates in mail; nil: time.Now. Timeouts go by the real time.
	Rand    io.Reader        // makes keys that nobody can guess (URLAUTH, RFC 4467); nil: crypto/rand
}

// Metrics counts what happens. Its methods are called by many goroutines.
type Metrics interface {
	// Connection is called when one opens (+1) and when it is gone (-1).
	Connection(delta int)
	// Command is called after each command with its name and OK, NO or BAD.
	Command(name, outcome string, took time.Duration)
	// Panic is called when a session broke down by a fault of ours.
	Panic()
}

// ListenerOptions say how connections of one listener begin.
type ListenerOptions struct {
	// ImplicitTLS: TLS from the first byte (port 993).
	ImplicitTLS bool
	// PlainAllowed: passwords may pass without TLS.
	PlainAllowed bool
}

// Server speaks IMAP on any number of listeners. It is safe for concurrent use.
type Server struct {
	auth       *auth.Engine
	store      *mailbox.Store
	hostname   string
	tls        *tls.Config
	cert       func(serverName string) *x509.Certificate
	principals Principals // nil: none
	anyone     bool
	quotas     Quotas // nil: nobody may set any
	events     Events // nil: nobody hears
	lim        Limits
	early      Limits // before login
	log        *slog.Logger
	metrics    Metrics
	now        func() time.Time
	rand       io.Reader
	commands   map[string]*command
	uid        map[string]*command
	admin      string // URI; empty: the client's postmaster
	comment    string
	languages  map[string]*language // by tag; nil: i-default
	bufs       buffers
	resets     urlResets

	shares   shareListeners
	crowd    *crowd.Crowd
	accounts accountCounts
}

// New returns a Server. The caller must end it by Shutdown.
func New(c Config) *Server {
	s := &Server{
		auth: c.Auth, store: c.Store, hostname: c.Hostname, tls: c.TLS, cert: c.Certificate, principals: c.Principals, anyone: c.Anyone, quotas: c.Quotas, events: c.Events,
		lim: c.Limits.withDefaults(), log: c.Logger, metrics: c.Metrics, now: c.Now, rand: c.Rand,
		commands: commandTable(), uid: uidTable(), languages: newLanguages(), admin: c.Admin, comment: c.Comment,
		accounts: accountCounts{open: map[ident.AccountID]int{}},
	}
	s.early = s.lim.beforeLogin()
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.metrics == nil {
		s.metrics = noMetrics{}
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.rand == nil {
		s.rand = rand.Reader
	}
	s.crowd = crowd.New(crowd.Options{Protocol: "IMAP", Logger: s.log, Sessions: s.lim.Conns, PerClient: s.lim.ConnsPerAddr})
	return s
}

type noMetrics struct{}

func (noMetrics) Connection(int)                        {}
func (noMetrics) Command(string, string, time.Duration) {}
func (noMetrics) Panic()                                {}

// Serve accepts connections until l is closed, ctx ends or the Server shuts down; then it closes
// l and returns nil, or the error that made it give up. Connections go on when Serve returns: Shutdown ends them.
func (s *Server) Serve(ctx context.Context, l net.Listener, o ListenerOptions) error {
	if o.ImplicitTLS && s.tls == nil {
		return errors.Join(fault.New(fault.Invalid, "imap: a listener with TLS needs a certificate"), l.Close())
	}
	return s.crowd.Serve(ctx, l, func(conn net.Conn) { s.begin(conn, o) })
}

// line is a connection, as its crowd knows it: the session is made later, since even asking for the client's address may have
// to wait, for a proxy's word.
type line struct{ net.Conn }

func (l *line) Interrupt() { l.SetReadDeadline(time.Unix(1, 0)) }
func (l *line) Cut()       { l.Close() }

// begin serves a connection, if there is room.
func (s *Server) begin(conn net.Conn, o ListenerOptions) {
	l := &line{conn}
	if why := s.crowd.Begin(l, func() { s.serveConn(l, o) }); why != "" {
		turnAway(conn, o, why, 100*time.Millisecond) // others wait to be accepted
	}
}

// serveConn runs a session, if its client may have one more.
func (s *Server) serveConn(l *line, o ListenerOptions) {
	defer s.crowd.Leave(l)
	c := newSession(s, l.Conn, o)
	if !s.crowd.Count(l, c.peer.Addr) {
		s.crowd.Leave(l) // it takes nobody's place while it is told
		turnAway(l.Conn, o, "too many connections", time.Second)
		return
	}
	s.metrics.Connection(1)
	defer s.leave(c)
	c.serve(s.crowd.Context())
}

// turnAway tells a client why it isn't served, if it listens.
func turnAway(conn net.Conn, o ListenerOptions, why string, patience time.Duration) {
	conn.SetDeadline(time.Now().Add(patience))
	if !o.ImplicitTLS {
		io.WriteString(conn, "* BYE [UNAVAILABLE] "+why+"\r\n")
	}
	conn.Close()
}

// leave ends a session's goroutine. A panic ends the session only.
func (s *Server) leave(c *session) {
	if p := recover(); p != nil {
		s.metrics.Panic()
		s.log.Error("imap: session broke down", "panic", p, "stack", string(debug.Stack()))
	}
	c.close()
	s.metrics.Connection(-1)
}

// Shutdown says goodbye to every client, waits until their sessions have ended, and returns
// nil. A session that is busy finishes its command first. When ctx ends, what still
// runs is cut off, and the error is ctx's.
func (s *Server) Shutdown(ctx context.Context) error { return s.crowd.Shutdown(ctx) }

// shuttingDown reports whether sessions shall end.
func (s *Server) shuttingDown() bool { return s.crowd.Closing() }
