package smtp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"postroad/internal/service/peer"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Server serves SMTP, submission and LMTP on any number of listeners. Its methods
// may be called from any goroutine.
type Server struct {
	config Config
	counts counts
	ids    atomic.Uint64

	// closing is closed when Shutdown begins.
	closing chan struct{}
	wg      sync.WaitGroup // sessions

	mu        sync.Mutex
	closed    bool
	sessions  map[*session]struct{}
	listeners map[net.Listener]struct{}
	byAddress map[netip.Prefix]int
}

// New makes a server. It does nothing until Serve. It fails if Config.Rand does.
func New(c Config) (*Server, error) {
	c = c.withDefaults()
	s := &Server{
		config: c, closing: make(chan struct{}),
		sessions: map[*session]struct{}{}, listeners: map[net.Listener]struct{}{}, byAddress: map[netip.Prefix]int{},
	}
	var seed [8]byte
	if _, err := io.ReadFull(c.Rand, seed[:]); err != nil {
		return nil, fmt.Errorf("seed of message identifiers: %w", err)
	}
	s.ids.Store(binary.BigEndian.Uint64(seed[:]))
	return s, nil
}

// Serve accepts connections and serves each in a goroutine of its own, until ctx
// ends, Shutdown is called (both give nil) or the listener fails. It closes the
// listener. Sessions go on after it returns; Shutdown ends them and waits for them.
func (s *Server) Serve(ctx context.Context, l net.Listener, o ListenerOptions) error {
	if !s.addListener(l) {
		return l.Close()
	}
	defer s.removeListener(l)
	stop := context.AfterFunc(ctx, func() { l.Close() }) //nolint:errcheck // Accept tells
	defer stop()
	for wait := time.Duration(0); ; {
		conn, err := l.Accept()
		switch {
		case err == nil:
			wait = 0
			s.start(ctx, conn, o)
		case ctx.Err() != nil || s.isClosed():
			return nil
		case !exhausted(err):
			return fmt.Errorf("accept on %s: %w", l.Addr(), err)
		default:
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			s.config.Logger.Warn("cannot accept connections for now", "err", err, "wait", wait)
			s.pause(ctx, wait)
		}
	}
}

// exhausted reports whether an Accept failed for reasons that pass: no
// descriptors or memory left, or a client that went away too soon.
func exhausted(err error) bool {
	for _, passing := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

func (s *Server) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-s.closing:
	}
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *Server) addListener(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.listeners[l] = struct{}{}
	}
	return !s.closed
}

func (s *Server) removeListener(l net.Listener) {
	s.mu.Lock()
	delete(s.listeners, l)
	s.mu.Unlock()
	l.Close() //nolint:errcheck // it may be closed already
}

// Shutdown stops accepting, tells idle clients 421, lets messages under way come
// to their end, and waits for all sessions. When ctx ends first, the remaining
// connections are cut, and ctx's error is returned after their sessions have ended.
func (s *Server) Shutdown(ctx context.Context) error {
	s.beginShutdown()
	ended := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	s.cut()
	<-ended
	return ctx.Err()
}

func (s *Server) beginShutdown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	close(s.closing)
	for l := range s.listeners {
		l.Close() //nolint:errcheck // its Serve returns in any case
	}
	for x := range s.sessions {
		x.interrupt()
	}
}

// cut ends all sessions by force.
func (s *Server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for x := range s.sessions {
		x.cancel()
		x.raw.Close() //nolint:errcheck // that is the point
	}
}

// start begins a session in its own goroutine, or turns the client away.
func (s *Server) start(ctx context.Context, conn net.Conn, o ListenerOptions) {
	x := &session{server: s, opts: o, limits: &s.config.Limits, raw: conn, conn: conn, log: s.config.Logger}
	ctx, x.cancel = context.WithCancel(context.WithoutCancel(ctx)) // a session outlives its listener
	s.mu.Lock()
	full := len(s.sessions) >= s.config.Limits.Connections
	refused := full || s.closed
	if !refused {
		s.sessions[x] = struct{}{}
		s.wg.Add(1)
	}
	s.mu.Unlock()
	if !refused {
		s.counts.connections.Add(1)
		go s.serve(ctx, x)
		return
	}
	x.cancel()
	s.counts.connectionsRefused.Add(1)
	if full && !o.ImplicitTLS {
		turnAway(conn)
	}
	conn.Close() //nolint:errcheck // turned away
}

// turnAwayTime bounds how long a client that isn't served can hold up the others.
const turnAwayTime = 100 * time.Millisecond

func turnAway(conn net.Conn) {
	if conn.SetWriteDeadline(time.Now().Add(turnAwayTime)) == nil {
		conn.Write(replyTooManyClients.appendTo(nil)) //nolint:errcheck // a courtesy
	}
}

// serve is a session's goroutine.
func (s *Server) serve(ctx context.Context, x *session) {
	defer s.wg.Done()
	defer x.cancel()
	defer x.close() // last: who sees the end can count on having left
	defer s.remove(x)
	x.peer = peer.Addr(x.raw.RemoteAddr())
	x.log = x.log.With(slog.String("protocol", x.opts.Mode.String()), slog.Any("client", x.peer))
	if !s.admit(x.peer) {
		s.counts.connectionsRefused.Add(1)
		if !x.opts.ImplicitTLS {
			turnAway(x.raw)
		}
		return
	}
	defer s.leave(x.peer)
	x.run(ctx)
}

// close closes the connection, with a word of it in TLS.
func (s *session) close() {
	s.conn.Close() //nolint:errcheck // there is nobody to tell
}

func (s *Server) remove(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, x)
}

// newID names a transaction: thirteen characters, of which the first seven tell
// the second. The rest is a counter with a random start.
func (s *Server) newID() string {
	const digits = "0123456789abcdefghijklmnopqrstuv" // RFC 4648 §7, in lower case
	n := s.ids.Add(1)
	second := uint64(s.config.Now().Unix())
	var id [13]byte
	for i := 6; i >= 0; i-- {
		id[i] = digits[second&31]
		second >>= 5
	}
	for i := 12; i >= 7; i-- {
		id[i] = digits[n&31]
		n >>= 5
	}
	return string(id[:])
}
