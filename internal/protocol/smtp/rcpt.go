package smtp

import (
	"context"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/forward"
)

// Replies to RCPT (RFC 5321 §4.1.1.3).
var (
	replyRcptSyntax    = reply{code: 501, status: "5.5.4", text: "Syntax: RCPT TO:<address> [parameters]"}
	replyBadRecipient  = reply{code: 501, status: "5.1.3", text: "Bad recipient address"}
	replyLongRecipient = reply{code: 501, status: "5.1.3", text: "Recipient address too long"}
	replyUTF8Recipient = reply{code: 553, status: "5.6.7", text: "Address needs SMTPUTF8"} // RFC 6531 §3.5
	replyTooManyRcpts  = reply{code: 452, status: "4.5.3", text: "Too many recipients"}    // RFC 5321 §4.5.3.1.10
	replyRecipientOK   = reply{code: 250, status: "2.1.5", text: "Recipient ok"}
	replyExpansion     = reply{code: 550, status: "5.2.4", text: "The list has too many members"}
)

// freeRefusals is how many unknown recipients a stranger may name before each costs time.
const freeRefusals = 10

func (s *session) rcpt(ctx context.Context, args []byte) reply {
	if s.tx == nil {
		return replyNoMail
	}
	rcpt, r := s.parseRcpt(args)
	if !r.ok() {
		return r
	}
	if s.tx.message != nil {
		return reply{code: 503, status: "5.5.1", text: "The message has begun"}
	}
	e := &s.tx.envelope
	if len(e.Recipients) >= s.limits.Recipients {
		return replyTooManyRcpts
	}
	if r := s.policyRecipient(ctx, rcpt.Address); !r.ok() {
		return r
	}
	if r := s.askRecipient(ctx, rcpt.Address); !r.ok() {
		return r
	}
	mailbox, err := s.server.config.Post.Recipient(ctx, e, rcpt.Address)
	if r := s.askFound(ctx, rcpt.Address, err); !r.ok() {
		return r
	}
	if err != nil {
		return s.refuseRecipient(ctx, rcpt.Address, err)
	}
	if r := s.policyRoom(ctx, rcpt.Address, mailbox); !r.ok() {
		return r
	}
	rcpt.Mailbox = mailbox
	if r := s.scanRecipient(ctx, &rcpt, args); !r.ok() {
		return r
	}
	e.Recipients = append(e.Recipients, rcpt)
	return replyRecipientOK
}

// parseRcpt reads RCPT's arguments.
func (s *session) parseRcpt(args []byte) (Recipient, reply) {
	rest, ok := cutKeyword(args, "TO:")
	if !ok {
		return Recipient{}, replyRcptSyntax
	}
	to, rest, err := parsePath(rest)
	switch {
	case err == errPathLength, localPartTooLong(to.mailbox) && !forward.Is(to.mailbox): // SRS: holds another address, so it may be longer
		return Recipient{}, replyLongRecipient
	case err != nil, to.mailbox == "":
		return Recipient{}, replyBadRecipient
	}
	rcpt := Recipient{Address: to.mailbox}
	if r := rcptParams(&rcpt, rest); !r.ok() {
		return Recipient{}, r
	}
	if !to.ascii && !s.tx.envelope.UTF8 {
		return Recipient{}, replyUTF8Recipient
	}
	return rcpt, replyRecipientOK
}

// rcptParams reads NOTIFY and ORCPT (RFC 3461 §4.1, §4.2). Each may come once.
func rcptParams(r *Recipient, b []byte) reply {
	var seen paramSet
	for {
		keyword, value, rest, ok := nextParam(b)
		switch {
		case !ok:
		case len(keyword) == 0:
			return replyRecipientOK
		case is(keyword, "NOTIFY"):
			r.Notify, ok = parseNotify(value)
			ok = ok && seen.first(paramNotify)
		case is(keyword, "ORCPT"):
			r.OriginalType, r.Original, ok = parseORCPT(value)
			ok = ok && seen.first(paramORCPT)
		default:
			return replyUnknownParameter
		}
		if !ok {
			return replyBadParameter
		}
		b = rest
	}
}

// refuseRecipient tells why, and slows and finally ends the session of a
// stranger who guesses addresses.
func (s *session) refuseRecipient(ctx context.Context, address string, err error) reply {
	kind := fault.KindOf(err)
	r := recipientReply(err)
	s.log.Info("recipient refused", "id", s.tx.envelope.ID, "from", s.tx.envelope.From, "to", address,
		"reply", r.code, "err", err)
	s.server.counts.recipientsRefused.Add(1)
	s.noteRefusal(stageRcpt, address, r, err)
	if s.who != nil || s.opts.Mode == LMTP || kind.Retry() {
		return r
	}
	s.refused++
	if s.refused >= s.limits.RefusedRecipients {
		return replyTooManyUnknown
	}
	if s.refused > freeRefusals {
		s.pause(ctx, s.limits.RefusalDelay)
	}
	return r
}

// recipientReply is what a failure means at RCPT. Why we don't relay has several
// reasons, and the Post knows which.
func recipientReply(err error) reply {
	r := replyTo(err)
	switch fault.KindOf(err) {
	case fault.TooLarge:
		return replyExpansion
	case fault.Unsupported:
		if text := fault.TextOf(err); isReplyText(text) {
			r.text = strings.ToUpper(text[:1]) + text[1:]
		}
	}
	return r
}

// isReplyText reports whether a text may stand in a reply: printable ASCII of a
// length that leaves the line under 512 octets (RFC 5321 §4.5.3.1.5).
func isReplyText(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return text != "" && len(text) <= 450
}

// pause waits, unless the server is closed meanwhile.
func (s *session) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.server.crowd.Done():
	case <-ctx.Done():
	}
}
