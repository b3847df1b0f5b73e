package backup

import (
	"context"
	"iter"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// Local is the Origin of a store that this process has open. The caller must Close it.
type Local struct {
	db   kv.DB
	snap kv.Snapshot
}

var _ Origin = (*Local)(nil)

// NewLocal shows a store as it is now. Errors: fault.Unsupported if its engine has no snapshots.
func NewLocal(ctx context.Context, db kv.DB) (*Local, error) {
	s, ok := db.(kv.Snapshotter)
	if !ok {
		return nil, fault.New(fault.Unsupported, "this store can't be backed up")
	}
	snap, err := s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return &Local{db, snap}, nil
}

// Close lets the moment go.
func (l *Local) Close() error { return l.snap.Close() }

// Partitions implements Origin.
func (l *Local) Partitions(ctx context.Context) ([]kv.Partition, error) {
	return l.snap.Partitions(ctx)
}

// Sizes implements Origin.
func (l *Local) Sizes(ctx context.Context, p kv.Partition, lo, hi []byte) iter.Seq2[kv.Sized, error] {
	return l.snap.Sizes(ctx, p, lo, hi)
}

// Read implements Origin.
func (l *Local) Read(ctx context.Context, p kv.Partition, lo, hi []byte, fn func(kv.Pair) error) error {
	return l.snap.View(ctx, p, func(r kv.Reader) error {
		for pair, err := range r.Scan(kv.Range{Lo: lo, Hi: hi}) {
			if err == nil && ctx.Err() != nil {
				err = fault.Wrap(fault.Canceled, ctx.Err(), "interrupted")
			}
			if err == nil {
				err = fn(pair)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Mark implements Origin.
func (l *Local) Mark(ctx context.Context, repository, run string) error {
	return Mark(ctx, l.db, repository, run)
}
