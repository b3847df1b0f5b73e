package managesieve

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What can be wrong with what a client sends.
var (
	errSyntax  = errors.New("syntax")       // the line was read to its end
	errTooLong = errors.New("too long")     // likewise
	errFlood   = errors.New("far too long") // nothing more can be read
)

// decoder reads commands. Its methods are named after the grammar (RFC 5804 §4). The first error sticks; end asks for it.
type decoder struct {
	r   *bufio.Reader
	err error
	// limit is how long literals may be.
	limit int
	ended bool // the line's end has been read
}

func (d *decoder) begin(limit int) { d.err, d.limit, d.ended = nil, limit, false }

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *decoder) peek() byte {
	if d.err != nil {
		return 0
	}
	b, err := d.r.Peek(1)
	if err != nil {
		d.fail(err)
		return 0
	}
	return b[0]
}

func (d *decoder) next() byte {
	if d.err != nil {
		return 0
	}
	b, err := d.r.ReadByte()
	if err != nil {
		d.fail(err)
		return 0
	}
	return b
}

// word is a command's name, in upper case.
func (d *decoder) word() string {
	var b [maxWord]byte
	n := 0
	for d.err == nil {
		c := d.peek()
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c < 'A' || c > 'Z' {
			break
		}
		if n == maxWord {
			d.fail(errSyntax)
			break
		}
		b[n] = c
		n++
		d.next()
	}
	if n == 0 {
		d.fail(errSyntax)
	}
	return string(b[:n])
}

// sp is the space between arguments.
func (d *decoder) sp() {
	if d.peek() != ' ' {
		d.fail(errSyntax)
		return
	}
	d.next()
}

// more reports whether another argument follows, and reads the space in front of it.
func (d *decoder) more() bool {
	if d.peek() != ' ' {
		return false
	}
	d.next()
	return d.err == nil
}

// number is one of 32 bits.
func (d *decoder) number() uint32 {
	n, digits := uint64(0), 0
	for c := d.peek(); c >= '0' && c <= '9' && d.err == nil; c = d.peek() {
		if n = n*10 + uint64(c-'0'); n > 1<<32-1 {
			d.fail(errSyntax)
		}
		digits++
		d.next()
	}
	if digits == 0 {
		d.fail(errSyntax)
	}
	return uint32(n)
}

// str is a quoted string or a literal, in UTF-8.
func (d *decoder) str() string {
	var s string
	switch d.peek() {
	case '"':
		s = d.quoted()
	case '{':
		s = d.literal()
	default:
		d.fail(errSyntax)
	}
	if !utf8.ValidString(s) {
		d.fail(errSyntax)
	}
	return s
}

func (d *decoder) quoted() string {
	d.next()
	var b strings.Builder
	for d.err == nil {
		c := d.next()
		switch c {
		case '"':
			return b.String()
		case '\\':
			if c = d.peek(); c != '"' && c != '\\' {
				d.fail(errSyntax)
				return ""
			}
			d.next()
		case '\n':
			d.ended = true
			d.fail(errSyntax)
			return ""
		case 0:
			d.fail(errSyntax)
			return ""
		}
		if b.Len() == maxQuoted {
			d.fail(errTooLong)
			return ""
		}
		b.WriteByte(c)
	}
	return ""
}

// literal is {n+}, which clients send without waiting. One that is too long is read all the same, to stay in step.
func (d *decoder) literal() string {
	d.next()
	n := d.number()
	if d.peek() == '+' {
		d.next()
	}
	if d.err != nil || d.next() != '}' || !d.lineEnd() {
		d.fail(errSyntax)
		return ""
	}
	if int64(n) > int64(d.limit) {
		if n > maxDiscarded {
			d.fail(errFlood)
			return ""
		}
		if _, err := io.CopyN(io.Discard, d.r, int64(n)); err != nil {
			d.fail(err)
			return ""
		}
		d.ended = false
		d.fail(errTooLong)
		return ""
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(d.r, b); err != nil {
		d.fail(err)
		return ""
	}
	d.ended = false
	return string(b)
}

// lineEnd reads CRLF, or LF alone as some programs send.
func (d *decoder) lineEnd() bool {
	c := d.next()
	if c == '\r' {
		c = d.next()
	}
	if d.err == nil && c != '\n' {
		return false
	}
	d.ended = d.err == nil
	return d.ended
}

// end reads the end of a command, and tells what was wrong with it. After errSyntax and errTooLong the next command can be read.
func (d *decoder) end() error {
	if d.err == nil && !d.lineEnd() {
		d.fail(errSyntax)
	}
	if errors.Is(d.err, errSyntax) || errors.Is(d.err, errTooLong) {
		if err := d.skip(); err != nil {
			d.err = err
		}
	}
	return d.err
}

// skip passes over the rest of a command, with the literals in it.
func (d *decoder) skip() error {
	for total := 0; !d.ended; {
		line, err := d.r.ReadSlice('\n')
		if total += len(line); total > maxDiscarded {
			return errFlood
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return err
		}
		n, literal := literalAtEnd(string(line))
		if !literal {
			return nil
		}
		if total += int(n); total > maxDiscarded {
			return errFlood
		}
		if _, err := io.CopyN(io.Discard, d.r, int64(n)); err != nil {
			return err
		}
	}
	return nil
}

// literalAtEnd finds the beginning of a literal at a line's end.
func literalAtEnd(line string) (uint32, bool) {
	line = strings.TrimRight(line, "\r\n")
	i := strings.LastIndexByte(line, '{')
	if i < 0 || !strings.HasSuffix(line, "}") {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(line[i+1:len(line)-1], "+"), 10, 32)
	return uint32(n), err == nil
}

// appendString writes a string: quoted if it can be, else as a literal.
func appendString(b []byte, s string) []byte {
	if len(s) > 1024 || strings.ContainsAny(s, "\r\n\x00") {
		b = append(b, '{')
		b = strconv.AppendInt(b, int64(len(s)), 10)
		b = append(b, "}\r\n"...)
		return append(b, s...)
	}
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}
