package pebble

import (
	engine "github.com/cockroachdb/pebble/v2"
)

// write applies a batch: when it returns, the batch is visible and stands in the log's
// queue.
func (db *DB) write(b *engine.Batch, sync bool) error {
	if err := db.room.wait(db, b.Len()); err != nil {
		return err
	}
	if sync {
		return writeFault(db.lsm.ApplyNoSyncWait(b, engine.Sync))
	}
	return writeFault(db.lsm.Apply(b, engine.NoSync))
}

// synced waits until an applied batch is on the disk. The engine's word alone is not
// enough: see guard.
func (db *DB) synced(b *engine.Batch) error {
	if err := b.SyncWait(); err != nil {
		db.files.freeze(err)
	}
	return db.failure()
}

// fail ends all writing, for the reason that froze the files.
func (db *DB) fail(err error) {
	db.fatal.Store(&err)
	close(db.ended)
	switch {
	case db.opening.Load():
		db.files.thaw()
	case db.onFatal != nil:
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
