package pop3

import (
	"strconv"
	"strings"
)

// when says in which of RFC 1939's states a command may be given.
type when uint8

const (
	always    when = iota
	signedOut      // AUTHORIZATION
	signedIn       // TRANSACTION
)

// command is what a line's first word stands for.
type command struct {
	when when
	do   func(s *session, arg []byte)
}

// commands lists all that there are.
func commands() map[string]command {
	return map[string]command{
		"USER": {signedOut, (*session).userCommand},
		"PASS": {signedOut, (*session).pass},
		"AUTH": {signedOut, (*session).auth},
		"APOP": {signedOut, (*session).apop},
		"STLS": {signedOut, (*session).stls},
		"UTF8": {signedOut, (*session).utf8Command},

		"STAT": {signedIn, (*session).stat},
		"LIST": {signedIn, (*session).list},
		"UIDL": {signedIn, (*session).uidl},
		"RETR": {signedIn, (*session).retr},
		"TOP":  {signedIn, (*session).top},
		"DELE": {signedIn, (*session).dele},
		"RSET": {signedIn, (*session).rset},
		"NOOP": {signedIn, (*session).noop},

		"CAPA": {always, (*session).capa},
		"LANG": {always, (*session).lang},
		"QUIT": {always, (*session).quit},
	}
}

// capa is RFC 2449 §5. What can be used now is told, and what doesn't change anyway.
func (s *session) capa(arg []byte) {
	if !s.noArgument(arg) {
		return
	}
	s.ok("capabilities follow")
	for _, c := range s.capabilities() {
		s.out.text(c + "\r\n")
	}
	s.out.text(".\r\n")
}

func (s *session) capabilities() []string {
	caps := []string{
		"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", s.expire(),
		"UTF8 USER", "LANG", "IMPLEMENTATION Postroad",
	}
	if d := s.server.config.LoginDelay; d > 0 {
		caps = append(caps, "LOGIN-DELAY "+strconv.FormatInt(seconds(d), 10))
	}
	if s.mayStartTLS() {
		caps = append(caps, "STLS")
	}
	if s.MayShowPassword() {
		caps = append(caps, "USER")
	}
	if m := s.server.config.Auth.Mechanisms(s.Peer()); len(m) > 0 {
		caps = append(caps, "SASL "+strings.Join(m, " "))
	}
	return caps
}

// expire is RFC 2449 §6.7. To strangers it is the least that may be set for anybody.
func (s *session) expire() string {
	switch {
	case s.drop == nil:
		return "EXPIRE 1 USER"
	case s.drop.policy.Policy.RemoveAfterDays > 0:
		return "EXPIRE " + strconv.Itoa(s.drop.policy.Policy.RemoveAfterDays)
	}
	return "EXPIRE NEVER"
}

// lang is RFC 6856 §3: there is one language.
func (s *session) lang(arg []byte) {
	switch r := strings.ToLower(string(arg)); r {
	case "":
		s.ok("languages follow")
		s.out.text("en English\r\n.\r\n")
	case "*", "en":
		s.ok("en as ever")
	default:
		s.out.text("-ERR there is no such language here\r\n")
	}
}

// utf8Command is RFC 6856 §2.1.
func (s *session) utf8Command(arg []byte) {
	if s.noArgument(arg) {
		s.utf8 = true
		s.ok("UTF-8 it is")
	}
}

// noop is RFC 1939 §5.
func (s *session) noop(arg []byte) {
	if s.noArgument(arg) {
		s.ok("still here")
	}
}

// noArgument refuses a command that has one but shouldn't.
func (s *session) noArgument(arg []byte) bool {
	if len(arg) > 0 {
		s.clientError("this command takes no argument")
	}
	return len(arg) == 0
}
