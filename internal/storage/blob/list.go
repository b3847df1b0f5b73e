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

// All lists the blobs of the partition in order, whole or not, for consistency checkers. It reads every chunk, once.
func All(r kv.Reader) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		lo, hi := Keys()
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
