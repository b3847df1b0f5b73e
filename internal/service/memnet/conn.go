package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// defaultWindow is how many bytes a connection holds in each direction before its writer waits.
const defaultWindow = 64 << 10

// Pipe returns the two ends of a connection. Each has its own address, and the
// other's as its remote one.
func Pipe(client, server net.Addr) (clientEnd, serverEnd net.Conn) {
	return pipe(client, server, defaultWindow)
}

func pipe(client, server net.Addr, window int) (clientEnd, serverEnd net.Conn) {
	up, down := newStream(window), newStream(window)
	return &conn{in: down, out: up, local: client, remote: server}, &conn{in: up, out: down, local: server, remote: client}
}

type conn struct {
	in, out       *stream
	local, remote net.Addr
}

func (c *conn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *conn) Write(b []byte) (int, error) { return c.out.write(b) }
func (c *conn) LocalAddr() net.Addr         { return c.local }
func (c *conn) RemoteAddr() net.Addr        { return c.remote }

// Close ends both directions: the peer reads what was sent, then io.EOF.
func (c *conn) Close() error {
	c.in.stopReading()
	c.out.stopWriting(net.ErrClosed)
	return nil
}

// CloseWrite ends the direction to the peer, as TCP's half-close does.
func (c *conn) CloseWrite() error {
	c.out.stopWriting(syscall.EPIPE)
	return nil
}

func (c *conn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}
func (c *conn) SetReadDeadline(t time.Time) error  { c.in.readBy.set(t); return nil }
func (c *conn) SetWriteDeadline(t time.Time) error { c.out.writeBy.set(t); return nil }

// stream is one direction of a connection.
type stream struct {
	window int

	mu       sync.Mutex
	held     []byte        // sent, not yet read
	noReader bool          // the reading end is closed
	noWriter error         // not nil: the writing end is closed; what its writes then get
	changed  chan struct{} // closed and replaced at each change of the above

	readBy, writeBy deadline
}

func newStream(window int) *stream {
	return &stream{window: window, changed: make(chan struct{}), readBy: newDeadline(), writeBy: newDeadline()}
}

// change runs fn under the lock and wakes those who wait.
func (s *stream) change(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *stream) stopReading() { s.change(func() { s.noReader, s.held = true, nil }) }
func (s *stream) stopWriting(why error) {
	s.change(func() {
		if s.noWriter == nil {
			s.noWriter = why
		}
	})
}

func (s *stream) read(b []byte) (int, error) {
	for {
		n, wait, err := s.tryRead(b)
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
		select {
		case <-wait:
		case <-s.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		}
	}
}

func (s *stream) tryRead(b []byte) (n int, wait <-chan struct{}, err error) {
	select {
	case <-s.readBy.passed():
		return 0, nil, os.ErrDeadlineExceeded
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.noReader:
		return 0, nil, net.ErrClosed
	case len(s.held) == 0 && s.noWriter != nil:
		return 0, nil, io.EOF
	case len(s.held) == 0:
		return 0, s.changed, nil
	}
	n = copy(b, s.held)
	if s.held = s.held[n:]; len(s.held) == 0 {
		s.held = nil
	}
	close(s.changed)
	s.changed = make(chan struct{})
	return n, nil, nil
}

func (s *stream) write(b []byte) (sent int, err error) {
	for len(b) > 0 {
		n, wait, err := s.tryWrite(b)
		sent, b = sent+n, b[n:]
		if err != nil {
			return sent, err
		}
		if n > 0 {
			continue
		}
		select {
		case <-wait:
		case <-s.writeBy.passed():
			return sent, os.ErrDeadlineExceeded
		}
	}
	return sent, nil
}

func (s *stream) tryWrite(b []byte) (n int, wait <-chan struct{}, err error) {
	select {
	case <-s.writeBy.passed():
		return 0, nil, os.ErrDeadlineExceeded
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.noWriter != nil:
		return 0, nil, s.noWriter
	case s.noReader:
		return 0, nil, syscall.ECONNRESET
	case len(s.held) >= s.window:
		return 0, s.changed, nil
	}
	n = min(len(b), s.window-len(s.held))
	s.held = append(s.held, b[:n]...)
	close(s.changed)
	s.changed = make(chan struct{})
	return n, nil, nil
}

// deadline is a time after which a channel is closed.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	over  chan struct{}
}

func newDeadline() deadline { return deadline{over: make(chan struct{})} }

func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.over
}

// set moves the deadline. The zero time is never. Whoever waits now keeps the
// channel that they have, so a moved deadline closes that too if it has passed.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	stopped := d.timer == nil || d.timer.Stop()
	d.timer = nil
	if !stopped || isClosed(d.over) {
		d.over = make(chan struct{})
	}
	if t.IsZero() {
		return
	}
	over := d.over
	left := time.Until(t)
	if left <= 0 {
		close(over)
		return
	}
	d.timer = time.AfterFunc(left, func() { close(over) })
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
