package imap

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/service/auth"
)

func (s *session) mayStartTLS() bool  { return s.srv.tls != nil && s.tls == nil }
func (s *session) plainAllowed() bool { return s.tls != nil || s.opts.PlainAllowed }

// startTLS: RFC 9051 §6.2.1.
func (s *session) startTLS(ctx context.Context) (reply, error) {
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	if !s.mayStartTLS() {
		return reply{}, bad("TLS is not possible here, or active already")
	}
	if s.in.buffered() > 0 {
		// Somebody in between may have put commands there, to be carried out as if they had
		// come through TLS (CVE-2011-0411). There is no honest reason to send any.
		s.ended = true
		return reply{}, bad("nothing may follow STARTTLS")
	}
	s.tagged("OK", "", "begin TLS now")
	if err := s.out.flush(); err != nil {
		return reply{}, lost(err)
	}
	if err := s.startTLSNow(ctx); err != nil {
		return reply{}, lost(err)
	}
	return reply{}, errAnswered
}

// errAnswered says that the command was completed already.
var errAnswered = errors.New("answered")

// startTLSNow shakes hands. The client has no longer for it than for logging in.
func (s *session) startTLSNow(ctx context.Context) error {
	s.raw.SetDeadline(s.loginBy)
	c := tls.Server(s.raw, s.srv.tls)
	ctx, shown := auth.NoteCertificate(ctx)
	if err := c.HandshakeContext(ctx); err != nil {
		s.log.Debug("imap: TLS handshake", "addr", s.peer.Addr, "error", err)
		return err
	}
	s.setConn(c)
	s.tls = c
	s.peer.Certificate = shown.Leaf()
	if s.peer.Certificate == nil && s.srv.cert != nil { // the session was resumed
		s.peer.Certificate = s.srv.cert(c.ConnectionState().ServerName)
	}
	return nil
}

// client is whoever wants to sign in, with what is known of their TLS: too much to be kept by those who wait.
func (s *session) client() auth.Peer {
	p := s.peer
	if s.tls != nil {
		state := s.tls.ConnectionState()
		p.TLS = &state
	}
	return p
}

// login: RFC 9051 §6.2.3.
func (s *session) login(ctx context.Context) (reply, error) {
	s.dec.sp()
	user := s.dec.astring()
	s.dec.sp()
	password := s.dec.astring()
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	if !s.plainAllowed() {
		return reply{}, no("PRIVACYREQUIRED", "passwords are taken over TLS only") // RFC 5530 §3
	}
	who, err := s.srv.auth.Login(ctx, s.client(), string(user), string(password))
	clear(password)
	if err != nil {
		return reply{}, s.loginFailed(err)
	}
	return s.loggedIn(ctx, who)
}

// loginFailed counts failures, and closes the connection after some.
func (s *session) loginFailed(err error) error {
	if s.failures++; s.failures >= s.lim.LoginFailures {
		s.remark("BYE", "", "too many failed logins")
		s.ended = true
	}
	if fault.Is(err, fault.Denied) { // they are who they say, but may not come in, or as somebody else
		return no("AUTHORIZATIONFAILED", fault.TextOf(err)) // RFC 9051 §7.1
	}
	return err
}

// loggedIn opens the mailbox of somebody who has proved who they are.
func (s *session) loggedIn(ctx context.Context, who ident.Identity) (reply, error) {
	if !s.srv.admitAccount(who.Account) {
		s.peer.Connection.SignOut()
		return reply{}, no("LIMIT", "too many connections for this account")
	}
	mail, err := s.srv.store.Open(ctx, who.Account, who)
	if err != nil {
		s.srv.dismissAccount(who.Account)
		s.peer.Connection.SignOut()
		return reply{}, err
	}
	s.who, s.mail, s.dec.lim = who, mail, s.lim
	return reply{s.capabilityCode(), "logged in"}, nil
}

// maxSASL is the longest line of an authentication exchange, in bytes.
const maxSASL = 12288

// authenticate: RFC 9051 §6.2.2, with the initial response of RFC 4959.
func (s *session) authenticate(ctx context.Context) (reply, error) {
	s.dec.sp()
	mechanism := upper(s.dec.atom())
	var response []byte
	if s.dec.trySP() {
		response = s.dec.initialResponse()
	}
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	x, err := s.srv.auth.Start(s.client(), mechanism)
	if fault.Is(err, fault.Unsupported) {
		return reply{}, no("CANNOT", "that mechanism is not offered")
	}
	if err != nil {
		return reply{}, s.loginFailed(err)
	}
	for {
		challenge, done, err := x.Next(ctx, response)
		if err != nil {
			return reply{}, s.loginFailed(err)
		}
		if done && len(challenge) == 0 {
			return s.loggedIn(ctx, x.Identity())
		}
		response, err = s.challenge(challenge)
		if err != nil {
			return reply{}, err
		}
		if done { // RFC 4422 §4: the client answers the server's last data with nothing
			return s.loggedIn(ctx, x.Identity())
		}
	}
}

// initialResponse consumes initial-resp: base64, or "=" for an empty one.
func (d *decoder) initialResponse() []byte {
	text := d.take(&base64Chars, "base64")
	if string(text) == "=" {
		return []byte{}
	}
	b, err := base64.StdEncoding.AppendDecode([]byte{}, text)
	if err != nil {
		d.expected("base64")
	}
	return b
}

// challenge sends a challenge and reads the response.
func (s *session) challenge(c []byte) ([]byte, error) {
	b := base64.StdEncoding.AppendEncode(append(s.out.buf(), "+ "...), c)
	s.out.set(append(b, crlf...))
	line, err := s.in.readLine(nil, maxSASL)
	if err != nil {
		if errors.Is(err, errLineTooLong) {
			return nil, bad("response too long")
		}
		return nil, lost(err)
	}
	if string(line) == "*" {
		return nil, bad("authentication cancelled") // RFC 9051 §6.2.2
	}
	response, err := base64.StdEncoding.AppendDecode([]byte{}, line)
	if err != nil {
		return nil, bad("that is not base64")
	}
	return response, nil
}
