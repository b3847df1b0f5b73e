package imap

import (
	"io"
	"net"
	"time"
)

// readConn is a connection that reads from r and swallows what is written.
type readConn struct {
	r io.Reader
	w io.Writer
}

func (c *readConn) Read(p []byte) (int, error) { return c.r.Read(p) }
func (c *readConn) Write(p []byte) (int, error) {
	if c.w != nil {
		return c.w.Write(p)
	}
	return len(p), nil
}
func (c *readConn) Close() error                     { return nil }
func (c *readConn) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (c *readConn) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (c *readConn) SetDeadline(time.Time) error      { return nil }
func (c *readConn) SetReadDeadline(time.Time) error  { return nil }
func (c *readConn) SetWriteDeadline(time.Time) error { return nil }
