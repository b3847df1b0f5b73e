package pebble

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A group is the transactions that reach the disk by one sync, when many are on their way at the same time. On a fast disk a sync takes as long
// as a tenth of what a message costs, so each would get one of its own, and half of the processor's time went into them: with each
// the caches go cold. Whoever waits first leads: lets go ahead those who have work to do and may have something to add, and then syncs for all.
//
// Who is alone doesn't come here: the engine begins a sync with the write.
type group struct {
	// waiting counts those who wait for the disk, in whatever way.
	waiting atomic.Int64

	mu   sync.Mutex
	next *round // takes new members; guarded by mu

	patience patience // used by the one who leads

	engine sync.RWMutex // held by who closes the engine
	over   bool         // it has been closed; guarded by engine
}

// round is a group's members of one sync. Its fields are guarded by the group's mutex until done is closed.
type round struct {
	led   bool
	after *round        // whose sync ends before this one's begins; nil: there is none
	done  chan struct{} // closed when the members' writes are durable or have failed
	err   error         // set before done is closed
}

// crowded reports whether somebody waits for the disk now.
func (g *group) crowded() bool { return g.waiting.Load() > 0 }

// wait returns when all is durable that was applied before. Of those who wait together one leads.
func (g *group) wait(db *DB) error {
	r, leads := g.join()
	if leads {
		r.lead(db)
	}
	<-r.done
	return r.err
}

func (g *group) join() (r *round, leads bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.next == nil {
		g.next = &round{done: make(chan struct{})}
	}
	r = g.next
	leads = !r.led
	r.led = true
	return r, leads
}

// lead syncs for the round's members.
func (r *round) lead(db *DB) {
	if r.after != nil {
		<-r.after.done
		r.after = nil // or each would keep all that were before
	}
	db.gather()
	db.group.close(r)
	r.err = db.syncGroup()
	close(r.done)
}

// close lets nobody else in: from now on they are members of the round after it.
func (g *group) close(r *round) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next = &round{after: r, done: make(chan struct{})}
}

const (
	// mostYields is how often a leader lets others go ahead at most.
	mostYields = 8
	// longYield is how long others may take before a leader goes on. Who has a transaction is back within some 10 µs; who works for as long as
	// they are let does so for 10 ms, and may be many.
	longYield = time.Millisecond
	// mostSkips is how many rounds begin at once, at most, after a yield that was long.
	mostSkips = 1024
)

// A patience says whether a leader may let others go ahead: not for a while after somebody took the processor for long. The zero value lets.
// It belongs to the leader of the moment.
type patience struct {
	left  int // rounds that begin at once
	skips int // how many they were after the last long yield
}

// lets reports whether the next round's leader may yield.
func (p *patience) lets() bool {
	if p.left == 0 {
		return true
	}
	p.left--
	return false
}

// took hears how long the yields of a round lasted: if there are long ones again and again, twice as many rounds are skipped each time.
func (p *patience) took(d time.Duration) {
	if d < longYield {
		p.skips = 0
		return
	}
	p.skips = min(max(2*p.skips, 16), mostSkips)
	p.left = p.skips
}

// gather lets others run as long as that brings transactions, and nobody takes long.
func (db *DB) gather() {
	if !db.group.patience.lets() {
		return
	}
	began := time.Now()
	took := time.Duration(0)
	for range mostYields {
		n := db.snaps.applied.Load()
		runtime.Gosched()
		took = time.Since(began)
		if took >= longYield || db.snaps.applied.Load() == n {
			break
		}
	}
	db.group.patience.took(took)
}

// syncGroup makes all durable that has been applied: an empty record behind it is synced. A closed store is durable: whoever closes it waits for
// the calls that are running, of which some may wait for this, so it syncs for as long as the engine is there.
func (db *DB) syncGroup() error {
	db.group.engine.RLock()
	defer db.group.engine.RUnlock()
	if db.group.over {
		return db.failure()
	}
	return db.syncAll()
}

// end closes the engine, while nobody syncs.
func (g *group) end(closeEngine func() error) error {
	g.engine.Lock()
	defer g.engine.Unlock()
	g.over = true
	return closeEngine()
}
