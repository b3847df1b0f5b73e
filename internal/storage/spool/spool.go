// Package spool keeps arriving bytes until somebody owns them: the first part in memory,
// the rest in a file without a name.
//
// A spool is not durable, by design: nothing is acknowledged before the bytes have been
// copied to the store.
package spool

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"postroad/internal/fault"
)

const (
	// DefaultMemory is how many bytes a spool holds in memory unless told otherwise.
	DefaultMemory = 1 << 20

	filePart = "spool-"
)

// Spool is a buffer that is written once, from its start to its end, and read as often as
// needed. Reads may run concurrently with each other, but not with writes, Reset or
// Close.
type Spool struct {
	dir    string
	memMax int64
	size   int64
	mem    []byte   // the first min(size, memMax) bytes, in what buf is
	buf    *[]byte  // lent by a pool; nil if nothing is in memory
	file   *os.File // the bytes from memMax on; nil if there never were any
	err    error    // of the first failed write
}

// New returns an empty spool that keeps up to memMax bytes in memory, and what is more in
// a file in dir. memMax 0 means DefaultMemory. Memory is taken as needed, from a pool.
func New(dir string, memMax int) *Spool {
	s := Make(dir, memMax)
	return &s
}

// Make is New for those who have room for the spool. It must not be copied once it is used.
func Make(dir string, memMax int) Spool {
	if memMax <= 0 {
		memMax = DefaultMemory
	}
	return Spool{dir: dir, memMax: int64(memMax)}
}

// Size is the number of bytes written.
func (s *Spool) Size() int64 { return s.size }

// Write implements io.Writer. When the disk is full it fails with fault.Unavailable, and
// so do all later writes until Reset.
func (s *Spool) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n := s.writeMem(p)
	if n == len(p) {
		return n, nil
	}
	m, err := s.writeFile(p[n:])
	return n + m, err
}

// writeMem takes what still fits into memory.
func (s *Spool) writeMem(p []byte) int {
	p = p[:min(int64(len(p)), max(0, s.memMax-s.size))]
	if need := len(s.mem) + len(p); need > cap(s.mem) {
		s.buf = grow(s.buf, need)
		s.mem = (*s.buf)[:len(s.mem)]
	}
	if s.buf != nil {
		s.mem = append(s.mem, p...)
		*s.buf = s.mem
	}
	s.size += int64(len(p))
	return len(p)
}

func (s *Spool) writeFile(p []byte) (int, error) {
	if s.file == nil {
		f, err := unnamed(s.dir)
		if err != nil {
			return 0, s.fail(err)
		}
		s.file = f
	}
	n, err := s.file.WriteAt(p, s.size-s.memMax)
	s.size += int64(n)
	return n, s.fail(err)
}

func (s *Spool) fail(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		s.err = fault.Wrap(fault.Unavailable, err, "no room on the disk")
	} else {
		s.err = fault.Wrap(fault.Unavailable, err, "can't keep the arriving message")
	}
	return s.err
}

// unnamed makes a file that goes away with the process, whatever happens to that.
func unnamed(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, filePart)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Bytes returns all bytes if they lie in memory, which those of a spool of up to memMax
// bytes always do; else ok is false. The slice is valid until the next Write, Reset or
// Close and must not be changed.
func (s *Spool) Bytes() (data []byte, ok bool) {
	return s.mem, s.size == int64(len(s.mem))
}

// ReadAt implements io.ReaderAt.
func (s *Spool) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fault.New(fault.Invalid, "negative offset")
	}
	done := 0
	for done < len(p) {
		if off >= s.size {
			return done, io.EOF
		}
		n, err := s.readSome(p[done:], off)
		done += n
		off += int64(n)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// readSome reads up to the end of the memory, or of the file. off is below size.
func (s *Spool) readSome(p []byte, off int64) (int, error) {
	if off < int64(len(s.mem)) {
		return copy(p, s.mem[off:]), nil
	}
	p = p[:min(int64(len(p)), s.size-off)]
	n, err := s.file.ReadAt(p, off-s.memMax)
	return n, fault.Wrap(fault.Unavailable, err, "can't read the arriving message")
}

// NewReader returns a reader of all bytes written so far. It also implements io.WriterTo,
// which doesn't copy what is in memory.
func (s *Spool) NewReader() *Reader { return &Reader{s: s} }

// Reader reads a spool from its start to its end.
type Reader struct {
	s   *Spool
	off int64
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.off >= r.s.size {
		return 0, io.EOF
	}
	n, err := r.s.readSome(p, r.off)
	r.off += int64(n)
	return n, err
}

// WriteTo implements io.WriterTo.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	start := r.off
	if r.off < int64(len(r.s.mem)) {
		if err := r.pass(w, r.s.mem[r.off:]); err != nil {
			return r.off - start, err
		}
	}
	if r.off == r.s.size {
		return r.off - start, nil
	}
	buf := take(copySize)
	defer give(buf)
	for r.off < r.s.size {
		n, err := r.s.readSome((*buf)[:copySize], r.off)
		if err != nil {
			return r.off - start, err
		}
		if err := r.pass(w, (*buf)[:n]); err != nil {
			return r.off - start, err
		}
	}
	return r.off - start, nil
}

// pass writes what stands at the reader's offset.
func (r *Reader) pass(w io.Writer, p []byte) error {
	n, err := w.Write(p)
	r.off += int64(n)
	if err == nil && n < len(p) {
		return io.ErrShortWrite
	}
	return err
}

// Reset forgets all bytes, gives their memory and file back, and makes the spool ready to
// be written anew.
func (s *Spool) Reset() {
	give(s.buf)
	s.buf, s.mem, s.size, s.err = nil, nil, 0, nil
	if s.file != nil {
		_ = s.file.Close() // it has no name: nobody will miss it
		s.file = nil
	}
}

var errClosed = fault.Wrap(fault.Internal, os.ErrClosed, "")

// Close gives everything back. Further writes fail.
func (s *Spool) Close() error {
	s.Reset()
	s.err = errClosed
	return nil
}

// Clean removes what a crash may have left in dir, and makes dir if it isn't there. Call
// it before the first spool is made.
func Clean(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.Wrap(fault.Unavailable, err, "can't make the spool directory")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "can't read the spool directory")
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), filePart) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fault.Wrap(fault.Unavailable, err, "can't clean the spool directory")
		}
	}
	return nil
}
