package pop3

import (
	"bytes"
	"errors"
	"io"
)

// stuffer writes a message as a multi-line response (RFC 1939 §3): lines end
// with CRLF, also those that end with LF alone in the message, and those that
// begin with a dot get another one in front.
type stuffer struct {
	out  io.Writer
	last byte // the last byte of the message so far; LF at its beginning
}

func newStuffer(out io.Writer) *stuffer { return &stuffer{out: out, last: '\n'} }

// Write implements io.Writer.
func (s *stuffer) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if s.last == '\n' && p[0] == '.' {
		if _, err := s.out.Write(dot); err != nil {
			return 0, err
		}
	}
	from, before := 0, s.last // p[:from] is written; before stands in front of p
	for i := bytes.IndexByte(p, '\n'); i >= 0; {
		if i > 0 {
			before = p[i-1]
		}
		if before != '\r' {
			if err := s.both(p[from:i], crlf); err != nil {
				return from, err
			}
			from = i + 1
		}
		if i+1 < len(p) && p[i+1] == '.' {
			if err := s.both(p[from:i+1], dot); err != nil {
				return from, err
			}
			from = i + 1
		}
		next := bytes.IndexByte(p[i+1:], '\n')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	s.last = p[len(p)-1]
	if _, err := s.out.Write(p[from:]); err != nil {
		return from, err
	}
	return len(p), nil
}

var (
	dot  = []byte{'.'}
	crlf = []byte{'\r', '\n'}
)

func (s *stuffer) both(a, b []byte) error {
	if _, err := s.out.Write(a); err != nil {
		return err
	}
	_, err := s.out.Write(b)
	return err
}

// end ends the response. A last line without an end gets one.
func (s *stuffer) end() error {
	if s.last != '\n' {
		if _, err := s.out.Write(crlf); err != nil {
			return err
		}
	}
	_, err := s.out.Write([]byte(".\r\n"))
	return err
}

// errEnough ends the reading of a message of which no more is wanted.
var errEnough = errors.New("enough")

// topper passes a message's header, the empty line, and some lines of the body (RFC 1939 §7, TOP).
type topper struct {
	out   io.Writer
	lines int  // of the body that may still pass
	body  bool // the header is over
	text  bool // the line so far isn't empty
}

// Write implements io.Writer. It fails with errEnough when all has passed.
func (t *topper) Write(p []byte) (int, error) {
	for at := 0; ; {
		if t.body && t.lines == 0 {
			if _, err := t.out.Write(p[:at]); err != nil {
				return 0, err
			}
			return at, errEnough
		}
		end := bytes.IndexByte(p[at:], '\n')
		if end < 0 {
			rest := p[at:]
			t.text = t.text || len(rest) > 1 || len(rest) == 1 && rest[0] != '\r'
			return t.out.Write(p)
		}
		line := bytes.TrimSuffix(p[at:at+end], crlf[:1])
		switch {
		case t.body:
			t.lines--
		case !t.text && len(line) == 0:
			t.body = true
		}
		t.text = false
		at += end + 1
	}
}
