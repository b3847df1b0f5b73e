// Package pebble keeps a kv store in a directory of the local disk, with the Pebble
// storage engine: a log-structured merge tree with one write-ahead log.
//
// Message bytes (the bulk area) are separated from their keys when the memtable is
// flushed, so compactions of the records never copy them.
package pebble

import (
	"errors"
	"fmt"
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
	// Logger hears of the engine's troubles, and at debug level of what it does. Nil
	// means nobody.
	Logger *slog.Logger
	// CacheBytes is the size of the block cache. 0 means 64 MB. While little is written it is larger, by up to what
	// two memtables take; while much is, smaller by three eighths.
	CacheBytes int64
	// MemtableBytes is how much is gathered in memory before it is flushed to a sorted
	// file; up to three times as much while that takes longer, then writers wait. 0 means 12 MB. With little,
	// tests flush and compact often.
	MemtableBytes int64
	// SpareLogs is how many files for the log, each as large as a memtable, lie ready on the disk, so that the first writes are as fast as
	// later ones, for which there are files that were used before. 0 means none.
	SpareLogs int
	// OnFatal, if set, is called once when the store can't be written to any more: the
	// disk is full or failing. What was acknowledged is safe, reading goes on, all
	// writing fails with fault.Unavailable until the store is opened anew. It must return
	// at once and not call the DB: the engine waits for it.
	OnFatal func(error)
}

// DB is a store in a directory. It implements kv.DB.
type DB struct {
	lsm   *engine.DB
	lock  *engine.Lock
	files *guard
	parts partitions
	snaps snapshots

	onFatal func(error)
	fatal   atomic.Pointer[error] // why nothing can be written any more
	ended   chan struct{}         // closed when fatal is set
	opening atomic.Bool           // whoever opens hears of failures, not onFatal
	room    room
	cache   *engine.Cache
	squeeze squeeze
	group   group

	users   atomic.Int64 // running calls; closed is added when Close begins
	drained chan struct{}
	drain   sync.Once
}

var _ kv.DB = (*DB)(nil)

// closed, in DB.users, says that no more calls are let in.
const closed = 1 << 62

// Open opens the store in dir, which it makes if needed. At most one DB, in any process,
// has a directory open: for a second one Open fails with fault.InUse.
func Open(dir string, o Options) (*DB, error) {
	db := &DB{onFatal: o.OnFatal, drained: make(chan struct{}), ended: make(chan struct{})}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	db.files = newGuard(o.FS, db.fail)
	if err := makeDir(o.FS, dir); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "can't make the store's directory")
	}
	lock, err := lockDir(dir, db.files)
	if err != nil {
		return nil, err
	}
	eo := engineOptions(db, o)
	eo.Lock = lock
	if o.SpareLogs > 0 {
		db.files.spares = newSpares(o.FS, dir, int64(eo.MemTableSize), o.SpareLogs)
	}
	if err := db.open(dir, eo); err != nil {
		db.dropCache()
		return nil, errors.Join(err, lock.Close())
	}
	db.lock = lock
	if s := db.files.spares; s != nil {
		s.begin(func(err error) { eo.Logger.Infof("no more files lie ready for the log: %v", err) })
	}
	return db, nil
}

// open opens the engine. What goes wrong meanwhile makes it fail.
func (db *DB) open(dir string, eo *engine.Options) (err error) {
	db.opening.Store(true)
	defer db.opening.Store(false)
	defer func() {
		if p := recover(); p != nil { // the engine panics at some errors
			err = writeFault(fmt.Errorf("opening the store: %v", p))
		}
	}()
	lsm, err := engine.Open(dir, eo)
	if failure := db.failure(); failure != nil {
		if err == nil {
			err = lsm.Close()
		}
		return errors.Join(failure, err)
	}
	db.lsm = lsm
	return readFault(err)
}

// Close implements kv.DB. If writing has ended before because of an error, Close returns
// that.
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
	if s := db.files.spares; s != nil {
		s.end()
	}
	db.files.thaw()
	db.snaps.drop()
	defer db.dropCache()
	err := errors.Join(db.group.end(db.lsm.Close), db.lock.Close())
	if failure := db.failure(); failure != nil {
		return failure
	}
	return readFault(err)
}

// dropCache gives the cache back, once the engine doesn't use it any more.
func (db *DB) dropCache() {
	db.squeeze.end()
	db.cache.Unref()
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
