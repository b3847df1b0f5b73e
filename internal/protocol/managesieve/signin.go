package managesieve

import (
	"encoding/base64"
	"errors"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/service/auth"
)

// starttls is STARTTLS: RFC 5804 §2.2. What a client, or somebody in between, sent behind it in the clear must not be
// taken for what comes by TLS: the session ends then.
func (s *session) starttls() {
	switch {
	case !s.mayStartTLS():
		s.clientError("TLS can't be started now")
	case s.in.r.Buffered() > 0:
		s.goodbye("", "nothing may follow STARTTLS before TLS has begun")
	default:
		s.ok("begin TLS")
		if s.flush(); s.broken != nil || !s.StartTLS() {
			s.ended = true
			return
		}
		s.capabilities()
	}
}

// parseAuthenticate is AUTHENTICATE: RFC 5804 §2.1.
func parseAuthenticate(d *decoder) func(*session) {
	d.sp()
	mech := d.str()
	initial, given := "", false
	if d.more() {
		initial, given = d.str(), true
	}
	return func(s *session) { s.authenticate(mech, initial, given) }
}

func (s *session) authenticate(mech, initial string, given bool) {
	x, err := s.server.config.Auth.Start(s.Peer(), mech)
	if err != nil {
		s.clientError(fault.TextOf(err))
		return
	}
	var response []byte
	if given {
		if response, err = base64.StdEncoding.DecodeString(initial); err != nil {
			s.clientError("the initial response is not base64")
			return
		}
		if response == nil {
			response = []byte{}
		}
	}
	last, err := s.exchange(x, response)
	if !errors.Is(err, errOver) {
		s.signIn(x.Identity(), last, err)
	}
}

// errOver: the exchange has ended, and the client has been told.
var errOver = errors.New("exchange ended")

// exchange passes challenges and responses until somebody has signed in or failed. last is what the server has to say with success.
func (s *session) exchange(x auth.Exchange, response []byte) (last []byte, err error) {
	for {
		challenge, done, err := x.Next(s.Context(), response)
		if err != nil || done {
			return challenge, err
		}
		s.out = appendString(s.out, base64.StdEncoding.EncodeToString(challenge))
		s.out = append(s.out, "\r\n"...)
		if response, err = s.response(); err != nil {
			return nil, err
		}
	}
}

// response reads one of the client's strings in an exchange.
func (s *session) response() ([]byte, error) {
	if s.await() != nil {
		s.ended = true
		return nil, errOver
	}
	s.in.begin(maxEarly)
	text := s.in.str()
	if err := s.in.end(); err != nil {
		s.inputError(err, true)
		return nil, errOver
	}
	if text == "*" { // RFC 5804 §2.1
		s.clientError("sign-in cancelled")
		return nil, errOver
	}
	response, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		s.clientError("the response is not base64")
		return nil, errOver
	}
	if response == nil {
		response = []byte{}
	}
	return response, nil
}

// signIn opens the scripts of somebody who has shown who they are, unless err says they haven't.
func (s *session) signIn(who ident.Identity, last []byte, err error) {
	if err == nil {
		s.scripts, err = s.server.config.Mailboxes.Open(s.Context(), who.Account, who)
		if err != nil {
			s.SignOut()
		}
	}
	if err != nil {
		s.reply("NO", signInCode(err), fault.TextOf(err))
		s.blame()
		return
	}
	s.login = who.Login
	code := ""
	if len(last) > 0 {
		code = "SASL " + string(appendString(nil, base64.StdEncoding.EncodeToString(last)))
	}
	s.reply("OK", code, "welcome")
}

// signInCode is the response code of a sign-in that failed.
func signInCode(err error) string {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Canceled, fault.RateLimited, fault.Internal:
		return "TRYLATER"
	}
	return ""
}

// unauthenticate is UNAUTHENTICATE: RFC 5804 §2.14.1.
func (s *session) unauthenticate() {
	s.SignOut()
	s.scripts.Close()
	s.Log.Info("ManageSieve session ended", "login", s.login)
	s.scripts, s.login = nil, ""
	s.AwaitSignIn()
	s.ok("signed out")
}
