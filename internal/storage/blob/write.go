package blob

import (
	"context"
	"errors"
	"io"
	"sync"

	"postroad/internal/fault"
	"postroad/internal/fault/spoil"
	"postroad/internal/storage/kv"
)

// stageSize is how much of a blob one lazy transaction writes: a bit less than 1 MiB,
// above which the engine doesn't use its buffers again.
const stageSize = 7 * ChunkSize

var (
	chunkBuffers = sync.Pool{New: func() any { return new([ChunkSize]byte) }}
	stageBuffers = sync.Pool{New: func() any { return new([stageSize]byte) }}
)

// Put writes a blob of at most MaxPut bytes in the caller's transaction. It reads exactly
// size bytes of r: r should not wait for anything slow, since the partition waits with
// it. If r ends early, Put fails with fault.Invalid and the body must return the error:
// part of the blob has been written.
func Put(tx kv.Tx, id ID, r io.Reader, size int64) error {
	if err := errors.Join(checkID(id), checkSize(size, MaxPut)); err != nil {
		return err
	}
	buf := chunkBuffers.Get().(*[ChunkSize]byte)
	defer chunkBuffers.Put(buf)
	defer spoil.Bytes(buf[:])
	for n := range chunks(size) {
		chunk := buf[:chunkLen(size, n)]
		if err := fill(r, chunk); err != nil {
			return err
		}
		k := chunkKey(id, n)
		if err := tx.Set(k[:], chunk); err != nil {
			return err
		}
	}
	return nil
}

// fill reads a whole chunk.
func fill(r io.Reader, p []byte) error {
	_, err := io.ReadFull(r, p)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fault.Wrap(fault.Invalid, io.ErrUnexpectedEOF, "the content is shorter than announced")
	}
	return err
}

// PutBytes writes a blob that is the concatenation of parts, together at most MaxPut
// bytes. Only chunks that several parts share are joined first.
func PutBytes(tx kv.Tx, id ID, parts ...[]byte) error {
	var size int64
	for _, p := range parts {
		size += int64(len(p))
	}
	if err := errors.Join(checkID(id), checkSize(size, MaxPut)); err != nil {
		return err
	}
	g := gather{parts: parts}
	defer g.free()
	for n := range chunks(size) {
		k := chunkKey(id, n)
		if err := tx.Set(k[:], g.next(chunkLen(size, n))); err != nil {
			return err
		}
	}
	return nil
}

// PutChunk is PutBytes for a new blob of one chunk at most, which the same transaction doesn't read.
func PutChunk(tx kv.Tx, id ID, data []byte) error {
	if err := errors.Join(checkID(id), checkSize(int64(len(data)), ChunkSize)); err != nil {
		return err
	}
	k := chunkKey(id, 0)
	return tx.Put(k[:], data)
}

// gather gives out the bytes of its parts one after the other.
type gather struct {
	parts [][]byte // those not begun
	rest  []byte   // of the part begun last
	buf   *[ChunkSize]byte
}

// next returns the next n bytes, which must be there. They are valid until the next call.
func (g *gather) next(n int) []byte {
	for len(g.rest) == 0 && n > 0 {
		g.rest, g.parts = g.parts[0], g.parts[1:]
	}
	if len(g.rest) >= n {
		p := g.rest[:n]
		g.rest = g.rest[n:]
		return p
	}
	return g.join(n)
}

func (g *gather) join(n int) []byte {
	if g.buf == nil {
		g.buf = chunkBuffers.Get().(*[ChunkSize]byte)
	}
	for filled := 0; ; {
		m := copy(g.buf[filled:n], g.rest)
		g.rest = g.rest[m:]
		if filled += m; filled == n {
			return g.buf[:n]
		}
		g.rest, g.parts = g.parts[0], g.parts[1:]
	}
}

func (g *gather) free() {
	if g.buf != nil {
		spoil.Bytes(g.buf[:])
		chunkBuffers.Put(g.buf)
	}
}

// Stage writes a blob of any size up to MaxSize ahead of the transaction that will refer
// to it, in steps that cost no sync. It becomes durable with that transaction. A blob
// that was staged and is never referred to is an orphan: see IDs.
//
// Stage reads exactly size bytes of r, outside of any transaction. If it fails, it
// removes what it has written, as far as it can.
func Stage(ctx context.Context, db kv.DB, p kv.Partition, id ID, r io.Reader, size int64) error {
	if err := errors.Join(checkID(id), checkSize(size, MaxSize)); err != nil {
		return err
	}
	err := stage(ctx, db, p, id, r, size)
	if err != nil {
		// Whatever comes of it, the sweep finds the rest.
		_ = db.SubmitLazy(context.WithoutCancel(ctx), p, func(tx kv.Tx) error { return Purge(tx, id) })
	}
	return err
}

func stage(ctx context.Context, db kv.DB, p kv.Partition, id ID, r io.Reader, size int64) error {
	buf := stageBuffers.Get().(*[stageSize]byte)
	defer stageBuffers.Put(buf)
	defer spoil.Bytes(buf[:])
	for first, total := uint32(0), chunks(size); first < total; first += stageSize / ChunkSize {
		step := buf[:min(stageSize, size-int64(first)*ChunkSize)]
		if err := fill(r, step); err != nil {
			return err
		}
		err := db.SubmitLazy(ctx, p, func(tx kv.Tx) error { return setChunks(tx, id, first, step) })
		if err != nil {
			return err
		}
	}
	return nil
}

// setChunks writes data as the chunks of id from n on.
func setChunks(tx kv.Tx, id ID, n uint32, data []byte) error {
	for {
		chunk := data[:min(ChunkSize, len(data))]
		k := chunkKey(id, n)
		if err := tx.Set(k[:], chunk); err != nil {
			return err
		}
		data = data[len(chunk):]
		n++
		if len(data) == 0 {
			return nil
		}
	}
}

// inTx is how many chunks a blob can have that was written in one transaction.
const inTx = MaxPut / ChunkSize

// Delete removes a blob whose size isn't known; a missing one is no error. If the blob is
// damaged, chunks behind a gap may stay: see Purge.
func Delete(tx kv.Tx, id ID) error {
	if err := checkID(id); err != nil {
		return err
	}
	// A missing key is found out without reading anything; so only few blobs are looked
	// at twice.
	for _, n := range []uint32{1, inTx} {
		k := chunkKey(id, n)
		if _, more, err := tx.Get(k[:]); err != nil {
			return err
		} else if !more {
			return deleteChunks(tx, id, n)
		}
	}
	return Purge(tx, id)
}

// DeleteSized removes a blob of size bytes; a missing one is no error. It is Delete for
// those who know, and looks at nothing.
func DeleteSized(tx kv.Tx, id ID, size int64) error {
	if err := errors.Join(checkID(id), checkSize(size, MaxSize)); err != nil {
		return err
	}
	if n := chunks(size); n <= inTx {
		return deleteChunks(tx, id, n)
	}
	return Purge(tx, id)
}

func deleteChunks(tx kv.Tx, id ID, count uint32) error {
	for n := range count {
		k := chunkKey(id, n)
		if err := tx.Delete(k[:]); err != nil {
			return err
		}
	}
	return nil
}

// Purge removes all that there is of a blob, be it damaged. It deletes a range, of which
// an engine can't bear many: a thousand in one transaction take a thousand times as long
// to read past as one.
func Purge(tx kv.Tx, id ID) error {
	if err := checkID(id); err != nil {
		return err
	}
	lo, hi := chunkKey(id, 0), endKey(id)
	return tx.DeleteRange(lo[:], hi[:])
}
