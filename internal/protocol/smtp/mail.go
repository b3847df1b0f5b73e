package smtp

import (
	"bytes"
	"context"
	"crypto/tls"
	"strings"
	"time"

	"postroad/internal/fault"
)

// Replies to MAIL (RFC 5321 §4.1.1.2).
var (
	replyMailSyntax = reply{code: 501, status: "5.5.4", text: "Syntax: MAIL FROM:<address> [parameters]"}
	replyBadSender  = reply{code: 501, status: "5.1.7", text: "Bad sender address"}
	replyLongSender = reply{code: 501, status: "5.1.7", text: "Sender address too long"}
	replyNestedMail = reply{code: 503, status: "5.5.1", text: "A transaction is under way: RSET first"}
	replySenderOK   = reply{code: 250, status: "2.1.0", text: "Sender ok"}
	replyNotYours   = reply{code: 550, status: "5.7.1", text: "You may not send from this address"} // RFC 6409 §6.2
	replyUTF8Sender = reply{code: 550, status: "5.6.7", text: "Address needs SMTPUTF8"}             // RFC 6531 §3.5
)

func (s *session) mail(ctx context.Context, args []byte) reply {
	if s.helo == "" {
		return replyNoHello
	}
	if s.tx != nil {
		return replyNestedMail
	}
	if s.opts.Mode == Submission && s.who == nil {
		return replyAuthRequired // RFC 6409 §4.3
	}
	tx, r := s.parseMail(args)
	if !r.ok() {
		return r
	}
	if s.messages >= s.limits.Messages {
		return replyTooManyMessages
	}
	if r := s.checkSender(ctx, tx.envelope.From); !r.ok() {
		return r
	}
	if r := s.policySender(ctx, tx); !r.ok() {
		return r
	}
	if r := s.askMail(ctx, tx.envelope.From); !r.ok() {
		return r
	}
	s.tx = tx
	if r := s.scanMail(ctx, args); !r.ok() {
		s.reset()
		return r
	}
	s.messages++
	return r
}

// parseMail reads MAIL's arguments.
func (s *session) parseMail(args []byte) (*transaction, reply) {
	rest, ok := cutKeyword(args, "FROM:")
	if !ok {
		return nil, replyMailSyntax
	}
	from, rest, err := parsePath(rest)
	switch {
	case err == errPathLength:
		return nil, replyLongSender
	case err != nil, from.mailbox != "" && !strings.Contains(from.mailbox, "@"):
		return nil, replyBadSender
	}
	tx := s.newTransaction(from.mailbox)
	r := s.mailParams(&tx.envelope, rest)
	if r.ok() && !from.ascii && !tx.envelope.UTF8 {
		return nil, replyUTF8Sender
	}
	return tx, r
}

// cutKeyword removes "FROM:" or "TO:".
func cutKeyword(args []byte, word string) ([]byte, bool) {
	if !startsWith(args, word) {
		return nil, false
	}
	return args[len(word):], true
}

// newTransaction begins one, of which a session has one at a time. There must be none.
func (s *session) newTransaction(from string) *transaction {
	if s.room == nil {
		s.room = new(transaction)
	}
	tx := s.room
	*tx = transaction{deadline: time.Now().Add(s.limits.TransactionTimeout)}
	tx.envelope = Envelope{
		ID: s.server.newID(), From: from, Recipients: tx.first[:0], Who: s.who, Peer: s.peer, Helo: s.helo,
		TLS: s.tls != nil, Cipher: s.cipher(), Mode: s.opts.Mode, Trusted: s.trusted(),
	}
	return tx
}

// trusted: see Envelope.
func (s *session) trusted() bool {
	g := s.server.config.Gate
	return s.opts.Mode == LMTP || s.opts.Mode == MX && g != nil && g.Trusts(s.peer)
}

