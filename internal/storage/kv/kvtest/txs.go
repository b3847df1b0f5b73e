package kvtest

import (
	"context"
	"errors"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

var readTests = map[string]func(*testing.T, kv.DB){
	"MissingKey":               testMissing,
	"SnapshotIsStable":         testSnapshot,
	"ViewReturnsTheBodysError": testViewError,
	"GetSurvivesOtherReads":    testGetLifetime,
	"PartitionsAreIsolated":    testIsolation,
	"ViewCanceled":             testViewCanceled,
}

var writeTests = map[string]func(*testing.T, kv.DB){
	"OwnWritesAreVisible": testOwnWrites,
	"LastWriteWins":       testLastWriteWins,
	"RollbackOnError":     testRollback,
	"RollbackOnPanic":     testPanic,
	"DeleteRange":         testDeleteRange,
	"SetCopies":           testSetCopies,
	"Put":                 testPut,
	"Generation":          testGeneration,
	"LazyThenSynced":      testLazy,
	"SubmitThenWait":      testSubmit,
	"TxWithoutWrites":     testNoWrites,
}

func testMissing(t *testing.T, db kv.DB) {
	look := func(r kv.Reader) error {
		if v, ok, err := r.Get(b("x")); v != nil || ok || err != nil {
			t.Errorf("a missing key gives %q, %v, %v", v, ok, err)
		}
		return nil
	}
	view(t, db, part, look)
	update(t, db, part, func(tx kv.Tx) error { return look(tx) })
	update(t, db, part, func(tx kv.Tx) error { return tx.Delete(b("x")) })
	view(t, db, part, look)
}

func testSnapshot(t *testing.T, db kv.DB) {
	set(t, db, part, "a", "1")
	set(t, db, part, "\xF0a", "1")
	view(t, db, part, func(r kv.Reader) error {
		wantGet(t, r, "a", "1")
		update(t, db, part, func(tx kv.Tx) error { // a view doesn't keep out writers
			return errors.Join(tx.Set(b("a"), b("2")), tx.Set(b("b"), b("2")), tx.Delete(bulk("a")))
		})
		wantGet(t, r, "a", "1")
		wantGet(t, r, "b", "-")
		wantGet(t, r, "\xF0a", "1")
		wantList(t, r, b("a"), b("z"), "a=1")
		view(t, db, part, func(r2 kv.Reader) error {
			wantList(t, r2, b("a"), b("z"), "a=2", "b=2")
			wantGet(t, r2, "\xF0a", "-")
			return nil
		})
		return nil
	})
}

func testViewError(t *testing.T, db kv.DB) {
	boom := errors.New("boom")
	if err := db.View(t.Context(), part, func(kv.Reader) error { return boom }); err != boom {
		t.Errorf("View returned %v, want the body's error as it is", err)
	}
}

func testGetLifetime(t *testing.T, db kv.DB) {
	for i := range 100 {
		set(t, db, part, string(rune('A'+i)), string(rune('A'+i)))
	}
	use := func(r kv.Reader) error {
		var values [][]byte
		for i := range 100 {
			v, _, err := r.Get(b(string(rune('A' + i))))
			if err != nil {
				return err
			}
			values = append(values, v)
			list(t, r, b("A"), b("C"), false)
		}
		for i, v := range values {
			if string(v) != string(rune('A'+i)) {
				t.Errorf("value %d became %q by later reads", i, v)
			}
		}
		return nil
	}
	view(t, db, part, use)
	update(t, db, part, func(tx kv.Tx) error {
		v, _, err := tx.Get(b("A"))
		if err != nil {
			return err
		}
		if err := tx.Set(b("A"), b("changed")); err != nil {
			return err
		}
		w, _, err := tx.Get(b("A"))
		if err != nil {
			return err
		}
		for range 1000 {
			if err := tx.Set(b("grow"), make([]byte, 1000)); err != nil {
				return err
			}
		}
		if string(v) != "A" || string(w) != "changed" {
			t.Errorf("values became %q and %q by later writes", v, w)
		}
		return use2(t, tx)
	})
}

// use2 reads a key that the transaction has written, twice.
func use2(t *testing.T, tx kv.Tx) error {
	wantGet(t, tx, "A", "changed")
	wantGet(t, tx, "A", "changed")
	return errors.Join(tx.Set(b("A"), b("A")), tx.Delete(b("grow")))
}

func testIsolation(t *testing.T, db kv.DB) {
	for _, p := range []kv.Partition{0, 1, part, 1 << 63, ^kv.Partition(0)} {
		for _, key := range []string{"k", "\x00", "\xF0k", "\xFF"} {
			set(t, db, p, key, string(rune(p&0xFF))+key)
		}
	}
	update(t, db, part, func(tx kv.Tx) error {
		return errors.Join(tx.DeleteRange(nil, recordsEnd), tx.DeleteRange(recordsEnd, bulkEnd))
	})
	for _, p := range []kv.Partition{0, 1, 1 << 63, ^kv.Partition(0)} {
		view(t, db, p, func(r kv.Reader) error {
			x := string(rune(p & 0xFF))
			wantList(t, r, nil, recordsEnd, "\x00="+x+"\x00", "k="+x+"k")
			wantList(t, r, recordsEnd, bulkEnd, "\xF0k="+x+"\xF0k", "\xFF="+x+"\xFF")
			return nil
		})
	}
}

func testViewCanceled(t *testing.T, db kv.DB) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := db.View(ctx, part, func(kv.Reader) error { t.Error("the body ran"); return nil })
	wantKind(t, "View with a dead context", err, fault.Canceled)
}

