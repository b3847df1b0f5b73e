package smtp

import (
	"context"
	"crypto/tls"
	"io"
	"strings"

	"postroad/internal/service/delivery"
	"postroad/internal/service/inbound"
	"postroad/internal/service/scan"
)

// shown is a message that other programs are looking at. Nil: none does.
type shown struct {
	cancel context.CancelFunc
	found  chan *scan.Report // has the report, and is closed then
}

// show begins to show the message, which is complete, to other programs. The caller must call end before it lets go of the content.
func (s *session) show(ctx context.Context) *shown {
	set, direction := s.server.config.Scan, s.direction()
	if !set.Wants(direction) {
		return nil
	}
	content, ok := s.tx.message.content.(scannable)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	m := s.prospect(ctx)
	trail := int64(s.tx.message.trail)
	m.Size, m.Content = content.Size()-trail, io.NewSectionReader(content, trail, content.Size()-trail)
	x := &shown{cancel, make(chan *scan.Report, 1)}
	go func() {
		defer close(x.found)
		x.found <- set.Scan(ctx, m)
	}()
	return x
}

// scannable is a Content that can be read before it is delivered.
type scannable interface {
	io.ReaderAt
	Size() int64
}

// direction is whose mail it is.
func (s *session) direction() scan.Direction {
	switch e := &s.tx.envelope; {
	case e.Who != nil:
		return scan.Outgoing
	case e.Trusted:
		return scan.Relayed
	}
	return scan.Incoming
}

// prospect is the message as other programs see it, without its content.
func (s *session) prospect(ctx context.Context) *scan.Message {
	e := &s.tx.envelope
	m := &scan.Message{
		ID: e.ID, Direction: s.direction(), From: e.From, To: make([]string, len(e.Recipients)), Client: e.Peer, Helo: e.Helo, Protocol: e.Protocol,
		Hostname: s.server.config.Hostname,
	}
	for i := range e.Recipients {
		m.To[i] = e.Recipients[i].Address
	}
	if s.tls != nil {
		m.TLSVersion, m.Cipher = strings.ReplaceAll(tls.VersionName(s.tls.Version), "TLS ", "TLSv"), tls.CipherSuiteName(s.tls.CipherSuite)
	}
	if e.Who != nil {
		m.Login = e.Who.Login
	}
	if n, ok := s.visit.(interface {
		ClientName(context.Context) string
	}); ok {
		m.ClientName = func() string { return n.ClientName(ctx) }
	}
	return m
}

// scanRecipient asks other programs about a recipient that we would take.
func (s *session) scanRecipient(ctx context.Context, address string) reply {
	set := s.server.config.Scan
	if !set.AsksRecipients(s.direction()) {
		return reply{}
	}
	m := s.prospect(ctx)
	m.To = append(m.To, address)
	return s.gated(ctx, stageRcpt, address, refusal(set.Recipient(ctx, m)))
}

// refusal is the programs' no; nil if there is none.
func refusal(r *scan.Report) error {
	f := r.Decision()
	if f.Action != scan.Reject && f.Action != scan.TempFail {
		return nil
	}
	code, status, text := f.Reply()
	return inbound.Refuse(inbound.Refusal{Reason: inbound.Reason("scanner " + f.Why()), Code: code, Status: status, Text: text})
}

// end breaks off what is still under way, and waits for it.
func (x *shown) end() {
	if x != nil {
		x.cancel()
		<-x.found
	}
}

// judge waits for what the programs have to say, and puts it into the verdict. Errors: a Refusal.
func (x *shown) judge(v *delivery.Verdict) error {
	if x == nil {
		return nil
	}
	r := <-x.found
	f := r.Decision()
	v.Scan, v.ScanJunk = r, r.Junk()
	v.ScanScore, v.Scanned = r.Score()
	v.Field += r.Fields()
	v.Summary = strings.TrimSpace(v.Summary + " " + r.Summary())
	switch f.Action {
	case scan.Quarantine:
		v.Quarantine = f.Why()
	case scan.Discard:
		v.Discard = f.Why()
	}
	return refusal(r)
}
