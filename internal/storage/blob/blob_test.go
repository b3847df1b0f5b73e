package blob_test

import (
	"testing"

	"go.uber.org/goleak"

	"postroad/internal/storage/blob/blobtest"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble"
)

// The engine leaves a goroutine behind when it fails to open a store, as failing disks
// make it.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction(
		"github.com/cockroachdb/pebble/v2.(*ConcurrencyLimitScheduler).periodicGranter"))
}

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