func testOwnWrites(t *testing.T, db kv.DB) {
	set(t, db, part, "a", "1")
	set(t, db, part, "b", "1")
	update(t, db, part, func(tx kv.Tx) error {
		if err := errors.Join(tx.Set(b("a"), b("2")), tx.Delete(b("b")), tx.Set(b("c"), b("2")), tx.Set(bulk("c"), b("2"))); err != nil {
			return err
		}
		wantGet(t, tx, "a", "2")
		wantGet(t, tx, "b", "-")
		wantGet(t, tx, "\xF0c", "2")
		wantList(t, tx, b("a"), b("z"), "a=2", "c=2")
		if err := tx.DeleteRange(b("a"), b("c")); err != nil {
			return err
		}
		wantList(t, tx, b("a"), b("z"), "c=2")
		wantGet(t, tx, "a", "-")
		if err := tx.Set(b("a"), b("3")); err != nil {
			return err
		}
		wantList(t, tx, b("a"), b("z"), "a=3", "c=2")
		view(t, db, part, func(r kv.Reader) error { // nobody else sees them yet
			wantList(t, r, b("a"), b("z"), "a=1", "b=1")
			return nil
		})
		return nil
	})
	view(t, db, part, func(r kv.Reader) error {
		wantList(t, r, b("a"), b("z"), "a=3", "c=2")
		return nil
	})
}

func testLastWriteWins(t *testing.T, db kv.DB) {
	update(t, db, part, func(tx kv.Tx) error {
		return errors.Join(
			tx.Set(b("a"), b("1")), tx.Set(b("a"), b("2")),
			tx.Set(b("b"), b("1")), tx.Delete(b("b")),
			tx.Delete(b("c")), tx.Set(b("c"), b("1")),
			tx.Set(b("d"), b("1")), tx.DeleteRange(b("d"), b("e")),
			tx.DeleteRange(b("e"), b("f")), tx.Set(b("e"), b("1")))
	})
	view(t, db, part, func(r kv.Reader) error {
		wantList(t, r, b("a"), b("z"), "a=2", "c=1", "e=1")
		return nil
	})
}

