package relay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// survey is what the bytes of a message need of a hop, whatever its envelope says.
type survey struct {
	size      int64
	eight     bool // bytes above 127, anywhere
	eightHead bool // in the message's own header
	nul       bool
	long      bool  // lines of the body over 998 bytes
	bare      int64 // CRs and LFs that don't make a pair
	partial   bool  // the last line has no end
	special   int64 // how many bytes quoted-printable has to encode, about
}

// sent is the size of what is sent if nothing is converted.
func (s *survey) sent() int64 {
	n := s.size + s.bare
	if s.partial {
		n += 2
	}
	return n
}

// maxTextLine is how long a line may be without its end (RFC 5321 §4.5.3.1.6, RFC 5322 §2.1.1).
const maxTextLine = 998

// blockSize is how much is read, and sent, at a time.
const blockSize = 64 << 10

var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

// held is the memory that holds a message for the time of a Send; nil: none.
type held [blockSize]byte

func (h *held) release() {
	if h != nil {
		blocks.Put((*[blockSize]byte)(h))
	}
}

// hold reads a small message into memory, since it is looked through before it is sent: the store is
// asked once. One that can't be read is left as it is, so that this shows where it always does.
func (a *attempt) hold() *held {
	size := a.mail.Content.Size()
	if size > blockSize || len(a.mail.Recipients) == 0 {
		return nil
	}
	buf := blocks.Get().(*[blockSize]byte)
	if n, _ := a.mail.Content.ReadAt(buf[:size], 0); int64(n) < size {
		blocks.Put(buf)
		return nil
	}
	a.mail.Content = bytes.NewReader(buf[:size])
	return (*held)(buf)
}

// errContent marks a failure to read the message.
var errContent = errors.New("cannot read the message")

// eachBlock passes the bytes from off to off+n in portions that are valid during the call.
func eachBlock(from io.ReaderAt, off, n int64, use func([]byte) error) error {
	buf := blocks.Get().(*[blockSize]byte)
	defer blocks.Put(buf)
	for n > 0 {
		b := buf[:min(n, blockSize)]
		got, err := from.ReadAt(b, off)
		if got < len(b) {
			if err == nil {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("%w: %w", errContent, err)
		}
		if err := use(b); err != nil {
			return err
		}
		off, n = off+int64(got), n-int64(got)
	}
	return nil
}

// look surveys the bytes from off to off+n. header tells that they begin with the message's header.
func look(from io.ReaderAt, off, n int64, header bool) (survey, error) {
	s := surveyor{head: header}
	err := eachBlock(from, off, n, s.portion)
	s.bare = s.crs + s.lfs - 2*s.pairs
	s.partial = n > 0 && s.last != '\n' && s.last != '\r'
	s.size = n
	return s.survey, err
}

// surveyor is a survey under way.
type surveyor struct {
	survey
	crs, lfs, pairs int64
	head            bool // in the header
	length          int  // of the line so far
	text            bool // the line so far is more than a CR
	last            byte // before the portion
}

func (s *surveyor) portion(b []byte) error {
	s.nul = s.nul || bytes.IndexByte(b, 0) >= 0
	s.crs += int64(bytes.Count(b, []byte{'\r'}))
	if high := countHigh(b); high > 0 {
		s.eight = true
		s.special += high
	}
	for pos := 0; pos < len(b); {
		i := bytes.IndexByte(b[pos:], '\n')
		if i < 0 {
			s.grow(b[pos:])
			break
		}
		s.grow(b[pos : pos+i])
		before := s.last
		if pos+i > 0 {
			before = b[pos+i-1]
		}
		s.endLine(before == '\r')
		pos += i + 1
	}
	s.last = b[len(b)-1]
	return nil
}

// grow adds to the current line.
func (s *surveyor) grow(b []byte) {
	s.length += len(b)
	if s.head {
		s.text = s.text || len(bytes.TrimRight(b, "\r")) > 0
		s.eightHead = s.eightHead || countHigh(b) > 0
	}
}

func (s *surveyor) endLine(pair bool) {
	s.lfs++
	if pair {
		s.pairs++
		s.length--
	}
	if s.length > maxTextLine && !s.head {
		s.long = true
	}
	s.head = s.head && s.text
	s.length, s.text = 0, false
}

// countHigh counts the bytes above 127.
func countHigh(b []byte) (n int64) {
	const high = 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b)&high == 0 {
			continue
		}
		for _, c := range b[:8] {
			n += int64(c >> 7)
		}
	}
	for _, c := range b {
		n += int64(c >> 7)
	}
	return n
}
