package pebble

import (
	"context"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

func TestSecondOpenIsInUse(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !fault.Is(err, fault.InUse) {
		t.Errorf("second Open: %v, want a fault of kind InUse", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err = Open(dir, Options{})
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRoundTrip(t *testing.T) {
	ctx := context.Background()
	db, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Update(ctx, 7, func(tx kv.Tx) error { return tx.Set([]byte("a"), []byte("1")) })
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(ctx, 7, func(r kv.Reader) error {
		if v, ok, err := r.Get([]byte("a")); string(v) != "1" || !ok || err != nil {
			t.Errorf("Get: %q, %v, %v", v, ok, err)
		}
		for p, err := range r.Scan(kv.Range{Lo: []byte("a"), Hi: []byte("b")}) {
			t.Logf("%q=%q %v", p.Key, p.Value, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if ps, err := db.Partitions(ctx, 0, ^kv.Partition(0)); len(ps) != 1 || ps[0] != 7 || err != nil {
		t.Errorf("Partitions: %v, %v", ps, err)
	}
}
