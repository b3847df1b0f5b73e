package mailbox

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"postroad/internal/model/ident"
)

// TestIndexerWaitsForCalm: while much is coming the indexer leaves the account alone, but not for ever.
func TestIndexerWaitsForCalm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{id: ann, store: &Store{}}
		i := &a.store.indexing
		i.wake = make(chan struct{}, 1)
		taken := func() ident.AccountID { id, _, _ := i.take(); return id }
		a.grown(tailMin - 1)
		if _, _, next := i.take(); !next.IsZero() {
			t.Error("few are looked at")
		}
		a.grown(1)
		for range 3 { // each is later than calm after the first
			if taken() != 0 {
				t.Error("looked at while more comes")
			}
			time.Sleep(calm / 2)
			a.grown(1)
		}
		time.Sleep(calm)
		if taken() != ann || taken() != 0 {
			t.Error("not looked at once it is calm")
		}
		a.unindexed.Store(0)
		a.grown(tailMuch)
		if taken() != ann {
			t.Error("very much isn't looked at")
		}
	})
}

// TestIndexerIsWoken: it sleeps until the time has come, and wakes for what can't wait.
func TestIndexerIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &indexing{wake: make(chan struct{}, 1)}
		begin := time.Now()
		i.ask(ann, wish{due: begin.Add(calm)})
		waits := func() (ident.AccountID, bool) {
			for {
				id, texts, next := i.take()
				if id != 0 {
					return id, texts
				}
				if !i.wait(t.Context(), next) {
					t.Fatal("ended")
				}
			}
		}
		if id, texts := waits(); id != ann || texts || time.Since(begin) != calm {
			t.Errorf("account %d, texts %v, after %v", id, texts, time.Since(begin))
		}
		begin = time.Now()
		i.ask(ann, wish{due: begin.Add(calm)})
		i.ask(bob, wish{due: begin.Add(2 * calm)})
		go i.ask(bob, wish{texts: true})
		synctest.Wait()
		i.ask(bob, wish{due: begin.Add(3 * calm)}) // does not put off what can't wait
		if id, texts := waits(); id != bob || !texts || time.Since(begin) != 0 {
			t.Errorf("account %d, texts %v, after %v", id, texts, time.Since(begin))
		}
		if id, _ := waits(); id != ann || time.Since(begin) != calm {
			t.Errorf("account %d after %v", id, time.Since(begin))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if i.wait(ctx, time.Time{}) {
			t.Error("goes on after the end")
		}
	})
}

// TestIndexerRests: as long as others work it does so by turns, unless very much waits for it.
func TestIndexerRests(t *testing.T) {
	for _, tt := range []struct {
		name         string
		hurry, asked bool
		rests        time.Duration
	}{
		{"others work", false, true, 3 * rest},
		{"nobody does", false, false, 0},
		{"very much waits", true, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &account{store: &Store{}}
				p := a.pace(t.Context())
				p.hurry = tt.hurry
				begin := time.Now()
				for range 3 {
					if tt.asked {
						a.store.asked.Add(1)
					}
					p.step()
					p.step()
					time.Sleep(stretch)
					p.step()
				}
				if got := time.Since(begin) - 3*stretch; got != tt.rests {
					t.Errorf("rested for %v, want %v", got, tt.rests)
				}
			})
		})
	}
}