// cipher names the connection's TLS version and cipher; empty without.
func (s *session) cipher() string {
	if s.tls == nil {
		return ""
	}
	return tls.VersionName(s.tls.Version) + " " + tls.CipherSuiteName(s.tls.CipherSuite)
}

// mailParams reads the parameters of MAIL. Each may come once.
func (s *session) mailParams(e *Envelope, b []byte) reply {
	var a mailArgs
	for {
		keyword, value, rest, ok := nextParam(b)
		if !ok {
			return replyBadParameter
		}
		if len(keyword) == 0 {
			return a.done(e, s.server.config.Now)
		}
		if r := s.mailParam(e, &a, keyword, value); !r.ok() {
			return r
		}
		b = rest
	}
}

func (s *session) mailParam(e *Envelope, a *mailArgs, keyword, value []byte) reply {
	seen, ok := &a.seen, true
	switch {
	case is(keyword, "SIZE"): // RFC 1870 §6
		e.Declared, ok = parseSize(value)
		if ok && e.Declared > s.limits.MessageBytes {
			return replyTooLarge
		}
		ok = ok && seen.first(paramSize)
	case is(keyword, "BODY"): // RFC 6152 §2, RFC 3030 §3
		e.Body, ok = parseBody(value)
		ok = ok && seen.first(paramBody)
	case is(keyword, "SMTPUTF8"): // RFC 6531 §3.4
		e.UTF8, ok = true, value == nil && seen.first(paramUTF8)
	case is(keyword, "RET"): // RFC 3461 §4.3
		e.Return, ok = parseReturn(value)
		ok = ok && seen.first(paramRet)
	case is(keyword, "ENVID"): // RFC 3461 §4.4
		e.EnvelopeID, ok = decodeXtext(value)
		ok = ok && len(value) > 0 && len(value) <= maxENVID && seen.first(paramEnvID)
	case is(keyword, "AUTH"): // RFC 4954 §5: checked, and otherwise as if it were <>
		ok = isAuthParam(value) && seen.first(paramAuth)
	default:
		return s.extension(e, a, keyword, value)
	}
	if !ok {
		return replyBadParameter
	}
	return replySenderOK
}

// paramSet is which parameters a command has had.
type paramSet uint16

const (
	paramSize paramSet = 1 << iota
	paramBody
	paramUTF8
	paramRet
	paramEnvID
	paramAuth
	paramNotify
	paramORCPT
	paramHold
	paramBy
	paramPriority
	paramRequireTLS
)

// first notes a parameter, and reports whether it had not come before.
func (s *paramSet) first(p paramSet) bool {
	had := *s&p != 0
	*s |= p
	return !had
}

func parseBody(b []byte) (Body, bool) {
	switch {
	case is(b, "7BIT"):
		return Body7Bit, true
	case is(b, "8BITMIME"):
		return Body8BitMIME, true
	case is(b, "BINARYMIME"):
		return BodyBinaryMIME, true
	}
	return 0, false
}

func parseReturn(b []byte) (Return, bool) {
	switch {
	case is(b, "FULL"):
		return ReturnFull, true
	case is(b, "HDRS"):
		return ReturnHeaders, true
	}
	return 0, false
}

func isAuthParam(b []byte) bool {
	if bytes.Equal(b, []byte("<>")) {
		return true
	}
	mailbox, ok := decodeXtext(b)
	return ok && isMailbox(mailbox)
}

// checkSender asks whether who signed in may send from the address. The null path is for notices, and free.
func (s *session) checkSender(ctx context.Context, from string) reply {
	if s.who == nil || s.server.config.Senders == nil || from == "" {
		return replySenderOK
	}
	err := s.server.config.Senders.MaySend(ctx, *s.who, from)
	switch {
	case err == nil:
		return replySenderOK
	case fault.Is(err, fault.Denied), fault.Is(err, fault.NotFound), fault.Is(err, fault.Unsupported):
		return replyNotYours
	}
	return replyTo(err)
}
