// Package directorytest opens directories for tests: in memory, and with passwords that cost next to nothing.
package directorytest

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/model/directory"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble"
)

// Cheap are passwords' parameters that no server may have: a test signs somebody in within microseconds.
func Cheap() directory.HashParams {
	return directory.HashParams{MemoryKiB: 8, Time: 1, ScramIterations: 4096}
}

// Open opens a directory with domains, in a new store, which is closed when the test has cleaned up all that came later. Of o.Hash only
// Recoverable counts: passwords are Cheap.
func Open(t testing.TB, o directory.Options, domains ...string) (*directory.Directory, kv.DB) {
	t.Helper()
	db, err := pebble.Open("store", pebble.Options{FS: vfs.NewMem()})
	check(t, err)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	recoverable := o.Hash.Recoverable
	o.Hash = Cheap()
	o.Hash.Recoverable = recoverable
	dir, err := directory.Open(t.Context(), db, o)
	check(t, err)
	for _, d := range domains {
		_, err := dir.AddDomain(t.Context(), d)
		check(t, err)
	}
	return dir, db
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
