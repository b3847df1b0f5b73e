package servertest

import (
	"fmt"
	"net/textproto"
	"strings"

	"github.com/emersion/go-imap/v2/imapclient"
)

// IMAP signs an account in. What the server says unasked goes to h, which may be nil.
func (s *Server) IMAP(local string, h *imapclient.UnilateralDataHandler) *imapclient.Client {
	s.t.Helper()
	c := imapclient.New(s.Dial(IMAP), &imapclient.Options{UnilateralDataHandler: h})
	s.t.Cleanup(func() { c.Close() })
	if err := c.Login(local+"@"+Domain, Password).Wait(); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// Line is a client of the protocols that talk in lines: SMTP, LMTP and POP3.
type Line struct {
	*textproto.Conn
	s *Server
}

// Line connects to a port and reads the greeting.
func (s *Server) Line(port int) Line {
	s.t.Helper()
	l := Line{textproto.NewConn(s.Dial(port)), s}
	if greeting, err := l.ReadLine(); err != nil || !positive(greeting) {
		s.t.Fatalf("greeting %q %v", greeting, err)
	}
	return l
}

// positive reports whether a reply of SMTP or POP3, or a greeting of IMAP, is good news.
func positive(reply string) bool {
	return strings.HasPrefix(reply, "2") || strings.HasPrefix(reply, "3") || strings.HasPrefix(reply, "+OK") || strings.HasPrefix(reply, "* OK")
}

// Ask sends a command and returns the last line of its reply, which must be good news.
func (l Line) Ask(format string, args ...any) string {
	l.s.t.Helper()
	reply, err := l.Try(format, args...)
	if err != nil || !positive(reply) {
		l.s.t.Fatalf("%s: %q %v", fmt.Sprintf(format, args...), reply, err)
	}
	return reply
}

// Try sends a command and returns the last line of its reply.
func (l Line) Try(format string, args ...any) (string, error) {
	if err := l.PrintfLine(format, args...); err != nil {
		return "", err
	}
	for {
		line, err := l.ReadLine()
		if err != nil || len(line) < 4 || line[3] != '-' || !('0' <= line[0] && line[0] <= '9') {
			return line, err
		}
	}
}

// Deliver hands a message over by LMTP. Its lines end with \n or \r\n.
func (s *Server) Deliver(message string, locals ...string) {
	s.t.Helper()
	l := s.Line(LMTP)
	defer l.Close()
	l.Ask("LHLO relay.example")
	l.Ask("MAIL FROM:<sender@elsewhere.example>")
	for _, local := range locals {
		l.Ask("RCPT TO:<%s@%s>", local, Domain)
	}
	l.Ask("DATA")
	w := l.DotWriter()
	if _, err := w.Write([]byte(message)); err != nil {
		s.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		s.t.Fatal(err)
	}
	for _, local := range locals {
		if line, err := l.ReadLine(); err != nil || !strings.HasPrefix(line, "250") {
			s.t.Fatalf("message to %s: %q %v", local, line, err)
		}
	}
	l.Ask("QUIT")
}
