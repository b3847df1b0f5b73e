package imap

import (
	"net"
	"time"
)

// output gathers responses and sends them in large writes. A write that the
// client doesn't take in time fails, and so does all that follows.
type output struct {
	conn    net.Conn
	bufs    *buffers
	timeout time.Duration
	p       *[]byte // lent by bufs while there is something to send
	err     error   // the first failure to write; it sticks
}

// buf returns what waits to be sent, for appending; put it back with set.
func (o *output) buf() []byte {
	if o.p == nil {
		o.p = o.bufs.getOut()
	}
	return *o.p
}

// set takes back what buf gave, longer now.
func (o *output) set(b []byte) { *o.p = b }

// str appends a string.
func (o *output) str(s string) { o.set(append(o.buf(), s...)) }

// large reports whether there is much to send.
func (o *output) large() bool { return o.p != nil && len(*o.p) >= flushAt }

// sized sends what waits if there is much of it.
func (o *output) sized() {
	if o.large() {
		o.flush()
	}
}

// flush sends what waits and gives the buffer back.
func (o *output) flush() error {
	if o.p == nil {
		return o.err
	}
	o.direct(*o.p)
	o.bufs.putOut(o.p)
	o.p = nil
	return o.err
}

// direct writes b past the buffer.
func (o *output) direct(b []byte) {
	if o.err != nil || len(b) == 0 {
		return
	}
	if o.err = o.conn.SetWriteDeadline(time.Now().Add(o.timeout)); o.err == nil {
		_, o.err = o.conn.Write(b)
	}
}

// Write sends b after what waits, for content that streams from storage.
func (o *output) Write(b []byte) (int, error) {
	if err := o.flush(); err != nil {
		return 0, err
	}
	o.direct(b)
	return len(b), o.err
}
