package smtp

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// Sizes of buffers. A session that waits for a command holds only the small one,
// which usually has room for all of a pipelined MAIL, RCPT and DATA.
const (
	smallBuffer = 1 << 10
	largeBuffer = 64 << 10
)

// What can be wrong with a command line.
var (
	errLineTooLong = errors.New("line too long")               // it was read to its end
	errFlood       = errors.New("line without end")            // it wasn't
	errBareNewline = errors.New("line ended by LF without CR") // nobody knows where it ends
	errControls    = errors.New("CR or NUL inside of a line")  // it was read to its end
	errShutdown    = errors.New("the server is shutting down") // instead of a command
)

var largeBuffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}

// input holds what the client has sent and nobody has used yet.
// Slices that it gives out are valid until the next fill.
type input struct {
	small [smallBuffer]byte
	large *[largeBuffer]byte // from the pool; nil: not needed now
	r, w  int                // unread bytes are buf()[r:w]
}

func (in *input) buf() []byte {
	if in.large != nil {
		return in.large[:]
	}
	return in.small[:]
}

// buffered returns the unread bytes.
func (in *input) buffered() []byte { return in.buf()[in.r:in.w] }

// empty reports whether there is nothing unread.
func (in *input) empty() bool { return in.r == in.w }

// use marks n bytes as read.
func (in *input) use(n int) { in.r += n }

// enlarge moves to a large buffer, for message data and long lines.
func (in *input) enlarge() {
	if in.large != nil {
		return
	}
	large := largeBuffers.Get().(*[largeBuffer]byte)
	in.w = copy(large[:], in.small[in.r:in.w])
	in.r, in.large = 0, large
}

// rest gives a large buffer back if nothing is in it: the client may now be silent for long.
func (in *input) rest() {
	if in.empty() {
		in.release()
	}
}

// release gives a large buffer back, whatever is in it.
func (in *input) release() {
	if in.large != nil {
		largeBuffers.Put(in.large)
		in.large = nil
	}
	in.r, in.w = 0, 0
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
		case in.large == nil:
			in.enlarge()
		default:
			return errFlood
		}
	}
	n, err := from.Read(in.buf()[in.w:])
	in.w += n
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
