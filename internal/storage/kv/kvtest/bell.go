package kvtest

import (
	"context"
	"errors"
	"testing"

	"postroad/internal/storage/kv"
)

var bellTests = map[string]func(*testing.T, kv.DB){
	"BellRingsAfterAWrite":     testBellRings,
	"BellIsQuietOtherwise":     testBellQuiet,
	"BellOfASubmit":            testBellSubmit,
	"BellMissesNothing":        testBellMissesNothing,
	"BellRingsForAll":          testBellForAll,
	"BellOfManyPartitions":     testBellManyPartitions,
	"BellRingsWhenTheDBCloses": testBellClose,
}

func rung(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func testBellRings(t *testing.T, db kv.DB) {
	for range 3 {
		c := db.Bell(part)
		set(t, db, part, "a", "1")
		<-c // hangs without the ring
	}
	c := db.Bell(part)
	if err := db.SubmitLazy(t.Context(), part, func(tx kv.Tx) error { return tx.Set(b("a"), b("2")) }); err != nil {
		t.Fatal(err)
	}
	<-c
}

// Bells may ring for nothing, but an engine whose bells always do would keep everybody
// busy.
func testBellQuiet(t *testing.T, db kv.DB) {
	c := db.Bell(part)
	set(t, db, part+1, "a", "1")
	update(t, db, part, func(kv.Tx) error { return nil })
	_ = db.Update(t.Context(), part, func(tx kv.Tx) error { return errors.Join(tx.Set(b("a"), nil), errors.New("no")) })
	view(t, db, part, func(kv.Reader) error { return nil })
	if rung(c) {
		t.Error("the bell rang for nothing")
	}
}

func testBellSubmit(t *testing.T, db kv.DB) {
	commit, err := db.Submit(t.Context(), part, func(tx kv.Tx) error { return tx.Set(b("a"), b("1")) })
	if err != nil {
		t.Fatal(err)
	}
	c := db.Bell(part) // the write was perhaps not durable yet: then the bell must ring for it
	seen := false
	view(t, db, part, func(r kv.Reader) error { seen = get(t, r, "a") == "1"; return nil })
	if err := commit.Wait(); err != nil {
		t.Fatal(err)
	}
	if !seen {
		<-c
	}
}

// testBellMissesNothing follows a counter by "take the bell, read, wait".
func testBellMissesNothing(t *testing.T, db kv.DB) {
	const rounds = 200
	var done = make(chan uint64)
	go func() {
		n := uint64(0)
		for n < rounds {
			bell := db.Bell(part)
			err := db.View(context.Background(), part, func(r kv.Reader) error {
				v, _, err := r.Get(b("n"))
				n = number(v)
				return err
			})
			if err != nil {
				t.Error(err)
				break
			}
			if n < rounds {
				<-bell
			}
		}
		done <- n
	}()
	together(4, func(int) {
		for range rounds / 4 {
			if err := db.Update(context.Background(), part, func(tx kv.Tx) error { return add(tx, b("n")) }); err != nil {
				t.Error(err)
			}
		}
	})
	if n := <-done; n != rounds {
		t.Errorf("who listened saw %d, want %d", n, rounds)
	}
}

func testBellForAll(t *testing.T, db kv.DB) {
	var bells []<-chan struct{}
	for range 100 {
		bells = append(bells, db.Bell(part))
	}
	set(t, db, part, "a", "1")
	for _, c := range bells {
		<-c
	}
}

func testBellManyPartitions(t *testing.T, db kv.DB) {
	const n = 40_000
	bells := make([]<-chan struct{}, n)
	for p := range bells {
		bells[p] = db.Bell(kv.Partition(p))
	}
	for _, p := range []kv.Partition{0, 1, n / 2, n - 1} {
		set(t, db, p, "a", "1")
		<-bells[p]
	}
}

func testBellClose(t *testing.T, db kv.DB) {
	c := db.Bell(part)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	<-c
	<-db.Bell(part)
}
