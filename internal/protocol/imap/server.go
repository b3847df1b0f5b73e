package imap

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/auth"
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

	mu       sync.Mutex
	closing  bool                  // guarded by mu
	sessions map[*session]struct{} // guarded by mu
	counts   connCounts            // guarded by mu
	running  sync.WaitGroup        // sessions and accept loops; Add only under mu while not closing

	// accepting ends when no more connections are wanted, commanding when commands must be cut off.
	accepting, commanding         context.Context
	stopAccepting, stopCommanding context.CancelFunc
}

// New returns a Server. The caller must end it by Shutdown.
func New(c Config) *Server {
	s := &Server{
		auth: c.Auth, store: c.Store, hostname: c.Hostname, tls: c.TLS, cert: c.Certificate, principals: c.Principals, anyone: c.Anyone, quotas: c.Quotas,
		lim: c.Limits.withDefaults(), log: c.Logger, metrics: c.Metrics, now: c.Now, rand: c.Rand,
		commands: commandTable(), uid: uidTable(), languages: newLanguages(), admin: c.Admin, comment: c.Comment,
		sessions: map[*session]struct{}{}, counts: newConnCounts(),
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
	s.accepting, s.stopAccepting = context.WithCancel(context.Background())
	s.commanding, s.stopCommanding = context.WithCancel(context.Background())
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
	if !s.enter(nil) {
		return l.Close()
	}
	defer s.running.Done()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	stopped := context.AfterFunc(s.accepting, func() { l.Close() })
	defer stopped()
	defer l.Close()
	for {
		conn, err := l.Accept()
		var ne net.Error
		switch {
		case err == nil:
			if !s.enter(nil) {
				return conn.Close()
			}
			go s.serveConn(conn, o)
		case errors.Is(err, net.ErrClosed), ctx.Err() != nil, s.accepting.Err() != nil:
			return nil
		case errors.As(err, &ne) && ne.Timeout(), isTemporary(err):
			s.log.Warn("imap: accept", "error", err)
			pause(ctx, 50*time.Millisecond) // out of file descriptors, most likely
		default:
			return fmt.Errorf("imap: accept: %w", err)
		}
	}
}

// isTemporary: running out of file descriptors passes by itself.
func isTemporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// enter notes that a goroutine begins, with its session if it is one; false if the Server is closing.
func (s *Server) enter(c *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	if c != nil {
		s.sessions[c] = struct{}{}
	}
	s.running.Add(1)
	return true
}

// serveConn runs a session, if there is room for one more. It is a goroutine of its own from the start, since even
// asking for the client's address may have to wait: for a proxy's word.
func (s *Server) serveConn(conn net.Conn, o ListenerOptions) {
	defer s.running.Done()
	c := newSession(s, conn, o)
	if !s.admit(c.addr) {
		c.turnAway()
		return
	}
	if !s.enter(c) {
		s.dismiss(c.addr)
		conn.Close()
		return
	}
	s.metrics.Connection(1)
	defer s.leave(c)
	c.serve(s.commanding)
}

// leave ends a session's goroutine. A panic ends the session only.
func (s *Server) leave(c *session) {
	if p := recover(); p != nil {
		s.metrics.Panic()
		s.log.Error("imap: session broke down", "panic", p, "stack", string(debug.Stack()))
	}
	c.close()
	s.mu.Lock()
	delete(s.sessions, c)
	s.mu.Unlock()
	s.dismiss(c.addr)
	s.metrics.Connection(-1)
	s.running.Done()
}

// Shutdown says goodbye to every client, waits until their sessions have ended, and returns
// nil. A session that is busy finishes its command first. When ctx ends, what still
// runs is cut off, and the error is ctx's.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	s.stopAccepting() // before the interruption, which sessions look for
	for c := range s.sessions {
		c.interrupt()
	}
	s.mu.Unlock()
	defer s.stopCommanding()

	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.stopCommanding()
	s.mu.Lock()
	for c := range s.sessions {
		c.raw.Close()
	}
	s.mu.Unlock()
	<-done
	return ctx.Err()
}

// shuttingDown reports whether sessions shall end.
func (s *Server) shuttingDown() bool { return s.accepting.Err() != nil }
