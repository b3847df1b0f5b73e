package garbage

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// After a busy time there is garbage, which isn't collected before there is more, and memory that nobody needs now. While it is quiet both
// are given back to the machine: ten thousand people who sign in and then wait leave a third of what they take.

const (
	lookEvery = 2 * time.Second
	// quietBytes is how little is allocated from one look to the next when it is quiet.
	quietBytes = 1 << 20
	// leastGain is what there must be to give back, in bytes; and in a larger heap, since it costs more to look through, a share of it.
	leastGain, leastShare = 4 << 20, 1.0 / 16
	// restFor is how long nothing is given back again.
	restFor = 5 * time.Second
)

// tidyWhenQuiet begins, and returns what ends it.
func tidyWhenQuiet() (end func()) {
	stop := make(chan struct{})
	var tidier sync.WaitGroup
	tidier.Go(func() {
		ticks := time.NewTicker(lookEvery)
		defer ticks.Stop()
		var c calm
		for {
			select {
			case <-ticks.C:
				if c.worth(usage(), time.Now()) {
					debug.FreeOSMemory()
				}
			case <-stop:
				return
			}
		}
	})
	return func() {
		close(stop)
		tidier.Wait()
	}
}

// memory is how much there is, in bytes.
type memory struct {
	allocated uint64 // ever
	objects   uint64 // live, or garbage
	live      uint64 // after the last collection
	free      uint64 // ours, with nothing in it
	stacks    uint64
}

func usage() memory {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(s)
	bytes := func(n int) uint64 { return s[n].Value.Uint64() }
	return memory{bytes(0), bytes(1), bytes(2), bytes(3), bytes(4)}
}

// calm is what was seen at the last look.
type calm struct {
	allocated uint64
	tidied    time.Time // when something was given back
	stacks    uint64    // that there were then
}

// worth reports whether it is quiet, and what can be given back is worth looking for.
func (c *calm) worth(m memory, now time.Time) bool {
	still := m.allocated-c.allocated < quietBytes
	c.allocated = m.allocated
	if !still || now.Sub(c.tidied) < restFor {
		return false
	}
	least := max(leastGain, uint64(float64(m.live+m.stacks)*leastShare))
	gain := m.free
	if m.objects > m.live {
		gain += m.objects - m.live
	}
	// A collection halves stacks that have become too large: so it may be worth another one.
	if c.stacks > m.stacks {
		gain += c.stacks - m.stacks
	}
	if gain < least {
		return false
	}
	c.tidied, c.stacks = now, m.stacks
	return true
}
