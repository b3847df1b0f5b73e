package pop3

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// What can be wrong with a line.
var (
	errLong  = errors.New("line too long") // it was read to its end
	errFlood = errors.New("line without end")
	errOdd   = errors.New("line has a NUL or CR inside")
)

// longBuffer has room for any line.
const longBuffer = 16 << 10

var longBuffers = sync.Pool{New: func() any { return new([longBuffer]byte) }}

// input holds what has come and isn't used yet. A session that waits for
// its client holds the small buffer only. Lines that it gives are valid until the next fill.
type input struct {
	small [512]byte
	long  *[longBuffer]byte // from the pool; nil if not needed
	r, w  int
	// skipped counts the bytes of a line that is too long; -1: there is none.
	skipped int
}

func (in *input) buf() []byte {
	if in.long != nil {
		return in.long[:]
	}
	return in.small[:]
}

func (in *input) empty() bool { return in.r == in.w }

// fill reads once.
func (in *input) fill(r io.Reader) error {
	in.makeRoom()
	n, err := r.Read(in.buf()[in.w:])
	in.w += n
	if n > 0 {
		return nil // an error comes again
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

func (in *input) makeRoom() {
	if in.empty() {
		in.rest()
	}
	if in.w < len(in.buf()) {
		return
	}
	if in.r == 0 && in.long == nil {
		long := longBuffers.Get().(*[longBuffer]byte)
		in.w = copy(long[:], in.small[:in.w])
		in.long = long
		return
	}
	if in.r == 0 { // a line that is longer than any may be
		in.skipped += in.w
		in.w = 0
		return
	}
	in.w = copy(in.buf(), in.buf()[in.r:in.w])
	in.r = 0
}

// rest gives back what is not needed while nothing is buffered.
func (in *input) rest() {
	if !in.empty() {
		return
	}
	if in.long != nil {
		longBuffers.Put(in.long)
		in.long = nil
	}
	in.r, in.w = 0, 0
}

// drop forgets everything.
func (in *input) drop() {
	in.r, in.w, in.skipped = 0, 0, 0
	in.rest()
}

// line takes the next line without its end, CRLF or, as some programs send, LF
// alone. whole is false if its end hasn't come. limit is how long it may be, with its end.
func (in *input) line(limit func(line []byte) int) (line []byte, whole bool, err error) {
	b := in.buf()[in.r:in.w]
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		if in.skipped+len(b) > maxSkipped {
			return nil, false, errFlood
		}
		return nil, false, nil
	}
	in.r += end + 1
	line = bytes.TrimSuffix(b[:end], []byte{'\r'})
	length := in.skipped + end + 1
	in.skipped = 0
	switch {
	case length > limit(line):
		return nil, true, errLong
	case bytes.ContainsAny(line, "\x00\r"):
		return nil, true, errOdd
	}
	return line, true, nil
}
