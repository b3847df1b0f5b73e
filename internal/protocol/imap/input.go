package imap

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// input reads a connection by lines and counted bytes. While it waits with
// nothing read ahead it holds no buffer.
type input struct {
	conn  net.Conn
	bufs  *buffers
	out   *output               // flushed before waiting, since the client may wait for it
	data  []byte                // read ahead, not yet consumed; points into big or small
	big   *[]byte               // lent by bufs; nil if none
	wire  syscall.RawConn       // conn, or what it lies upon; nil if that isn't one of the system's
	bare  func(fd uintptr) bool // takes what has come, as wire.Read wants it; nil: layers lie upon wire
	err   error                 // of bare
	small []byte                // without wire: what is read into
}

// errLineTooLong says that a line went over its limit; it has been read to its end.
var errLineTooLong = errors.New("line too long")

// await waits for something to read, when there is nothing. It gives the buffer back meanwhile. Where layers lie upon the
// connection it waits below them, where less of the stack is in use: so drain must have found nothing in them.
func (in *input) await() error {
	if len(in.data) > 0 {
		return nil
	}
	in.release()
	switch {
	case in.wire == nil:
		return in.awaitRead()
	case in.bare != nil:
		if err := in.wire.Read(in.bare); err != nil {
			return err
		}
		return in.err
	}
	if err := in.wire.Read(readable); err != nil {
		return err
	}
	return in.fill()
}

// awaitRead waits with a buffer: the connection can't be asked whether there is something to read.
func (in *input) awaitRead() error {
	if in.small == nil {
		in.small = make([]byte, 256)
	}
	n, err := readSome(in.conn, in.small)
	in.data = in.small[:n]
	return err
}

// take reads what has come, without waiting; false if there is nothing.
func (in *input) take(fd uintptr) bool {
	in.lend()
	n, err := 0, error(syscall.EINTR)
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), *in.big)
	}
	switch {
	case err == syscall.EAGAIN:
		in.release()
		return false
	case err == nil && n == 0:
		err = io.EOF
	}
	in.data, in.err = (*in.big)[:max(n, 0)], err
	return true
}

// layered reports whether something may lie in layers upon the connection.
func (in *input) layered() bool { return in.wire != nil && in.bare == nil }

// drain reads what lies in layers upon the connection, which must have been interrupted: so nothing else comes.
func (in *input) drain() error {
	err := in.fill()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		in.release()
		return nil
	}
	return err
}

// fill reads once.
func (in *input) fill() error {
	in.lend()
	n, err := readSome(in.conn, *in.big)
	in.data = (*in.big)[:n]
	return err
}

// lend borrows the large buffer.
func (in *input) lend() {
	if in.big == nil {
		in.big = in.bufs.getIn()
	}
}

// readable reports whether reading from a socket would give something, be it an error.
func readable(fd uintptr) bool {
	var one [1]byte
	for {
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if !errors.Is(err, syscall.EINTR) {
			return !errors.Is(err, syscall.EAGAIN)
		}
	}
}

// more reads more, when what was there has been consumed in the middle of something.
func (in *input) more() error {
	if err := in.out.flush(); err != nil {
		return err
	}
	return noEOF(in.fill())
}

// readSome reads at least one byte, or gives an error.
func readSome(r io.Reader, p []byte) (int, error) {
	for range 100 {
		n, err := r.Read(p)
		if n > 0 {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}

// release gives the large buffer back if nothing in it is needed.
func (in *input) release() {
	if in.big != nil && len(in.data) == 0 {
		in.bufs.putIn(in.big)
		in.big, in.data = nil, nil
	}
}

// buffered is how many bytes have been read ahead.
func (in *input) buffered() int { return len(in.data) }

// readLine appends a line without its line end to dst. A line of more than limit bytes
// is read to its end and gives errLineTooLong; its beginning and end are kept.
//
// Deviation: a bare LF ends a line too, as several servers have it; CR is taken as part of
// the line end only before LF.
func (in *input) readLine(dst []byte, limit int) ([]byte, error) {
	start, over := len(dst), false
	for {
		i := bytes.IndexByte(in.data, '\n')
		part := in.data[:max0(i, len(in.data))]
		if len(dst)-start+len(part) > limit+1 { // one more, for the CR
			// Keep the beginning, which has the tag, and the end, which may announce a literal.
			over = true
			dst = append(dst, part[:min(len(part), max(0, start+keepHead-len(dst)))]...)
			dst = append(dst[:min(len(dst), start+keepHead)], tail(part, keepTail)...)
		} else {
			dst = append(dst, part...)
		}
		if i >= 0 {
			in.data = in.data[i+1:]
			break
		}
		in.data = in.data[:0]
		if err := in.more(); err != nil {
			return dst, err
		}
	}
	if n := len(dst); n > start && dst[n-1] == '\r' {
		dst = dst[:n-1]
	}
	if over || len(dst)-start > limit {
		return dst, errLineTooLong
	}
	return dst, nil
}

// What is kept of a line that is too long, in bytes.
const keepHead, keepTail = 256, 32

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// max0 is i, or otherwise if i is negative.
func max0(i, otherwise int) int {
	if i < 0 {
		return otherwise
	}
	return i
}

// readFull fills p.
func (in *input) readFull(p []byte) error {
	n := copy(p, in.data)
	in.data = in.data[n:]
	if n == len(p) {
		return nil
	}
	if err := in.out.flush(); err != nil {
		return err
	}
	_, err := io.ReadFull(in.conn, p[n:])
	return noEOF(err)
}

// copyTo writes the next n bytes to w. It goes on reading, to remain in step, when w fails; the
// writer's error comes back as werr.
func (in *input) copyTo(w io.Writer, n int64) (werr, err error) {
	for n > 0 {
		if len(in.data) == 0 {
			if err := in.more(); err != nil {
				return werr, err
			}
		}
		part := in.data[:min(n, int64(len(in.data)))]
		if werr == nil {
			_, werr = w.Write(part)
		}
		in.data = in.data[len(part):]
		n -= int64(len(part))
	}
	return werr, nil
}

// discard drops the next n bytes.
func (in *input) discard(n int64) error {
	_, err := in.copyTo(io.Discard, n)
	return err
}

// noEOF makes an end of input in the middle of something what it is.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
