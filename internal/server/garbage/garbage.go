// Package garbage decides how much garbage of ours may gather in memory before it is collected, while the server is busy and when it has become quiet.
package garbage

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

// A gardener decides how much garbage may gather before it is collected. By default that is as much as there is memory in use. But
// most of ours is the store's blocks and what it hasn't flushed yet: the collector needn't look into those, so they are no reason for
// garbage. So it is little, minGarbage, as long as collecting costs little; and up to the default while it would cost more.
type gardener struct {
	ended atomic.Bool
	now   gardening // the collector's thread alone uses it
}

// gardening is how things are at a collection.
type gardening struct {
	garbage  uint64  // bytes that are allowed
	set      int     // the same, in percent of what is live
	limit    int64   // of all memory of ours, in bytes
	gc, used float64 // seconds of processors at the last decision what it may cost: for looking through memory, and in all
}

const (
	minGarbage = 24 << 20
	// Collecting may take a share of the time of processors that we use between these, seen over so many seconds of it: a burst that
	// makes as much garbage in a moment as is allowed in all is no reason to allow more.
	cheap, dear = 0.04, 0.06
	seenOver    = 1.0

	// A server for some hundred people makes do with this memory, beside 35 MB of its program, also while very much comes in. For that
	// there may be less garbage, and collecting may take a larger share.
	frugal                  = 136 << 20
	leastGarbage            = 16 << 20
	cheapFrugal, dearFrugal = 0.12, 0.16
)

// Tend begins to decide, for the whole process, and returns what ends it. Whoever has set GOGC knows better.
func Tend() (end func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	g := &gardener{now: gardening{garbage: minGarbage, set: 100, limit: math.MaxInt64}}
	g.wait()
	rested := tidyWhenQuiet()
	return func() {
		g.ended.Store(true)
		rested()
	}
}

// A bell is garbage at once: it rings when garbage is collected.
type bell struct{ g *gardener }

func (g *gardener) wait() { runtime.SetFinalizer(&bell{g}, func(b *bell) { b.g.look() }) }

func (g *gardener) look() {
	if g.ended.Load() {
		return
	}
	// Pauses aren't counted: on a busy machine they are mostly waiting for a processor.
	s := []metrics.Sample{{Name: "/cpu/classes/gc/mark/dedicated:cpu-seconds"}, {Name: "/cpu/classes/gc/mark/assist:cpu-seconds"},
		{Name: "/cpu/classes/total:cpu-seconds"}, {Name: "/cpu/classes/idle:cpu-seconds"}, {Name: "/cpu/classes/gc/mark/idle:cpu-seconds"},
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(s)
	seconds := func(n int) float64 { return s[n].Value.Float64() }
	bytes := func(n int) uint64 { return s[n].Value.Uint64() }
	before := g.now
	in := inUse{live: bytes(5), scanned: bytes(6) + bytes(7), rest: bytes(8) - bytes(9) - bytes(10) - bytes(11)}
	g.now.collected(in, seconds(0)+seconds(1), seconds(2)-seconds(3)-seconds(4))
	if g.now.set != before.set { // it stops the world for some 20 µs
		debug.SetGCPercent(g.now.set)
	}
	if g.now.limit != before.limit && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(g.now.limit)
	}
	g.wait()
}

// inUse is what a collection has left, in bytes.
type inUse struct {
	live    uint64 // objects
	scanned uint64 // what else the collector has looked through: stacks and variables
	rest    uint64 // what isn't objects, and can't be used for any: stacks, gaps, what the collector needs itself
}

// collected decides anew. The collector allows a share of what it looks through: thousands of connections have much in stacks.
func (n *gardening) collected(in inUse, gc, used float64) {
	looked, taken := in.live+in.scanned, in.live+in.rest
	if spent := used - n.used; spent >= seenOver {
		n.allow((gc-n.gc)/spent, room(taken))
		n.gc, n.used = gc, used
	} else if n.limit == frugal {
		n.garbage = min(n.garbage, max(room(taken), leastGarbage))
	}
	n.garbage = min(n.garbage, max(looked, minGarbage))
	n.bound(taken)
	n.set = percent(n.garbage, looked)
}

// room is for how much garbage there is room in frugal memory; 0: for too little.
func room(taken uint64) uint64 {
	if taken+leastGarbage > frugal {
		return 0
	}
	return frugal - taken
}

// allow decides how much garbage there may be, when collecting it takes a share of the time, and whether memory is to stay frugal: so it
// does as long as that isn't too dear.
func (n *gardening) allow(share float64, room uint64) {
	was := n.limit == frugal
	if was && room > 0 {
		n.garbage = min(n.garbage, room)
	}
	more, less := n.garbage+n.garbage/4, n.garbage-n.garbage/8
	switch {
	case !was && share < cheapFrugal && n.garbage > room && room > 0:
		n.garbage = less
	case was && share > dear && share <= dearFrugal && more > room && room > 0:
		n.garbage = room
	case share > dear:
		n.garbage = more
	case share < cheap:
		n.garbage = less
	}
	least := uint64(minGarbage)
	if room > 0 {
		least = min(least, room)
	}
	n.garbage = max(n.garbage, least)
}

// bound decides how much memory may be kept in all. Where a little more is needed than is frugal it is bound, too, so that not much more is
// kept with nothing in it; where much more is, returning memory and asking for it again would be work for nothing.
func (n *gardening) bound(taken uint64) {
	const step = 8 << 20
	switch need := taken + n.garbage; {
	case need <= frugal:
		n.limit = frugal
	case need <= 2*frugal:
		n.limit = int64(need/step+2) * step
	default:
		n.limit = math.MaxInt64
	}
}

// percent is garbage in percent of what is looked through: in steps of an eighth, so that it seldom changes. More than that itself there may be
// where it is less than minGarbage, but not so much that the first busy second of a small server costs it all that.
func percent(garbage, looked uint64) int {
	const most, step = 400, 25
	if garbage >= looked {
		return max(100, int(min(garbage*100/max(looked, 1), most))/step*step)
	}
	p := int(garbage * 100 / looked)
	for step := 8; step > 1; step /= 2 {
		if p >= step*8 {
			return p / step * step
		}
	}
	return max(p, 5)
}
