// Package crowd keeps the sessions of a server that speaks one protocol on any number of listeners: it accepts connections,
// bounds how many there are, in all and from each client, and ends them in order. What is said on them is the protocol's business.
package crowd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"postroad/internal/service/peer"
)

// Session is a connection that is served. Both methods may be called from any goroutine, at any time, more than once.
type Session interface {
	// Interrupt ends the waiting for a client that is silent; a reply under way comes to its end.
	Interrupt()
	// Cut ends the connection at once.
	Cut()
}

// Options bound a Crowd. All are needed.
type Options struct {
	Protocol string // as logs and errors call it
	Logger   *slog.Logger
	// Sessions is how many there may be, PerClient how many from one address (IPv6: /64). Loopback is not counted as a client.
	Sessions, PerClient int
}

// Crowd is the sessions of one server. It is safe for concurrent use.
type Crowd struct {
	o Options

	ctx     context.Context // of the sessions' work
	cancel  context.CancelFunc
	closing chan struct{} // closed when Shutdown begins
	wg      sync.WaitGroup

	mu        sync.Mutex // guards what follows
	listeners map[net.Listener]struct{}
	sessions  map[Session]netip.Prefix // with the client that each is counted for; the zero Prefix: none
	clients   map[netip.Prefix]int
}

// New makes a Crowd without sessions.
func New(o Options) *Crowd {
	c := &Crowd{o: o, closing: make(chan struct{}), listeners: map[net.Listener]struct{}{},
		sessions: map[Session]netip.Prefix{}, clients: map[netip.Prefix]int{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Context is that of the sessions' work: it ends when they are cut.
func (c *Crowd) Context() context.Context { return c.ctx }

// Len is how many sessions there are.
func (c *Crowd) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sessions)
}

// Clients is how many clients have sessions that are counted.
func (c *Crowd) Clients() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.clients)
}

// Closing reports whether Shutdown has begun.
func (c *Crowd) Closing() bool {
	select {
	case <-c.closing:
		return true
	default:
		return false
	}
}

// Done is closed when Shutdown begins.
func (c *Crowd) Done() <-chan struct{} { return c.closing }

// Serve accepts connections and hands them to begin, which must not wait, until ctx ends, the listener is closed or Shutdown is called, when it
// returns nil, or the listener fails. It closes the listener. Sessions go on: Shutdown ends them.
func (c *Crowd) Serve(ctx context.Context, l net.Listener, begin func(net.Conn)) error {
	if !c.enter(l) {
		return l.Close()
	}
	defer c.leave(l)
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	pause := time.Duration(0)
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			begin(conn)
		case ctx.Err() != nil || c.Closing() || errors.Is(err, net.ErrClosed):
			return nil
		case !passes(err):
			return fmt.Errorf("accept %s connections on %s: %w", c.o.Protocol, l.Addr(), err)
		default:
			pause = min(max(5*time.Millisecond, 2*pause), time.Second)
			c.o.Logger.Warn("no "+c.o.Protocol+" connection can be accepted now", "error", err)
			c.wait(ctx, pause)
		}
	}
}

// passes reports whether accepting may work again by itself: when others have closed
// their files, or since only the client has gone.
func passes(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ECONNABORTED)
}

func (c *Crowd) wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-c.closing:
	}
}

func (c *Crowd) enter(l net.Listener) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Closing() {
		return false
	}
	c.listeners[l] = struct{}{}
	return true
}

func (c *Crowd) leave(l net.Listener) {
	c.mu.Lock()
	delete(c.listeners, l)
	c.mu.Unlock()
	l.Close()
}

// Begin takes a session in and runs it in a goroutine of its own, or says, for the client, why not. run must call Leave.
func (c *Crowd) Begin(s Session, run func()) (why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.Closing():
		return "shutting down"
	case len(c.sessions) >= c.o.Sessions:
		return "too many connections"
	}
	c.sessions[s] = netip.Prefix{}
	c.wg.Go(run)
	return ""
}

// Count counts a session for its client's address; false if that has too many. It is called by the session, at most once,
// since whoever wraps listeners for PROXY knows the client's address only then.
func (c *Crowd) Count(s Session, client netip.Addr) bool {
	if !client.IsValid() || client.IsLoopback() {
		return true
	}
	p := peer.Network(client)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clients[p] >= c.o.PerClient {
		return false
	}
	c.clients[p]++
	c.sessions[s] = p
	return true
}

// Leave forgets a session; more than once does nothing.
func (c *Crowd) Leave(s Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.sessions[s]
	delete(c.sessions, s)
	if !p.IsValid() {
		return
	}
	if c.clients[p]--; c.clients[p] == 0 {
		delete(c.clients, p)
	}
}

// Shutdown stops accepting, interrupts all sessions, and waits for them. If ctx ends before that, those that are left
// are cut, and ctx's error is returned when they have ended.
func (c *Crowd) Shutdown(ctx context.Context) error {
	c.mu.Lock()
	if !c.Closing() {
		close(c.closing)
	}
	for l := range c.listeners {
		l.Close()
	}
	for s := range c.sessions {
		s.Interrupt()
	}
	c.mu.Unlock()
	cut := context.AfterFunc(ctx, c.cut)
	c.wg.Wait()
	c.cancel()
	if !cut() {
		return ctx.Err()
	}
	return nil
}

// cut ends all sessions by force.
func (c *Crowd) cut() {
	c.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.sessions {
		s.Cut()
	}
}
