package milter

import (
	"container/list"
	"context"
	"encoding/binary"
	"net"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/scan"
)

// conversation is a scan.Conversation: about one client, over one connection after the other if it must be.
type conversation struct {
	s    *Scanner
	talk *talk // nil: none at the moment; guarded by s.mu
}

// Step implements scan.Conversation. A connection that was quiet for a while may be gone without our knowing: then all is told anew.
func (c *conversation) Step(ctx context.Context, at scan.Stage, m *scan.Message) (scan.Finding, error) {
	for {
		t, fresh, err := c.s.take(ctx, c)
		if err != nil {
			return scan.Finding{}, err
		}
		var f scan.Finding
		if err = t.within(ctx, func() error { return t.step(at, m, &f) }); err == nil {
			if t.r.Buffered() > 0 { // it says more than it was asked, which would be taken for an answer to the next step
				c.s.drop(t)
			} else {
				c.s.give(t)
			}
			return f, nil
		}
		c.s.drop(t)
		if fresh || ctx.Err() != nil || fault.Is(err, fault.Unsupported) || t.answered {
			return scan.Finding{}, err
		}
	}
}

// Abort implements scan.Conversation. The filter hears of it with the next step.
func (c *conversation) Abort() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if t := c.talk; t != nil {
		t.abort()
	}
}

// Close implements scan.Conversation.
func (c *conversation) Close() { c.s.leave(c) }

// talk is a conversation with a filter over one connection.
type talk struct {
	*wire
	conn    net.Conn
	now     func() time.Time
	version uint32
	steps   uint32            // those that it wants left out, or doesn't answer
	wanted  map[byte][]string // the macros that it wants at a step; without an entry: the usual

	heard    heard
	answered bool // it has, since the step began

	// Guarded by the Scanner's mu:
	owner *conversation
	place *list.Element // among the idle; nil: it is in use
}

// heard is what the filter knows.
type heard struct {
	client, helo, mail, data bool
	recipients               int
}

// step tells all that leads up to a stage, as far as the filter doesn't know it.
func (t *talk) step(at scan.Stage, m *scan.Message, f *scan.Finding) error {
	t.answered = false
	if at == scan.AtHello || at == scan.AtMail {
		t.abort()
	}
	if at == scan.AtHello {
		t.heard.helo = false
	}
	for _, s := range []struct {
		at   scan.Stage
		tell func(*scan.Message, *scan.Finding, scan.Stage) (bool, error)
	}{
		{scan.AtConnect, t.client}, {scan.AtHello, t.hello}, {scan.AtMail, t.sender}, {scan.AtRecipient, t.recipients}, {scan.AtData, t.dataBegins}, {scan.AtContent, t.content},
	} {
		if s.at > at {
			break
		}
		if done, err := s.tell(m, f, at); done || err != nil {
			f.Final = true
			return err
		}
	}
	return t.flush()
}

// abort says that nothing comes of the message, without sending it.
func (t *talk) abort() {
	if t.heard.mail {
		t.put(cmdAbort)
	}
	t.heard.mail, t.heard.data, t.heard.recipients = false, false, 0
}

// negotiate agrees on what will be said.
func (t *talk) negotiate() error {
	offer := binary.BigEndian.AppendUint32(nil, newest)
	offer = binary.BigEndian.AppendUint32(offer, mayAll)
	offer = binary.BigEndian.AppendUint32(offer, stepsOffered)
	t.put(cmdOptions, offer)
	if err := t.flush(); err != nil {
		return err
	}
	p, err := t.next()
	if err != nil {
		return err
	}
	if p.letter != cmdOptions || len(p.data) < 12 {
		return errNoMilter()
	}
	t.version = binary.BigEndian.Uint32(p.data)
	t.steps = binary.BigEndian.Uint32(p.data[8:]) & stepsOffered
	if t.version < oldest || t.version > newest {
		return fault.New(fault.Unavailable, "it speaks version %d of the protocol", t.version)
	}
	if t.version < newest {
		t.steps = t.steps&stepsVersion2 | noData | noUnknown // what there wasn't before isn't said
	}
	return t.wants(p.data[12:])
}

// has reports whether a bit was agreed on.
func (t *talk) has(bit uint32) bool { return t.steps&bit != 0 }

// step is a step of the conversation.
type step struct {
	skip, quiet uint32 // bits: the filter wants none of it; it doesn't answer
	letter      byte
	data        [][]byte
}

// take takes a step, and hears what the filter has to say to it. done: it has decided.
func (t *talk) take(f *scan.Finding, s step) (done bool, err error) {
	if t.has(s.skip) {
		return false, nil
	}
	t.put(s.letter, s.data...)
	if t.has(s.quiet) {
		return false, nil
	}
	p, err := t.answer()
	if err != nil {
		return false, err
	}
	return decide(f, p)
}

// answer sends what there is to send, and reads the answer.
func (t *talk) answer() (packet, error) {
	if err := t.flush(); err != nil {
		return packet{}, err
	}
	for range maxPackets {
		p, err := t.next()
		t.answered = t.answered || err == nil
		if err != nil || p.letter != actProgress {
			return p, err
		}
	}
	return packet{}, errNoMilter()
}
