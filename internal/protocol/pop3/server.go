package pop3

import (
	"context"
	"net"
	"time"

	"postroad/internal/service/crowd"
)

// Server serves POP3 on any number of listeners. It is safe for concurrent use.
type Server struct {
	config   Config
	commands map[string]command
	counts   counts
	delays   delays
	crowd    *crowd.Crowd
}

// New makes a Server, which does nothing before Serve.
func New(c Config) *Server {
	c = c.withDefaults()
	return &Server{config: c, commands: commands(), crowd: crowd.New(crowd.Options{Protocol: "POP3", Logger: c.Logger,
		Sessions: c.Limits.Connections, PerClient: c.Limits.ConnectionsPerAddress})}
}

// Serve accepts connections, each served in a goroutine of its own, until
// ctx ends, the listener is closed or Shutdown is called, when it returns nil, or the
// listener fails. It closes the listener. Sessions go on: Shutdown ends them.
func (s *Server) Serve(ctx context.Context, l net.Listener, o ListenerOptions) error {
	return s.crowd.Serve(ctx, l, func(conn net.Conn) { s.begin(conn, o) })
}

// begin serves a connection, if there is room.
func (s *Server) begin(conn net.Conn, o ListenerOptions) {
	x := newSession(s, conn, o)
	if why := s.crowd.Begin(x, x.serve); why != "" {
		s.counts.refused.Add(1)
		refuse(conn, o, why, 100*time.Millisecond) // others wait to be accepted
		return
	}
	s.counts.connections.Add(1)
}

// refuse says why a connection isn't served, if the client listens.
func refuse(conn net.Conn, o ListenerOptions, why string, patience time.Duration) {
	defer conn.Close()
	if o.ImplicitTLS || conn.SetWriteDeadline(time.Now().Add(patience)) != nil {
		return
	}
	conn.Write([]byte("-ERR [SYS/TEMP] " + why + "\r\n"))
}

// Shutdown stops accepting, takes leave of clients that are silent, lets replies under way
// come to their end, and waits for all sessions. If ctx ends before that, the
// connections that are left are cut, and ctx's error is returned when their
// sessions have ended. Deletions that no QUIT has confirmed don't happen.
func (s *Server) Shutdown(ctx context.Context) error { return s.crowd.Shutdown(ctx) }
