package dns

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"time"
)

// Limits of connections that are kept for the next question (RFC 7858 §3.4, RFC 7766 §6.2).
const (
	maxIdle  = 4 // for one server
	idleTime = 10 * time.Second
)

// streams keeps TLS connections without a question for a short time: a handshake for
// each question would cost more than all the rest. A connection carries one question at a time.
type streams struct {
	mu     sync.Mutex
	idle   map[*tls.Config][]*stream // by the server's configuration. Guarded by mu
	closed bool                      // Guarded by mu
}

// stream is a connection and the timer that ends its wait.
type stream struct {
	net.Conn
	timer *time.Timer // set while it waits
}

// take returns a connection to a server that waits for a question, or nil.
func (s *streams) take(server *tls.Config) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.idle[server]
	if len(all) == 0 {
		return nil
	}
	last := all[len(all)-1] // the others may grow old and go
	s.idle[server] = all[:len(all)-1]
	last.timer.Stop() // if it is late for that, it finds that the connection isn't idle
	return last
}

// give keeps a connection for the next question.
func (s *streams) give(server *tls.Config, one *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.idle[server]) >= maxIdle {
		one.Close()
		return
	}
	if s.idle == nil {
		s.idle = map[*tls.Config][]*stream{}
	}
	waiting := &stream{Conn: one.Conn}
	waiting.timer = time.AfterFunc(idleTime, func() { s.expire(server, waiting) })
	s.idle[server] = append(s.idle[server], waiting)
}

// expire ends a wait, unless somebody has taken the connection at the last moment.
func (s *streams) expire(server *tls.Config, one *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.idle[server], one); i >= 0 {
		s.idle[server] = slices.Delete(s.idle[server], i, i+1)
		one.Close()
	}
}

// drop closes the connections to a server that has closed one, or answers no more.
func (s *streams) drop(server *tls.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.idle[server] {
		one.timer.Stop()
		one.Close()
	}
	delete(s.idle, server)
}

// close closes them all, and keeps none any more.
func (s *streams) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, all := range s.idle {
		for _, one := range all {
			one.timer.Stop()
			one.Close()
		}
	}
	s.idle = nil
}

// overTLS asks over a connection that waits, or a new one if there is none or it turns out to be gone.
func (c *Client) overTLS(ctx context.Context, s Server, q *packed) (*reply, error) {
	if one := c.streams.take(s.TLS); one != nil {
		if r, err := c.converse(ctx, s, one, q); err == nil || ctx.Err() != nil {
			return r, err
		}
		c.streams.drop(s.TLS)
	}
	raw, err := c.dial(ctx, "tcp", s.Addr.String())
	if err != nil {
		return nil, err
	}
	secured := tls.Client(raw, s.TLS)
	if err := secured.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return c.converse(ctx, s, &stream{Conn: secured}, q)
}

// converse asks one question over a connection, and keeps it if all went well.
func (c *Client) converse(ctx context.Context, s Server, one *stream, q *packed) (*reply, error) {
	stop := context.AfterFunc(ctx, func() { one.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // what waits fails now, or has ended
	r, err := overTCP(one, q)
	if !stop() || err != nil {
		one.Close()
		return r, err
	}
	c.streams.give(s.TLS, one)
	return r, nil
}
