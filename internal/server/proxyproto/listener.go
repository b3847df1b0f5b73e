package proxyproto

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Options say whom to believe.
type Options struct {
	// Trusted peers must begin each connection with a header. Peers without an IP address
	// (on a Unix socket) are trusted too. Others speak for themselves.
	Trusted []netip.Prefix
	// Timeout is how long a trusted peer may take to send its header; 5 seconds if zero.
	Timeout time.Duration
}

// New wraps a listener. Accept doesn't wait for headers: each is read in the
// goroutine that first asks its connection for an address or for bytes.
func New(l net.Listener, o Options) net.Listener {
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	return &listener{l, o}
}

type listener struct {
	net.Listener
	opts Options
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil || !l.trusts(c.RemoteAddr()) {
		return c, err
	}
	return &conn{Conn: c, timeout: l.opts.Timeout}, nil
}

func (l *listener) trusts(a net.Addr) bool {
	if a == nil {
		return true
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return true
	}
	ip := ap.Addr().Unmap().WithZone("")
	for _, p := range l.opts.Trusted {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// conn is a connection from a trusted peer. Its addresses are those of the header.
type conn struct {
	net.Conn
	timeout time.Duration

	once    sync.Once // reads the header
	header  header
	err     error  // of the header; every Read fails with it
	rest    []byte // what came behind the header and nobody has read yet. Guarded by reading
	reading sync.Mutex

	mu       sync.Mutex
	busy     bool      // the header is being read. Guarded by mu
	deadline time.Time // for reading, as asked for. Guarded by mu
}

// RemoteAddr is the client's address; the peer's own if the header is bad or names none.
func (c *conn) RemoteAddr() net.Addr {
	c.once.Do(c.readHeader)
	if c.header.source.IsValid() {
		return net.TCPAddrFromAddrPort(c.header.source)
	}
	return c.Conn.RemoteAddr()
}

// LocalAddr is the address that the client connected to.
func (c *conn) LocalAddr() net.Addr {
	c.once.Do(c.readHeader)
	if c.header.destination.IsValid() {
		return net.TCPAddrFromAddrPort(c.header.destination)
	}
	return c.Conn.LocalAddr()
}

// Read reads what follows the header.
func (c *conn) Read(p []byte) (int, error) {
	c.once.Do(c.readHeader)
	if c.err != nil {
		return 0, c.err
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	if len(c.rest) > 0 {
		n := copy(p, c.rest)
		if c.rest = c.rest[n:]; len(c.rest) == 0 {
			c.rest = nil
		}
		return n, nil
	}
	return c.Conn.Read(p)
}

// Write waits for the header too: nothing is said to a peer that doesn't send one.
func (c *conn) Write(p []byte) (int, error) {
	c.once.Do(c.readHeader)
	if c.err != nil {
		return 0, c.err
	}
	return c.Conn.Write(p)
}

// CloseWrite ends our half of the connection, if it has halves.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// SetDeadline and SetReadDeadline take effect after the header, which has a time of its own.
func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline: see SetDeadline.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	if c.busy {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// readHeader reads the header, and the bytes that came with it.
func (c *conn) readHeader() {
	c.setBusy(true)
	defer c.setBusy(false)
	var buf []byte
	for {
		h, n, err := parse(buf)
		if err == nil {
			c.header, c.rest = h, buf[n:]
			return
		}
		if err != errIncomplete {
			c.err = err
			return
		}
		if buf, err = c.more(buf); err != nil {
			c.err = err
			return
		}
	}
}

// firstRead has room for every usual header.
const firstRead = 512

// more reads some more bytes behind buf.
func (c *conn) more(buf []byte) ([]byte, error) {
	next := make([]byte, len(buf)+firstRead)
	n := copy(next, buf)
	m, err := c.Conn.Read(next[n:])
	if m > 0 {
		err = nil
	}
	return next[:n+m], err
}

// setBusy says whether the header is being read, and sets the deadline that goes with it.
func (c *conn) setBusy(busy bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = busy
	deadline := c.deadline
	if busy {
		deadline = time.Now().Add(c.timeout)
	}
	c.Conn.SetReadDeadline(deadline) //nolint:errcheck // the next Read tells
}
