package crowd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newCrowd(sessions, perClient int) *Crowd {
	return New(Options{Protocol: "TEST", Logger: slog.New(slog.DiscardHandler), Sessions: sessions, PerClient: perClient})
}

// talk is a session that lasts until it is told to end.
type talk struct {
	once sync.Once
	end  chan string
	deaf bool // it doesn't hear Interrupt
}

func newTalk() *talk { return &talk{end: make(chan string, 2)} }

func (x *talk) Interrupt() {
	if !x.deaf {
		x.once.Do(func() { x.end <- "interrupted" })
	}
}
func (x *talk) Cut() { x.once.Do(func() { x.end <- "cut" }) }

// begin runs a session, and gives how it ended.
func begin(c *Crowd, x *talk) (why string, ended chan string) {
	ended = make(chan string, 1)
	why = c.Begin(x, func() {
		how := <-x.end
		c.Leave(x)
		c.Leave(x)
		ended <- how
	})
	return why, ended
}

func TestBounds(t *testing.T) {
	c := newCrowd(3, 2)
	var all []*talk
	for i := range 4 {
		x := newTalk()
		why, _ := begin(c, x)
		if want := map[bool]string{true: "", false: "too many connections"}[i < 3]; why != want {
			t.Errorf("session %d: %q", i, why)
		}
		all = append(all, x)
	}
	near, far := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2:0:0:0:1")
	if !c.Count(all[0], near) || !c.Count(all[1], netip.MustParseAddr("2001:db8::99")) || c.Count(all[2], near) || !c.Count(all[2], far) {
		t.Error("clients are counted wrongly")
	}
	for range 5 {
		if !c.Count(all[3], netip.MustParseAddr("127.0.0.1")) || !c.Count(all[3], netip.Addr{}) {
			t.Error("loopback is counted")
		}
	}
	if c.Len() != 3 || c.Clients() != 2 {
		t.Error(c.Len(), c.Clients())
	}
	if err := c.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if c.Len() != 0 || c.Clients() != 0 {
		t.Error(c.Len(), c.Clients())
	}
	if why, _ := begin(c, newTalk()); why != "shutting down" {
		t.Error(why)
	}
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(10, 10)
		polite, deaf := newTalk(), newTalk()
		deaf.deaf = true
		_, one := begin(c, polite)
		_, other := begin(c, deaf)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if err := c.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if took := time.Since(start); took != time.Minute {
			t.Error("it waited", took)
		}
		if a, b := <-one, <-other; a != "interrupted" || b != "cut" {
			t.Error(a, b)
		}
		if c.Context().Err() == nil {
			t.Error("the sessions' context goes on")
		}
		if err := c.Shutdown(t.Context()); err != nil {
			t.Error("a second time:", err)
		}
	})
}

// flaky is a listener that gives errors, then blocks until it is closed.
type flaky struct {
	errs   []error
	closed chan struct{}
	once   sync.Once
}

func (l *flaky) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		if err == nil {
			a, b := net.Pipe()
			b.Close()
			return a, nil
		}
		return nil, err
	}
	<-l.closed
	return nil, net.ErrClosed
}
func (l *flaky) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *flaky) Addr() net.Addr { return &net.UnixAddr{Name: "x", Net: "unix"} }

func newFlaky(errs ...error) *flaky { return &flaky{errs: errs, closed: make(chan struct{})} }

func TestServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := os.NewSyscallError("accept", syscall.EMFILE)
		accepted := 0
		count := func(c net.Conn) { accepted++; c.Close() }
		c := newCrowd(1, 1)
		if err := c.Serve(t.Context(), newFlaky(nil, errors.New("broken")), count); err == nil {
			t.Error("a listener that is broken")
		}
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := c.Serve(ctx, newFlaky(full, full, nil, full, nil), count); err != nil {
			t.Error(err)
		}
		if accepted != 3 || time.Since(start) != time.Hour {
			t.Error(accepted, time.Since(start))
		}
		done := make(chan error)
		go func() { done <- c.Serve(t.Context(), newFlaky(), count) }()
		synctest.Wait()
		if err := c.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := c.Serve(t.Context(), newFlaky(nil), count); err != nil || accepted != 3 {
			t.Error("it serves after its end", err)
		}
	})
}
