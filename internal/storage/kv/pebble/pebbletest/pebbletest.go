// Package pebbletest opens stores for tests, in memory.
package pebbletest

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble"
)

// Open opens a new store, which is closed when the test has cleaned up all that came later, unless the test has closed it itself.
func Open(t testing.TB) kv.DB {
	t.Helper()
	db, err := pebble.Open("store", pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil && !fault.Is(err, fault.Unavailable) {
			t.Error(err)
		}
	})
	return db
}
