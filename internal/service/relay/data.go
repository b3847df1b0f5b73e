package relay

import (
	"bytes"
	"io"
	"strconv"
)

// lineEnds makes every line end CRLF: of a bare CR, of a bare LF.
type lineEnds struct {
	to     io.Writer
	cr     bool // the last byte was a CR, whose meaning depends on the next
	inLine bool // something was written since the last line end
}

var (
	crlf   = []byte("\r\n")
	dot    = []byte(".")
	lfDot  = []byte("\n.")
	theEnd = []byte(".\r\n")
)

// Write implements io.Writer.
func (l *lineEnds) Write(b []byte) (int, error) {
	n := len(b)
	if l.cr && n > 0 {
		if err := l.flush(); err != nil {
			return 0, err
		}
		if b[0] == '\n' {
			b = b[1:]
		}
	}
	for len(b) > 0 {
		end, next := findEnd(b)
		if end > 0 {
			l.inLine = true
			if _, err := l.to.Write(b[:end]); err != nil {
				return 0, err
			}
		}
		switch {
		case end == len(b):
			return n, nil
		case next > len(b): // a CR at the very end
			l.cr = true
			return n, nil
		}
		if err := l.newline(); err != nil {
			return 0, err
		}
		b = b[next:]
	}
	return n, nil
}

// findEnd finds the end of b's first line, or else b's own. next is where the line after it begins;
// beyond b if that depends on what follows.
func findEnd(b []byte) (end, next int) {
	i := bytes.IndexAny(b, "\r\n")
	switch {
	case i < 0:
		return len(b), len(b)
	case b[i] == '\n':
		return i, i + 1
	case i+1 == len(b):
		return i, i + 2
	case b[i+1] == '\n':
		return i, i + 2
	}
	return i, i + 1
}

func (l *lineEnds) newline() error {
	l.inLine = false
	_, err := l.to.Write(crlf)
	return err
}

// flush ends a line whose end was a CR at the very end.
func (l *lineEnds) flush() error {
	if !l.cr {
		return nil
	}
	l.cr = false
	return l.newline()
}

// finish ends the last line too.
func (l *lineEnds) finish() error {
	if err := l.flush(); err != nil || !l.inLine {
		return err
	}
	return l.newline()
}

// dots adds the dots of transparency (RFC 5321 §4.5.2) to text whose lines end with CRLF.
type dots struct {
	to     *block
	inLine bool
}

// Write implements io.Writer.
func (d *dots) Write(b []byte) (int, error) {
	n := len(b)
	if n == 0 {
		return 0, nil
	}
	if !d.inLine && b[0] == '.' {
		if _, err := d.to.Write(dot); err != nil {
			return 0, err
		}
	}
	d.inLine = b[n-1] != '\n'
	for {
		i := bytes.Index(b, lfDot)
		if i < 0 {
			_, err := d.to.Write(b)
			return n, err
		}
		if _, err := d.to.Write(b[:i+1]); err != nil {
			return 0, err
		}
		if _, err := d.to.Write(dot); err != nil {
			return 0, err
		}
		b = b[i+1:]
	}
}

// finish writes the end of the message and sends what is left.
func (d *dots) finish() error {
	if _, err := d.to.Write(theEnd); err != nil {
		return err
	}
	return d.to.flush()
}

// block gathers what is sent into large writes.
type block struct {
	to  io.Writer
	buf *[blockSize]byte
	n   int
}

// Write implements io.Writer.
func (k *block) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		if k.n == blockSize {
			if err := k.flush(); err != nil {
				return 0, err
			}
		}
		m := copy(k.buf[k.n:], b)
		k.n += m
		b = b[m:]
	}
	return n, nil
}

func (k *block) flush() error {
	_, err := k.to.Write(k.buf[:k.n])
	k.n = 0
	return err
}

// chunks sends the message by BDAT (RFC 3030 §2). With PIPELINING it goes on while replies to
// chunks are still to come, but never so many that they could fill the way back.
type chunks struct {
	c       *conn
	buf     *[blockSize]byte
	n       int
	pending int   // replies
	failed  reply // a chunk was refused; code 0: none
}

// chunkRoom is what a chunk's command may take at the front of the buffer.
const chunkRoom = len("BDAT 65536 LAST\r\n")

// maxPending is how many chunks may be without reply.
const maxPending = 32

// Write implements io.Writer.
func (k *chunks) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		if k.n == blockSize-chunkRoom {
			if err := k.send(false); err != nil {
				return 0, err
			}
		}
		m := copy(k.buf[chunkRoom+k.n:], b)
		k.n += m
		b = b[m:]
	}
	return n, nil
}

// errRefused is returned once a chunk has been refused: "MUST NOT send any additional BDAT segments".
var errRefused = &refusal{}

type refusal struct{}

func (*refusal) Error() string { return "a chunk was refused" }

// send sends a chunk with its command before it, in one write.
func (k *chunks) send(last bool) error {
	limit := maxPending
	if !k.c.ext.pipelining {
		limit = 1
	}
	if err := k.await(limit - 1); err != nil {
		return err
	}
	line := make([]byte, 0, chunkRoom)
	line = strconv.AppendInt(append(line, "BDAT "...), int64(k.n), 10)
	if last {
		line = append(line, " LAST"...)
	}
	line = append(line, crlf...)
	from := chunkRoom - len(line)
	copy(k.buf[from:], line)
	_, err := k.c.Write(k.buf[from : chunkRoom+k.n])
	k.n = 0
	if !last {
		k.pending++
	}
	return err
}

// await reads replies until so many or fewer are pending.
func (k *chunks) await(limit int) error {
	for k.pending > limit {
		r, err := k.c.read(k.c.limits.DataEnd)
		if err != nil {
			return err
		}
		k.pending--
		if !r.positive() && k.failed.code == 0 {
			k.failed = r
		}
	}
	if k.failed.code != 0 {
		return errRefused
	}
	return nil
}

// finish sends the last chunk and collects the replies to those before it.
func (k *chunks) finish() error {
	if err := k.send(true); err != nil {
		return err
	}
	err := k.await(0)
	if err != nil {
		k.pending++ // the last chunk's, which nobody else reads now
	}
	return err
}

// drain reads the replies to chunks that were on their way when one was refused.
func (k *chunks) drain() error {
	for k.pending > 0 {
		if _, err := k.c.read(k.c.limits.DataEnd); err != nil {
			return err
		}
		k.pending--
	}
	return nil
}
