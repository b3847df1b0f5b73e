package garbage

import (
	"math"
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
		{"little is live: some times as much", 10 * mb, 0, 0.001, 1, 225},
		{"very little is: not all at once", 2 * mb, 0, 0.001, 1, 400},
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
		{"stacks of many connections", 100 * mb, 200 * mb, 0.05, 1, 48},
		{"an hour without anything to do", 200 * mb, 0, 0, 0, 72},
		{"a burst is too short to tell", 200 * mb, 0, 0.1, 0.2, 72},
		{"", 200 * mb, 0, 0.1, 0.2, 72},
		{"it isn't any more", 200 * mb, 0, 0.3, 0.6, 88},
	}
	gc, used := 0.0, 0.0
	for i, s := range steps {
		gc, used = gc+s.gc, used+s.used
		if n.collected(inUse{live: s.live, scanned: s.other}, gc, used); n.set != s.percent {
			t.Errorf("%d. %s: %d %%, want %d", i, s.what, n.set, s.percent)
		}
	}
}

func TestFrugal(t *testing.T) {
	const mb = 1 << 20
	n := gardening{garbage: minGarbage, limit: math.MaxInt64}
	gc, used := 0.0, 0.0
	for i, s := range []struct {
		what       string
		live, rest uint64
		share      float64
		garbage    uint64
		frugal     bool
	}{
		{"little is live", 20 * mb, 12 * mb, 0.01, 24 * mb, true},
		{"it costs something: there is room", 74 * mb, 12 * mb, 0.08, 30 * mb, true},
		{"less room", 86 * mb, 12 * mb, 0.05, 30 * mb, true},
		{"much less", 106 * mb, 12 * mb, 0.09, 18 * mb, true},
		{"what isn't objects takes memory, too", 76 * mb, 44 * mb, 0.09, 16 * mb, true},
		{"no room for as little as there must be", 109 * mb, 12 * mb, 0.05, 24 * mb, false},
		{"room again", 106 * mb, 12 * mb, 0.065, 21 * mb, false},
		{"", 106 * mb, 12 * mb, 0.065, 18.375 * mb, false},
		{"", 106 * mb, 12 * mb, 0.065, 18 * mb, true},
		{"it is too dear", 106 * mb, 12 * mb, 0.17, 22.5 * mb, false},
		{"and stays so", 106 * mb, 12 * mb, 0.13, 28.125 * mb, false},
		{"with less live it isn't", 91 * mb, 12 * mb, 0.05, 28.125 * mb, true},
		{"a large server", 2000 * mb, 12 * mb, 0.05, 28.125 * mb, false},
	} {
		gc, used = gc+s.share, used+1
		n.collected(inUse{live: s.live, scanned: 5 * mb, rest: s.rest}, gc, used)
		if (n.limit == frugal) != s.frugal || n.limit < int64(min(s.live+s.rest+n.garbage, frugal)) || n.garbage != s.garbage {
			t.Errorf("%d. %s: the limit is %d MB, with garbage of %v MB", i, s.what, n.limit>>20, float64(n.garbage)/mb)
		}
	}
	if n.limit != math.MaxInt64 {
		t.Error("a large server's memory is bound")
	}
	n = gardening{garbage: minGarbage, limit: frugal, gc: gc, used: used}
	if n.collected(inUse{live: 100 * mb, scanned: 5 * mb, rest: 18 * mb}, gc+0.1, used+0.1); n.garbage != 18*mb || n.limit != frugal {
		t.Errorf("in a burst garbage of %d MB is allowed, up to %d MB in all", n.garbage/mb, n.limit/mb)
	}
	if n.collected(inUse{live: 200 * mb, rest: 20 * mb}, gc+0.05, used+1); n.limit > 264*mb || n.limit < 244*mb {
		t.Errorf("%d MB when a little more is needed", n.limit/mb)
	}
}

// TestTend sees that what the collector needn't look into is no reason for garbage.
func TestTend(t *testing.T) {
	if debug.SetGCPercent(100) != 100 {
		t.Skip("GOGC is set")
	}
	t.Setenv("GOGC", "")
	end := Tend()
	defer debug.SetGCPercent(100)
	defer debug.SetMemoryLimit(math.MaxInt64)
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
