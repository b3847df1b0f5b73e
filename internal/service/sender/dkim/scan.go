package dkim

import (
	"bytes"
	"sync"

	"postroad/internal/fault"
	"postroad/internal/fault/spoil"
)

// MaxHeader is the longest header section that is looked at, in bytes. A message with a longer one
// has no signatures that could be verified, and can't be signed.
const MaxHeader = 1 << 20

// Reader is told a message's header, once it is complete, and asks for the digests of the body that it needs.
type Reader interface {
	ReadHeader(h Header, b *Bodies)
}

// Scan takes a message apart for Readers. It is an io.Writer that never fails; not safe for concurrent use.
type Scan struct {
	readers []Reader
	few     [2]Reader // room for them
	header  []byte
	bodies  Bodies
	fields  Header
	inBody  bool
	closed  bool
	err     error
}

// NewScan makes a Scan for one message.
func NewScan(readers ...Reader) *Scan {
	s := new(Scan)
	s.Begin(readers...)
	return s
}

// Begin makes s, a part of somebody's as a rule, what NewScan returns.
func (s *Scan) Begin(readers ...Reader) {
	*s = Scan{}
	s.readers = append(s.few[:0], readers...)
}

// Write takes the next portion of the message.
func (s *Scan) Write(p []byte) (int, error) {
	n := len(p)
	if !s.inBody {
		p = s.head(p)
	}
	if s.inBody && s.err == nil {
		s.bodies.Write(p)
	}
	return n, nil
}

// head takes what belongs to the header, and returns the rest.
func (s *Scan) head(p []byte) []byte {
	before := len(s.header)
	if s.header == nil {
		s.header = headers.Get().(*[headerBuffer]byte)[:0]
	}
	s.header = append(s.header, p[:min(len(p), MaxHeader+4-before)]...)
	end := headerEnd(s.header, before)
	switch {
	case end >= 0 && end <= MaxHeader:
		p = p[end-before:]
		s.header = s.header[:end]
		s.enterBody()
		return p
	case len(s.header) > MaxHeader:
		s.err = fault.New(fault.TooLarge, "the header is longer than %d bytes", MaxHeader)
		s.inBody, s.header = true, nil
	}
	return nil
}

const headerBuffer = 16 << 10

// headers are for header sections that aren't complete yet: most fit in.
var headers = sync.Pool{New: func() any { return new([headerBuffer]byte) }}

// headerEnd finds the end of the empty line; -1 if it isn't there yet. It wasn't in b[:from].
func headerEnd(b []byte, from int) int {
	if bytes.HasPrefix(b, crlf) {
		return 2
	}
	for i := from; ; {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return -1
		}
		if i += n + 1; i >= 4 && b[i-2] == '\r' && b[i-3] == '\n' && b[i-4] == '\r' {
			return i
		}
	}
}

func (s *Scan) enterBody() {
	s.inBody = true
	s.fields = ParseHeader(string(s.header))
	spoil.Bytes(s.header)
	if cap(s.header) == headerBuffer {
		headers.Put((*[headerBuffer]byte)(s.header[:headerBuffer]))
	}
	s.header = nil
	for _, r := range s.readers {
		r.ReadHeader(s.fields, &s.bodies)
	}
}

// Close says that the message is complete. Further calls do nothing. The error is of kind fault.TooLarge: the header was
// over MaxHeader, and no Reader was asked.
func (s *Scan) Close() error {
	if s.closed {
		return s.err
	}
	s.closed = true
	if !s.inBody { // a message without a body
		s.enterBody()
	}
	s.bodies.Close()
	return s.err
}

// Header is the message's header, empty before it is complete.
func (s *Scan) Header() Header { return s.fields }
