package kvtest

import (
	"bytes"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

var limitTests = map[string]func(*testing.T, kv.DB){
	"KeySizes":                  testKeySizes,
	"ValueSizes":                testValueSizes,
	"BatchSize":                 testBatchSize,
	"RefusedWriteFailsItsTx":    testRefusedWrite,
	"EmptyValueAndNilAreEqual":  testEmptyValue,
	"LimitsHoldInTheBulkArea":   testBulkLimits,
	"ReadersRefuseStrangeKeys":  testReadLimits,
	"BoundsMayBeASuccessor":     testLongBounds,
	"DeletionsCountForTheBatch": testDeletionsCount,
}

func testKeySizes(t *testing.T, db kv.DB) {
	for _, n := range []int{1, kv.MaxKey - 1, kv.MaxKey} {
		set(t, db, part, string(bytes.Repeat([]byte("k"), n)), "1")
	}
	for n, kind := range map[int]fault.Kind{0: fault.Invalid, kv.MaxKey + 1: fault.TooLarge, 1 << 20: fault.TooLarge} {
		key := make([]byte, n)
		for name, write := range map[string]func(kv.Tx) error{
			"Set":    func(tx kv.Tx) error { return tx.Set(key, nil) },
			"Put":    func(tx kv.Tx) error { return tx.Put(key, nil) },
			"Delete": func(tx kv.Tx) error { return tx.Delete(key) },
		} {
			err := db.Update(t.Context(), part, write)
			if !fault.Is(err, kind) {
				t.Errorf("%s with a key of %d bytes: %v, want %v", name, n, err, kind)
			}
		}
	}
}

func testReadLimits(t *testing.T, db kv.DB) {
	view(t, db, part, func(r kv.Reader) error {
		_, _, err := r.Get(nil)
		wantKind(t, "Get of the empty key", err, fault.Invalid)
		_, _, err = r.Get(make([]byte, kv.MaxKey+1))
		wantKind(t, "Get of a long key", err, fault.TooLarge)
		wantKind(t, "Scan to a very long bound", scanError(r, b("a"), make([]byte, 0)), fault.Invalid)
		wantKind(t, "Scan to a very long bound", scanError(r, b("a"), bytes.Repeat([]byte("b"), kv.MaxKey+2)), fault.TooLarge)
		return nil
	})
}

func testLongBounds(t *testing.T, db kv.DB) {
	key := bytes.Repeat([]byte("k"), kv.MaxKey)
	after := append(bytes.Clone(key), 0)
	set(t, db, part, string(key), "1")
	view(t, db, part, func(r kv.Reader) error {
		wantList(t, r, key, after, string(key)+"=1")
		return nil
	})
	update(t, db, part, func(tx kv.Tx) error { return tx.DeleteRange(key, after) })
	view(t, db, part, func(r kv.Reader) error {
		wantList(t, r, key, after)
		return nil
	})
}

func testValueSizes(t *testing.T, db kv.DB) {
	values := [][]byte{{}, {0}, make([]byte, 1000), bytes.Repeat([]byte{0xFF}, kv.MaxValue-1), bytes.Repeat([]byte{7}, kv.MaxValue)}
	for i, v := range values {
		for _, key := range [][]byte{{byte(i)}, bulk(string(rune(i)))} {
			update(t, db, part, func(tx kv.Tx) error { return tx.Set(key, v) })
			view(t, db, part, func(r kv.Reader) error {
				if got, ok, err := r.Get(key); !ok || err != nil || !bytes.Equal(got, v) {
					t.Errorf("a value of %d bytes came back with %d, %v, %v", len(v), len(got), ok, err)
				}
				return nil
			})
		}
	}
	err := db.Update(t.Context(), part, func(tx kv.Tx) error { return tx.Set(b("k"), make([]byte, kv.MaxValue+1)) })
	wantKind(t, "a value of MaxValue+1 bytes", err, fault.TooLarge)
}

func testBulkLimits(t *testing.T, db kv.DB) {
	err := db.Update(t.Context(), part, func(tx kv.Tx) error { return tx.Set(bulk("k"), make([]byte, 5*kv.MaxValue)) })
	wantKind(t, "a bulk value of 5*MaxValue bytes", err, fault.TooLarge)
}

// fillBatch writes exactly n bytes.
func fillBatch(tx kv.Tx, n int) error {
	value := make([]byte, kv.MaxValue)
	for i := 0; n > 0; i++ {
		key := bulk(string([]byte{byte(i >> 8), byte(i)}))
		v := value[:min(len(value), max(0, n-len(key)))]
		if n < len(key) {
			key = bulk("x")[:n]
		}
		if err := tx.Set(key, v); err != nil {
			return err
		}
		n -= len(key) + len(v)
	}
	return nil
}

func testBatchSize(t *testing.T, db kv.DB) {
	if testing.Short() {
		t.Skip("writes 64 MiB")
	}
	update(t, db, part, func(tx kv.Tx) error { return fillBatch(tx, kv.MaxBatch) })
	total := 0
	view(t, db, part, func(r kv.Reader) error {
		for p, err := range r.Scan(kv.Range{Lo: recordsEnd, Hi: bulkEnd}) {
			if err != nil {
				return err
			}
			total += len(p.Key) + len(p.Value)
		}
		return nil
	})
	if total != kv.MaxBatch {
		t.Errorf("of a batch of MaxBatch bytes %d are there", total)
	}
	err := db.Update(t.Context(), part+1, func(tx kv.Tx) error { return fillBatch(tx, kv.MaxBatch+1) })
	wantKind(t, "a batch of MaxBatch+1 bytes", err, fault.TooLarge)
	view(t, db, part+1, func(r kv.Reader) error {
		wantList(t, r, recordsEnd, bulkEnd)
		return nil
	})
}

func testDeletionsCount(t *testing.T, db kv.DB) {
	if testing.Short() {
		t.Skip("writes 64 MiB")
	}
	key := make([]byte, kv.MaxKey)
	err := db.Update(t.Context(), part, func(tx kv.Tx) error {
		for range kv.MaxBatch/kv.MaxKey + 1 {
			if err := tx.Delete(key); err != nil {
				return err
			}
		}
		return nil
	})
	wantKind(t, "too many deletions", err, fault.TooLarge)
}

func testRefusedWrite(t *testing.T, db kv.DB) {
	err := db.Update(t.Context(), part, func(tx kv.Tx) error {
		if err := tx.Set(b("a"), b("1")); err != nil {
			return err
		}
		_ = tx.Set(nil, nil) // a body can't overlook it
		return tx.Set(b("b"), b("1"))
	})
	wantKind(t, "a body that overlooks a refused write", err, fault.Invalid)
	view(t, db, part, func(r kv.Reader) error {
		wantList(t, r, b("a"), b("c"))
		return nil
	})
}

func testEmptyValue(t *testing.T, db kv.DB) {
	update(t, db, part, func(tx kv.Tx) error {
		if err := tx.Set(b("nil"), nil); err != nil {
			return err
		}
		if err := tx.Set(bulk("nil"), nil); err != nil {
			return err
		}
		return tx.Set(b("empty"), []byte{})
	})
	view(t, db, part, func(r kv.Reader) error {
		for _, k := range []string{"nil", "empty", "\xF0nil"} {
			if v, ok, err := r.Get(b(k)); len(v) != 0 || !ok || err != nil {
				t.Errorf("%q is %q, %v, %v", k, v, ok, err)
			}
		}
		wantList(t, r, b("a"), b("z"), "empty=", "nil=")
		return nil
	})
}
