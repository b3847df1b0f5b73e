package managesieve

import (
	"bufio"
	"errors"
	"os"
	"strconv"
	"strings"

	"postroad/internal/model/mailbox"
	"postroad/internal/service/talk"
)

// session is one client's. It is used by its connection's goroutine.
type session struct {
	*talk.Conn
	server *Server

	in     decoder
	out    []byte
	broken error // of writing
	ended  bool

	scripts *mailbox.Session // nil: not signed in
	login   string
}

func newSession(s *Server, conn *talk.Conn) *session {
	return &session{Conn: conn, server: s, in: decoder{r: bufio.NewReader(conn)}}
}

// Run implements talk.Session.
func (s *session) Run() {
	s.capabilities()
	for !s.ended && s.broken == nil {
		s.next()
	}
	s.flush()
}

// End implements talk.Session.
func (s *session) End() {
	if s.scripts != nil {
		s.scripts.Close()
	}
	if s.login != "" {
		s.Log.Info("ManageSieve session ended", "login", s.login)
	}
}

// await waits for the client, after all replies have been sent.
func (s *session) await() error {
	if s.in.r.Buffered() > 0 {
		return nil
	}
	if s.flush(); s.broken != nil {
		return s.broken
	}
	return s.Arm(s.scripts == nil)
}

// flush sends what there is to be sent.
func (s *session) flush() {
	if len(s.out) == 0 || s.broken != nil {
		return
	}
	_, s.broken = s.Write(s.out)
	if s.out = s.out[:0]; cap(s.out) > 64<<10 {
		s.out = nil
	}
}

// next reads and runs one command.
func (s *session) next() {
	if s.await() != nil {
		s.ended = true
		return
	}
	limit := maxEarly
	if s.scripts != nil {
		limit = mailbox.MaxScriptBytes
	}
	s.in.begin(limit)
	name := s.in.word()
	c, known := commands[name]
	if !known {
		s.in.fail(errSyntax)
	}
	var do func(*session)
	if known && s.in.err == nil {
		do = c.parse(&s.in)
	}
	err := s.in.end()
	s.Command()
	switch {
	case err == nil && !c.mayRun(s):
		s.clientError(c.why(s))
	case err == nil:
		do(s)
	default:
		s.inputError(err, known)
	}
}

// inputError answers what can't be read.
func (s *session) inputError(err error, known bool) {
	switch {
	case errors.Is(err, errTooLong):
		s.reply("NO", "QUOTA/MAXSIZE", "that is too long: "+strconv.Itoa(s.in.limit)+" octets are allowed here")
		s.blame()
	case errors.Is(err, errSyntax) && !known:
		s.clientError("unknown command")
	case errors.Is(err, errSyntax):
		s.clientError("the command's arguments are wrong")
	case errors.Is(err, errFlood):
		s.goodbye("", "that is far too long")
	case errors.Is(err, os.ErrDeadlineExceeded) && s.Closing():
		s.goodbye("TRYLATER", "shutting down")
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.goodbye("", "you were silent for too long")
	default:
		s.ended = true // the client has gone
	}
}

// reply writes OK, NO or BYE with a response code ("": none) and a text ("": none).
func (s *session) reply(what, code, text string) {
	s.out = append(s.out, what...)
	if code != "" {
		s.out = append(append(append(s.out, " ("...), code...), ')')
	}
	if text != "" {
		s.out = appendString(append(s.out, ' '), text)
	}
	s.out = append(s.out, "\r\n"...)
}

func (s *session) ok(text string) { s.reply("OK", "", text) }

// clientError answers a command that can't be. Those who make too many are sent away.
func (s *session) clientError(text string) {
	s.reply("NO", "", text)
	s.blame()
}

func (s *session) blame() {
	if s.Blame() {
		s.goodbye("", "too many errors")
	}
}

// goodbye ends the session with a word.
func (s *session) goodbye(code, text string) {
	s.reply("BYE", code, text)
	s.ended = true
}

// capabilities lists them: RFC 5804 §1.7.
func (s *session) capabilities() {
	c := &s.server.config
	s.capability("IMPLEMENTATION", "Postroad")
	s.capability("SASL", strings.Join(c.Auth.Mechanisms(s.Peer()), " "))
	s.capability("SIEVE", strings.Join(c.Extensions, " "))
	s.capability("NOTIFY", "mailto")
	s.capability("MAXREDIRECTS", strconv.Itoa(c.MaxRedirects))
	if c.Lists != "" {
		s.capability("EXTLISTS", c.Lists)
	}
	s.capability("LANGUAGE", "en")
	if s.mayStartTLS() {
		s.out = append(s.out, "\"STARTTLS\"\r\n"...)
	}
	s.out = append(s.out, "\"UNAUTHENTICATE\"\r\n"...)
	if s.scripts != nil {
		s.capability("OWNER", s.login)
	}
	s.capability("VERSION", "1.0")
	s.ok("Postroad ManageSieve ready")
}

func (s *session) capability(name, value string) {
	s.out = appendString(append(appendString(s.out, name), ' '), value)
	s.out = append(s.out, "\r\n"...)
}

func (s *session) mayStartTLS() bool { return s.MayStartTLS() && s.scripts == nil }
