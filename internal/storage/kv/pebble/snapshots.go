package pebble

import (
	"sync"
	"sync/atomic"

	engine "github.com/cockroachdb/pebble/v2"
)

// maxBehind is how many transactions a snapshot that nobody uses may be behind: it keeps
// the engine from forgetting what they replaced.
const maxBehind = 256

// snapshots hands out snapshots of the whole store. Making one, and above all ending it,
// costs the engine's lock and a look around for compactions. So one is kept and shared by
// all views of partitions that have not changed since it was made.
type snapshots struct {
	applied atomic.Uint64 // transactions that have become visible

	mu      sync.Mutex
	current *snapshot // nil: none is kept
}

// snapshot is a shared snapshot.
type snapshot struct {
	*engine.Snapshot
	asOf uint64 // transactions that it shows at least
	refs atomic.Int32
}

// get returns a snapshot that shows the first n transactions, and perhaps more. Give it
// back with put.
func (s *snapshots) get(lsm *engine.DB, n uint64) *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || s.current.asOf < n {
		asOf := s.applied.Load() // before the snapshot: it may show more
		fresh := &snapshot{Snapshot: lsm.NewSnapshot(), asOf: asOf}
		fresh.refs.Store(1)
		s.current.put()
		s.current = fresh
	}
	s.current.refs.Add(1)
	return s.current
}

// put ends a use of the snapshot.
func (s *snapshot) put() {
	if s != nil && s.refs.Add(-1) == 0 {
		_ = s.Close() // never fails
	}
}

// count numbers a transaction that has become visible. Now and then it lets the kept
// snapshot go.
func (s *snapshots) count() uint64 {
	n := s.applied.Add(1)
	if n%maxBehind == 0 {
		s.drop()
	}
	return n
}

// drop keeps no snapshot any more.
func (s *snapshots) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.put()
	s.current = nil
}
