package backup

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// hash names a piece: the SHA-256 of what it holds.
type hash [sha256.Size]byte

func (h hash) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h[:])), nil }

func (h *hash) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(h) {
		return fault.New(fault.Corrupt, "%q names no piece", text)
	}
	copy(h[:], b)
	return nil
}

// A block holds pairs, each as: the key's length, the key, the value's length, the value. Lengths are LEB128.
func appendPair(b []byte, p kv.Pair) []byte {
	b = binary.AppendUvarint(b, uint64(len(p.Key)))
	b = append(b, p.Key...)
	b = binary.AppendUvarint(b, uint64(len(p.Value)))
	return append(b, p.Value...)
}

// eachPair reads a block. Pairs are slices of it.
func eachPair(block []byte, fn func(kv.Pair) error) error {
	for len(block) > 0 {
		var p kv.Pair
		var ok bool
		if p.Key, block, ok = cutField(block); !ok {
			return errBlock
		}
		if p.Value, block, ok = cutField(block); !ok {
			return errBlock
		}
		if err := fn(p); err != nil {
			return err
		}
	}
	return nil
}

var errBlock = fault.New(fault.Corrupt, "a block of the backup makes no sense")

func cutField(b []byte) (field, rest []byte, ok bool) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return nil, nil, false
	}
	return b[w:][:n], b[w:][n:], true
}

// entry is a block in a partition's list.
type entry struct {
	hash hash
	keys int64
	size int64 // of keys and values
	// digest tells blocks of messages that have the same keys, with values of the same size; zero for others.
	digest digest
}

type digest [16]byte

// A list is a version byte, the number of entries, and the entries.
const listVersion = 1

func encodeList(entries []entry) []byte {
	b := append(make([]byte, 0, 8+56*len(entries)), listVersion)
	b = binary.AppendUvarint(b, uint64(len(entries)))
	for _, e := range entries {
		b = append(b, e.hash[:]...)
		b = binary.AppendUvarint(b, uint64(e.keys))
		b = binary.AppendUvarint(b, uint64(e.size))
		b = append(b, e.digest[:]...)
	}
	return b
}

func decodeList(b []byte) ([]entry, error) {
	bad := fault.New(fault.Corrupt, "a list of the backup makes no sense")
	if len(b) == 0 || b[0] != listVersion {
		return nil, bad
	}
	count, w := binary.Uvarint(b[1:])
	if w <= 0 || count > uint64(len(b)) {
		return nil, bad
	}
	b = b[1+w:]
	entries := make([]entry, count)
	for i := range entries {
		e := &entries[i]
		if len(b) < len(e.hash) {
			return nil, bad
		}
		b = b[copy(e.hash[:], b):]
		for _, n := range []*int64{&e.keys, &e.size} {
			v, w := binary.Uvarint(b)
			if w <= 0 || v > 1<<62 {
				return nil, bad
			}
			*n, b = int64(v), b[w:]
		}
		if len(b) < len(e.digest) {
			return nil, bad
		}
		b = b[copy(e.digest[:], b):]
	}
	if len(b) > 0 {
		return nil, bad
	}
	return entries, nil
}
