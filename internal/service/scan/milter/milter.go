package milter

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/scan"
)

// Options say where the filter is.
type Options struct {
	// Network is "tcp" or "unix", Address host:port or the socket's path.
	Network, Address string
	// Dial connects. It is required.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Scanner is a scan.Scanner and scan.Gatekeeper. It makes a connection for each message, and, if the filter has something to say about
// recipients, for each of these.
type Scanner struct {
	o Options
	// heedless: by what it negotiated last, the filter says nothing about recipients.
	heedless atomic.Bool
}

// New makes a Scanner.
func New(o Options) *Scanner { return &Scanner{o: o} }

// Heeds implements scan.Gatekeeper.
func (s *Scanner) Heeds() bool { return !s.heedless.Load() }

// Recipient implements scan.Gatekeeper.
func (s *Scanner) Recipient(ctx context.Context, m *scan.Message) (scan.Finding, error) {
	var f scan.Finding
	err := s.converse(ctx, func(t *talk) error {
		if t.has(noRcpt | quietRcpt) {
			return nil
		}
		last := *m
		last.To = m.To[max(0, len(m.To)-1):]
		if done, err := t.client(&last, &f); done || err != nil {
			return err
		}
		_, err := t.addresses(&last, &f)
		t.put(cmdAbort)
		return err
	})
	if err != nil {
		return scan.Finding{}, err
	}
	return f, nil
}

// Scan implements scan.Scanner.
func (s *Scanner) Scan(ctx context.Context, m *scan.Message) (scan.Finding, error) {
	var f scan.Finding
	err := s.converse(ctx, func(t *talk) error { return t.message(m, &f) })
	if err != nil {
		return scan.Finding{}, err
	}
	return f, nil
}

// Ping implements scan.Scanner: it negotiates, and goes.
func (s *Scanner) Ping(ctx context.Context) (version string, err error) {
	err = s.converse(ctx, func(t *talk) error {
		version = fmt.Sprintf("milter, version %d of the protocol", t.version)
		return nil
	})
	return version, err
}

// converse connects, negotiates, and says goodbye after do.
func (s *Scanner) converse(ctx context.Context, do func(*talk) error) error {
	c, err := s.o.Dial(ctx, s.o.Network, s.o.Address)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "no connection")
	}
	defer c.Close()                                                           //nolint:errcheck // all was said
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // then nothing waits for it
	defer stop()
	t := &talk{wire: newWire(c)}
	if err = t.negotiate(); err == nil {
		s.heedless.Store(t.has(noRcpt | quietRcpt))
		err = do(t)
	}
	if err == nil {
		t.put(cmdQuit)
		t.flush() //nolint:errcheck // it has said all that we want to know
		return nil
	}
	if ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	if !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.Unsupported) {
		err = fault.Wrap(fault.Unavailable, err, "no answer")
	}
	return err
}

// talk is a conversation with a filter.
type talk struct {
	*wire
	version uint32
	steps   uint32 // those that it wants left out, or doesn't answer
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
	return nil
}

// has reports whether a bit was agreed on.
func (t *talk) has(bit uint32) bool { return t.steps&bit != 0 }

// macros tells a step's macros, in pairs. Empty values aren't told.
func (t *talk) macros(step byte, pairs ...string) {
	b := []byte{step}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			b = append(append(b, cstring(pairs[i])...), cstring(pairs[i+1])...)
		}
	}
	t.put(cmdMacro, b)
}

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
		if p, err := t.next(); err != nil || p.letter != actProgress {
			return p, err
		}
	}
	return packet{}, errNoMilter()
}
