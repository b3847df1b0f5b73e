// Package pebble keeps a kv store in a directory of the local disk, with the
// Pebble storage engine: a log-structured merge tree with one write-ahead log.
//
// Message bytes (the bulk area) are separated from their keys when the
// memtable is flushed, so compactions of the records never copy them.
package pebble

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	engine "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// Options says how to open a store. The zero value is right for a server.
type Options struct {
	// FS is where the directory is. Nil means the disk.
	FS vfs.FS
	// Logger hears of the engine's troubles, and at debug level of
	// what it does. Nil means nobody.
	Logger *slog.Logger
	// CacheBytes is the size of the block cache. 0 means 64 MB.
	CacheBytes int64
	// OnFatal, if set, is called once, from a goroutine of the engine, when the store
	// can't be written to any more. Reading goes on; the
	// process should be restarted once the cause is gone.
	OnFatal func(error)
}

// DB is a store in a directory. It implements kv.DB.
type DB struct {
	lsm   *engine.DB
	lock  *engine.Lock
	parts partitions

	onFatal func(error)
	fatal   atomic.Pointer[error] // why nothing can be written any more

	users   atomic.Int64 // running calls; closed is added when Close begins
	drained chan struct{}
	drain   sync.Once
}

var _ kv.DB = (*DB)(nil)

// closed, in DB.users, says that no more calls are let in.
const closed = 1 << 62

// Open opens the store in dir, which it makes if needed. At most one DB,
// in any process, has a directory open: for a second one Open fails with fault.InUse.
func Open(dir string, o Options) (*DB, error) {
	db := &DB{onFatal: o.OnFatal, drained: make(chan struct{})}
	eo := engineOptions(db, o)
	if err := eo.FS.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "can't make the store's directory")
	}
	lock, err := lockDir(dir, eo.FS)
	if err != nil {
		return nil, err
	}
	eo.Lock = lock
	lsm, err := engine.Open(dir, eo)
	if err != nil {
		return nil, errors.Join(readFault(err), lock.Close())
	}
	db.lsm, db.lock = lsm, lock
	return db, nil
}

// Close implements kv.DB.
func (db *DB) Close() error {
	for {
		n := db.users.Load()
		if n >= closed {
			return closedFault()
		}
		if db.users.CompareAndSwap(n, n+closed) {
			break
		}
	}
	db.parts.ringAll()
	if db.users.Load() > closed {
		<-db.drained
	}
	return readFault(errors.Join(db.lsm.Close(), db.lock.Close()))
}

// enter lets a call in, until leave.
func (db *DB) enter() error {
	if db.users.Add(1) < closed {
		return nil
	}
	db.leave()
	return closedFault()
}

func (db *DB) leave() {
	if db.users.Add(-1) == closed {
		db.drain.Do(func() { close(db.drained) })
	}
}

func (db *DB) closing() bool { return db.users.Load() >= closed }
