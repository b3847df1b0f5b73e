package smtp

import (
	"context"
	"crypto/tls"
	"io"
	"runtime/debug"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/delivery"
	"postroad/internal/service/scan"
)

// shown is a message that other programs are looking at. Nil: none does.
type shown struct {
	cancel context.CancelFunc
	found  chan *scan.Report // has the report, and is closed then
	drafts []*draft          // theirs, until found is closed
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
	x := &shown{cancel: cancel, found: make(chan *scan.Report, 1)}
	m.Limit = s.limits.MessageBytes
	m.Draft = func() scan.Draft { return x.draft(s.server.config.Post, content, trail) }
	go func() {
		defer close(x.found)
		defer s.recoveredScan() // nil is found then
		x.found <- set.Scan(ctx, m, s.others)
	}()
	return x
}

// recoveredScan notes that showing the message panicked, which nobody else would in a goroutine of its own but the whole server.
func (s *session) recoveredScan() {
	if p := recover(); p != nil {
		s.server.counts.panics.Add(1)
		s.log.Error("showing a message to scanners panicked", "panic", p, "stack", string(debug.Stack()))
	}
}

// scannable is a Content that can be read before it is delivered.
type scannable interface {
	io.ReaderAt
	Size() int64
}

// draft is what a program wants instead of a message, behind our trace fields.
type draft struct {
	Content
	scannable
	trail int64
	eight bool // there are octets beyond ASCII
}

// Write takes more.
func (d *draft) Write(p []byte) (int, error) {
	for i := 0; i < len(p) && !d.eight; i++ {
		d.eight = p[i] >= 0x80
	}
	return d.Content.Write(p)
}

// draft begins one. What goes wrong shows when more is written.
func (x *shown) draft(p Post, old scannable, trail int64) *draft {
	c := p.NewContent()
	d := &draft{Content: c, scannable: c.(scannable), trail: trail}
	x.drafts = append(x.drafts, d)
	io.Copy(c, io.NewSectionReader(old, 0, trail)) //nolint:errcheck // after a failed Write all later ones fail
	return d
}

// ReadAt and Size leave out the trace fields.
func (d *draft) ReadAt(p []byte, off int64) (int, error) { return d.scannable.ReadAt(p, off+d.trail) }
func (d *draft) Size() int64                             { return d.scannable.Size() - d.trail }

// end breaks off what is still under way, and waits for it.
func (x *shown) end() {
	if x == nil {
		return
	}
	x.cancel()
	<-x.found
	for _, d := range x.drafts {
		d.Discard()
	}
	x.drafts = nil
}

// direction is whose mail it is, or will be.
func (s *session) direction() scan.Direction {
	switch {
	case s.who != nil || s.opts.Mode == Submission:
		return scan.Outgoing
	case s.trusted():
		return scan.Relayed
	}
	return scan.Incoming
}

// prospect is the message as other programs see it, as far as it is known, without its content.
func (s *session) prospect(ctx context.Context) *scan.Message {
	m := &scan.Message{
		Direction: s.direction(), Client: s.peer, Helo: s.helo, Hostname: s.server.config.Hostname, Listener: s.opts.Mode.String(),
	}
	s.introduction(m)
	if s.tls != nil {
		m.TLSVersion, m.Cipher = strings.ReplaceAll(tls.VersionName(s.tls.Version), "TLS ", "TLSv"), tls.CipherSuiteName(s.tls.CipherSuite)
		if len(s.tls.PeerCertificates) > 0 {
			m.Certificate = s.tls.PeerCertificates[0]
		}
	}
	if s.who != nil {
		m.Login, m.Mechanism = s.who.Login, s.mechanism
	}
	if n, ok := s.visit.(interface {
		ClientName(context.Context) string
	}); ok {
		m.ClientName = func() string { return n.ClientName(ctx) }
	}
	if s.tx != nil {
		s.tx.describe(m)
		m.Protocol = withProtocol(s.opts.Mode, s.extended, s.tx.envelope.UTF8, s.tls != nil, s.who != nil)
	}
	return m
}

// describe tells of the envelope.
func (tx *transaction) describe(m *scan.Message) {
	e := &tx.envelope
	m.ID, m.From, m.To = e.ID, e.From, make([]string, len(e.Recipients), len(e.Recipients)+1)
	for i := range e.Recipients {
		m.To[i] = e.Recipients[i].Address
	}
	if tx.said != nil {
		m.FromArgs, m.ToArgs, m.Locals, m.Author = tx.said.fromArgs, tx.said.toArgs, tx.said.locals, tx.said.author
	}
}

// heed waits for what the programs have to say, puts it into the verdict, and changes what they want changed. Errors: a Refusal, and what is in the way of that.
func (s *session) heed(ctx context.Context, x *shown, v *delivery.Verdict) error {
	r := <-x.found
	if r == nil {
		return fault.New(fault.Internal, "the message could not be shown to scanners")
	}
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
	if err := refusalOf(&f); err != nil {
		return err
	}
	if d, ok := r.Edited.(*draft); ok {
		s.adopt(x, d)
	}
	from := s.tx.envelope.From
	for i := range r.Changes {
		told := s.changeEnvelope(ctx, &r.Changes[i])
		if i < maxTold {
			v.Summary += " " + told
		}
	}
	if s.tx.envelope.From != from && s.who == nil && !s.tx.envelope.Trusted {
		v.Sender = false // what was proved was proved of another, and a program may have this one from the message
	}
	return nil
}

// adopt takes a draft for the message.
func (s *session) adopt(x *shown, d *draft) {
	m := s.tx.message
	m.content.Discard()
	m.content = d.Content
	m.size = d.Size()
	for i := range x.drafts {
		if x.drafts[i] == d {
			x.drafts = append(x.drafts[:i], x.drafts[i+1:]...)
			break
		}
	}
	if d.eight && s.tx.envelope.Body == Body7Bit { // the client has said so of other bytes
		s.tx.envelope.Body = Body8BitMIME
	}
}
