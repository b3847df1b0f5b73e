package smtp

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/service/delivery"
	"postroad/internal/service/inbound"
	"postroad/internal/service/peer"
	"postroad/internal/service/policy"
	"postroad/internal/service/sender/authres"
	history "postroad/internal/service/trace"
	"postroad/internal/service/transfer"
)

// Gate decides who may hand in mail. Its methods are called from many sessions at once.
//
// Errors of it and its visits that have an inbound.Refusal in their chain are answered with that; others as failures of the Post.
type Gate interface {
	// Connect is asked when a stranger connects from peer to local, either of which may be the zero Addr; ctx
	// lasts as long as the connection. A nil Visit is somebody who isn't checked.
	Connect(ctx context.Context, peer, local netip.Addr) (Visit, error)
	// Trusts reports whether a client is one of ours, who isn't checked, and whose word counts.
	Trusts(peer netip.Addr) bool
	// SignedIn begins the visit of somebody who has signed in, in place of the one that Connect began; nil: they aren't limited.
	SignedIn(who ident.Identity) Visit
}

// Visit is one client's connection, from its beginning or from when they signed in. It is told of each step as it happens.
type Visit interface {
	// Hello takes the name in HELO or EHLO.
	Hello(ctx context.Context, name string) error
	// Mail begins a message; from is the reverse-path without brackets.
	Mail(ctx context.Context, from string) error
	// Recipient takes a recipient, before anybody has looked whether there is such a mailbox: who is refused here can't tell, not even
	// by the time it takes.
	Recipient(ctx context.Context, address string) error
	// Found is told of a recipient that the Post would have, or else that there is no such mailbox here.
	Found(ctx context.Context, address string, found bool) error
	// Message begins the check of the message's bytes; nil: nothing is checked.
	Message(e *Envelope) Check
	// Close ends the visit.
	Close()
}

// Check takes a message's bytes as they come from the client. Writes never fail.
type Check interface {
	io.Writer
	// Verdict says what is to be thought of the message, which is complete.
	Verdict(ctx context.Context) (*delivery.Verdict, error)
	// Drop forgets the message, whether there was a Verdict or not: the client may be silent for long now.
	Drop()
}

// Stages of a conversation, for the trace.
const (
	stageConnect = "connect"
	stageHello   = "helo"
	stageMail    = "mail"
	stageRcpt    = "rcpt"
	stageData    = "data"
)

// enter asks the gate whether the client may come in. If not, all has been said.
func (s *session) enter(ctx context.Context) bool {
	r := s.askConnect(ctx)
	if r.ok() {
		r = s.scanConnect(ctx)
	}
	if r.ok() {
		return true
	}
	s.server.counts.connectionsRefused.Add(1)
	s.reply(r.closing())
	s.hungUp = true
	return false
}

// askConnect asks policies and the gate.
func (s *session) askConnect(ctx context.Context) reply {
	if s.opts.Mode != MX {
		return reply{}
	}
	r := s.policyConnect(ctx)
	if g := s.server.config.Gate; r.ok() && g != nil {
		v, err := g.Connect(ctx, s.peer, peer.Addr(s.raw.LocalAddr()))
		s.visit = v
		r = s.gated(ctx, stageConnect, "", err)
	}
	return r
}

// leaveGate ends the visit.
func (s *session) leaveGate() {
	if s.visit != nil {
		s.visit.Close()
		s.visit = nil
	}
}

// welcome has the gate look at who signed in, and no longer at where they are.
func (s *session) welcome() {
	s.leaveGate()
	if g := s.server.config.Gate; g != nil {
		s.visit = g.SignedIn(*s.who)
	}
}

// askHello, askMail, askRecipient and askFound ask the gate. A reply that is ok says nothing.
func (s *session) askHello(ctx context.Context, name string) reply {
	if s.visit == nil {
		return reply{}
	}
	return s.gated(ctx, stageHello, "", s.visit.Hello(ctx, name))
}

func (s *session) askMail(ctx context.Context, from string) reply {
	if s.visit == nil {
		return reply{}
	}
	return s.gated(ctx, stageMail, "", s.visit.Mail(ctx, from))
}

func (s *session) askRecipient(ctx context.Context, address string) reply {
	if s.visit == nil {
		return reply{}
	}
	r := s.gated(ctx, stageRcpt, address, s.visit.Recipient(ctx, address))
	if r.ok() {
		return r
	}
	if s.turned++; s.turned >= s.limits.RefusedRecipients {
		return r.closing()
	}
	return r
}

// askFound: err is what the Post has to say of the address.
func (s *session) askFound(ctx context.Context, address string, err error) reply {
	if s.visit == nil || err != nil && !fault.Is(err, fault.NotFound) {
		return reply{}
	}
	return s.gated(ctx, stageRcpt, address, s.visit.Found(ctx, address, err == nil))
}

// gated makes a reply of the gate's answer, and tells of a refusal.
func (s *session) gated(ctx context.Context, stage, to string, err error) reply {
	if err == nil {
		return reply{}
	}
	r := gateReply(err)
	if stage == stageConnect || stage == stageHello {
		r.status = "" // RFC 2034 §4
	}
	if refusal := inbound.RefusalOf(err); refusal != nil && refusal.Quiet {
		return r // whoever floods us doesn't flood the log
	}
	from := ""
	if s.tx != nil {
		from = s.tx.envelope.From
	}
	s.log.InfoContext(ctx, "refused", "stage", stage, "helo", s.helo, "from", from, "to", to, "reply", r.code, "err", err)
	s.noteRefusal(stage, to, r, err)
	return r
}

