package milter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
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
	// Connections is how many are open at most; 0: scan.DefaultAtOnce. It must not be less than how many questions are put at once.
	Connections int
	// Now tells the time for macros; nil: time.Now.
	Now func() time.Time
}

// Scanner is a scan.Companion. It has a connection to the filter for each client, as far as there may be so many: else who has
// been quiet for longest loses theirs, and tells all anew over another.
type Scanner struct {
	o Options
	// steps are those that the filter wanted left out, or didn't answer, when it negotiated last; known: it has.
	steps atomic.Uint32
	known atomic.Bool

	mu    sync.Mutex
	lines lines // guarded by mu
}

// New makes a Scanner.
func New(o Options) *Scanner {
	if o.Connections <= 0 {
		o.Connections = scan.DefaultAtOnce
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Scanner{o: o}
}

// Heeds implements scan.Companion. A step to which the filter doesn't answer can wait for one to which it does.
func (s *Scanner) Heeds(at scan.Stage) bool {
	if !s.known.Load() {
		return true
	}
	var silent uint32
	switch at {
	case scan.AtConnect:
		silent = noConnect | quietConnect
	case scan.AtHello:
		silent = noHelo | quietHelo
	case scan.AtMail:
		silent = noMail | quietMail
	case scan.AtRecipient:
		silent = noRcpt | quietRcpt
	case scan.AtData:
		silent = noData | quietData
	}
	return s.steps.Load()&silent == 0
}

// Begin implements scan.Companion.
func (s *Scanner) Begin() scan.Conversation { return &conversation{s: s} }

// Scan implements scan.Scanner: all is told at once.
func (s *Scanner) Scan(ctx context.Context, m *scan.Message) (scan.Finding, error) {
	c := s.Begin()
	defer c.Close()
	return c.Step(ctx, scan.AtContent, m)
}

// Ping implements scan.Scanner: it negotiates, and goes.
func (s *Scanner) Ping(ctx context.Context) (string, error) {
	t, err := s.dial(ctx)
	if err != nil {
		return "", err
	}
	defer t.bye()
	return fmt.Sprintf("milter, version %d of the protocol", t.version), nil
}

// Close implements io.Closer: it closes connections that aren't in use.
func (s *Scanner) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.lines.idle.Len() > 0 {
		s.lines.oldest().bye()
	}
	return nil
}

// dial connects, and negotiates.
func (s *Scanner) dial(ctx context.Context) (*talk, error) {
	c, err := s.o.Dial(ctx, s.o.Network, s.o.Address)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "no connection")
	}
	t := &talk{wire: newWire(c), conn: c, now: s.o.Now}
	if err := t.within(ctx, t.negotiate); err != nil {
		c.Close() //nolint:errcheck // there is nothing to lose
		return nil, err
	}
	s.steps.Store(t.steps)
	s.known.Store(true)
	return t, nil
}

// within does what talks to the filter, until ctx ends; then the connection can't be used any more. Errors are of kinds that Scan may have,
// or stand for a panic: else nobody would give the connection up.
func (t *talk) within(ctx context.Context, do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Internal, "panic: %v\n%s", p, debug.Stack())
		}
	}()
	stop := context.AfterFunc(ctx, func() { t.conn.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // then nothing waits for it
	defer stop()
	err = do()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
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

// farewell bounds how long a filter may take to hear that we go.
const farewell = time.Second

// bye says goodbye.
func (t *talk) bye() {
	t.conn.SetDeadline(time.Now().Add(farewell)) //nolint:errcheck // all was said
	t.put(cmdQuit)
	t.flush()      //nolint:errcheck // likewise
	t.conn.Close() //nolint:errcheck // likewise
}
