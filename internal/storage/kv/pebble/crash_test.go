package pebble_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/kvtest"
	"postroad/internal/storage/kv/pebble"
)

// history runs on a store that flushes and compacts while the workload runs.
func history() kvtest.Trial[kvtest.Step] {
	return kvtest.History(func(fs vfs.FS) (kv.DB, error) {
		return pebble.Open("data/db", pebble.Options{FS: fs, MemtableBytes: 32 << 10, SpareLogs: 2})
	})
}

func TestCrash(t *testing.T) {
	tr := history()
	tr.Points = 100
	if testing.Short() {
		tr.Points = 20
	}
	kvtest.CrashPoints(t, tr)
}

func TestFaults(t *testing.T) { kvtest.FaultPoints(t, history()) }
