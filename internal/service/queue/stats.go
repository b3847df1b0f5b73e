package queue

import (
	"sync"
	"sync/atomic"

	"postroad/internal/service/transfer"
)

// Stats says how the queue is, for those who watch it. Counters begin at zero when it is opened.
type Stats struct {
	Messages, Items uint64 // on disk now
	Active          int    // attempts under way
	Loaded          int    // items waiting in memory
	Destinations    int    // with items
	Dead            int    // of them, those that are left alone

	Submitted uint64 // messages, counter
	Attempts  uint64 // jobs, counter
	Delivered uint64 // recipients, counter; those of the next counters likewise
	Relayed   uint64
	Failed    uint64
	Deferred  uint64
	Expired   uint64
	Notified  uint64 // notifications, counter
}

// counters are what Stats counts.
type counters struct {
	messages, attempts, expired, notified atomic.Uint64
	results                               [transfer.Failed + 1]atomic.Uint64

	mu    sync.Mutex
	heads [Shards]head // guarded by mu
}

// Stats returns the counts. It looks at every destination.
func (q *Queue) Stats() Stats {
	c := &q.stats
	s := Stats{
		Submitted: c.messages.Load(), Attempts: c.attempts.Load(), Expired: c.expired.Load(), Notified: c.notified.Load(),
		Delivered: c.results[transfer.Delivered].Load(), Relayed: c.results[transfer.Relayed].Load(),
		Failed: c.results[transfer.Failed].Load(), Deferred: c.results[transfer.Deferred].Load(),
	}
	c.mu.Lock()
	for i := range c.heads {
		s.Messages += c.heads[i].messages
		s.Items += c.heads[i].items
	}
	c.mu.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	s.Active, s.Loaded, s.Destinations = q.s.active, q.s.loaded, len(q.s.dests)
	for _, d := range q.s.dests {
		if d.dead {
			s.Dead++
		}
	}
	return s
}

// changed counts what a transaction did to a shard's head: the difference, since transactions may end in another order
// than they began.
func (c *counters) changed(shard uint8, messages, items int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heads[shard].messages += uint64(messages) // wraps around for a negative number, as it should
	c.heads[shard].items += uint64(items)
}

func (c *counters) attempted(r *recording) {
	c.attempts.Add(1)
	for i := range r.outs {
		if r.outs[i].Status != "" {
			c.results[r.outs[i].Result].Add(1)
		}
	}
}
