package move

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// crlf reads a message whose lines end with LF, or CRLF, as one whose lines end with CRLF.
type crlf struct {
	r    *bufio.Reader
	out  []byte // converted, not read yet
	room []byte
	last byte // before out
	err  error
}

// withCRLF reads a file with one message. If its first line ends with CRLF, so that whoever wrote it kept the message as it
// was, its bytes are taken as they are: an LF that stands alone is the message's own.
func withCRLF(f io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(f, 32<<10)
	first, err := b.Peek(b.Size())
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if i := bytes.IndexByte(first, '\n'); i > 0 && first[i-1] == '\r' {
		return b, nil
	}
	return &crlf{r: b}, nil
}

func newCRLF(r io.Reader) *crlf { return &crlf{r: bufio.NewReaderSize(r, 32<<10)} }

func (c *crlf) Read(p []byte) (int, error) {
	for len(c.out) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		line, err := c.r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			c.err = err
		}
		c.room = appendCRLF(c.room[:0], line, c.last)
		c.out = c.room
		if len(line) > 0 {
			c.last = line[len(line)-1]
		}
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	return n, nil
}

// appendCRLF appends a line, or a part of one, that came after the byte last.
func appendCRLF(dst, line []byte, last byte) []byte {
	n := len(line)
	if n == 0 || line[n-1] != '\n' {
		return append(dst, line...)
	}
	if n > 1 {
		last = line[n-2]
	}
	if last == '\r' {
		return append(dst, line...)
	}
	return append(append(dst, line[:n-1]...), "\r\n"...)
}

// lfWriter writes a message with CRLF as one whose lines end with LF, as Unix programs keep them.
type lfWriter struct {
	w    io.Writer
	held bool // a CR that may be half a line end
	buf  []byte
}

func (l *lfWriter) Write(p []byte) (int, error) {
	out := l.buf[:0]
	for rest := p; len(rest) > 0; {
		if l.held && rest[0] != '\n' {
			out = append(out, '\r')
		}
		l.held = false
		i := bytes.IndexByte(rest, '\r')
		if i < 0 {
			out = append(out, rest...)
			break
		}
		out = append(out, rest[:i]...)
		l.held, rest = true, rest[i+1:]
	}
	l.buf = out
	if _, err := l.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// close writes a CR that ends the message.
func (l *lfWriter) close() error {
	if !l.held {
		return nil
	}
	l.held = false
	_, err := l.w.Write([]byte{'\r'})
	return err
}
