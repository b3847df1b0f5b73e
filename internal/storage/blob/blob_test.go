package blob_test

import (
	"testing"

	"postroad/internal/storage/blob/blobtest"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble"
)

func TestOnPebble(t *testing.T) {
	blobtest.Run(t, func(t testing.TB) kv.DB {
		db, err := pebble.Open(t.TempDir(), pebble.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	})
}
