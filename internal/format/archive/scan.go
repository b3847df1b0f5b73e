package archive

import (
	"bytes"
	"encoding/binary"
	"io"
)

// MaxScanned bounds the entries that Scan tells.
const MaxScanned = 100_000

// maxTold is how much is told of a name, in bytes: of a longer one the end, which says what it is.
const maxTold = 512

// localLen is the length of a local file header before its name (section 4.3.7).
const localLen = 30

// Scan reads a file from its beginning to its end, and tells the names in all headers of ZIP archives that are in it, wherever they stand:
// before other things, behind them, in one another if they aren't compressed, with a directory or without. So nothing that the file's maker puts
// around an archive hides it from those who look into it more carefully than we do. A name may be told twice, and one in a thousand large files
// has one that is none.
//
// complete is false if there are more than MaxScanned, or found has returned false. What can't be read ends the file.
func Scan(r io.Reader, found func(Entry) bool) (complete bool) {
	s := scanner{r: r, buf: make([]byte, 0, scanBuffer)}
	for told := 0; ; {
		i := bytes.Index(s.rest(), []byte("PK"))
		if i < 0 {
			if !s.fill(1) { // the last byte may be a P
				return true
			}
			continue
		}
		s.at += i
		e, n, ok := s.header()
		s.at += max(n, 2)
		if !ok {
			continue
		}
		if told++; told > MaxScanned || !found(e) {
			return false
		}
	}
}

// scanBuffer has room for the longest header, twice.
const scanBuffer = 256 << 10

type scanner struct {
	r    io.Reader
	buf  []byte
	at   int // what is before was looked at
	done bool
}

func (s *scanner) rest() []byte { return s.buf[s.at:] }

// fill reads more, of which keep bytes at the end of what there is are kept. It reports whether there was more.
func (s *scanner) fill(keep int) bool {
	if s.done {
		return false
	}
	n := copy(s.buf, s.buf[max(s.at, len(s.buf)-keep):])
	s.at = 0
	got, err := io.ReadFull(s.r, s.buf[n:cap(s.buf)])
	s.buf = s.buf[:n+got]
	s.done = err != nil
	return got > 0
}

// need has n bytes in rest, if the file has them.
func (s *scanner) need(n int) bool {
	return len(s.rest()) >= n || s.fill(len(s.rest())) && len(s.rest()) >= n
}

// header reads the header that rest begins with; n is its length with the name.
func (s *scanner) header() (e Entry, n int, ok bool) {
	if !s.need(localLen) {
		return e, 0, false
	}
	flagsAt, nameAt, length := 0, 0, 0
	switch b := s.rest(); {
	case b[2] == 3 && b[3] == 4:
		flagsAt, nameAt, length = 6, 26, localLen
	case b[2] == 1 && b[3] == 2:
		flagsAt, nameAt, length = 8, 28, entryLen
	default:
		return e, 0, false
	}
	name := int(binary.LittleEndian.Uint16(s.rest()[nameAt:]))
	if name == 0 || !s.need(length+name) {
		return e, 0, false
	}
	b := s.rest()
	flags := binary.LittleEndian.Uint16(b[flagsAt:])
	// Only its two letters and two numbers are taken for read: another header may hide in what claims to be a name.
	return Entry{Name: nameOf(b[length+max(name-maxTold, 0):length+name], flags), Encrypted: flags&1 != 0}, 4, true
}
