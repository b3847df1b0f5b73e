package blob

import (
	"iter"

	"postroad/internal/storage/kv"
)

// Stat counts a blob's chunks and bytes, for the consistency checker. A blob that isn't
// there gives fault.NotFound, one with a gap or a short chunk before its last one
// fault.Corrupt.
func Stat(r kv.Reader, id ID) (n int, bytes int64, err error) {
	if err := checkID(id); err != nil {
		return 0, 0, err
	}
	lo, hi := chunkKey(id, 0), endKey(id)
	for p, err := range r.Scan(kv.Range{Lo: lo[:], Hi: hi[:]}) {
		if err != nil {
			return 0, 0, err
		}
		_, chunk, ok := parseKey(p.Key)
		if !ok || chunk != uint32(n) || bytes != int64(n)*ChunkSize || len(p.Value) > ChunkSize {
			return 0, 0, corrupt(id, "after %d chunks of %d bytes comes key %x with %d bytes", n, bytes, p.Key, len(p.Value))
		}
		n++
		bytes += int64(len(p.Value))
	}
	if n == 0 {
		return 0, 0, notFound(id)
	}
	return n, bytes, nil
}

// IDs lists the blobs of the partition in order, whole or not: for the consistency
// checker and the sweep of orphans.
func IDs(r kv.Reader) iter.Seq2[ID, error] {
	return func(yield func(ID, error) bool) {
		lo, hi := chunkKey(0, 0), endKey(MaxID)
		c, err := r.Cursor(lo[:], hi[:])
		if err != nil {
			yield(0, err)
			return
		}
		defer c.Close()
		p, ok, err := c.Seek(lo[:])
		for ok && err == nil {
			id, _, valid := parseKey(p.Key)
			if !valid {
				yield(0, corrupt(id, "strange key %x", p.Key))
				return
			}
			if !yield(id, nil) || id == MaxID {
				return
			}
			next := endKey(id)
			p, ok, err = c.Seek(next[:])
		}
		if err != nil {
			yield(0, err)
		}
	}
}
