package smtp

import (
	"context"
	"io"
	"net/netip"
	"strconv"
	"strings"

	format "postroad/internal/format/message"
	"postroad/internal/model/ident"
	"postroad/internal/service/delivery"
	"postroad/internal/service/policy"
)

// What the administrators' policies say at each step. Policies on people, networks and files are for strangers and, as far as files are
// concerned, for who has signed in; those on sizes are for everybody.

// replyApart: for the recipients so far, other policies count. A client that has a queue sends the message to this one afterwards, as
// after too many recipients (RFC 5321 §4.5.3.1.10).
var replyApart = reply{code: 452, status: "4.5.3", text: "This recipient has other rules, send them a copy of their own"}

// policyConnect asks whether anybody takes mail of the client's network.
func (s *session) policyConnect(ctx context.Context) reply {
	return s.gated(ctx, stageConnect, "", s.server.config.Policies.Connected(s.peer))
}

// policySender asks whether anybody takes the sender's mail, and how large it may be.
func (s *session) policySender(ctx context.Context, tx *transaction) reply {
	b, e := s.server.config.Policies, &tx.envelope
	if s.who == nil {
		return s.refusedSender(ctx, e.From, b.Sent(e.From))
	}
	return s.refusedSender(ctx, e.From, tx.bound(b.Limit(policy.Out, senderDomain(e), s.who.Account)))
}

// refusedSender makes a reply of a policy's no at MAIL, where there is no transaction yet.
func (s *session) refusedSender(ctx context.Context, from string, err error) reply {
	if err == nil {
		return replySenderOK
	}
	s.tx = &transaction{envelope: Envelope{From: from}} // for the log and the trace
	defer func() { s.tx = nil }()
	return s.gated(ctx, stageMail, "", err)
}

// policyRecipient asks whether a recipient takes the sender's mail, before anybody has looked whether there is such a recipient.
func (s *session) policyRecipient(ctx context.Context, address string) reply {
	b, e := s.server.config.Policies, &s.tx.envelope
	if s.who != nil || b == nil {
		return reply{}
	}
	domain := policy.DomainOf(address)
	if r := s.gated(ctx, stageRcpt, address, b.Received(s.client(), e.From, domain)); !r.ok() {
		return r
	}
	apart := b.Apart(domain)
	if len(e.Recipients) > 0 && apart != s.tx.apart {
		return replyApart
	}
	s.tx.apart = apart
	return reply{}
}

// policyRoom asks how large a recipient's mail may be.
func (s *session) policyRoom(ctx context.Context, address string, box Mailbox) reply {
	b := s.server.config.Policies
	if b == nil {
		return reply{}
	}
	var accounts []ident.AccountID
	if r, ok := box.(delivery.Recipient); ok {
		accounts = r.Accounts()
	}
	return s.gated(ctx, stageRcpt, address, s.tx.bound(b.Limit(policy.In, policy.DomainOf(address), accounts...)))
}

// client is where the message comes from; the zero Addr if it is a relay of ours that says so for others.
func (s *session) client() netip.Addr {
	if s.opts.Mode == LMTP {
		return netip.Addr{}
	}
	return s.peer
}

// bound notes that the message may have so many bytes (0: any number) because of a policy. It fails if the client has announced more, and
// then notes nothing.
func (tx *transaction) bound(bytes int64, id uint64) error {
	switch {
	case bytes == 0:
	case tx.envelope.Declared > bytes:
		return policy.TooLarge(id)
	case tx.most == 0 || bytes < tx.most:
		tx.most, tx.mostBy = bytes, id
	}
	return nil
}

// senderDomain is the domain of ours under whose policies somebody sends who has signed in.
func senderDomain(e *Envelope) string { return policy.SenderDomain(e.From, e.Who.Login) }

// policyVerdict asks what becomes of the message, which is complete, and puts that into v, which it makes if it is nil and there is
// something to tell. Errors: a policy.Refusal.
func (s *session) policyVerdict(v *delivery.Verdict) (*delivery.Verdict, error) {
	b, e := s.server.config.Policies, &s.tx.envelope
	direction, domain := policy.In, s.tx.apart
	if s.who != nil {
		direction, domain = policy.Out, senderDomain(e)
	}
	content, ok := s.tx.message.content.(interface {
		io.ReaderAt
		Size() int64
	})
	if !b.Looks(direction) || !ok {
		return v, nil
	}
	m := policy.Message{Direction: direction, Client: s.client(), From: e.From, Domain: domain, Content: content, Size: content.Size()}
	if c, ok := content.(interface{ End() *format.Structure }); ok {
		m.Parsed = c.End
	}
	if v != nil {
		m.PathProved, m.Proved = v.Sender, v.Proved
	}
	ruling, err := b.Judge(&m)
	if err != nil || ruling.Policy == 0 {
		return v, err
	}
	if v == nil {
		v = s.unchecked()
	}
	v.Decided, v.Junk = true, ruling.Action == policy.Junk
	if ruling.Action == policy.Quarantine {
		v.Quarantine = ruling.Why
	}
	v.Summary = strings.TrimSpace(v.Summary + " policy=" + ruling.Action.String() + ":" + strconv.FormatUint(ruling.Policy, 10))
	return v, nil
}

// policyReply says a policy's no; ok is false if err is none.
func policyReply(err error) (r reply, ok bool) {
	p := policy.RefusalOf(err)
	if p == nil {
		return reply{}, false
	}
	return reply{code: p.Code, status: p.Status, text: p.Text}, true
}