// gateReply says a gate's no.
func gateReply(err error) reply {
	if r, ok := policyReply(err); ok {
		return r
	}
	if r := inbound.RefusalOf(err); r != nil {
		return reply{code: r.Code, status: r.Status, text: r.Text, close: r.Close}
	}
	return replyTo(err)
}

// noteRefusal writes a refusal into the history of the message, as far as there is one.
func (s *session) noteRefusal(stage, to string, r reply, err error) {
	if s.server.config.Note == nil {
		return
	}
	e := history.Event{
		At: s.server.config.Now(), Kind: history.Refused, Stage: stage,
		Client:  history.Client{Addr: s.peer, Helo: s.helo, Protocol: withProtocol(s.opts.Mode, s.extended, false, s.tls != nil, s.who != nil)},
		Outcome: transfer.Outcome{Result: transfer.Failed, Code: r.code, Status: r.status, Text: strings.ReplaceAll(r.text, "\n", " ")},
	}
	if s.who != nil {
		e.Client.Account = s.who.Login
	}
	if s.tx != nil {
		e.ID, e.From, e.Size = s.tx.envelope.ID, s.tx.envelope.From, s.tx.room.size
		for i := range s.tx.envelope.Recipients {
			e.To = append(e.To, s.tx.envelope.Recipients[i].Address)
		}
	}
	if to != "" {
		e.To = []string{to}
	}
	if refusal := inbound.RefusalOf(err); refusal != nil {
		e.Text = string(refusal.Reason)
	}
	if refusal := policy.RefusalOf(err); refusal != nil {
		e.Text = refusal.Error()
	}
	s.server.config.Note(e)
}

// beginCheck has the gate look at the message that is about to come, and what others wrote in our name taken out of it (RFC 8601 §5),
// also if nobody looks: readers would take it for ours.
func (s *session) beginCheck() {
	m := &s.tx.room
	if s.visit != nil {
		m.check = s.visit.Message(&s.tx.envelope)
	}
	if s.who != nil || !s.tx.envelope.Trusted {
		m.strip = authres.NewStripper(toContent{m}, s.server.config.Hostname)
		m.strip.Remove(delivery.JunkField)
	}
}

// judge asks what is to be thought of the message: the gate and other programs, at the same time.
func (s *session) judge(ctx context.Context) (reply, error) {
	told := s.log.Enabled(ctx, slog.LevelDebug)
	var began time.Time
	if told {
		began = time.Now()
	}
	shown := s.show(ctx)
	defer shown.end()
	var v *delivery.Verdict
	var err error
	if check := s.tx.message.check; check != nil {
		if v, err = check.Verdict(ctx); err != nil {
			return gateReply(err), err
		}
	}
	if shown != nil {
		if v == nil {
			v = s.unchecked()
		}
		if err := s.heed(ctx, shown, v); err != nil {
			return gateReply(err), err
		}
	}
	if v, err = s.policyVerdict(v); err != nil {
		return gateReply(err), err
	}
	if v == nil {
		return reply{}, nil
	}
	s.tx.envelope.Verdict = v
	if told {
		s.log.DebugContext(ctx, "checked", "id", s.tx.envelope.ID, "verdict", v.Summary, "took", time.Since(began))
	}
	return reply{}, nil
}

// unchecked is the verdict on a message that the gate doesn't check: of one of ours, whose word counts.
func (s *session) unchecked() *delivery.Verdict {
	return &delivery.Verdict{Sender: s.who != nil || s.tx.envelope.Trusted}
}

// toContent is where stripped bytes go on.
type toContent struct{ m *message }

func (t toContent) Write(p []byte) (int, error) {
	t.m.put(p) // which remembers what goes wrong
	return len(p), nil
}

// NewGate makes a Gate of the guard, and of what is known of the accounts' sending.
func NewGate(guard *inbound.Guard, accounts *inbound.Accounts) Gate { return gate{guard, accounts} }

type gate struct {
	guard    *inbound.Guard
	accounts *inbound.Accounts
}

func (g gate) Connect(ctx context.Context, peer, local netip.Addr) (Visit, error) {
	v, err := g.guard.Connect(ctx, inbound.Client{Addr: peer, Local: local})
	if v == nil {
		return nil, err
	}
	return stranger{v}, err
}

func (g gate) Trusts(peer netip.Addr) bool { return g.guard.Trusts(peer) }

func (g gate) SignedIn(who ident.Identity) Visit {
	if who.System || who.Account == 0 {
		return nil
	}
	return member{g.accounts.Begin(who)}
}

// stranger is a visit of somebody who hasn't signed in.
type stranger struct{ *inbound.Visit }

func (stranger) Found(context.Context, string, bool) error { return nil }

func (s stranger) Message(e *Envelope) Check {
	to := make([]string, len(e.Recipients))
	for i := range e.Recipients {
		to[i] = e.Recipients[i].Address
	}
	return s.Visit.Message(to)
}

// member is a visit of somebody who has.
type member struct{ *inbound.Sending }

func (member) Hello(context.Context, string) error     { return nil }
func (member) Recipient(context.Context, string) error { return nil }
func (member) Close()                                  {}

func (m member) Message(e *Envelope) Check {
	if c := m.Sending.Message(e.From); c != nil {
		return c
	}
	return nil
}
