// Package dialer begins conversations with other people's mail servers: it connects, protects what is said by TLS from the first
// byte or later, and ends the connection when the server is silent for too long, or nobody wants the answer any more. It also knows
// the words by which one signs in, which are the same in all protocols.
//
// What is said then is package imapclient's and pop3client's business.
package dialer

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"postroad/internal/fault"
)

// Security says how a connection is protected.
type Security int

// Kinds of protection.
const (
	Implicit Security = iota // TLS from the first byte (RFC 8314)
	StartTLS                 // the server must offer it
	Plain                    // none: passwords go in the clear
)

// Options say where the server is. Address is needed.
type Options struct {
	Address  string // host:port
	Security Security
	// TLS is the configuration; nil: the system's roots, and the address's host.
	TLS *tls.Config
	// Dial connects; nil: the machine's network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Idle is how long the server may be silent; zero: 2 minutes.
	Idle time.Duration
}

// Conn is a connection of which each read and write ends after a while in which nothing moves. Close must be called. Tests make it of any
// other connection.
type Conn struct {
	net.Conn
	// Idle is how long that is.
	Idle    time.Duration
	address string
	tls     *tls.Config
	stop    func() bool // of watching the context; nil: nobody does
}

// Dial connects, with TLS if that is from the first byte. The connection ends when ctx does. Errors: fault.Invalid if the address is none,
// fault.Unavailable if the server can't be reached, fault.Denied if it can't be trusted.
func Dial(ctx context.Context, o Options) (*Conn, error) {
	c := &Conn{Idle: o.Idle, address: o.Address, tls: o.TLS}
	if c.Idle == 0 {
		c.Idle = 2 * time.Minute
	}
	if c.tls == nil {
		host, _, err := net.SplitHostPort(o.Address)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, o.Address+" is no address of a server")
		}
		c.tls = &tls.Config{ServerName: host}
	}
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: time.Minute}).DialContext
	}
	conn, err := dial(ctx, "tcp", o.Address)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "cannot reach "+o.Address)
	}
	c.Conn, c.stop = conn, context.AfterFunc(ctx, func() { conn.Close() })
	if o.Security != Implicit {
		return c, nil
	}
	if err := c.Secure(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// noTLS says why there is none, and what to do.
func noTLS(address string, err error) error {
	text := "no TLS with " + address
	switch {
	case errors.As(err, &tls.RecordHeaderError{}):
		return fault.Wrap(fault.Denied, err, text+": it begins without; where STARTTLS is meant the address begins with imap:// or pop3://, else it is another port")
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return fault.Wrap(fault.Denied, err, text+": its certificate must be for this name, from an authority that this machine trusts (or that --server-ca names)")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, syscall.ECONNRESET), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(fault.Unavailable, err, text+": the connection broke")
	}
	return fault.Wrap(fault.Denied, err, text)
}

// Secure shakes hands. Nothing may have been read that the server sent after it agreed to: that isn't its own.
func (c *Conn) Secure(ctx context.Context) error {
	t := tls.Client(c.Conn, c.tls)
	ctx, cancel := context.WithTimeout(ctx, c.Idle)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		return noTLS(c.address, err)
	}
	c.Conn = t
	return nil
}

// Read implements io.Reader.
func (c *Conn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.Idle)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write implements io.Writer.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.Idle)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Close ends the connection. It doesn't wait for the server.
func (c *Conn) Close() error {
	if c.stop != nil {
		c.stop()
	}
	return c.Conn.Close()
}
