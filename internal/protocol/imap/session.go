package imap

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"postroad/internal/format/inflate"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/auth"
	"postroad/internal/service/peer"
)

// session is one connection. All of it belongs to the goroutine that runs serve, but
// for interrupt and what the comments say.
type session struct {
	srv  *Server
	raw  net.Conn // never changes; deadlines are set here
	opts ListenerOptions
	lim  *Limits
	log  *slog.Logger

	conn net.Conn // raw, or TLS over it
	in   input
	out  output
	dec  decoder
	tag  []byte // of the command at hand

	peer     auth.Peer                            // without TLS: see client
	tls      *tls.Conn                            // nil: in the clear
	loginBy  time.Time                            // until when the client must have logged in
	who      ident.Identity                       // once logged in
	mail     *mailbox.Session                     // on the client's own account; nil before login
	guests   map[ident.AccountID]*mailbox.Session // on accounts of others, as long as a command lasts; see guest
	sel      *selected                            // nil unless a folder is selected
	saved    numSet                               // "$": UIDs of the last SEARCH RETURN (SAVE), RFC 9051 §6.4.4.1
	deflated *deflated                            // RFC 4978; nil: bytes go as they are
	tail     *inflate.Inflater                    // compression has just ended, and a rest of it may come
	enabled                                       // what the client has changed by its commands
	hearing                                       // while it waits for its client
	idling   *running                             // IDLE; nil: it isn't under way

	// Of the command at hand:
	begun    time.Time
	toldAt   time.Time    // when the client was told last that it goes on
	byUID    bool         // it was prefixed by UID
	numbered bool         // it has asked for messages by number, so none may be told to be gone
	held     bool         // news of the selected folder had to wait
	own      numSet       // UIDs of messages that it has put into the selected folder
	side     *sideEffects // of few commands; nil: none
	removed  bool         // messages of the selected folder were removed, so the completion says HIGHESTMODSEQ

	ended    bool // no further command is read
	bads     int  // commands with bad syntax; in a row, once logged in
	failures int  // failed logins
}

// sideEffects are what a command does besides, or less than was asked for.
type sideEffects struct {
	over  string   // how many messages it was cut down to (MESSAGELIMIT); "": it wasn't
	doing []string // mailbox names that it changes; see byItself

	annotated string      // the mailbox whose annotations it sets; "": the server
	entries   annotations // these; nil: none
}

// effects are those of the command at hand, to be noted.
func (s *session) effects() *sideEffects {
	if s.side == nil {
		s.side = &sideEffects{}
	}
	return s.side
}

// enabled is how a session differs from a new one.
type enabled struct {
	rev2      bool       // IMAP4rev2 is enabled
	utf8      bool       // mailbox names and quoted strings are UTF-8
	condstore bool       // RFC 7162 §3.1
	qresync   bool       // RFC 7162 §3.2: what was expunged is told by VANISHED
	uidOnly   bool       // RFC 9586: message numbers are used no more
	lang      *language  // RFC 5255 §3; nil: i-default
	notify    *notifying // RFC 5465; nil: news of the selected mailbox, with commands
	metadata  *notifying // RFC 5464 §4.1: of annotations, unless NOTIFY says what; nil: not enabled
}

func newSession(srv *Server, conn net.Conn, o ListenerOptions) *session {
	s := &session{srv: srv, raw: conn, opts: o, lim: &srv.lim}
	s.log = srv.log
	s.peer = auth.Peer{Addr: peer.Addr(conn.RemoteAddr()), Protocol: "imap", PlainAllowed: o.PlainAllowed, Connection: srv.auth.Connect(func() { conn.Close() })}
	s.dec.src, s.dec.lim = s, &srv.early
	s.loginBy = time.Now().Add(s.lim.Login)
	s.setConn(conn)
	return s
}

func (s *session) setConn(c net.Conn) {
	s.conn = c
	s.in = input{conn: c, bufs: &s.srv.bufs, out: &s.out}
	if under, ok := s.raw.(syscall.Conn); ok && (c != s.raw || ofSystem(c)) {
		s.in.wire, _ = under.SyscallConn() // nil: it waits in layers above
	}
	if s.in.wire != nil && c == s.raw {
		s.in.bare = s.in.take
	}
	s.out = output{conn: c, bufs: &s.srv.bufs, timeout: s.lim.Write}
}

