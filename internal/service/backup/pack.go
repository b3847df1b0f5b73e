package backup

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"postroad/internal/fault"
)

// A pack:
//
//	"PRPACK1\n"
//	pieces, each compressed (zstd)
//	index: for each piece its hash (32 bytes), offset (8), compressed size (4), size (4); big-endian
//	SHA-256 of the index (32)
//	number of pieces (8), big-endian
//	"PRPACK1\n"
const (
	packMagic  = "PRPACK1\n"
	indexEntry = 32 + 8 + 4 + 4
	packTail   = sha256.Size + 8 + len(packMagic)
	packSuffix = ".pack"
	newPrefix  = "new-" // of a pack that isn't whole yet

	packBytes  = 256 << 20 // a pack is closed when it has so many
	maxPiece   = 1 << 30   // bytes of a piece
	packPieces = 1 << 22   // most pieces that an index may name
)

// place says where a piece is.
type place struct {
	pack   *pack
	offset int64
	stored uint32
	size   uint32
}

// pack is a pack file. Its name is that of its index.
type pack struct {
	path  string
	bytes int64
}

// codec compresses and decompresses. It is not safe for concurrent use.
type codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newCodec() (*codec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPiece))
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	return &codec{enc, dec}, nil
}

func (c *codec) close() {
	c.enc.Close()
	c.dec.Close()
}

// packWriter writes one pack.
type packWriter struct {
	dir    string
	f      *os.File
	w      *bufio.Writer
	at     int64
	hashes []hash
	places []place // their pack is set when the pack is whole
}

func newPack(dir string) (*packWriter, error) {
	f, err := os.CreateTemp(dir, newPrefix)
	if err != nil {
		return nil, unwritable(err)
	}
	p := &packWriter{dir: dir, f: f, w: bufio.NewWriterSize(f, 1<<20), at: int64(len(packMagic))}
	if _, err := p.w.WriteString(packMagic); err != nil {
		p.discard()
		return nil, unwritable(err)
	}
	return p, nil
}

func (p *packWriter) discard() {
	p.f.Close()
	os.Remove(p.f.Name())
}

func (p *packWriter) add(h hash, stored []byte, size int) error {
	if _, err := p.w.Write(stored); err != nil {
		return unwritable(err)
	}
	p.hashes = append(p.hashes, h)
	p.places = append(p.places, place{offset: p.at, stored: uint32(len(stored)), size: uint32(size)})
	p.at += int64(len(stored))
	return nil
}

// finish makes the pack last, under its name.
func (p *packWriter) finish() (*pack, error) {
	index := make([]byte, 0, indexEntry*len(p.hashes)+packTail)
	for i, h := range p.hashes {
		at := p.places[i]
		index = binary.BigEndian.AppendUint64(append(index, h[:]...), uint64(at.offset))
		index = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(index, at.stored), at.size)
	}
	sum := sha256.Sum256(index)
	index = binary.BigEndian.AppendUint64(append(index, sum[:]...), uint64(len(p.hashes)))
	index = append(index, packMagic...)
	if _, err := p.w.Write(index); err != nil {
		return nil, unwritable(err)
	}
	if err := errors.Join(p.w.Flush(), p.f.Sync(), p.f.Close()); err != nil {
		return nil, unwritable(err)
	}
	to := &pack{filepath.Join(p.dir, hex.EncodeToString(sum[:16])+packSuffix), p.at + int64(len(index))}
	if err := errors.Join(os.Chmod(p.f.Name(), 0o400), os.Rename(p.f.Name(), to.path), syncDir(p.dir)); err != nil {
		return nil, unwritable(err)
	}
	for i := range p.places {
		p.places[i].pack = to
	}
	return to, nil
}

// readIndex gives the pieces of a pack.
func readIndex(path string, found func(h hash, at place)) error {
	f, err := os.Open(path)
	if err != nil {
		return unreadable(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return unreadable(err)
	}
	index, err := indexOf(f, info.Size())
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, filepath.Base(path)+" is damaged")
	}
	p := &pack{path, info.Size()}
	for ; len(index) > 0; index = index[indexEntry:] {
		found(hash(index[:32]), place{p, int64(binary.BigEndian.Uint64(index[32:])),
			binary.BigEndian.Uint32(index[40:]), binary.BigEndian.Uint32(index[44:])})
	}
	return nil
}

func indexOf(f io.ReaderAt, size int64) ([]byte, error) {
	bad := func(what string) error { return fault.New(fault.Corrupt, "%s", what) }
	tail := make([]byte, packTail)
	if size < int64(len(packMagic)+packTail) {
		return nil, bad("it is too short")
	}
	if _, err := f.ReadAt(tail, size-int64(packTail)); err != nil {
		return nil, unreadable(err)
	}
	if !strings.HasSuffix(string(tail), packMagic) {
		return nil, bad("it has no end")
	}
	count := binary.BigEndian.Uint64(tail[sha256.Size:])
	if count > packPieces || int64(count)*indexEntry > size-int64(len(packMagic)+packTail) {
		return nil, bad("its index is too large")
	}
	index := make([]byte, count*indexEntry)
	if _, err := f.ReadAt(index, size-int64(packTail)-int64(len(index))); err != nil {
		return nil, unreadable(err)
	}
	if sha256.Sum256(index) != [32]byte(tail[:32]) {
		return nil, bad("its index has changed")
	}
	return index, nil
}

// packReader reads pieces; it keeps the last pack open, for neighbours. It is not safe for concurrent use.
type packReader struct {
	codec *codec
	open  *os.File
	path  string
	room  []byte
	out   []byte
}

// read returns a piece, which is valid until the next call, and proves that it is the one of that name.
func (r *packReader) read(h hash, at place) ([]byte, error) {
	stored, err := r.stored(at)
	if err != nil {
		return nil, err
	}
	if r.out, err = r.codec.dec.DecodeAll(stored, r.out[:0]); err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, filepath.Base(at.pack.path)+" is damaged")
	}
	if sha256.Sum256(r.out) != h {
		return nil, fault.New(fault.Corrupt, "%s is damaged: a piece has changed", filepath.Base(at.pack.path))
	}
	return r.out, nil
}

// stored returns a piece as it lies in its pack, valid until the next call.
func (r *packReader) stored(at place) ([]byte, error) {
	if r.path != at.pack.path {
		r.close()
		f, err := os.Open(at.pack.path)
		if err != nil {
			return nil, unreadable(err)
		}
		r.open, r.path = f, at.pack.path
	}
	if at.offset < 0 || at.offset+int64(at.stored) > at.pack.bytes || at.size > maxPiece {
		return nil, fault.New(fault.Corrupt, "%s is damaged: a piece lies outside", filepath.Base(at.pack.path))
	}
	if cap(r.room) < int(at.stored) {
		r.room = make([]byte, at.stored)
	}
	r.room = r.room[:at.stored]
	if _, err := r.open.ReadAt(r.room, at.offset); err != nil {
		return nil, unreadable(err)
	}
	return r.room, nil
}

func (r *packReader) close() {
	if r.open != nil {
		r.open.Close()
		r.open, r.path = nil, ""
	}
}
