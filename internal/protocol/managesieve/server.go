package managesieve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"postroad/internal/service/peer"
)

// Server serves ManageSieve on any number of listeners. It is safe for concurrent use.
type Server struct {
	config Config

	ctx     context.Context // of the sessions' work
	cancel  context.CancelFunc
	closing chan struct{} // closed when Shutdown begins
	wg      sync.WaitGroup

	connections, refused, commands, failures, panics atomic.Uint64

	mu        sync.Mutex // guards what follows
	listeners map[net.Listener]struct{}
	sessions  map[*session]struct{}
	clients   map[netip.Prefix]int
}

// New makes a Server, which does nothing before Serve.
func New(c Config) *Server {
	s := &Server{
		config: c.withDefaults(), closing: make(chan struct{}),
		listeners: map[net.Listener]struct{}{}, sessions: map[*session]struct{}{}, clients: map[netip.Prefix]int{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Stats counts what a Server has done.
type Stats struct {
	Open                                           int
	Connections, Refused, Commands, Errors, Panics uint64
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	open := len(s.sessions)
	s.mu.Unlock()
	return Stats{open, s.connections.Load(), s.refused.Load(), s.commands.Load(), s.failures.Load(), s.panics.Load()}
}

// Serve accepts connections, each served in a goroutine of its own, until ctx ends, the listener is closed or Shutdown is
// called, when it returns nil, or the listener fails. It closes the listener. Sessions go on: Shutdown ends them.
func (s *Server) Serve(ctx context.Context, l net.Listener, o ListenerOptions) error {
	if !s.enter(l) {
		return l.Close()
	}
	defer s.leave(l)
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	pause := time.Duration(0)
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			s.begin(conn, o)
		case ctx.Err() != nil || s.isClosing() || errors.Is(err, net.ErrClosed):
			return nil
		case !passes(err):
			return fmt.Errorf("accept ManageSieve connections on %s: %w", l.Addr(), err)
		default:
			pause = min(max(5*time.Millisecond, 2*pause), time.Second)
			s.config.Logger.Warn("no ManageSieve connection can be accepted now", "error", err)
			s.wait(ctx, pause)
		}
	}
}

// passes reports whether accepting may work again by itself.
func passes(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ECONNABORTED)
}

func (s *Server) wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-s.closing:
	}
}

func (s *Server) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

func (s *Server) enter(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosing() {
		return false
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) leave(l net.Listener) {
	s.mu.Lock()
	delete(s.listeners, l)
	s.mu.Unlock()
	l.Close()
}

// begin serves a connection, if there is room.
func (s *Server) begin(conn net.Conn, o ListenerOptions) {
	x := newSession(s, conn, o)
	if why := s.admit(x); why != "" {
		s.refused.Add(1)
		refuse(conn, o, why, 100*time.Millisecond) // others wait to be accepted
		return
	}
	s.connections.Add(1)
	go func() {
		defer s.wg.Done()
		x.serve()
	}()
}

// refuse says why a connection isn't served, if the client listens.
func refuse(conn net.Conn, o ListenerOptions, why string, patience time.Duration) {
	defer conn.Close()
	if o.ImplicitTLS || conn.SetWriteDeadline(time.Now().Add(patience)) != nil {
		return
	}
	conn.Write([]byte("BYE (TRYLATER) \"" + why + "\"\r\n"))
}

// admit takes a session in, or says why not.
func (s *Server) admit(x *session) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.isClosing():
		return "shutting down"
	case len(s.sessions) >= s.config.Limits.Connections:
		return "too many connections"
	}
	s.sessions[x] = struct{}{}
	s.wg.Add(1)
	return ""
}

// count counts a session for its client's address; false if that has too many. Loopback isn't counted.
func (s *Server) count(x *session) bool {
	if !x.addr.IsValid() || x.addr.IsLoopback() {
		return true
	}
	p := peer.Network(x.addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[p] >= s.config.Limits.ConnectionsPerAddress {
		return false
	}
	s.clients[p]++
	x.counted = true
	return true
}

// dismiss forgets a session.
func (s *Server) dismiss(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, x)
	if !x.counted {
		return
	}
	p := peer.Network(x.addr)
	if s.clients[p]--; s.clients[p] == 0 {
		delete(s.clients, p)
	}
}

// Shutdown stops accepting, takes leave of clients that are silent, lets replies under way come to their end, and waits
// for all sessions. If ctx ends before that, the connections that are left are cut, and ctx's error is returned when their sessions
// have ended.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.isClosing() {
		close(s.closing)
	}
	for l := range s.listeners {
		l.Close()
	}
	for x := range s.sessions {
		x.interrupt()
	}
	s.mu.Unlock()
	cut := context.AfterFunc(ctx, s.cut)
	s.wg.Wait()
	s.cancel()
	if !cut() {
		return ctx.Err()
	}
	return nil
}

// cut ends all sessions by force.
func (s *Server) cut() {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	for x := range s.sessions {
		x.raw.Close()
	}
}
