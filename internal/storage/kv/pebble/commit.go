package pebble

import (
	"sync"
	"sync/atomic"

	engine "github.com/cockroachdb/pebble/v2"
)

// A commit is a transaction on its way to the disk.
type commit struct {
	db   *DB
	part *partition

	// mu is held by the committer until the batch has been applied, then by whoever waits
	// for the disk first, on behalf of all.
	mu    sync.Mutex
	batch *engine.Batch // whose sync has begun; nil for a member of a group
	known bool          // the outcome; guarded by mu
	err   error         // guarded by mu

	done atomic.Bool // the writes are durable
}

// Wait implements kv.Commit.
func (c *commit) Wait() error {
	if c.done.Load() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known {
		return c.err
	}
	c.err = c.wait()
	c.known = true
	if c.err == nil {
		c.done.Store(true)
		c.part.ring()
	}
	return c.err
}

func (c *commit) wait() error {
	c.db.group.waiting.Add(1)
	defer c.db.group.waiting.Add(-1)
	if c.batch == nil {
		return c.db.group.wait(c.db)
	}
	err := c.db.synced(c.batch)
	_ = c.batch.Close() // gives its memory back; there is nothing to fail
	c.batch = nil
	return err
}

// durable is the commit of a transaction that wrote nothing and read nothing that is
// still on its way.
type durable struct{}

func (durable) Wait() error { return nil }
