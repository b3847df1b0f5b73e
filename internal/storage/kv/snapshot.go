package kv

import (
	"context"
	"iter"
)

// Snapshotter is a DB that can show all of its partitions as they stood at one moment. It is
// for backups: programs that work on one partition want View.
type Snapshotter interface {
	// Snapshot shows the store as it is now. All that it shows is durable. What was committed before
	// something else that it shows, in whatever partition, it shows too, if the one waited for the other.
	// It holds up the reclaiming of space until it is closed, and Close of the DB waits for it.
	Snapshot(ctx context.Context) (Snapshot, error)
}

// Snapshot is a store as it stood at one moment. It is safe for concurrent use.
type Snapshot interface {
	// Partitions lists the partitions that have keys, in order.
	Partitions(ctx context.Context) ([]Partition, error)
	// View is as DB.View, on the snapshot.
	View(ctx context.Context, p Partition, fn func(Reader) error) error
	// Sizes visits the keys of a partition from lo (inclusive) to hi (exclusive), both in one area, in order, and
	// tells how long their values are, without reading those that are kept apart. Keys are valid until the next step.
	Sizes(ctx context.Context, p Partition, lo, hi []byte) iter.Seq2[Sized, error]
	// Close ends the snapshot, after all calls have returned. Closing twice does nothing.
	Close() error
}

// Sized is a key, and the length of its value in bytes.
type Sized struct {
	Key  []byte
	Size int
}
