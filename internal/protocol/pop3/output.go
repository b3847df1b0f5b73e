package pop3

import (
	"encoding/base64"
	"io"
	"strconv"
	"sync"
)

const outputBuffer = 32 << 10

var outputBuffers = sync.Pool{New: func() any { return new([outputBuffer]byte) }}

// output gathers replies until there is nothing more to answer, or a buffer
// is full. While there is nothing to send it holds no buffer. After the
// first failure it drops everything.
type output struct {
	conn io.Writer // gives the client a time for each write
	buf  *[outputBuffer]byte
	n    int
	err  error
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	done := len(p)
	for len(p) > 0 && o.err == nil {
		if o.n == 0 && len(p) >= outputBuffer {
			o.send(p)
			break
		}
		if o.buf == nil {
			o.buf = outputBuffers.Get().(*[outputBuffer]byte)
		}
		k := copy(o.buf[o.n:], p)
		o.n += k
		p = p[k:]
		if o.n == outputBuffer {
			o.flush()
		}
	}
	if o.err != nil {
		return 0, o.err
	}
	return done, nil
}

func (o *output) text(s string) {
	for len(s) > 0 && o.err == nil {
		if o.buf == nil {
			o.buf = outputBuffers.Get().(*[outputBuffer]byte)
		}
		k := copy(o.buf[o.n:], s)
		o.n += k
		s = s[k:]
		if o.n == outputBuffer {
			o.flush()
		}
	}
}

func (o *output) number(n int64) {
	if b := o.room(20); b != nil {
		o.n += len(strconv.AppendInt(b, n, 10))
	}
}

func (o *output) hex(n uint64) {
	if b := o.room(16); b != nil {
		o.n += len(strconv.AppendUint(b, n, 16))
	}
}

// room returns the free part of the buffer, of n bytes at least, to append to; nil after a failure.
func (o *output) room(n int) []byte {
	if outputBuffer-o.n < n {
		o.flush()
	}
	if o.err != nil {
		return nil
	}
	if o.buf == nil {
		o.buf = outputBuffers.Get().(*[outputBuffer]byte)
	}
	return o.buf[o.n:o.n]
}

func (o *output) base64(p []byte) { o.text(base64.StdEncoding.EncodeToString(p)) }

// flush sends what has been gathered and gives the buffer back.
func (o *output) flush() {
	if o.buf == nil {
		return
	}
	o.send(o.buf[:o.n])
	o.n = 0
	outputBuffers.Put(o.buf)
	o.buf = nil
}

// send writes to the connection, a buffer's worth at once.
func (o *output) send(p []byte) {
	for len(p) > 0 && o.err == nil {
		part := p[:min(len(p), outputBuffer)]
		_, o.err = o.conn.Write(part)
		p = p[len(part):]
	}
}
