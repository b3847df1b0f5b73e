package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestGarbage(t *testing.T) {
	const mb = 1 << 20
	var n gardening
	steps := []struct {
		what     string
		live     uint64
		other    uint64
		gc, used float64 // since the last one
		percent  int
	}{
		{"little is live: as by default", 10 * mb, 0, 0.001, 1, 100},
		{"much is, and costs little", 200 * mb, 0, 0.001, 1, 12},
		{"it costs something", 200 * mb, 0, 0.05, 1, 12},
		{"it costs much: more garbage each time", 200 * mb, 0, 0.2, 1, 15},
		{"", 200 * mb, 0, 0.2, 1, 18},
		{"", 200 * mb, 0, 0.2, 1, 22},
		{"", 200 * mb, 0, 0.2, 1, 28},
		{"", 200 * mb, 0, 0.2, 1, 36},
		{"", 200 * mb, 0, 0.2, 1, 44},
		{"", 200 * mb, 0, 0.2, 1, 56},
		{"", 200 * mb, 0, 0.2, 1, 64},
		{"", 200 * mb, 0, 0.2, 1, 88},
		{"never more than by default", 200 * mb, 0, 0.2, 1, 100},
		{"", 200 * mb, 0, 0.2, 1, 100},
		{"less again", 200 * mb, 0, 0.001, 1, 80},
		{"stacks of many connections", 100 * mb, 200 * mb, 0.05, 1, 56},
		{"an hour without anything to do", 200 * mb, 0, 0, 0, 72},
	}
	gc, used := 0.0, 0.0
	for i, s := range steps {
		gc, used = gc+s.gc, used+s.used
		if n.collected(s.live, s.other, gc, used); n.set != s.percent {
			t.Errorf("%d. %s: %d %%, want %d", i, s.what, n.set, s.percent)
		}
	}
}

// TestTendGarbage sees that what the collector needn't look into is no reason for garbage.
func TestTendGarbage(t *testing.T) {
	if debug.SetGCPercent(100) != 100 {
		t.Skip("GOGC is set")
	}
	t.Setenv("GOGC", "")
	end := tendGarbage()
	defer debug.SetGCPercent(100)
	defer end()
	blocks := make([]byte, 256<<20)
	for range 1000 { // finalizers have a thread of their own
		runtime.GC()
		var m runtime.MemStats
		if runtime.ReadMemStats(&m); m.NextGC < 400<<20 {
			runtime.KeepAlive(blocks)
			return
		}
		runtime.Gosched()
	}
	t.Error("as much garbage is allowed as by default")
}
