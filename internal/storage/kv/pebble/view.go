package pebble

import (
	"context"

	"postroad/internal/storage/kv"
)

// View implements kv.DB.
//
// The snapshot is taken first; then View waits until all that the snapshot can show is on
// the disk. So a reader never waits for a running body, and at most for one sync.
func (db *DB) View(ctx context.Context, p kv.Partition, fn func(kv.Reader) error) error {
	if ctx.Err() != nil {
		return canceled(ctx)
	}
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	snap := db.snaps.get(db.lsm, db.parts.applied(p))
	defer snap.put()
	if err := db.settle(p); err != nil {
		return err
	}
	r := newReader(snap, p)
	defer r.end()
	return fn(r)
}

// settle waits until what is visible of p is durable.
func (db *DB) settle(p kv.Partition) error {
	part := db.parts.find(p)
	if part == nil {
		return nil
	}
	if c := part.last.Load(); c != nil {
		return c.Wait()
	}
	return nil
}

// Bell implements kv.DB.
func (db *DB) Bell(p kv.Partition) <-chan struct{} {
	part := db.parts.get(p)
	defer db.parts.put(part)
	c := part.ask()
	if db.closing() {
		part.ring() // the store's end has rung all bells: nobody else would ring this one
	}
	return c
}
