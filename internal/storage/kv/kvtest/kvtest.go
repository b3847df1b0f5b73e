// Package kvtest proves an engine against the kv contract: sentence by sentence (Run), by
// comparison with a plain map, and by cutting the power and failing the disk
// (CrashPoints, FaultPoints), which tests of models use too.
package kvtest

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// Reopener is a store in a test that can be closed and opened again.
type Reopener interface {
	kv.DB
	// Reopen closes the store and opens it again, with what it holds.
	Reopen() error
}

// Run runs all conformance tests on stores that open makes. A store is new and empty;
// open's own cleanup closes it, and must not mind that a test has closed it before. If it
// is a Reopener, the model test reopens it now and then.
func Run(t *testing.T, open func(testing.TB) kv.DB) {
	for _, group := range []map[string]func(*testing.T, kv.DB){orderTests, limitTests, readTests, writeTests, concurrencyTests, bellTests, lifeTests, snapshotTests} {
		for name, test := range group {
			t.Run(name, func(t *testing.T) { test(t, open(t)) })
		}
	}
	t.Run("Model", func(t *testing.T) { testModel(t, open) })
}

const part kv.Partition = 5

func b(s string) []byte { return []byte(s) }

// bulk makes a key of the bulk area.
func bulk(s string) []byte { return append([]byte{kv.BulkPrefix}, s...) }

func update(t testing.TB, db kv.DB, p kv.Partition, fn func(kv.Tx) error) {
	t.Helper()
	if err := db.Update(context.Background(), p, fn); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func view(t testing.TB, db kv.DB, p kv.Partition, fn func(kv.Reader) error) {
	t.Helper()
	if err := db.View(context.Background(), p, fn); err != nil {
		t.Fatalf("View: %v", err)
	}
}

func set(t testing.TB, db kv.DB, p kv.Partition, key, value string) {
	t.Helper()
	update(t, db, p, func(tx kv.Tx) error { return tx.Set(b(key), b(value)) })
}

// get returns the value of key, "-" if there is none.
func get(t testing.TB, r kv.Reader, key string) string {
	t.Helper()
	v, ok, err := r.Get(b(key))
	if err != nil {
		t.Errorf("Get %q: %v", key, err)
	}
	if !ok {
		return "-"
	}
	return string(v)
}

func wantGet(t testing.TB, r kv.Reader, key, want string) {
	t.Helper()
	if got := get(t, r, key); got != want {
		t.Errorf("%q is %q, want %q", key, got, want)
	}
}

func wantKind(t testing.TB, what string, err error, kind fault.Kind) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Errorf("%s: %v, want a fault of kind %v", what, err, kind)
	}
}

// list scans a range and returns "key=value" in the order they came.
func list(t testing.TB, r kv.Reader, lo, hi []byte, reverse bool) (all []string) {
	t.Helper()
	for p, err := range r.Scan(kv.Range{Lo: lo, Hi: hi, Reverse: reverse}) {
		if err != nil {
			t.Errorf("Scan %q to %q: %v", lo, hi, err)
			return all
		}
		all = append(all, string(p.Key)+"="+string(p.Value))
	}
	return all
}

func wantList(t testing.TB, r kv.Reader, lo, hi []byte, want ...string) {
	t.Helper()
	if got := list(t, r, lo, hi, false); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("from %q to %q are %q, want %q", lo, hi, got, want)
	}
}

// scanError returns the error that a scan ends with.
func scanError(r kv.Reader, lo, hi []byte) error {
	for p, err := range r.Scan(kv.Range{Lo: lo, Hi: hi}) {
		if err != nil {
			if p.Key != nil || p.Value != nil {
				return fmt.Errorf("a pair beside an error: %w", err)
			}
			return err
		}
	}
	return nil
}

// recordsEnd and bulkEnd are behind all keys of an area.
var (
	recordsEnd = []byte{kv.BulkPrefix}
	bulkEnd    = bytes.Repeat([]byte{0xFF}, kv.MaxKey+1)
)
