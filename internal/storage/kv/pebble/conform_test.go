package pebble_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/kvtest"
	"postroad/internal/storage/kv/pebble"
)

// The engine leaves a goroutine behind when it fails to open a store, as TestFaults makes
// it.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction(
		"github.com/cockroachdb/pebble/v2.(*ConcurrencyLimitScheduler).periodicGranter"))
}

// reopener is a store in memory.
type reopener struct {
	*pebble.DB
	options pebble.Options
}

func (r *reopener) Reopen() error {
	if err := r.DB.Close(); err != nil {
		return err
	}
	db, err := pebble.Open("db", r.options)
	r.DB = db
	return err
}

func opener(memtable int64) func(t testing.TB) kv.DB {
	return func(t testing.TB) kv.DB {
		r := &reopener{options: pebble.Options{FS: vfs.NewMem(), MemtableBytes: memtable}}
		db, err := pebble.Open("db", r.options)
		if err != nil {
			t.Fatal(err)
		}
		r.DB = db
		t.Cleanup(func() { _ = r.DB.Close() })
		return r
	}
}

func TestConformance(t *testing.T) { kvtest.Run(t, opener(0)) }

// With a tiny memtable everything is flushed, separated and compacted at once.
func TestConformanceCompacting(t *testing.T) { kvtest.Run(t, opener(128<<10)) }
