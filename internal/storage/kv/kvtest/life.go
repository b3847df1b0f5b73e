package kvtest

import (
	"context"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

var lifeTests = map[string]func(*testing.T, kv.DB){
	"AfterClose":           testAfterClose,
	"CloseWaits":           testCloseWaits,
	"WaitAfterClose":       testWaitAfterClose,
	"CloseLeavesNothing":   testReopened,
	"CloseWhileOthersWork": testCloseInTheMiddle,
}

func testAfterClose(t *testing.T, db kv.DB) {
	set(t, db, part, "a", "1")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	never := func(kv.Tx) error { t.Error("a body ran after Close"); return nil }
	ctx := t.Context()
	wantKind(t, "View after Close", db.View(ctx, part, func(kv.Reader) error { return never(nil) }), fault.Unavailable)
	wantKind(t, "Update after Close", db.Update(ctx, part, never), fault.Unavailable)
	_, err := db.Submit(ctx, part, never)
	wantKind(t, "Submit after Close", err, fault.Unavailable)
	wantKind(t, "SubmitLazy after Close", db.SubmitLazy(ctx, part, never), fault.Unavailable)
	_, err = db.Partitions(ctx, 0, 10)
	wantKind(t, "Partitions after Close", err, fault.Unavailable)
	wantKind(t, "Close after Close", db.Close(), fault.Unavailable)
}

func testCloseWaits(t *testing.T, db kv.DB) {
	inside, leave, viewed, closed := make(chan struct{}), make(chan struct{}), make(chan error), make(chan error)
	set(t, db, part, "a", "1")
	go func() {
		viewed <- db.View(context.Background(), part, func(r kv.Reader) error {
			close(inside)
			<-leave
			wantGet(t, r, "a", "1") // the store is still there
			return nil
		})
	}()
	<-inside
	release := hold(t, db, part)
	go func() { closed <- db.Close() }()
	// Nothing may be left of these when Close returns; whether it has begun yet doesn't
	// matter.
	release()
	close(leave)
	if err := <-viewed; err != nil {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func testWaitAfterClose(t *testing.T, db kv.DB) {
	c, err := db.Submit(t.Context(), part, func(tx kv.Tx) error { return tx.Set(b("a"), b("1")) })
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("Wait after Close, which syncs: %v", err)
	}
}

func testReopened(t *testing.T, db kv.DB) {
	again, ok := db.(Reopener)
	if !ok {
		t.Skip("this store can't be reopened")
	}
	set(t, db, part, "a", "1")
	err := db.SubmitLazy(t.Context(), part, func(tx kv.Tx) error { return tx.Set(bulk("lazy"), b("1")) })
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := again.Reopen(); err != nil {
			t.Fatal(err)
		}
		view(t, db, part, func(r kv.Reader) error {
			wantGet(t, r, "a", "1")
			wantGet(t, r, "\xF0lazy", "1")
			return nil
		})
	}
}

func testCloseInTheMiddle(t *testing.T, db kv.DB) {
	started := make(chan struct{}, 8)
	together(9, func(i int) {
		if i == 8 {
			for range 8 {
				<-started
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			return
		}
		for n := 0; ; n++ {
			err := db.Update(context.Background(), kv.Partition(i), func(tx kv.Tx) error { return add(tx, b("n")) })
			if n == 0 {
				started <- struct{}{}
			}
			if err != nil {
				wantKind(t, "Update while the store closes", err, fault.Unavailable)
				return
			}
		}
	})
}
