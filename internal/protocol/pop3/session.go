package pop3

import (
	"bytes"
	"errors"
	"os"

	"postroad/internal/fault"
	"postroad/internal/service/talk"
)

// session is one client's. It is used by its connection's goroutine.
type session struct {
	*talk.Conn
	server *Server

	in    input
	out   output
	ended bool

	user      []byte // named by USER
	challenge string // of the greeting, for APOP; "": APOP isn't offered
	utf8      bool
	drop      *maildrop // nil: not signed in

	// for the log
	login            string
	retrieved, bytes int64
	deleted          int
}

func newSession(s *Server, conn *talk.Conn) *session {
	return &session{Conn: conn, server: s, out: output{conn: conn}}
}

// Run implements talk.Session.
func (s *session) Run() {
	s.out.text("+OK " + s.server.config.Hostname + " Postroad POP3 ready" + s.newChallenge() + "\r\n")
	for !s.ended && s.out.err == nil {
		s.next()
	}
	s.out.flush()
}

// End implements talk.Session.
func (s *session) End() {
	if s.drop != nil {
		s.drop.close()
	}
	s.in.drop()
	if s.login != "" {
		s.Log.Info("POP3 session ended", "login", s.login, "retrieved", s.retrieved, "bytes", s.bytes, "deleted", s.deleted)
	}
}

// next reads and runs one command.
func (s *session) next() {
	line, err := s.readLine(limitOf)
	switch {
	case err == nil:
		s.Command()
		s.run(line)
	case errors.Is(err, errLong):
		s.clientError("the line is too long")
	case errors.Is(err, errOdd):
		s.clientError("the line holds characters that no command has")
	case errors.Is(err, errFlood):
		s.goodbye("the line is too long")
	case errors.Is(err, os.ErrDeadlineExceeded) && s.Closing():
		s.goodbye("[SYS/TEMP] shutting down")
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.goodbye("you were silent for too long")
	default:
		s.ended = true // the client has gone
	}
}

// limitOf is how long a command may be.
func limitOf(line []byte) int {
	if len(line) > 4 && bytes.EqualFold(line[:5], []byte("AUTH ")) {
		return maxSASLLine // an initial response may be long (RFC 5034 §4)
	}
	return maxLine
}

// readLine waits for a line, after all replies so far have been sent. The
// deadline is the line's, not the byte's.
func (s *session) readLine(limit func([]byte) int) ([]byte, error) {
	armed := false
	for {
		line, whole, err := s.in.line(limit)
		if whole || err != nil {
			return line, err
		}
		if !armed {
			if s.out.flush(); s.out.err != nil {
				return nil, s.out.err
			}
			if err := s.Arm(s.drop == nil); err != nil {
				return nil, err
			}
			armed = true
		}
		if err := s.in.fill(s); err != nil {
			return nil, err
		}
	}
}

// run runs a command line.
func (s *session) run(line []byte) {
	name, arg, _ := bytes.Cut(line, []byte{' '})
	var upper [8]byte
	if len(name) > len(upper) {
		s.clientError("unknown command")
		return
	}
	for i, c := range name {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper[i] = c
	}
	c, ok := s.server.commands[string(upper[:len(name)])]
	switch {
	case !ok:
		s.clientError("unknown command")
	case c.when == signedOut && s.drop != nil:
		s.clientError("you have signed in already")
	case c.when == signedIn && s.drop == nil:
		s.clientError("sign in first")
	default:
		c.do(s, arg)
	}
}

// ok begins and ends a one-line reply.
func (s *session) ok(text string) { s.out.text("+OK " + text + "\r\n") }

// fail answers with what went wrong.
func (s *session) fail(err error) {
	if fault.KindOf(err) == fault.Internal || fault.KindOf(err) == fault.Corrupt {
		s.Log.Error("POP3 command failed", "error", err)
	}
	s.out.text("-ERR " + replyTo(err) + "\r\n")
}

// clientError answers a command that can't be. Those who make too many are sent away.
func (s *session) clientError(text string) {
	s.out.text("-ERR " + text + "\r\n")
	s.blame()
}

func (s *session) blame() {
	if s.Blame() {
		s.goodbye("too many errors")
	}
}

// goodbye ends the session with a word.
func (s *session) goodbye(text string) {
	s.out.text("-ERR " + text + "\r\n")
	s.ended = true
}