func testRollback(t *testing.T, db kv.DB) {
	boom := errors.New("boom")
	body := func(tx kv.Tx) error { return errors.Join(tx.Set(b("a"), b("1")), boom) }
	if err := db.Update(t.Context(), part, func(tx kv.Tx) error { _ = body(tx); return boom }); err != boom {
		t.Errorf("Update returned %v, want the body's error as it is", err)
	}
	if c, err := db.Submit(t.Context(), part, body); !errors.Is(err, boom) || c != nil {
		t.Errorf("Submit returned %v, %v, want the body's error", c, err)
	}
	if err := db.SubmitLazy(t.Context(), part, body); !errors.Is(err, boom) {
		t.Errorf("SubmitLazy returned %v, want the body's error", err)
	}
	view(t, db, part, func(r kv.Reader) error { wantGet(t, r, "a", "-"); return nil })
	set(t, db, part, "b", "1") // the partition is free
}

func testPanic(t *testing.T, db kv.DB) {
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a body's panic was swallowed")
			}
		}()
		_ = db.Update(context.Background(), part, func(tx kv.Tx) error {
			_ = tx.Set(b("a"), b("1"))
			panic("boom")
		})
	}()
	func() {
		defer func() { _ = recover() }()
		_ = db.View(context.Background(), part, func(kv.Reader) error { panic("boom") })
	}()
	view(t, db, part, func(r kv.Reader) error { wantGet(t, r, "a", "-"); return nil })
	set(t, db, part, "b", "1") // the partition is free
}

func testDeleteRange(t *testing.T, db kv.DB) {
	for _, prefix := range []string{"", "\xF0"} {
		for _, k := range []string{"a", "b", "b\x00", "c"} {
			set(t, db, part, prefix+k, "1")
		}
		update(t, db, part, func(tx kv.Tx) error { return tx.DeleteRange(b(prefix+"b"), b(prefix+"c")) })
		view(t, db, part, func(r kv.Reader) error {
			wantList(t, r, b(prefix+"a"), b(prefix+"z"), prefix+"a=1", prefix+"c=1")
			return nil
		})
		set(t, db, part, prefix+"b", "2")
		view(t, db, part, func(r kv.Reader) error { wantGet(t, r, prefix+"b", "2"); return nil })
	}
}

func testSetCopies(t *testing.T, db kv.DB) {
	key, value := b("key"), b("value")
	update(t, db, part, func(tx kv.Tx) error {
		err := tx.Set(key, value)
		copy(key, "xxx")
		copy(value, "xxxxx")
		wantGet(t, tx, "key", "value")
		return err
	})
	view(t, db, part, func(r kv.Reader) error { wantGet(t, r, "key", "value"); return nil })
}

func testGeneration(t *testing.T, db kv.DB) {
	gen := func(write bool, result error) (g uint64) {
		_ = db.Update(t.Context(), part, func(tx kv.Tx) error {
			g = tx.Generation()
			if write {
				return errors.Join(tx.Set(b("a"), b("1")), result)
			}
			return result
		})
		return g
	}
	g := gen(true, nil)
	for i, step := range []struct {
		write  bool
		result error
		want   uint64 // above g, before the step
	}{
		{true, nil, 1}, {true, nil, 2}, {false, nil, 3}, {true, errors.New("no"), 3}, {true, nil, 3}, {false, nil, 4},
	} {
		if got := gen(step.write, step.result) - g; got != step.want {
			t.Errorf("step %d saw generation g+%d, want g+%d", i, got, step.want)
		}
	}
	if err := db.SubmitLazy(t.Context(), part, func(tx kv.Tx) error { return tx.Set(b("a"), nil) }); err != nil {
		t.Fatal(err)
	}
	if got := gen(false, nil) - g; got != 5 {
		t.Errorf("after a lazy write it is g+%d, want g+5", got)
	}
	// However many partitions are used meanwhile, no generation comes twice, and g+1 is
	// never seen for something else.
	last := gen(true, nil)
	for p := range kv.Partition(40_000) {
		if err := db.SubmitLazy(t.Context(), 1000+p, func(tx kv.Tx) error { return tx.Set(b("a"), nil) }); err != nil {
			t.Fatal(err)
		}
	}
	if got := gen(true, nil); got <= last {
		t.Errorf("generation went from %d to %d", last, got)
	}
}