// ofSystem reports whether reading a connection is reading its socket, and nothing else.
func ofSystem(c net.Conn) bool {
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// interrupt wakes the session from waiting for its client. Any goroutine may call it.
func (s *session) interrupt() { s.raw.SetReadDeadline(time.Unix(1, 0)) }

// arm sets until when the client must have sent what is waited for.
func (s *session) arm(until time.Time) {
	if s.mail == nil && until.After(s.loginBy) {
		until = s.loginBy
	}
	s.until = until
	s.raw.SetReadDeadline(until)
	if s.srv.shuttingDown() {
		s.interrupt() // it may have come just before the deadline was set
	}
}

// serve is the life of the connection.
func (s *session) serve(ctx context.Context) {
	if s.opts.ImplicitTLS {
		if err := s.startTLSNow(ctx); err != nil {
			return
		}
	}
	s.out.line("* OK [", s.capabilityCode(), "] ", s.srv.hostname, " IMAP server ready")
	for !s.ended && s.out.err == nil {
		s.rest()
		err := s.hear(ctx)
		if err == nil {
			err = s.step(ctx)
		}
		if err != nil {
			s.farewell(err)
			break
		}
	}
	s.out.flush()
}

// rest comes before a session waits for its client.
func (s *session) rest() {
	if s.idling != nil {
		return
	}
	s.arm(time.Now().Add(s.lim.Idle))
	if s.in.buffered() == 0 {
		s.dec.shrink()
	}
}

// farewell tells the client why the connection ends, if it can still hear it.
func (s *session) farewell(err error) {
	if s.idling != nil {
		s.srv.metrics.Command("IDLE", "lost", time.Since(s.begun))
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && s.srv.shuttingDown():
		s.remark("BYE", "", "server is shutting down")
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.remark("BYE", "", "you took too long") // RFC 9051 §5.4
	case errors.Is(err, errOutOfStep):
		s.out.line("* BYE [TOOBIG] ", err.Error())
	}
}

// close gives back what the session holds.
func (s *session) close() {
	s.hush() // it may have broken down while it listened
	s.signOut()
	s.conn.Close()
}

// step answers what the client has begun to send: a command, or the end of one. An error means that the connection is of no more use.
func (s *session) step(ctx context.Context) error {
	if s.idling != nil {
		c := s.idling
		s.idling = nil
		r, err := s.idleEnd()
		return s.conclude(ctx, c, r, err)
	}
	if s.tail != nil {
		if s.in.skipTail(s.tail) {
			s.tail = nil
		}
		return nil
	}
	if err := s.dec.begin(); err != nil {
		return err
	}
	err := s.command(ctx)
	s.out.sized() // who sends many commands at once and reads no answers must wait, not fill our memory
	return err
}

// running is a command that is being carried out.
type running struct {
	*command           // nil: there is none of that name
	name     string    // for metrics
	was      *selected // when it began
}

// command runs the command whose first line has been read.
func (s *session) command(ctx context.Context) error {
	s.byUID, s.numbered, s.removed, s.held, s.own, s.side = false, false, false, false, nil, nil
	s.begun, s.toldAt = time.Now(), time.Time{}
	s.tag = s.dec.tag()
	s.dec.sp()
	cmd, name := s.lookUp()
	c := running{cmd, name, s.sel}
	r, err := s.perform(ctx, cmd)
	if errors.Is(err, errIdling) {
		s.idling = &running{cmd, name, c.was}
		return nil
	}
	return s.conclude(ctx, &c, r, err)
}

// conclude answers a command.
func (s *session) conclude(ctx context.Context, c *running, r reply, err error) error {
	if s.mail != nil && c.command != nil && s.dec.err == nil && (s.sel == c.was || s.sel == nil) { // a folder just opened has no news
		// A command that was carried out stays so if the news can't be had.
		if err := s.news(ctx, c.mayExpunge(s.byUID) && !s.numbered); err != nil {
			s.log.Error("imap: news of the selected mailbox", "login", s.who.Login, "error", err)
		}
		if s.held && s.condstore && s.sel != nil {
			// Later changes may have been told: the client must not believe that it knows the earlier ones (RFC 7162 §3.2).
			s.remark("OK", s.highestCode(), "some news must wait")
		}
	}
	outcome, err := s.answer(r, err, c.name)
	s.side = nil
	if len(s.guests) > 0 {
		s.leaveGuests()
	}
	s.srv.metrics.Command(c.name, outcome, time.Since(s.begun))
	return err
}

// lookUp consumes the command's name. Names that aren't known are not told to the metrics: a
// stranger could make up any number of them.
func (s *session) lookUp() (cmd *command, name string) {
	name = s.dec.keyword()
	cmd = s.srv.commands[name]
	if name == "UID" {
		s.dec.sp()
		sub := s.dec.keyword()
		s.byUID = true
		cmd, name = s.srv.uid[sub], "UID "+sub
	}
	if cmd == nil {
		name = "unknown"
	}
	return cmd, name
}

// perform checks that a command may be given now, and runs it.
func (s *session) perform(ctx context.Context, cmd *command) (reply, error) {
	switch {
	case s.dec.err != nil:
		return reply{}, s.dec.err
	case cmd == nil:
		return reply{}, bad("no such command")
	case cmd.states&s.state() == 0:
		return reply{}, bad("that command is not possible " + cmd.whyNot(s.state()))
	case s.uidOnly && !s.byUID && cmd.numbers:
		return reply{}, errUIDRequired
	}
	if s.sel != nil && s.foreign(s.sel.mail) { // who has left a group has lost what it may do
		if err := s.renewGroups(ctx); err != nil {
			return reply{}, err
		}
	}
	return cmd.run(s, ctx)
}

// answer completes a command. The error returned is one of the connection.
func (s *session) answer(r reply, err error, name string) (outcome string, _ error) {
	switch {
	case err == nil:
		if r.code == "" && s.removed && s.condstore && s.sel != nil { // RFC 7162 §3.2.7
			r.code = s.highestCode()
		}
		s.tagged("OK", s.completion(r.code), r.text)
		if s.mail != nil {
			s.bads = 0 // it is no program that has lost its way
		}
		return "OK", nil
	case errors.Is(err, errAnswered):
		return "OK", nil
	}
	var lost *connError
	if errors.As(err, &lost) {
		return "lost", lost.err
	}
	f := refusalOf(err)
	if ours(err) && f.status == "NO" {
		s.log.Error("imap: command failed", "command", name, "login", s.who.Login, "error", err)
	}
	if len(s.tag) == 0 {
		s.out.line("* ", f.status, " ", f.text) // RFC 9051 §7.1.3: no tag could be read
	} else {
		s.tagged(f.status, f.code, f.text)
	}
	if err := s.dec.skip(); err != nil {
		return f.status, err
	}
	s.countBad(f.status)
	return f.status, nil
}

// countBad closes the session of a client that sends nothing sensible.
func (s *session) countBad(status string) {
	if status != "BAD" {
		return
	}
	allowed := s.lim.BadCommands
	if s.mail == nil {
		allowed = (allowed + 3) / 4
	}
	if s.bads++; s.bads > allowed {
		s.remark("BYE", "", "too many bad commands")
		s.ended = true
	}
}

// tagged completes the command at hand.
func (s *session) tagged(status, code, text string) {
	b := append(append(s.out.buf(), s.tag...), ' ')
	b = append(append(b, status...), ' ')
	if code != "" {
		b = append(append(append(b, '['), code...), "] "...)
	}
	if text == "" {
		text = "done"
	}
	if s.lang != nil && status != "BAD" {
		text = s.say(text)
	}
	s.out.set(append(append(b, text...), crlf...))
}

// connError is a failure of the connection, of which nobody can be told.
type connError struct{ err error }

func (e *connError) Error() string { return e.err.Error() }
func (e *connError) Unwrap() error { return e.err }

// lost marks an error of the connection as one.
func lost(err error) error {
	if err == nil || errors.Is(err, errLineTooLong) {
		return err
	}
	return &connError{err}
}

// readLine, readFull, discard and invite make the session its decoder's source.

func (s *session) readLine(dst []byte, max int) ([]byte, error) {
	b, err := s.in.readLine(dst, max)
	return b, lost(err)
}

func (s *session) readFull(p []byte) error { return lost(s.in.readFull(p)) }

func (s *session) discard(n int64) error { return lost(s.in.discard(n)) }

// invite asks for a synchronising literal (RFC 9051 §7.6).
func (s *session) invite() error {
	s.out.str("+ go on\r\n")
	return lost(s.out.flush())
}
