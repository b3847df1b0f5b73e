package blob

import (
	"iter"

	"postroad/internal/storage/kv"
)

// Stored is what the partition has of one blob.
type Stored struct {
	ID ID
	// Chunks and Bytes are those that there are, up to the first damage.
	Chunks int
	Bytes  int64
	// Damage is nil, or fault.Corrupt: there is a gap, or a short chunk before the last one.
	Damage error
}

// All lists the blobs of the partition in order, whole or not, for consistency checkers. It reads every chunk, once,
// and ends with an error at the first that can't be read.
func All(r kv.Reader) iter.Seq2[Stored, error] {
	lo, hi := Keys()
	return within(r, lo, hi)
}

// Stat tells of one blob. Errors: fault.NotFound, there is nothing of it, and what reading gives, as fault.Corrupt for a damaged disk.
func Stat(r kv.Reader, id ID) (Stored, error) {
	if err := checkID(id); err != nil {
		return Stored{}, err
	}
	lo, end := chunkKey(id, 0), endKey(id)
	hi := end[:]
	if id == MaxID { // a key may be shorter than those of blobs
		_, hi = Keys()
	}
	for s, err := range within(r, lo[:], hi) {
		return s, err
	}
	return Stored{}, notFound(id)
}

func within(r kv.Reader, lo, hi []byte) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		var s Stored
		begun := false
		for p, err := range r.Scan(kv.Range{Lo: lo, Hi: hi}) {
			id, chunk, valid := parseKey(p.Key)
			if err == nil && !valid {
				err = corrupt(id, "strange key %x", p.Key)
			}
			if err != nil {
				yield(Stored{}, err)
				return
			}
			if begun && id != s.ID {
				if !yield(s, nil) {
					return
				}
				begun = false
			}
			if !begun {
				s, begun = Stored{ID: id}, true
			}
			s.add(chunk, len(p.Value))
		}
		if begun {
			yield(s, nil)
		}
	}
}

// add takes the next chunk that there is.
func (s *Stored) add(chunk uint32, n int) {
	switch {
	case s.Damage != nil:
	case chunk != uint32(s.Chunks) || s.Bytes != int64(s.Chunks)*ChunkSize || n > ChunkSize:
		s.Damage = corrupt(s.ID, "after %d chunks of %d bytes comes chunk %d with %d bytes", s.Chunks, s.Bytes, chunk, n)
	default:
		s.Chunks++
		s.Bytes += int64(n)
	}
}
