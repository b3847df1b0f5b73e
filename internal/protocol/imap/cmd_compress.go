package imap

import (
	"context"
	"time"

	"postroad/internal/model/ident"
)

// compress: RFC 4978 §3.
func (s *session) compress(context.Context) (reply, error) {
	s.dec.sp()
	mechanism := s.dec.keyword()
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	switch {
	case s.deflated != nil:
		return reply{}, bad("compression is active already")
	case mechanism != "DEFLATE":
		return reply{}, bad("DEFLATE is all we can")
	case s.in.buffered() > 0:
		return reply{}, bad("nothing may follow COMPRESS")
	}
	s.tagged("OK", "", "DEFLATE active")
	if err := s.out.flush(); err != nil {
		return reply{}, lost(err)
	}
	s.deflated = newDeflated(s.conn, &s.srv.bufs)
	s.setConn(s.deflated)
	return reply{}, errAnswered
}

// unauthenticate: RFC 8437 §3. All that the client has set up is gone, but for TLS.
func (s *session) unauthenticate(context.Context) (reply, error) {
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	s.signOut()
	s.tagged("OK", "", "who are you?")
	if err := s.out.flush(); err != nil {
		return reply{}, lost(err)
	}
	if c := s.deflated; c != nil { // RFC 8437 §4.1
		s.deflated, s.tail = nil, &c.inflate
		rest := append(s.in.data[:len(s.in.data):len(s.in.data)], c.leave()...)
		s.setConn(c.Conn)
		s.in.data = rest
	}
	return reply{}, errAnswered
}

// signOut makes the session that of a stranger who has just come.
func (s *session) signOut() {
	s.peer.Connection.SignOut()
	s.deselect()
	s.leaveGuests()
	if s.mail != nil {
		s.mail.Close()
		s.mail = nil
		s.srv.dismissAccount(s.who.Account)
	}
	s.who, s.enabled, s.bads = ident.Identity{}, enabled{}, 0
	s.dec.lim, s.dec.utf8 = &s.srv.early, false
	s.loginBy = time.Now().Add(s.lim.Login)
}
