// Package directorytest opens directories for tests: in memory, and with passwords that cost next to nothing.
package directorytest

import (
	"testing"

	"postroad/internal/model/directory"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble/pebbletest"
)

// Cheap are passwords' parameters that no server may have: a test signs somebody in within microseconds.
func Cheap() directory.HashParams {
	return directory.HashParams{MemoryKiB: 8, Time: 1, ScramIterations: 4096}
}

// Open opens a directory with domains, in a new store, which is closed when the test has cleaned up all that came later. What passwords
// cost, as o.Hash has it, doesn't count: they are Cheap.
func Open(t testing.TB, o directory.Options, domains ...string) (*directory.Directory, kv.DB) {
	t.Helper()
	db := pebbletest.Open(t)
	cheap := Cheap()
	o.Hash.MemoryKiB, o.Hash.Time, o.Hash.ScramIterations = cheap.MemoryKiB, cheap.Time, cheap.ScramIterations
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
