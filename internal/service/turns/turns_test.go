package turns

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"postroad/internal/fault"
)

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns Turns[string]
		end, err := turns.Wait(t.Context(), "a")
		if err != nil || !turns.Taken("a") || turns.Taken("b") {
			t.Fatal(err)
		}
		if other, _ := turns.Try("a"); other == nil {
			t.Error("two have the turn")
		}
		b, err := turns.Wait(t.Context(), "b") // another thing
		if err != nil {
			t.Fatal(err)
		}
		b()
		had := make(chan error, 1)
		go func() {
			end, err := turns.Wait(t.Context(), "a")
			if err == nil {
				end()
			}
			had <- err
		}()
		synctest.Wait()
		if len(had) > 0 {
			t.Error("somebody didn't wait")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := turns.Wait(ctx, "a"); !fault.Is(err, fault.Canceled) {
			t.Error(err)
		}
		end()
		if err := <-had; err != nil || turns.Taken("a") {
			t.Error(err)
		}
	})
}

// However many come, one has the turn.
func TestMany(t *testing.T) {
	var turns Turns[int]
	var all sync.WaitGroup
	busy, n := 0, 0
	for range 50 {
		all.Go(func() {
			end, err := turns.Wait(t.Context(), 7)
			if err != nil {
				t.Error(err)
				return
			}
			if busy++; busy != 1 {
				t.Error("two have the turn")
			}
			n++
			busy--
			end()
		})
	}
	if all.Wait(); n != 50 || turns.Taken(7) {
		t.Error(n)
	}
}
