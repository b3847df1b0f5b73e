package pebble

import (
	"context"
	"sync"
	"sync/atomic"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// A partition is what the engine knows of a partition beyond its keys. It exists while
// somebody uses it, and some time longer, so that Generation runs on between
// transactions.
type partition struct {
	id kv.Partition

	lock chan struct{} // holds a token while a body runs
	gen  uint64        // guarded by lock

	// last is the newest synced transaction that may be visible. It is set before the
	// transaction becomes visible, so whoever has a snapshot and then finds last durable
	// (or nil) sees nothing that a crash could take.
	last atomic.Pointer[commit]

	applied atomic.Uint64 // the number of its newest visible transaction, see snapshots

	bell atomic.Pointer[bell] // nil: nobody has asked since it rang

	// Guarded by the shard's mutex.
	refs int  // users; only at 0 may it be dropped
	used bool // since the last sweep
}

type bell struct{ c chan struct{} }

// settled reports whether nothing is waiting for the disk.
func (p *partition) settled() bool {
	c := p.last.Load()
	return c == nil || c.done.Load()
}

// acquire waits for the partition's turn.
func (p *partition) acquire(ctx context.Context) error {
	if ctx.Err() == nil {
		select {
		case p.lock <- struct{}{}:
			return nil
		default:
		}
		select {
		case p.lock <- struct{}{}:
			return nil
		case <-ctx.Done():
		}
	}
	return canceled(ctx)
}

func (p *partition) release() { <-p.lock }

func canceled(ctx context.Context) error {
	return fault.Wrap(fault.Canceled, context.Cause(ctx), "canceled")
}

// ask returns the channel that the next ring closes.
func (p *partition) ask() <-chan struct{} {
	for {
		if b := p.bell.Load(); b != nil {
			return b.c
		}
		p.bell.CompareAndSwap(nil, &bell{make(chan struct{})})
	}
}

func (p *partition) ring() {
	if p.bell.Load() == nil {
		return
	}
	if b := p.bell.Swap(nil); b != nil {
		close(b.c)
	}
}

const (
	shards = 64
	// keepIdle is how many partitions a shard keeps before it drops idle ones: in all
	// about 16,000, which cost some 200 bytes each.
	keepIdle = 256
)

// partitions is the set of the partitions in memory.
type partitions struct {
	shard [shards]shard
}

type shard struct {
	mu    sync.Mutex
	m     map[kv.Partition]*partition
	limit int // size at which to sweep

	// No dropped partition had higher ones.
	gen     uint64
	applied uint64
}

func (ps *partitions) of(id kv.Partition) *shard {
	// Fibonacci hashing: partitions are often numbered in order.
	return &ps.shard[(uint64(id)*0x9E3779B97F4A7C15)>>(64-6)]
}

// find returns the partition if it is in memory. If it isn't, nothing of it is waiting
// for the disk. It takes no reference: use it for last only.
func (ps *partitions) find(id kv.Partition) *partition {
	s := ps.of(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m[id]
}

// applied returns a number of transactions that include all that are visible of the
// partition.
func (ps *partitions) applied(id kv.Partition) uint64 {
	s := ps.of(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.m[id]; p != nil {
		return p.applied.Load()
	}
	return s.applied
}

// get returns the partition and keeps it until put.
func (ps *partitions) get(id kv.Partition) *partition {
	s := ps.of(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.m[id]
	if p == nil {
		p = s.add(id)
	}
	p.refs++
	p.used = true
	return p
}

func (ps *partitions) put(p *partition) {
	s := ps.of(p.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	p.refs--
}

func (s *shard) add(id kv.Partition) *partition {
	if s.m == nil {
		s.m = map[kv.Partition]*partition{}
		s.limit = keepIdle
	}
	if len(s.m) >= s.limit {
		s.sweep()
	}
	// Two above any generation that a dropped partition had: a successor of nothing that
	// anybody has seen.
	p := &partition{id: id, lock: make(chan struct{}, 1), gen: s.gen + 2}
	p.applied.Store(s.applied)
	s.m[id] = p
	return p
}

// sweep drops the idle partitions that were not used since the last sweep.
func (s *shard) sweep() {
	for id, p := range s.m {
		if p.refs > 0 || p.used || !p.settled() {
			p.used = false
			continue
		}
		s.gen = max(s.gen, p.gen) // nobody has the lock: refs is 0
		s.applied = max(s.applied, p.applied.Load())
		delete(s.m, id)
		p.ring() // for nothing, as bells may: whoever still listens asks again
	}
	s.limit = max(keepIdle, 2*len(s.m))
}

// ringAll wakes all who listen, for the end of the store.
func (ps *partitions) ringAll() {
	for i := range ps.shard {
		s := &ps.shard[i]
		s.mu.Lock()
		for _, p := range s.m {
			p.ring()
		}
		s.mu.Unlock()
	}
}
