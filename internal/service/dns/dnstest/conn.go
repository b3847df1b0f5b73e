package dnstest

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"sync"
	"time"

	wire "github.com/miekg/dns"
)

// Dial connects to the world's server, in memory, whatever the address. It serves as
// dns.Options.Dial.
func (w *World) Dial(_ context.Context, network, _ string) (net.Conn, error) {
	return &conn{world: w, stream: network != "udp", expired: make(chan struct{})}, nil
}

// conn answers each question that is written as soon as it is read. Both are done by one goroutine.
type conn struct {
	world   *World
	stream  bool // TCP: lengths go before messages
	answers bytes.Buffer
	none    bool // no answer will come

	once    sync.Once
	expired chan struct{} // closed when the deadline has passed, or by Close
}

func (c *conn) Write(b []byte) (int, error) {
	packed := b
	if c.stream {
		packed = b[2:]
	}
	query := new(wire.Msg)
	if err := query.Unpack(packed); err != nil {
		return 0, err
	}
	m := c.world.answer(query)
	if m == nil {
		c.none = true
		return len(b), nil
	}
	if !c.stream {
		m.Truncate(sizeFor(query))
	}
	reply, err := m.Pack()
	if err != nil {
		return 0, err
	}
	if c.stream {
		reply = append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)
	}
	c.answers.Write(reply)
	return len(b), nil
}

// sizeFor is the largest datagram that the asker takes.
func sizeFor(query *wire.Msg) int {
	if opt := query.IsEdns0(); opt != nil {
		return int(opt.UDPSize())
	}
	return wire.MinMsgSize
}

func (c *conn) Read(b []byte) (int, error) {
	if c.none {
		<-c.expired
		return 0, os.ErrDeadlineExceeded
	}
	if c.answers.Len() == 0 {
		return 0, io.EOF
	}
	return c.answers.Read(b)
}

func (c *conn) expire() error {
	c.once.Do(func() { close(c.expired) })
	return nil
}

// SetDeadline knows one use only: a deadline in the past ends what waits.
func (c *conn) SetDeadline(time.Time) error { return c.expire() }

func (c *conn) Close() error                       { return c.expire() }
func (c *conn) SetReadDeadline(t time.Time) error  { return c.SetDeadline(t) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.SetDeadline(t) }
func (c *conn) LocalAddr() net.Addr                { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (c *conn) RemoteAddr() net.Addr               { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53} }