func testLazy(t *testing.T, db kv.DB) {
	for _, k := range []string{"a", "b"} {
		err := db.SubmitLazy(t.Context(), part, func(tx kv.Tx) error { return tx.Set(b(k), b("1")) })
		if err != nil {
			t.Fatal(err)
		}
		view(t, db, part, func(r kv.Reader) error { wantGet(t, r, k, "1"); return nil })
	}
	update(t, db, part, func(tx kv.Tx) error {
		wantGet(t, tx, "a", "1")
		return tx.Set(b("c"), b("1"))
	})
	view(t, db, part, func(r kv.Reader) error {
		wantList(t, r, b("a"), b("z"), "a=1", "b=1", "c=1")
		return nil
	})
}

func testSubmit(t *testing.T, db kv.DB) {
	var commits []kv.Commit
	for i := range byte(10) {
		c, err := db.Submit(t.Context(), part+kv.Partition(i%3), func(tx kv.Tx) error {
			return tx.Set([]byte{'a' + i}, b("1"))
		})
		if err != nil {
			t.Fatal(err)
		}
		commits = append(commits, c)
	}
	for i := range commits { // in any order, any number of times, from anywhere
		done := make(chan error)
		for range 3 {
			go func() { done <- commits[len(commits)-1-i].Wait() }()
		}
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if err := commits[len(commits)-1-i].Wait(); err != nil {
			t.Error(err)
		}
	}
	view(t, db, part, func(r kv.Reader) error {
		wantList(t, r, b("a"), b("z"), "a=1", "d=1", "g=1", "j=1")
		return nil
	})
}

func testNoWrites(t *testing.T, db kv.DB) {
	set(t, db, part, "a", "1")
	c, err := db.Submit(t.Context(), part, func(tx kv.Tx) error { wantGet(t, tx, "a", "1"); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	if err := db.SubmitLazy(t.Context(), part, func(kv.Tx) error { return nil }); err != nil {
		t.Error(err)
	}
}

// testPut: what was Put is there with all else that a transaction has written, or not at all.
func testPut(t *testing.T, db kv.DB) {
	set(t, db, part, "a", "1")
	set(t, db, part, "b", "1")
	set(t, db, part, "\xF0x", "1")
	key, value := b("c"), b("2")
	update(t, db, part, func(tx kv.Tx) error {
		err := errors.Join(tx.Put(key, value), tx.Set(b("a"), b("2")), tx.Put(bulk("y"), b("2")), tx.Put(b("d"), nil), tx.Delete(b("b")),
			tx.DeleteRange(bulk("x"), bulk("xx")))
		copy(key, "z")
		copy(value, "z")
		wantGet(t, tx, "a", "2")
		wantGet(t, tx, "b", "-")
		return err
	})
	update(t, db, part+1, func(tx kv.Tx) error { return tx.Put(b("alone"), b("1")) })
	failed := db.Update(context.Background(), part, func(tx kv.Tx) error {
		return errors.Join(tx.Put(b("e"), b("1")), tx.Set(b("f"), b("1")), errors.New("no"))
	})
	view(t, db, part, func(r kv.Reader) error {
		wantList(t, r, b("a"), b("z"), "a=2", "c=2", "d=")
		wantList(t, r, bulk(""), bulk("z"), "\xF0y=2")
		return nil
	})
	view(t, db, part+1, func(r kv.Reader) error {
		wantGet(t, r, "alone", "1")
		return nil
	})
	if failed == nil {
		t.Error("a failing body didn't fail its transaction")
	}
}
