package kvtest

import (
	"context"
	"encoding/binary"
	"runtime"
	"sync"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

var concurrencyTests = map[string]func(*testing.T, kv.DB){
	"ConcurrentUpdatesLoseNothing": testCounter,
	"ManyPartitionsAtOnce":         testManyPartitions,
	"CanceledWhileWaiting":         testCanceledWhileWaiting,
	"ViewDoesNotWaitForABody":      testViewDuringBody,
	"PartitionsDoNotWait":          testPartitionsDoNotWait,
	"ViewsAreConsistent":           testConsistentViews,
}

// add adds 1 to a counter by reading and writing it.
func add(tx kv.Tx, key []byte) error {
	v, _, err := tx.Get(key)
	if err != nil {
		return err
	}
	return tx.Set(key, binary.BigEndian.AppendUint64(nil, number(v)+1))
}

func number(v []byte) uint64 {
	if len(v) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

// together runs n functions at the same time.
func together(n int, fn func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { fn(i) })
	}
	wg.Wait()
}

func testCounter(t *testing.T, db kv.DB) {
	const workers, each = 32, 20
	together(workers, func(int) {
		for range each {
			if err := db.Update(context.Background(), part, func(tx kv.Tx) error { return add(tx, b("n")) }); err != nil {
				t.Error(err)
			}
		}
	})
	view(t, db, part, func(r kv.Reader) error {
		if v, _, err := r.Get(b("n")); number(v) != workers*each || err != nil {
			t.Errorf("%d workers that count to %d made %d, %v", workers, each, number(v), err)
		}
		return nil
	})
}

func testManyPartitions(t *testing.T, db kv.DB) {
	const workers, parts, each = 16, 5, 20
	together(workers, func(int) {
		var commits []kv.Commit
		for range each {
			for p := range kv.Partition(parts) {
				c, err := db.Submit(context.Background(), p, func(tx kv.Tx) error { return add(tx, b("n")) })
				if err != nil {
					t.Error(err)
					return
				}
				commits = append(commits, c)
			}
		}
		for _, c := range commits {
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
		}
	})
	for p := range kv.Partition(parts) {
		view(t, db, p, func(r kv.Reader) error {
			if v, _, err := r.Get(b("n")); number(v) != workers*each || err != nil {
				t.Errorf("partition %d has %d, %v", p, number(v), err)
			}
			return nil
		})
	}
}

// hold runs a body in the partition until release is called, which waits for its end.
func hold(t *testing.T, db kv.DB, p kv.Partition) (release func()) {
	inside, leave, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- db.Update(context.Background(), p, func(tx kv.Tx) error {
			err := tx.Set(b("held"), b("1"))
			close(inside)
			<-leave
			return err
		})
	}()
	<-inside
	return func() {
		close(leave)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func testCanceledWhileWaiting(t *testing.T, db kv.DB) {
	release := hold(t, db, part)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- db.Update(ctx, part, func(kv.Tx) error { t.Error("the body ran"); return nil })
	}()
	runtime.Gosched()
	cancel()
	wantKind(t, "Update that is canceled while it waits", <-done, fault.Canceled)
	release()
	wantKind(t, "Update with a dead context", db.Update(ctx, part, func(kv.Tx) error { t.Error("the body ran"); return nil }), fault.Canceled)
}

func testViewDuringBody(t *testing.T, db kv.DB) {
	release := hold(t, db, part)
	view(t, db, part, func(r kv.Reader) error { wantGet(t, r, "held", "-"); return nil })
	release()
	view(t, db, part, func(r kv.Reader) error { wantGet(t, r, "held", "1"); return nil })
}

func testPartitionsDoNotWait(t *testing.T, db kv.DB) {
	release := hold(t, db, part)
	for p := range kv.Partition(200) {
		if p != part {
			set(t, db, p, "a", "1")
		}
	}
	release()
}

// testConsistentViews: two keys that are always written together are always equal.
func testConsistentViews(t *testing.T, db kv.DB) {
	const rounds = 200
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			last := uint64(0)
			for alive := true; alive; {
				select {
				case <-done:
					alive = false
				default:
				}
				last = max(last, checkPair(t, db, last))
			}
		})
	}
	for range rounds {
		update(t, db, part, func(tx kv.Tx) error {
			if err := add(tx, b("n")); err != nil {
				return err
			}
			return add(tx, bulk("n"))
		})
	}
	close(done)
	readers.Wait()
	if n := checkPair(t, db, 0); n != rounds {
		t.Errorf("in the end there is %d, want %d", n, rounds)
	}
}

// checkPair returns the pair's value, which must not be below last.
func checkPair(t *testing.T, db kv.DB, last uint64) (n uint64) {
	view(t, db, part, func(r kv.Reader) error {
		v, _, err := r.Get(b("n"))
		if err != nil {
			return err
		}
		w, _, err := r.Get(bulk("n"))
		if err != nil {
			return err
		}
		n = number(v)
		if number(w) != n {
			t.Errorf("a view shows %d and %d", n, number(w))
		}
		if n < last {
			t.Errorf("a later view shows %d, an earlier one showed %d", n, last)
		}
		return nil
	})
	return n
}
