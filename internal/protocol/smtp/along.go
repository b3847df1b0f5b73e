package smtp

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"strings"

	"postroad/internal/service/delivery"
	"postroad/internal/service/inbound"
	"postroad/internal/service/scan"
)

// Programs that go along with a client hear of each step that it takes, and may refuse it.

// said is what the client has said in a transaction, as such programs want to know it.
type said struct {
	fromArgs []string
	toArgs   [][]string
	locals   []bool
	author   string
}

// introduced is what they are told of a connection.
type introduced struct {
	port  uint16
	local netip.AddrPort
}

// introduction tells of the connection.
func (s *session) introduction(m *scan.Message) {
	if s.others == nil {
		return
	}
	if s.known == nil {
		s.known = &introduced{addrPort(s.raw.RemoteAddr()).Port(), addrPort(s.raw.LocalAddr())}
	}
	m.Port, m.Local = s.known.port, s.known.local
}

// addrPort is an address with its port; zero if it has none.
func addrPort(a net.Addr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	p, _ := netip.ParseAddrPort(a.String()) // fails for those that have none
	return p
}

// closed is what a client hears whom a program doesn't want to talk to: 554 stands in place of the greeting (RFC 5321 §3.1), 421 ends what has begun.
const (
	closedForGood = 554
	closedForNow  = 421
)

// scanConnect tells of a client that has just connected.
func (s *session) scanConnect(ctx context.Context) reply {
	if s.others == nil {
		s.others = s.server.config.Scan.Visit()
	}
	r := s.scanStep(ctx, scan.AtConnect, stageConnect, "")
	switch {
	case r.ok():
	case r.code >= 500:
		r.code = closedForGood
	default:
		r.code = closedForNow
	}
	return r
}

// scanHello tells of the name in HELO or EHLO.
func (s *session) scanHello(ctx context.Context, name string) reply {
	if s.others == nil || !s.others.Heeds(scan.AtHello, s.direction()) {
		return reply{}
	}
	before := s.helo
	s.helo = name
	defer func() { s.helo = before }()
	return s.scanStep(ctx, scan.AtHello, stageHello, "")
}

// scanMail tells of a message's sender.
func (s *session) scanMail(ctx context.Context, args []byte) reply {
	if s.others == nil {
		return reply{}
	}
	s.others.Mail()
	x := &said{fromArgs: paramsOf(args, "FROM:")}
	for _, a := range x.fromArgs {
		if key, value, ok := strings.Cut(a, "="); ok && strings.EqualFold(key, "AUTH") && value != "<>" {
			x.author, _ = decodeXtext([]byte(value)) // it was looked at when the command was taken
		}
	}
	s.tx.said = x
	return s.scanStep(ctx, scan.AtMail, stageMail, "")
}

// paramsOf are the parameters behind the path of MAIL or RCPT, which has been looked at.
func paramsOf(args []byte, word string) []string {
	rest, _ := cutKeyword(args, word)
	_, rest, err := parsePath(rest)
	if err != nil || len(bytes.TrimSpace(rest)) == 0 {
		return nil
	}
	return strings.Fields(string(rest))
}

// scanRecipient tells of a recipient that we would take.
func (s *session) scanRecipient(ctx context.Context, r *Recipient, args []byte) reply {
	if s.others == nil {
		return reply{}
	}
	x, n := s.tx.said, len(s.tx.envelope.Recipients)
	box, ok := r.Mailbox.(delivery.Recipient)
	x.toArgs, x.locals = append(x.toArgs[:n], paramsOf(args, "TO:")), append(x.locals[:n], ok && len(box.Accounts()) > 0)
	return s.scanStep(ctx, scan.AtRecipient, stageRcpt, r.Address)
}

// scanData tells that the message is about to come.
func (s *session) scanData(ctx context.Context) reply {
	return s.scanStep(ctx, scan.AtData, stageData, "")
}

// scanStep tells of a step those who want to hear of it.
func (s *session) scanStep(ctx context.Context, at scan.Stage, stage, to string) reply {
	if s.others == nil || !s.others.Heeds(at, s.direction()) {
		return reply{}
	}
	m := s.prospect(ctx)
	if to != "" {
		m.To = append(m.To, to)
	}
	m.Name() // which may take a while, for which no program is to blame
	f := s.others.Step(ctx, at, m)
	return s.gated(ctx, stage, to, refusalOf(&f))
}

// refusalOf is a program's no; nil: it has none.
func refusalOf(f *scan.Finding) error {
	if f.Action != scan.Reject && f.Action != scan.TempFail {
		return nil
	}
	code, status, text := f.Reply()
	return inbound.Refuse(inbound.Refusal{Reason: inbound.Reason("scanner " + f.Why()), Code: code, Status: status, Text: text})
}
