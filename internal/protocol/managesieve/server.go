package managesieve

import (
	"cmp"
	"context"
	"net"
	"time"

	"postroad/internal/service/talk"
)

// Server serves ManageSieve on any number of listeners. It is safe for concurrent use.
type Server struct {
	config Config
	talk   *talk.Server
}

// New makes a Server, which does nothing before Serve.
func New(c Config) *Server {
	c.Limits.Idle = cmp.Or(c.Limits.Idle, 30*time.Minute)
	s := &Server{config: c}
	s.talk = talk.New(talk.Config{
		Name: "ManageSieve", Auth: c.Auth, TLS: c.TLS, Certificate: c.Certificate, Limits: c.Limits, Logger: c.Logger,
		Session: func(conn *talk.Conn) talk.Session { return newSession(s, conn) },
		Refusal: func(why string) string { return "BYE (TRYLATER) \"" + why + "\"\r\n" },
	})
	return s
}

// Stats counts what a Server has done.
type Stats = talk.Stats

// Stats returns the counts.
func (s *Server) Stats() Stats { return s.talk.Stats() }

// Serve accepts connections and serves them until ctx ends, the listener is closed or Shutdown is called: see [talk.Server.Serve].
func (s *Server) Serve(ctx context.Context, l net.Listener, o ListenerOptions) error {
	return s.talk.Serve(ctx, l, o)
}

// Shutdown ends all sessions, in order: see [talk.Server.Shutdown].
func (s *Server) Shutdown(ctx context.Context) error { return s.talk.Shutdown(ctx) }
