package pebble

import (
	"context"

	engine "github.com/cockroachdb/pebble/v2"

	"postroad/internal/storage/kv"
)

// Update implements kv.DB.
func (db *DB) Update(ctx context.Context, p kv.Partition, fn func(kv.Tx) error) error {
	c, err := db.Submit(ctx, p, fn)
	if err != nil {
		return err
	}
	return c.Wait()
}

// Submit implements kv.DB.
func (db *DB) Submit(ctx context.Context, p kv.Partition, fn func(kv.Tx) error) (kv.Commit, error) {
	return db.submit(ctx, p, fn, false)
}

// SubmitLazy implements kv.DB.
func (db *DB) SubmitLazy(ctx context.Context, p kv.Partition, fn func(kv.Tx) error) error {
	_, err := db.submit(ctx, p, fn, true)
	return err
}

func (db *DB) submit(ctx context.Context, id kv.Partition, fn func(kv.Tx) error, lazy bool) (kv.Commit, error) {
	if err := db.enter(); err != nil {
		return nil, err
	}
	defer db.leave()
	p := db.parts.get(id)
	defer db.parts.put(p)
	if err := p.acquire(ctx); err != nil {
		return nil, err
	}
	defer p.release()
	if err := db.failure(); err != nil {
		return nil, err
	}
	batch, err := db.runBody(p, fn)
	switch {
	case err != nil:
		return nil, err
	case batch == nil:
		return p.pending(), nil
	case lazy:
		return nil, db.applyLazy(p, batch)
	}
	return db.apply(p, batch)
}

// runBody returns the body's writes, or nil if it wrote nothing.
func (db *DB) runBody(p *partition, fn func(kv.Tx) error) (*engine.Batch, error) {
	t := newTx(db, p)
	defer t.end() // also if the body panics
	if err := fn(t); err != nil {
		return nil, err
	}
	return t.takeBatch()
}

// pending is the outcome that a transaction has to wait for which has only read: that of
// the last one before it.
func (p *partition) pending() kv.Commit {
	if c := p.last.Load(); c != nil && !c.done.Load() {
		return c
	}
	return durable{}
}

// apply makes the writes visible and queues them for the disk.
func (db *DB) apply(p *partition, batch *engine.Batch) (kv.Commit, error) {
	c := &commit{db: db, part: p}
	c.mu.Lock()
	defer c.mu.Unlock()
	before := p.last.Load()
	p.last.Store(c)
	if err := c.write(batch); err != nil {
		p.last.Store(before)
		c.known, c.err = true, err
		return nil, err
	}
	p.gen++
	p.applied.Store(db.snaps.count())
	return c, nil
}

// write applies the batch. Its sync begins at once, unless others wait for theirs.
func (c *commit) write(batch *engine.Batch) error {
	if !c.db.group.crowded() {
		c.batch = batch
		return c.db.write(batch, true)
	}
	defer batch.Close()
	return c.db.write(batch, false)
}

func (db *DB) applyLazy(p *partition, batch *engine.Batch) error {
	defer batch.Close()
	if err := db.write(batch, false); err != nil {
		return err
	}
	p.gen++
	p.applied.Store(db.snaps.count())
	p.ring()
	return nil
}
