package pop3

import (
	"cmp"
	"context"
	"net"
	"time"

	"postroad/internal/service/talk"
)

// Server serves POP3 on any number of listeners. It is safe for concurrent use.
type Server struct {
	config   Config
	talk     *talk.Server
	commands map[string]command
	counts   counts
	delays   delays
}

// New makes a Server, which does nothing before Serve.
func New(c Config) *Server {
	c.Hostname = cmp.Or(c.Hostname, "localhost")
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Server{config: c, commands: commands()}
	s.talk = talk.New(talk.Config{
		Name: "POP3", Auth: c.Auth, TLS: c.TLS, Certificate: c.Certificate, Limits: c.Limits, Logger: c.Logger,
		Session: func(conn *talk.Conn) talk.Session { return newSession(s, conn) },
		Refusal: func(why string) string { return "-ERR [SYS/TEMP] " + why + "\r\n" },
	})
	return s
}

// Serve accepts connections and serves them until ctx ends, the listener is closed or Shutdown is called: see [talk.Server.Serve].
func (s *Server) Serve(ctx context.Context, l net.Listener, o ListenerOptions) error {
	return s.talk.Serve(ctx, l, o)
}

// Shutdown ends all sessions, in order: see [talk.Server.Shutdown]. Deletions that no QUIT has confirmed don't happen.
func (s *Server) Shutdown(ctx context.Context) error { return s.talk.Shutdown(ctx) }
