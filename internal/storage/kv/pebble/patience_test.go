package pebble

import (
	"testing"
	"time"
)

// TestPatience: after a yield that was long the next rounds begin at once, twice as many each time; after a short one all is forgotten.
func TestPatience(t *testing.T) {
	var p patience
	for want := 16; want <= 2*mostSkips; want *= 2 {
		if !p.lets() {
			t.Fatal("nobody may try again")
		}
		p.took(longYield)
		n := 0
		for !p.lets() {
			n++
		}
		if n != min(want, mostSkips) {
			t.Errorf("%d rounds are skipped, want %d", n, min(want, mostSkips))
		}
	}
	p.took(longYield - time.Nanosecond)
	if !p.lets() || p.skips != 0 {
		t.Error("a short yield isn't taken for one")
	}
}
