package pop3

import (
	"bytes"
	"errors"

	"postroad/internal/model/mailbox"
)

// stat is STAT (RFC 1939 §5).
func (s *session) stat(arg []byte) {
	if !s.noArgument(arg) {
		return
	}
	s.out.text("+OK ")
	s.pair(int64(s.drop.left()), s.drop.leftBytes())
}

// list is LIST (RFC 1939 §5).
func (s *session) list(arg []byte) {
	s.perMessage(arg, func(n int, row *mailbox.Row) { s.pair(int64(n), s.drop.size(n-1, row)) })
}

// uidl is UIDL (RFC 1939 §7).
func (s *session) uidl(arg []byte) {
	if s.drop.policy.Foreign() {
		if err := s.drop.readUniqueIDs(s.Context()); err != nil {
			s.fail(err)
			return
		}
	}
	s.perMessage(arg, func(n int, row *mailbox.Row) {
		s.out.number(int64(n))
		s.out.text(" ")
		s.drop.uniqueID(&s.out, row)
		s.out.text("\r\n")
	})
}

// perMessage writes a line for the message that the argument names, or for all.
func (s *session) perMessage(arg []byte, line func(n int, row *mailbox.Row)) {
	if len(arg) > 0 {
		if n, row := s.message(arg); row != nil {
			s.out.text("+OK ")
			line(n, row)
		}
		return
	}
	s.ok("the list follows")
	for i, row := range s.drop.all() {
		if s.out.err != nil {
			return
		}
		if !s.drop.isMarked(i) {
			line(i+1, row)
		}
	}
	s.out.text(".\r\n")
}

func (s *session) pair(a, b int64) {
	s.out.number(a)
	s.out.text(" ")
	s.out.number(b)
	s.out.text("\r\n")
}

// message finds the message that an argument names. row is nil if there is none, and the client has been told.
func (s *session) message(arg []byte) (n int, row *mailbox.Row) {
	n, ok := number(arg)
	if !ok {
		s.clientError("that is no message number")
		return 0, nil
	}
	if row, ok = s.drop.row(n); !ok {
		s.out.text("-ERR no such message\r\n")
		return 0, nil
	}
	return n, row
}

// maxNumber is the largest number that an argument may be.
const maxNumber = 1<<31 - 1

// number reads digits; numbers beyond maxNumber are taken for it.
func number(text []byte) (int, bool) {
	n := int64(0)
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = min(10*n+int64(c-'0'), maxNumber)
	}
	return int(n), len(text) > 0
}

// retr is RETR (RFC 1939 §5).
func (s *session) retr(arg []byte) {
	n, row := s.message(arg)
	if row == nil {
		return
	}
	d := &delivery{s: s, status: "+OK the message follows\r\n"}
	body := newStuffer(d)
	if s.send(d, body, s.drop.copyTo(body, row, morePortion)) {
		s.drop.noteRetrieved(n)
		s.retrieved++
		s.bytes += row.Size
		s.server.counts.retrieved.Add(1)
		s.server.counts.retrievedBytes.Add(uint64(row.Size))
	}
}

// top is TOP (RFC 1939 §7).
func (s *session) top(arg []byte) {
	name, count, _ := bytes.Cut(arg, []byte{' '})
	lines, ok := number(count)
	if !ok {
		s.clientError("TOP needs a message number and a number of lines")
		return
	}
	_, row := s.message(name)
	if row == nil {
		return
	}
	d := &delivery{s: s, status: "+OK the top of the message follows\r\n"}
	body := newStuffer(d)
	err := s.drop.copyTo(&topper{out: body, lines: lines}, row, firstPortion)
	if errors.Is(err, errEnough) {
		err = nil
	}
	s.send(d, body, err)
}

// delivery passes a message's text on, after the status line: until the first
// bytes have been read it isn't known whether there is a message.
type delivery struct {
	s      *session
	status string
	begun  bool
}

// Write implements io.Writer.
func (d *delivery) Write(p []byte) (int, error) {
	d.begin()
	return d.s.out.Write(p)
}

func (d *delivery) begin() {
	if !d.begun {
		d.begun = true
		d.s.out.text(d.status)
	}
}

// send ends a message's text, of which err is what became so far. In the midst of it
// nothing can be said of an error but by hanging up.
func (s *session) send(d *delivery, body *stuffer, err error) bool {
	switch {
	case err == nil:
		d.begin()
		return body.end() == nil
	case s.out.err != nil:
	case d.begun:
		s.Log.Error("POP3 message broke off", "error", err)
		s.out.flush()
		s.ended = true
	default:
		s.fail(err)
	}
	return false
}

// dele is DELE (RFC 1939 §5).
func (s *session) dele(arg []byte) {
	if n, row := s.message(arg); row != nil {
		s.drop.mark(n)
		s.ok("it will be deleted at QUIT")
	}
}

// rset is RSET (RFC 1939 §5).
func (s *session) rset(arg []byte) {
	if s.noArgument(arg) {
		s.drop.unmarkAll()
		s.ok("nothing will be deleted")
	}
}

// quit is QUIT (RFC 1939 §4 and §6). The lock is given back before the reply: the
// client may come again at once.
func (s *session) quit(arg []byte) {
	if !s.noArgument(arg) {
		return
	}
	s.ended = true
	if s.drop == nil {
		s.ok("goodbye")
		return
	}
	n, err := s.drop.end(s.Context(), s.server.config.Now())
	s.server.counts.deleted.Add(uint64(n))
	s.deleted = n
	s.drop.close()
	s.drop = nil
	if err != nil {
		s.fail(err)
		return
	}
	s.ok("goodbye")
}
