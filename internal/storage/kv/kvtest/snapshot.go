package kvtest

import (
	"context"
	"fmt"
	"testing"

	"postroad/internal/storage/kv"
)

// snapshotTests are for engines that are a kv.Snapshotter.
var snapshotTests = map[string]func(*testing.T, kv.DB){
	"SnapshotStandsStill": testSnapshotStandsStill,
	"SnapshotSizes":       testSnapshotSizes,
	"SnapshotHoldsClose":  testSnapshotHoldsClose,
}

func snapshot(t *testing.T, db kv.DB) kv.Snapshot {
	t.Helper()
	s, ok := db.(kv.Snapshotter)
	if !ok {
		t.Skip("the engine has no snapshots of the whole store")
	}
	snap, err := s.Snapshot(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { snap.Close() })
	return snap
}

func testSnapshotStandsStill(t *testing.T, db kv.DB) {
	set(t, db, 1, "a", "old")
	set(t, db, 2, "a", "gone soon")
	if err := db.SubmitLazy(context.Background(), 9, func(tx kv.Tx) error { return tx.Set(bulk("b"), b("lazy")) }); err != nil {
		t.Fatal(err)
	}
	snap := snapshot(t, db)
	set(t, db, 1, "a", "new")
	set(t, db, 3, "a", "later")
	update(t, db, 2, func(tx kv.Tx) error { return tx.Delete(b("a")) })
	ps, err := snap.Partitions(context.Background())
	if err != nil || fmt.Sprint(ps) != "[1 2 9]" {
		t.Errorf("partitions are %v, %v", ps, err)
	}
	for p, want := range map[kv.Partition]string{1: "old", 2: "gone soon", 3: "-"} {
		err := snap.View(context.Background(), p, func(r kv.Reader) error {
			wantGet(t, r, "a", want)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func testSnapshotSizes(t *testing.T, db kv.DB) {
	update(t, db, part, func(tx kv.Tx) error {
		for i := range 5 {
			if err := tx.Set(fmt.Appendf(nil, "k%d", i), make([]byte, i)); err != nil {
				return err
			}
			if err := tx.Set(bulk(fmt.Sprint(i)), make([]byte, 1000*i)); err != nil {
				return err
			}
		}
		return nil
	})
	snap := snapshot(t, db)
	for _, c := range []struct {
		lo, hi []byte
		want   string
	}{{b("k1"), b("k4"), "k1:1 k2:2 k3:3 "}, {b("a"), recordsEnd, "k0:0 k1:1 k2:2 k3:3 k4:4 "}, {bulk(""), bulk("3"), "\xf00:0 \xf01:1000 \xf02:2000 "}} {
		got := ""
		for s, err := range snap.Sizes(context.Background(), part, c.lo, c.hi) {
			if err != nil {
				t.Fatal(err)
			}
			got += fmt.Sprintf("%s:%d ", s.Key, s.Size)
		}
		if got != c.want {
			t.Errorf("sizes are %q, want %q", got, c.want)
		}
	}
	for _, err := range snap.Sizes(context.Background(), part, b("a"), bulkEnd) {
		if err == nil {
			t.Error("a range over both areas was walked")
		}
	}
}

func testSnapshotHoldsClose(t *testing.T, db kv.DB) {
	set(t, db, 1, "a", "1")
	snap := snapshot(t, db)
	closed := make(chan error, 1)
	go func() { closed <- db.Close() }()
	err := snap.View(context.Background(), 1, func(r kv.Reader) error {
		wantGet(t, r, "a", "1")
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	select {
	case <-closed:
		t.Error("the store closed before its snapshot")
	default:
	}
	if err := snap.Close(); err != nil {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := db.(kv.Snapshotter).Snapshot(context.Background()); err == nil {
		t.Error("a closed store gave a snapshot")
	}
}
