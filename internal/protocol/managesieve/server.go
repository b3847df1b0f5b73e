package managesieve

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"postroad/internal/service/crowd"
)

// Server serves ManageSieve on any number of listeners. It is safe for concurrent use.
type Server struct {
	config Config
	crowd  *crowd.Crowd

	connections, refused, commands, failures, panics atomic.Uint64
}

// New makes a Server, which does nothing before Serve.
func New(c Config) *Server {
	c = c.withDefaults()
	return &Server{config: c, crowd: crowd.New(crowd.Options{Protocol: "ManageSieve", Logger: c.Logger,
		Sessions: c.Limits.Connections, PerClient: c.Limits.ConnectionsPerAddress})}
}

// Stats counts what a Server has done.
type Stats struct {
	Open                                           int
	Connections, Refused, Commands, Errors, Panics uint64
}

// Stats returns the counts.
func (s *Server) Stats() Stats {
	return Stats{s.crowd.Len(), s.connections.Load(), s.refused.Load(), s.commands.Load(), s.failures.Load(), s.panics.Load()}
}

// Serve accepts connections, each served in a goroutine of its own, until ctx ends, the listener is closed or Shutdown is
// called, when it returns nil, or the listener fails. It closes the listener. Sessions go on: Shutdown ends them.
func (s *Server) Serve(ctx context.Context, l net.Listener, o ListenerOptions) error {
	return s.crowd.Serve(ctx, l, func(conn net.Conn) { s.begin(conn, o) })
}

// begin serves a connection, if there is room.
func (s *Server) begin(conn net.Conn, o ListenerOptions) {
	x := newSession(s, conn, o)
	if why := s.crowd.Begin(x, x.serve); why != "" {
		s.refused.Add(1)
		refuse(conn, o, why, 100*time.Millisecond) // others wait to be accepted
		return
	}
	s.connections.Add(1)
}

// refuse says why a connection isn't served, if the client listens.
func refuse(conn net.Conn, o ListenerOptions, why string, patience time.Duration) {
	defer conn.Close()
	if o.ImplicitTLS || conn.SetWriteDeadline(time.Now().Add(patience)) != nil {
		return
	}
	conn.Write([]byte("BYE (TRYLATER) \"" + why + "\"\r\n"))
}

// Shutdown stops accepting, takes leave of clients that are silent, lets replies under way come to their end, and waits
// for all sessions. If ctx ends before that, the connections that are left are cut, and ctx's error is returned when their sessions
// have ended.
func (s *Server) Shutdown(ctx context.Context) error { return s.crowd.Shutdown(ctx) }
