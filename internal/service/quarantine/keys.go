package quarantine

import (
	"encoding/binary"

	"postroad/internal/fault"
	"postroad/internal/format/record"
	"postroad/internal/storage/kv"
)

// Partition is where the quarantine lies.
const Partition kv.Partition = 14 << 56

// Keys. Bytes are blobs of the entries' numbers.
const (
	keyHead   = 1 // -> version, last number given, bytes, entries
	keyEntry  = 2 // number (8 bytes, big-endian) -> Entry
	keyStaged = 3 // number -> when its bytes began to be stored (Unix microseconds): an entry that isn't there yet
)

func numbered(kind byte, number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kind}, number)
}

func numberOf(key []byte) uint64 { return binary.BigEndian.Uint64(key[1:]) }

// head sums up what is there.
type head struct{ given, bytes, entries uint64 }

func readHead(r kv.Reader) (h head, err error) {
	v, ok, err := r.Get([]byte{keyHead})
	if err != nil || !ok {
		return h, err
	}
	d := record.Decode(v, recordVersion)
	h = head{d.Uint(), d.Uint(), d.Uint()}
	if d.Bad() {
		err = fault.Wrap(fault.Corrupt, fault.New(fault.Corrupt, "quarantine: head"), "")
	}
	return h, err
}

func (h head) write(tx kv.Tx) error {
	b := []byte{recordVersion}
	for _, n := range []uint64{h.given, h.bytes, h.entries} {
		b = binary.AppendUvarint(b, n)
	}
	return tx.Set([]byte{keyHead}, b)
}
