package pebble

import (
	"sync"
	"sync/atomic"
)

// maxSublevels is how many layers of files may wait for compaction, each of which every
// read has to look at.
const maxSublevels = 200

// room holds up writers when flushes or compactions don't keep pace. The engine can do
// that itself, but its writers wait with the commit lock held until there is room, which
// never comes once the files are frozen.
type room struct {
	memory    int64        // bytes that memtables may have
	unchecked atomic.Int64 // bytes written since the last look at the engine

	mu      sync.Mutex
	full    atomic.Bool
	changed chan struct{} // not nil while full: closed by the next look
}

// wait returns when there is room for n more bytes, or when all writing has ended.
func (r *room) wait(db *DB, n int) error {
	for r.full.Load() || r.unchecked.Add(int64(n)) > r.memory/16 {
		changed := r.check(db)
		if changed == nil {
			return nil
		}
		n = 0
		select {
		case <-changed:
		case <-db.ended:
			return db.failure()
		}
	}
	return nil
}

// check looks at the engine. It returns nil if there is room, else a channel that is
// closed when there may be.
func (r *room) check(db *DB) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed != nil {
		return r.changed
	}
	changed := make(chan struct{})
	r.changed = changed // before the look: what happens after it closes the channel
	r.mu.Unlock()
	m := db.lsm.Metrics() // not under mu: the engine calls look with its own lock held
	r.mu.Lock()
	if int64(m.MemTable.Size) < r.memory && m.Levels[0].Sublevels < maxSublevels {
		if r.changed == changed {
			close(changed) // for those who met it meanwhile
			r.changed = nil
		}
		r.full.Store(false)
		r.unchecked.Store(0)
		return nil
	}
	r.full.Store(true)
	return changed
}

// look makes those who wait look at the engine again.
func (r *room) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}
