package imap

import (
	"bytes"
	"net"

	"github.com/klauspost/compress/flate"

	"postroad/internal/format/inflate"
)

// deflated is a connection whose bytes are compressed both ways (RFC 4978). While it waits for its client it holds no more
// than what the client may refer to, of what it has sent: 32 KiB at most, and mostly little.
type deflated struct {
	net.Conn // what lies below; deadlines are set there
	bufs     *buffers

	inflate inflate.Inflater
	raw     []byte // read and not inflated yet; in big or small
	big     *[]byte
	small   [256]byte
	more    bool // the last read filled its buffer
}

func newDeflated(c net.Conn, bufs *buffers) *deflated { return &deflated{Conn: c, bufs: bufs} }

// Read gives what the client meant to send. Behind the end of its stream (RFC 1951 §3.2.3, BFINAL) nothing is compressed.
func (c *deflated) Read(p []byte) (int, error) {
	for !c.inflate.Ended() || c.inflate.Pending() > 0 {
		if n := c.inflate.Take(p); n > 0 {
			return n, nil
		}
		if len(c.raw) == 0 {
			if err := c.wait(); err != nil {
				return 0, err
			}
		}
		used, err := c.inflate.Write(c.raw)
		c.raw = c.raw[used:]
		if err != nil && c.inflate.Pending() == 0 {
			return 0, err
		}
	}
	if n := copy(p, c.raw); n > 0 {
		c.raw = c.raw[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// wait reads when nothing is there: into as little memory as there can be, or much if much is coming.
func (c *deflated) wait() error {
	room := c.small[:]
	if c.more {
		if c.big == nil {
			c.big = c.bufs.getIn()
		}
		room = *c.big
	} else {
		c.rest()
	}
	n, err := readSome(c.Conn, room)
	c.raw, c.more = room[:n], n == len(room)
	return err
}

// rest gives back what isn't needed while nothing comes in.
func (c *deflated) rest() {
	c.inflate.Trim()
	if c.big != nil {
		c.bufs.putIn(c.big)
		c.big = nil
	}
}

// outSlice is how much is compressed at once, in bytes.
const outSlice = 64 << 10

// Write sends p compressed. Nothing is kept for the next call.
func (c *deflated) Write(p []byte) (int, error) {
	buf := c.bufs.getOut()
	defer c.bufs.putOut(buf)
	for at := 0; at < len(p); {
		end := min(at+outSlice, len(p))
		b := bytes.NewBuffer((*buf)[:0])
		if err := flate.StatelessDeflate(b, p[at:end], false, p[max(0, at-8<<10):at]); err != nil {
			return at, err
		}
		*buf = b.Bytes()
		if _, err := c.Conn.Write(*buf); err != nil {
			return at, err
		}
		at = end
	}
	return len(p), nil
}

// leave ends the compression and returns what has been read behind it, which isn't compressed; but see skipTail.
func (c *deflated) leave() []byte {
	var rest []byte
	if !c.inflate.InBlock() {
		rest = c.inflate.Ahead()
	}
	rest = append(rest, c.raw...) // a copy: the buffer goes back
	c.raw = nil
	c.rest()
	return rest
}

// tailMost is more than any client ends its compression with, in bytes.
const tailMost = 20

// skipTail reads past the end of what a client has compressed: the rest of the block that its last command was in, what it
// flushes by, an empty last block (RFC 1951 §3.2.4, §3.2.6). No command begins with such bytes. It reports whether it has come to
// what follows.
func (in *input) skipTail(f *inflate.Inflater) bool {
	var nothing [64]byte
	for n := 0; len(in.data) > 0 && n < tailMost; n++ {
		b := in.data[0]
		switch {
		case f.InBlock():
			if _, err := f.Write(in.data[:1]); err != nil {
				return true
			}
			f.Take(nothing[:])
		case b >= ' ' && b <= '~':
			return true
		}
		in.data = in.data[1:]
	}
	return len(in.data) > 0
}

// Close closes the connection.
func (c *deflated) Close() error {
	c.raw = nil
	c.rest()
	return c.Conn.Close()
}
