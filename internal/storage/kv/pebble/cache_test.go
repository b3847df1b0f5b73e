package pebble

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/storage/kv"
)

// TestCacheKeeps: what is read again comes from the cache, also when as much has been written as the cache is large.
func TestCacheKeeps(t *testing.T) {
	const size = 4 << 20
	db, err := Open("db", Options{FS: vfs.NewMem(), CacheBytes: size, MemtableBytes: size})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rng := rand.New(rand.NewPCG(1, 1))
	value := make([]byte, 1000)
	for i := range 8 << 10 {
		for k := range value {
			value[k] = byte(rng.Uint32())
		}
		err := db.SubmitLazy(t.Context(), 1, func(tx kv.Tx) error { return tx.Set(binary.BigEndian.AppendUint32([]byte("k"), uint32(i)), value) })
		if err != nil {
			t.Fatal(err)
		}
	}
	read := func() int64 {
		before := db.Stats().CacheMisses
		err := db.View(t.Context(), 1, func(r kv.Reader) error {
			for i := range 100 {
				if _, ok, err := r.Get(binary.BigEndian.AppendUint32([]byte("k"), uint32(i))); err != nil || !ok {
					t.Errorf("key %d: %v, %v", i, ok, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return db.Stats().CacheMisses - before
	}
	first, again := read(), int64(0)
	for range 50 { // until no compaction comes between
		if again = read(); again <= first/10 {
			return
		}
	}
	t.Errorf("%d blocks were read, then %d again", first, again)
}
