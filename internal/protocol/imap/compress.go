package imap

import (
	"bytes"
	"errors"
	"io"
	"net"

	"github.com/klauspost/compress/flate"
)

// deflated is a connection whose bytes are compressed both ways (RFC 4978). While it waits for its client it holds no more
// than what the client may refer to, of what it has sent: 32 KiB at most, and mostly little.
type deflated struct {
	net.Conn // what lies below; deadlines are set there
	bufs     *buffers

	inflate io.ReadCloser // lent by bufs while bytes are coming in; nil while none are
	raw     rawSource
	history []byte // the end of what has been inflated
	ended   bool   // the client has ended its part of the stream: what follows is not compressed
}

// window is how far back DEFLATE may refer (RFC 1951 §2).
const window = 32 << 10

func newDeflated(c net.Conn, bufs *buffers) *deflated {
	return &deflated{Conn: c, bufs: bufs, raw: rawSource{from: c, bufs: bufs}}
}

// Read gives what the client meant to send.
func (c *deflated) Read(p []byte) (int, error) {
	for !c.ended {
		if c.inflate == nil {
			if len(c.raw.data) == 0 {
				if err := c.raw.wait(); err != nil {
					return 0, err
				}
			}
			c.inflate = c.bufs.getInflate(&c.raw, c.history)
		}
		c.raw.pause = c.raw.flushed()
		n, err := c.inflate.Read(p)
		c.remember(p[:n])
		if c.raw.flushed() && n < len(p) { // else there may be more where this came from
			c.rest()
		}
		switch {
		case errors.Is(err, errPaused):
			c.rest()
		case errors.Is(err, io.EOF): // RFC 1951 §3.2.3, BFINAL
			c.ended = true
			c.rest()
		case err != nil && n == 0:
			return 0, c.raw.failure(err)
		}
		if n > 0 {
			return n, nil
		}
	}
	if n := copy(p, c.raw.data); n > 0 {
		c.raw.data = c.raw.data[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// remember keeps what the client may refer to later.
func (c *deflated) remember(b []byte) {
	if drop := len(c.history) + len(b) - window; drop > 0 {
		drop = min(drop, len(c.history))
		c.history = c.history[:copy(c.history, c.history[drop:])]
	}
	c.history = append(c.history, b[max(0, len(b)-window):]...)
}

// rest gives back what isn't needed while nothing comes in. The stream stands between two blocks.
func (c *deflated) rest() {
	if c.inflate != nil {
		c.bufs.putInflate(c.inflate)
		c.inflate = nil
	}
	c.raw.release()
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

// leave ends the compression and returns what has been read behind it, which isn't compressed.
func (c *deflated) leave() []byte {
	rest := bytes.Clone(c.raw.data)
	c.raw.data = nil
	c.rest()
	return rest
}

// skipLastBlock reads past an empty last block (RFC 1951 §3.2.4, §3.2.6), which a client may send when it ends its
// compression. No command begins like that.
func (in *input) skipLastBlock() error {
	switch in.data[0] {
	case 0x01:
		return in.discard(5)
	case 0x03:
		return in.discard(2)
	}
	return nil
}

// Close closes the connection.
func (c *deflated) Close() error {
	c.raw.data = nil
	c.rest()
	return c.Conn.Close()
}

// rawSource gives the bytes of a connection to whoever inflates them, one by one.
type rawSource struct {
	from  net.Conn
	bufs  *buffers
	data  []byte // read and not used yet; in big or small
	big   *[]byte
	small [256]byte
	tail  uint32 // the last four bytes used
	pause bool   // nothing more may be read: whoever inflates must give what it has
	err   error
}

var errPaused = errors.New("nothing more for now")

// wait reads when nothing is there, into as little memory as there can be.
func (r *rawSource) wait() error {
	n, err := readSome(r.from, r.small[:])
	r.data, r.err = r.small[:n], err
	return err
}

// fill reads more, in the middle of something.
func (r *rawSource) fill() error {
	if len(r.data) > 0 {
		return nil
	}
	if r.pause {
		return errPaused
	}
	if r.big == nil {
		r.big = r.bufs.getIn()
	}
	n, err := readSome(r.from, *r.big)
	r.data, r.err = (*r.big)[:n], err
	return err
}

func (r *rawSource) Read(p []byte) (int, error) {
	if err := r.fill(); err != nil {
		return 0, err
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	for _, b := range p[:n] {
		r.tail = r.tail<<8 | uint32(b)
	}
	return n, nil
}

// ReadByte keeps whoever inflates from reading further than needed.
func (r *rawSource) ReadByte() (byte, error) {
	if err := r.fill(); err != nil {
		return 0, err
	}
	b := r.data[0]
	r.data = r.data[1:]
	r.tail = r.tail<<8 | uint32(b)
	return b, nil
}

// flushed reports whether all was used, and the last was the empty block of who flushes (RFC 1951 §3.2.4).
func (r *rawSource) flushed() bool { return len(r.data) == 0 && r.tail == 0x0000ffff }

// release gives the large buffer back if nothing in it is needed.
func (r *rawSource) release() {
	if r.big != nil && len(r.data) == 0 {
		r.bufs.putIn(r.big)
		r.big, r.data = nil, nil
	}
}

// failure is why inflating has failed: the connection's error if that was why.
func (r *rawSource) failure(err error) error {
	if r.err != nil {
		return r.err
	}
	return err
}

// getInflate lends what inflates the bytes of r, of which some came before.
func (b *buffers) getInflate(r io.Reader, before []byte) io.ReadCloser {
	f, ok := b.inflate.Get().(io.ReadCloser)
	if !ok {
		return flate.NewReaderDict(r, before)
	}
	f.(flate.Resetter).Reset(r, before) // flate's readers have it, and it doesn't fail
	return f
}

func (b *buffers) putInflate(f io.ReadCloser) {
	f.(flate.Resetter).Reset(nothing{}, nil) // to hold on to nobody's connection
	b.inflate.Put(f)
}

// nothing is a source at its end.
type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, io.EOF }
func (nothing) ReadByte() (byte, error)  { return 0, io.EOF }
