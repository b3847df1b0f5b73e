package pebble

import (
	engine "github.com/cockroachdb/pebble/v2"
)

// write applies a batch: when it returns, the batch is visible and stands in
// the log's queue.
func (db *DB) write(b *engine.Batch, sync bool) error {
	if sync {
		return writeFault(db.lsm.ApplyNoSyncWait(b, engine.Sync))
	}
	return writeFault(db.lsm.Apply(b, engine.NoSync))
}

// synced waits until an applied batch is on the disk.
func (db *DB) synced(b *engine.Batch) error {
	err := b.SyncWait()
	if err != nil {
		db.fail(err)
	}
	return writeFault(err)
}

// fail ends all writing. The first reason is remembered and told.
func (db *DB) fail(err error) {
	if db.fatal.CompareAndSwap(nil, &err) && db.onFatal != nil {
		db.onFatal(err)
	}
}

// failure is the error of all writes after fail.
func (db *DB) failure() error {
	if err := db.fatal.Load(); err != nil {
		return writeFault(*err)
	}
	return nil
}
