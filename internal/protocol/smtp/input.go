package smtp

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"postroad/internal/fault/spoil"
)

// Sizes of buffers. A session that waits for a command holds only the small one,
// which usually has room for all of a pipelined MAIL, RCPT and DATA. One that
// waits for data holds a medium one, which usually has room for a short message,
// and a large one only while the client keeps filling it.
const (
	smallBuffer  = 1 << 10
	mediumBuffer = 8 << 10
	largeBuffer  = 64 << 10
)

// What can be wrong with a command line.
var (
	errLineTooLong = errors.New("line too long")               // it was read to its end
	errFlood       = errors.New("line without end")            // it wasn't
	errBareNewline = errors.New("line ended by LF without CR") // nobody knows where it ends
	errControls    = errors.New("CR or NUL inside of a line")  // it was read to its end
	errShutdown    = errors.New("the server is shutting down") // instead of a command
)

var (
	mediumBuffers = sync.Pool{New: func() any { return newBuffer(mediumBuffer) }}
	largeBuffers  = sync.Pool{New: func() any { return newBuffer(largeBuffer) }}
)

func newBuffer(size int) *[]byte {
	b := make([]byte, size)
	return &b
}

// poolOf gives the pool of a size; nil: the small one has none.
func poolOf(size int) *sync.Pool {
	switch size {
	case mediumBuffer:
		return &mediumBuffers
	case largeBuffer:
		return &largeBuffers
	}
	return nil
}

// input holds what the client has sent and nobody has used yet.
// Slices that it gives out are valid until the next fill.
type input struct {
	small  [smallBuffer]byte
	pooled *[]byte // medium or large; nil: the small one does
	r, w   int     // unread bytes are buf()[r:w]
	filled bool    // the last read left no room: more is waiting
}

func (in *input) buf() []byte {
	if in.pooled != nil {
		return *in.pooled
	}
	return in.small[:]
}

// buffered returns the unread bytes.
func (in *input) buffered() []byte { return in.buf()[in.r:in.w] }

// empty reports whether there is nothing unread.
func (in *input) empty() bool { return in.r == in.w }

// use marks n bytes as read.
func (in *input) use(n int) { in.r += n }

// resize moves to a buffer of another size, with what is unread.
func (in *input) resize(size int) {
	old := in.buf()
	if len(old) == size {
		return
	}
	was := in.pooled
	if in.pooled = nil; size > smallBuffer {
		in.pooled = poolOf(size).Get().(*[]byte)
	}
	in.w = copy(in.buf(), old[in.r:in.w])
	in.r = 0
	if was != nil {
		spoil.Bytes(*was)
		poolOf(len(old)).Put(was)
	}
}

// expectCommand makes do with the small buffer if nothing is unread: the client may now be silent for long.
func (in *input) expectCommand() {
	if in.empty() {
		in.resize(smallBuffer)
	}
}

// expectData gets ready for message data, as much as the client seems to have.
func (in *input) expectData() {
	switch {
	case !in.empty():
	case in.filled:
		in.resize(largeBuffer)
	default:
		in.resize(mediumBuffer)
	}
}

// release gives buffers back, whatever is in them.
func (in *input) release() {
	in.r, in.w = 0, 0
	in.resize(smallBuffer)
}

// fill reads once more, making room first. It fails with errFlood if a large
// buffer is full: no line may be that long.
func (in *input) fill(from io.Reader) error {
	if in.empty() {
		in.r, in.w = 0, 0
	}
	if in.w == len(in.buf()) {
		switch {
		case in.r > 0:
			in.w = copy(in.buf(), in.buffered())
			in.r = 0
		case in.w < largeBuffer:
			in.resize(largeBuffer)
		default:
			return errFlood
		}
	}
	n, err := from.Read(in.buf()[in.w:])
	in.w += n
	in.filled = in.w == len(in.buf())
	if n > 0 {
		return nil // an error will come again
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// line takes one line without its CRLF. whole is false if its end has not come
// yet; the caller then fills and asks again. Lines end with CRLF and with nothing
// else (RFC 5321 §2.3.8).
func (in *input) line(max int) (line []byte, whole bool, err error) {
	b := in.buffered()
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return nil, false, nil
	}
	if end == 0 || b[end-1] != '\r' {
		return nil, false, errBareNewline
	}
	in.use(end + 1)
	line = b[:end-1]
	switch {
	case end+1 > max && !(end+1 <= authLine && hasVerb(line, "AUTH")):
		return nil, true, errLineTooLong
	case bytes.IndexByte(line, '\r') >= 0 || bytes.IndexByte(line, 0) >= 0:
		return nil, true, errControls
	}
	return line, true, nil
}

// hasVerb reports whether the line is the command verb (in upper case) with arguments.
func hasVerb(line []byte, verb string) bool {
	return len(line) > len(verb) && line[len(verb)] == ' ' && is(line[:len(verb)], verb)
}
