package smtp

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"

	"postroad/internal/fault"
)

// AUTH (RFC 4954).

var (
	replySignedIn      = reply{code: 235, status: "2.7.0", text: "Welcome"}
	replyAuthSyntax    = reply{code: 501, status: "5.5.4", text: "Syntax: AUTH mechanism [initial response]"}
	replyAuthTwice     = reply{code: 503, status: "5.5.1", text: "You are signed in already"}
	replyAuthInMail    = reply{code: 503, status: "5.5.1", text: "Not during a transaction"}
	replyAuthNotHere   = reply{code: 502, status: "5.5.1", text: "AUTH is not offered"}
	replyAuthNeedsTLS  = reply{code: 538, status: "5.7.11", text: "Say STARTTLS first"}
	replyAuthMechanism = reply{code: 504, status: "5.5.4", text: "Mechanism not offered"}
	replyAuthCancelled = reply{code: 501, status: "5.7.0", text: "Sign-in cancelled"}
	replyAuthEncoding  = reply{code: 501, status: "5.5.2", text: "Response is not valid base64"}
	replyAuthTooLong   = reply{code: 500, status: "5.5.6", text: "Response too long"}
	replyAuthFailed    = reply{code: 535, status: "5.7.8", text: "Name or password wrong"}
	replyAuthLater     = reply{code: 454, status: "4.7.0", text: "Cannot check now, try again later"}
)

// mechanisms are those on offer here and now.
func (s *session) mechanisms() []string {
	if s.server.config.Auth == nil || s.opts.Mode != Submission && !s.opts.OfferAuth {
		return nil
	}
	return s.server.config.Auth.Mechanisms(s.peerForAuth())
}

func (s *session) auth(ctx context.Context, args []byte) reply {
	mechanism, initial, _ := bytes.Cut(args, []byte{' '})
	switch {
	case len(mechanism) == 0 || bytes.IndexByte(initial, ' ') >= 0:
		return replyAuthSyntax
	case !s.extended:
		return replyNoHello
	case s.who != nil:
		return replyAuthTwice
	case s.tx != nil:
		return replyAuthInMail
	}
	if len(s.mechanisms()) == 0 {
		if s.startTLSOffered() && s.opts.Mode == Submission {
			return replyAuthNeedsTLS
		}
		return replyAuthNotHere
	}
	response, r := decodeInitial(initial)
	if !r.ok() {
		return r
	}
	exchange, err := s.server.config.Auth.Start(s.peerForAuth(), upper(mechanism))
	if err != nil {
		return s.signInFailed(err)
	}
	r = s.exchange(ctx, exchange, response)
	if s.who != nil {
		s.mechanism = upper(mechanism)
	}
	return r
}

// decodeInitial decodes an initial response: "=" is an empty one (RFC 4954 §4).
func decodeInitial(b []byte) ([]byte, reply) {
	switch {
	case len(b) == 0:
		return nil, replySignedIn
	case string(b) == "=":
		return []byte{}, replySignedIn
	}
	return decodeResponse(b)
}

func decodeResponse(b []byte) ([]byte, reply) {
	out := make([]byte, base64.StdEncoding.DecodedLen(len(b)))
	n, err := base64.StdEncoding.Strict().Decode(out, b)
	if err != nil {
		return nil, replyAuthEncoding
	}
	return out[:n], replySignedIn
}

// exchange goes through the challenges and responses. What the client says in it is never logged.
func (s *session) exchange(ctx context.Context, x Exchange, response []byte) reply {
	for {
		challenge, done, err := x.Next(ctx, response)
		if err != nil {
			return s.signInFailed(err)
		}
		if done && len(challenge) == 0 {
			return s.signedIn(x)
		}
		var r reply
		if response, r = s.challenge(challenge); !r.ok() {
			return r
		}
		if done { // the last challenge only informs; its answer is empty
			if len(response) > 0 {
				return replyAuthEncoding
			}
			return s.signedIn(x)
		}
	}
}

// challenge sends a challenge and waits for the response to it.
func (s *session) challenge(challenge []byte) ([]byte, reply) {
	out := s.output()
	*out = append(*out, "334 "...)
	*out = base64.StdEncoding.AppendEncode(*out, challenge)
	*out = append(*out, "\r\n"...)
	line, err := s.nextLine(authLine)
	switch {
	case errors.Is(err, errLineTooLong):
		return nil, replyAuthTooLong
	case errors.Is(err, errControls):
		return nil, replyAuthEncoding
	case err != nil:
		s.lineError(err) //nolint:errcheck // it ends the session in any case
		return nil, reply{close: true}
	case string(line) == "*":
		return nil, replyAuthCancelled
	}
	return decodeResponse(line)
}

func (s *session) signedIn(x Exchange) reply {
	who := x.Identity()
	s.who = &who
	s.logins = 0
	s.log = s.log.With("login", who.Login)
	s.welcome()
	return replySignedIn
}

// signInFailed tells why. Too many failures end the session.
func (s *session) signInFailed(err error) reply {
	r := authReply(err)
	if r == replyAuthMechanism {
		return r
	}
	s.server.counts.authFailures.Add(1)
	if s.logins++; s.logins >= s.limits.AuthFailures {
		s.reply(r)
		return replyTooManyLogins
	}
	return r
}

// authReply is what a failure means here; the shared table speaks of mailboxes.
func authReply(err error) reply {
	switch fault.KindOf(err) {
	case fault.Unsupported:
		return replyAuthMechanism
	case fault.Denied: // they are who they say, and hear why that isn't enough
		return reply{code: 535, status: "5.7.8", text: fault.TextOf(err)}
	case fault.Unauthenticated, fault.NotFound:
		return replyAuthFailed
	case fault.Invalid, fault.TooLarge:
		return replyAuthEncoding
	}
	return replyAuthLater
}

// upper is the mechanism's name as it is registered (RFC 4422 §3.1).
func upper(b []byte) string { return string(bytes.ToUpper(b)) }
