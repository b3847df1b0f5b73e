package pebble

import (
	"testing"
	"testing/synctest"
	"time"
)

// reserved counts what is reserved of a cache.
type reserved int

func (r *reserved) Reserve(n int) func() {
	*r += reserved(n)
	return func() { *r -= reserved(n) }
}

// TestSqueeze: while flushes follow on another the cache is smaller, and some time later it is as before.
func TestSqueeze(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r reserved
		s := &squeeze{cache: &r, bytes: 7}
		step := func(wait time.Duration, want reserved) {
			t.Helper()
			time.Sleep(wait)
			synctest.Wait()
			s.flushed()
			s.mu.Lock()
			defer s.mu.Unlock()
			if r != want {
				t.Errorf("after %v %d is reserved, want %d", wait, r, want)
			}
		}
		step(0, 0)
		step(busyWithin, 0)
		for range 5 {
			step(busyWithin-1, 7)
		}
		step(calmAfter, 0)
		step(time.Second, 7)
		s.end()
		if r != 0 {
			t.Error("it holds some when it has ended")
		}
		step(time.Second, 0)
		time.Sleep(time.Hour)
	})
}
