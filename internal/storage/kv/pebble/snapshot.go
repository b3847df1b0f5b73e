package pebble

import (
	"context"
	"iter"
	"sync"

	engine "github.com/cockroachdb/pebble/v2"

	"postroad/internal/storage/kv"
)

var _ kv.Snapshotter = (*DB)(nil)

// wholeSnapshot implements kv.Snapshot. It counts as a running call of its DB until it is closed.
type wholeSnapshot struct {
	db   *DB
	snap *engine.Snapshot
	once sync.Once
	err  error
}

// Snapshot implements kv.Snapshotter. The engine makes transactions visible in the order in which they stand in its
// log, so a sync after the snapshot was taken covers all that it shows.
func (db *DB) Snapshot(ctx context.Context) (kv.Snapshot, error) {
	if ctx.Err() != nil {
		return nil, canceled(ctx)
	}
	if err := db.enter(); err != nil {
		return nil, err
	}
	s := &wholeSnapshot{db: db, snap: db.lsm.NewSnapshot()}
	if err := db.syncAll(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// syncAll returns when all that is visible is durable.
func (db *DB) syncAll() error {
	if err := db.failure(); err != nil {
		return err
	}
	if err := db.lsm.LogData(nil, engine.Sync); err != nil {
		db.files.freeze(err)
	}
	return db.failure()
}

// Close implements kv.Snapshot.
func (s *wholeSnapshot) Close() error {
	s.once.Do(func() {
		s.err = readFault(s.snap.Close())
		s.db.leave()
	})
	return s.err
}

// Partitions implements kv.Snapshot.
func (s *wholeSnapshot) Partitions(ctx context.Context) ([]kv.Partition, error) {
	return partitionsOf(ctx, s.snap, 0, ^kv.Partition(0))
}

// View implements kv.Snapshot.
func (s *wholeSnapshot) View(ctx context.Context, p kv.Partition, fn func(kv.Reader) error) error {
	if ctx.Err() != nil {
		return canceled(ctx)
	}
	r := newReader(s.snap, p)
	defer r.end()
	return fn(r)
}

// Sizes implements kv.Snapshot.
func (s *wholeSnapshot) Sizes(ctx context.Context, p kv.Partition, lo, hi []byte) iter.Seq2[kv.Sized, error] {
	return func(yield func(kv.Sized, error) bool) {
		r := newReader(s.snap, p)
		defer r.end()
		it, err := r.iterator(lo, hi)
		if err != nil {
			yield(kv.Sized{}, err)
			return
		}
		defer it.Close()
		for ok := it.First(); ok; ok = it.Next() {
			if ctx.Err() != nil {
				yield(kv.Sized{}, canceled(ctx))
				return
			}
			value := it.LazyValue()
			if !yield(kv.Sized{Key: it.Key()[prefixLen:], Size: value.Len()}, nil) {
				return
			}
		}
		if err := it.Error(); err != nil {
			yield(kv.Sized{}, readFault(err))
		}
	}
}
