package smtp

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"

	"postroad/internal/fault/spoil"
)

// buffers hold replies and trace fields while there are some.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, 1024)
	return &b
}}

// pendingReplies is when replies of a pipelined group are sent before its end.
const pendingReplies = 4 << 10

// reply queues a reply.
func (s *session) reply(r reply) {
	out := s.output()
	*out = r.appendTo(*out)
}

// output is where replies are appended.
func (s *session) output() *[]byte {
	if s.out == nil {
		s.out = buffers.Get().(*[]byte)
	}
	return s.out
}

// flush sends the queued replies, in one write.
func (s *session) flush() error {
	if s.out == nil {
		return nil
	}
	b := s.out
	s.out = nil
	defer func() {
		spoil.Bytes(*b)
		*b = (*b)[:0]
		buffers.Put(b)
	}()
	if s.deaf {
		return net.ErrClosed
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.limits.CommandTimeout)); err != nil {
		return err
	}
	_, err := s.conn.Write(*b)
	s.deaf = err != nil
	return err
}

// finish says the last words and gives back what the session holds.
func (s *session) finish() {
	if s.flush() == nil {
		s.linger()
	}
	s.reset()
	s.others.Close()
	s.leaveGate()
	s.in.release()
}

// How long and how much is read after the last word, unheard.
const (
	lingerTime  = time.Second
	lingerBytes = 1 << 20
)

// linger reads a little more of what the client had under way. If a connection is
// closed with bytes unread, the kernel resets it, and the client may lose the
// reply that says why.
func (s *session) linger() {
	half, ok := s.raw.(interface{ CloseWrite() error })
	if !s.hungUp || !ok {
		return
	}
	if private, ok := s.conn.(*tls.Conn); ok {
		private.CloseWrite() //nolint:errcheck // a courtesy
	}
	if half.CloseWrite() != nil {
		return
	}
	if s.raw.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		io.CopyN(io.Discard, s.raw, lingerBytes) //nolint:errcheck // whatever comes
	}
}
