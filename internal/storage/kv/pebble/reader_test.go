package pebble

import (
	"fmt"
	"strings"
	"testing"

	"postroad/internal/storage/kv"
)

// TestManySmallReadsHoldLittle: a reader that looks at many small records doesn't keep the blocks in memory that they lie
// in, and what it gave out stays right.
func TestManySmallReadsHoldLittle(t *testing.T) {
	db := open(t, t.TempDir(), Options{})
	const n = 3000
	key := func(i int) []byte { return fmt.Appendf(nil, "k%d", i) }
	value := func(i int) string { return strings.Repeat(fmt.Sprint(i, " "), i%250) }
	if err := db.Update(t.Context(), 1, func(tx kv.Tx) error {
		for i := range n {
			if err := tx.Set(key(i), []byte(value(i))); err != nil {
				return err
			}
		}
		return tx.Set([]byte("large"), make([]byte, copyUpTo+1))
	}); err != nil {
		t.Fatal(err)
	}
	look := func(r kv.Reader, inner *reader) error {
		got := make([][]byte, n)
		held := 1
		for i := range n {
			v, ok, err := r.Get(key(i))
			if err != nil || !ok {
				t.Fatal(i, ok, err)
			}
			got[i] = v
			if len(v) > copyUpTo {
				held++
			}
		}
		if _, ok, err := r.Get([]byte("large")); !ok || err != nil {
			t.Fatal(ok, err)
		}
		for i, v := range got {
			if string(v) != value(i) {
				t.Fatalf("value %d is %q", i, v)
			}
		}
		if len(inner.held) != held {
			t.Errorf("%d values are held, not %d", len(inner.held), held)
		}
		return nil
	}
	if err := db.View(t.Context(), 1, func(r kv.Reader) error { return look(r, r.(*reader)) }); err != nil {
		t.Error(err)
	}
	if err := db.Update(t.Context(), 1, func(x kv.Tx) error { return look(x, &x.(*tx).reader) }); err != nil {
		t.Error(err)
	}
}
