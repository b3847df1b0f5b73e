package blob

import (
	"context"
	"errors"
	"io"

	"postroad/internal/fault"
	"postroad/internal/fault/spoil"
	"postroad/internal/storage/kv"
)

// AppendTo appends n bytes of a blob, from offset off on, to dst. It is the way to read
// many blobs, or parts of them, in one View. A blob that isn't there gives
// fault.NotFound, one with a missing or short chunk fault.Corrupt; so does a range that
// ends behind the blob. With an error, dst is returned as it was. An empty range is not
// looked for.
func AppendTo(r kv.Reader, dst []byte, id ID, off, n int64) ([]byte, error) {
	if err := errors.Join(checkID(id), checkRange(off, n)); err != nil {
		return dst, err
	}
	out := dst
	for n > 0 {
		chunk, in := uint32(off/ChunkSize), off%ChunkSize
		value, err := get(r, id, chunk)
		if err != nil {
			return dst, err
		}
		want := min(n, ChunkSize-in)
		if int64(len(value)) < in+want {
			return dst, corrupt(id, "chunk %d has %d bytes, fewer than %d", chunk, len(value), in+want)
		}
		out = append(out, value[in:in+want]...)
		off += want
		n -= want
	}
	return out, nil
}

func checkRange(off, n int64) error {
	if off < 0 || n < 0 || off > MaxSize || n > MaxSize {
		return fault.New(fault.Invalid, "no such part of the content")
	}
	return nil
}

// get returns a chunk. If it is missing, the first chunk tells whether the blob has been
// deleted or is damaged.
func get(r kv.Reader, id ID, chunk uint32) ([]byte, error) {
	k := chunkKey(id, chunk)
	value, ok, err := r.Get(k[:])
	if ok || err != nil {
		return value, err
	}
	first := chunkKey(id, 0)
	if _, ok, err = r.Get(first[:]); err != nil {
		return nil, err
	} else if ok {
		return nil, corrupt(id, "chunk %d is missing", chunk)
	}
	return nil, notFound(id)
}

// Reader reads a blob. It is safe for concurrent use and need not be closed: each chunk
// is read in a short View of its own. If the blob is deleted meanwhile, reads fail with
// fault.NotFound.
type Reader struct {
	db   kv.DB
	part kv.Partition
	id   ID
	size int64
}

// Open returns a reader of a blob, whose size the caller knows. It reads nothing yet:
// that a blob is missing, or is shorter than size (fault.Corrupt), shows when reading.
func Open(db kv.DB, p kv.Partition, id ID, size int64) *Reader {
	return &Reader{db: db, part: p, id: id, size: max(0, size)}
}

// Size is the blob's size in bytes, as given to Open.
func (b *Reader) Size() int64 { return b.size }

// ReadAt implements io.ReaderAt.
func (b *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fault.New(fault.Invalid, "negative offset")
	}
	done := 0
	for done < len(p) {
		if off >= b.size {
			return done, io.EOF
		}
		n, err := b.readChunk(p[done:], off)
		done += n
		off += int64(n)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// readChunk reads up to len(p) bytes at off, as far as the chunk goes that off lies in.
func (b *Reader) readChunk(p []byte, off int64) (int, error) {
	chunk, in := uint32(off/ChunkSize), int(off%ChunkSize)
	n := 0
	// The view waits at most for one sync, so there is nothing to cancel.
	err := b.db.View(context.Background(), b.part, func(r kv.Reader) error {
		value, err := get(r, b.id, chunk)
		if err != nil {
			return err
		}
		if want := chunkLen(b.size, chunk); len(value) != want {
			return corrupt(b.id, "chunk %d has %d bytes instead of %d", chunk, len(value), want)
		}
		n = copy(p, value[in:])
		return nil
	})
	return n, err
}

// WriteTo implements io.WriterTo: it writes the whole blob to w.
func (b *Reader) WriteTo(w io.Writer) (int64, error) { return b.writeRange(w, 0, b.size) }

// writeRange copies each chunk out of its view before it writes it: w may be slow, and
// snapshots must be short.
func (b *Reader) writeRange(w io.Writer, off, end int64) (int64, error) {
	if off >= end {
		return 0, nil
	}
	buf := chunkBuffers.Get().(*[ChunkSize]byte)
	defer chunkBuffers.Put(buf)
	defer spoil.Bytes(buf[:])
	start := off
	for off < end {
		n, err := b.readChunk(buf[:min(ChunkSize, end-off)], off)
		if err != nil {
			return off - start, err
		}
		m, err := w.Write(buf[:n])
		off += int64(m)
		if err != nil {
			return off - start, err
		}
		if m < n {
			return off - start, io.ErrShortWrite
		}
	}
	return off - start, nil
}

// Section returns the n bytes from offset off on, or as many as there are.
func (b *Reader) Section(off, n int64) *Section {
	off = min(max(0, off), b.size)
	return &Section{blob: b, off: off, end: off + min(max(0, n), b.size-off)}
}

// Section reads a part of a blob, once, from its start to its end. It is an io.Reader and
// io.WriterTo, not safe for concurrent use.
type Section struct {
	blob     *Reader
	off, end int64
}

// Len is how many bytes are left to read.
func (s *Section) Len() int64 { return s.end - s.off }

// Read implements io.Reader.
func (s *Section) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if s.off >= s.end {
		return 0, io.EOF
	}
	n, err := s.blob.readChunk(p[:min(int64(len(p)), s.end-s.off)], s.off)
	s.off += int64(n)
	return n, err
}

// WriteTo implements io.WriterTo.
func (s *Section) WriteTo(w io.Writer) (int64, error) {
	n, err := s.blob.writeRange(w, s.off, s.end)
	s.off += n
	return n, err
}
