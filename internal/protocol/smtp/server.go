package smtp

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"postroad/internal/service/crowd"
	"postroad/internal/service/peer"
)

// Server serves SMTP, submission and LMTP on any number of listeners. Its methods
// may be called from any goroutine.
type Server struct {
	config Config
	counts counts
	ids    atomic.Uint64

	crowd *crowd.Crowd
}

// New makes a server. It does nothing until Serve. It fails if Config.Rand does.
func New(c Config) (*Server, error) {
	c = c.withDefaults()
	s := &Server{config: c, crowd: crowd.New(crowd.Options{Protocol: "SMTP", Logger: c.Logger,
		Sessions: c.Limits.Connections, PerClient: c.Limits.ConnectionsPerAddress})}
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
	return s.crowd.Serve(ctx, l, func(conn net.Conn) { s.start(ctx, conn, o) })
}

// Shutdown stops accepting, tells idle clients 421, lets messages under way come
// to their end, and waits for all sessions. When ctx ends first, the remaining
// connections are cut, and ctx's error is returned after their sessions have ended.
func (s *Server) Shutdown(ctx context.Context) error { return s.crowd.Shutdown(ctx) }

// start begins a session in its own goroutine, or turns the client away.
func (s *Server) start(ctx context.Context, conn net.Conn, o ListenerOptions) {
	x := &session{server: s, opts: o, limits: &s.config.Limits, raw: conn, conn: conn, log: s.config.Logger}
	ctx, x.cancel = context.WithCancel(context.WithoutCancel(ctx)) // a session outlives its listener
	if why := s.crowd.Begin(x, func() { s.serve(ctx, x) }); why == "" {
		s.counts.connections.Add(1)
		return
	}
	x.cancel()
	s.counts.connectionsRefused.Add(1)
	if !s.crowd.Closing() && !o.ImplicitTLS {
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
	defer x.cancel()
	defer x.close() // last: who sees the end can count on having left
	defer s.crowd.Leave(x)
	x.peer = peer.Addr(x.raw.RemoteAddr())
	x.log = x.log.With(slog.String("protocol", x.opts.Mode.String()), slog.Any("client", x.peer))
	if !s.crowd.Count(x, x.peer) {
		s.counts.connectionsRefused.Add(1)
		if !x.opts.ImplicitTLS {
			turnAway(x.raw)
		}
		return
	}
	x.run(ctx)
}

// close closes the connection, with a word of it in TLS.
func (s *session) close() {
	s.conn.Close() //nolint:errcheck // there is nobody to tell
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
