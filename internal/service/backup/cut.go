package backup

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/fnv"

	"postroad/internal/storage/kv"
)

// shape says how large blocks are, in bytes of keys and values: at least least, unless the stretch ends;
// some target on average; and not above most by more than a pair.
type shape struct{ least, target, most int }

var (
	recordShape = shape{64 << 10, 256 << 10, 1 << 20}
	bulkShape   = shape{256 << 10, 1 << 20, 4 << 20}
)

// ends reports whether a block of so many bytes ends behind a key that it has just taken in. It depends on
// nothing but keys and sizes in the block, and nearly always on the last key alone: so blocks
// behind a change find back to their old bounds.
func (s shape) ends(block int, key []byte, size int) bool {
	if block < s.least {
		return false
	}
	return block >= s.most || spread(key) < uint64(len(key)+size)*(^uint64(0)/uint64(s.target))
}

// spread is a number that is as good as random, made of a key.
func spread(key []byte) uint64 {
	f := fnv.New64a()
	f.Write(key)
	h := f.Sum64() // whose upper bits hardly depend on the key's end
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// keysDigest gathers the digest of a block of messages.
type keysDigest struct {
	room  []byte
	first []byte // key
	last  []byte
	size  int
	keys  int64
}

func (d *keysDigest) add(s kv.Sized) {
	if d.keys == 0 {
		d.first = append(d.first[:0], s.Key...)
	}
	d.last = append(d.last[:0], s.Key...)
	d.room = binary.AppendUvarint(append(binary.AppendUvarint(d.room, uint64(len(s.Key))), s.Key...), uint64(s.Size))
	d.size += len(s.Key) + s.Size
	d.keys++
}

func (d *keysDigest) sum() (out digest) {
	h := sha256.Sum256(d.room)
	copy(out[:], h[:])
	return out
}

func (d *keysDigest) reset() { d.room, d.size, d.keys = d.room[:0], 0, 0 }
