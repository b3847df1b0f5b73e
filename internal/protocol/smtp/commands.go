package smtp

import (
	"bytes"
	"context"
)

// command is one verb that clients may say.
type command struct {
	// run parses the arguments, checks the state, acts, and returns the reply. The
	// zero reply says that it has replied already.
	run func(s *session, ctx context.Context, args []byte) reply
	// last: the verb ends a pipelined group, so its reply is sent at once (RFC 2920 §3.2).
	last bool
	// bare: the verb has no arguments.
	bare bool
	// idle: the verb brings no message any nearer. Such commands are counted.
	idle bool
}

// commands has every verb, in upper case.
var commands = map[string]*command{
	"EHLO":     {run: (*session).ehlo, last: true, idle: true},
	"HELO":     {run: (*session).hello, last: true, idle: true},
	"LHLO":     {run: (*session).lhlo, last: true, idle: true},
	"MAIL":     {run: (*session).mail},
	"RCPT":     {run: (*session).rcpt},
	"DATA":     {run: (*session).data, last: true, bare: true},
	"BDAT":     {run: (*session).bdat},
	"BURL":     {run: (*session).burl},
	"RSET":     {run: (*session).rset, bare: true, idle: true},
	"NOOP":     {run: (*session).noop, last: true, idle: true},
	"QUIT":     {run: (*session).quit, last: true, bare: true},
	"HELP":     {run: (*session).help, last: true, idle: true},
	"VRFY":     {run: (*session).vrfy, last: true, idle: true},
	"EXPN":     {run: (*session).expn, last: true, idle: true},
	"STARTTLS": {run: (*session).startTLS, last: true, bare: true},
	"AUTH":     {run: (*session).auth, last: true},

	// A browser that was tricked into posting to us says other things next, which might be commands.
	"GET":     {run: (*session).http, last: true},
	"POST":    {run: (*session).http, last: true},
	"PUT":     {run: (*session).http, last: true},
	"CONNECT": {run: (*session).http, last: true},
	"OPTIONS": {run: (*session).http, last: true},
}

// longestVerb bounds the lookup.
const longestVerb = len("STARTTLS")

var unknownCommand = &command{
	run:  func(*session, context.Context, []byte) reply { return replyUnknown },
	last: true,
}

// findCommand splits a line into its command and arguments.
func findCommand(line []byte) (c *command, args []byte) {
	verb, args, _ := bytes.Cut(line, []byte{' '})
	if len(verb) > longestVerb {
		return unknownCommand, nil
	}
	var upper [longestVerb]byte
	for i, b := range verb {
		if b >= 'a' && b <= 'z' {
			b -= 'a' - 'A'
		}
		upper[i] = b
	}
	if c := commands[string(upper[:len(verb)])]; c != nil {
		return c, args
	}
	return unknownCommand, nil
}

// RSET, NOOP, QUIT, HELP, VRFY and EXPN: RFC 5321 §4.1.1.5 to §4.1.1.10.

func (s *session) rset(context.Context, []byte) reply {
	s.reset()
	return replyOK
}

func (s *session) noop(context.Context, []byte) reply { return replyOK }

func (s *session) quit(context.Context, []byte) reply {
	return reply{code: 221, status: "2.0.0", text: "Good bye", close: true}
}

func (s *session) help(context.Context, []byte) reply {
	return reply{code: 214, status: "2.0.0", text: "See RFC 5321"}
}

// vrfy tells nothing, as RFC 5321 §7.3 permits.
func (s *session) vrfy(_ context.Context, args []byte) reply {
	if len(args) == 0 {
		return reply{code: 501, status: "5.5.4", text: "Whom?"}
	}
	return reply{code: 252, status: "2.5.0", text: "Cannot verify, but RCPT will tell"}
}

func (s *session) expn(context.Context, []byte) reply {
	return reply{code: 502, status: "5.5.1", text: "EXPN is not offered"}
}

func (s *session) http(context.Context, []byte) reply {
	return reply{code: 500, status: "5.5.1", text: "This is a mail server", close: true}
}
