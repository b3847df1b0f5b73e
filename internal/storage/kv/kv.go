// Package kv is the contract between Postroad and whatever keeps its records:
// an ordered, transactional map of bytes to bytes, in partitions.
//
// Engines live in sub-packages (pebble; later postgres). kvtest proves an
// engine against this text: what is not promised here must not be relied upon.
//
// # Partitions
//
// Every key belongs to one partition: an account, the directory, a shard of
// the queue. Partitions are independent maps; no transaction spans two of them.
// A partition exists as long as it has keys.
//
// # Order and limits
//
// Keys are ordered bytewise (as bytes.Compare). A key has 1 to MaxKey bytes, a
// value 0 to MaxValue bytes; both may hold any byte. A transaction may write
// up to MaxBatch bytes. What is over a limit is refused with fault.TooLarge
// and fails its transaction. A nil value and an empty one are the same.
//
// Keys whose first byte is BulkPrefix or above form the partition's bulk area:
// large values that are read one by one (message bytes). Engines keep them apart from
// the other keys, the records, so that scanning records never reads past them.
// A scan or a range deletion stays within one area: its range must not reach
// from below BulkPrefix to above it (fault.Invalid). A bound may be one byte longer than a
// key: the successor of key k is k+"\x00".
//
// # Reading
//
// View gives a consistent snapshot of one partition: all that was
// acknowledged before View was called, nothing that is not durable, and
// nothing that comes later, however long it is held. Snapshots hold up the
// reclaiming of space: keep them short (no network waits inside).
//
// # Writing
//
// Update runs a body that reads and writes one partition. Bodies of one
// partition run one after the other, each sees all that its predecessors wrote,
// and its own writes. The body's writes happen all or not at all: none if it
// returns an error (which Update returns as it is) or panics.
//
// The body must not keep tx, call the same DB again, or wait for anything slow:
// others wait for the partition meanwhile.
//
// # Durability
//
// When Update, or the Wait of a Submit, returns nil, the writes survive loss of
// power, and so do those of all that the partition committed before, lazily
// or not. Syncs are shared: the
// partition is free for the next body as soon as the writes stand in the
// log's queue, before they are on the disk. After a crash a partition holds the
// writes of a prefix of its transactions, in commit order, that includes
// all acknowledged ones. If an engine can't write any more (disk full, I/O
// error), it fails this and every later Update with fault.Unavailable rather
// than guess: what Wait reported as failed may or may not be there after the next start.
//
// Lazy transactions (SubmitLazy) count as durable from the start where this text
// says what is shown, waited for and rung. A crash may take back the newest of them.
//
// # The bell
//
// Bell returns a channel that is closed after a transaction that wrote to
// the partition, and was not durable when Bell was called, has become durable. There is no queue and
// nothing to miss: take the channel, read the state, then wait on the channel.
// A bell may ring for nothing (also spurious closes are allowed); it says
// "look again", no more. It costs nothing to drop. Close rings all bells.
package kv

import (
	"context"
	"iter"
)

// Limits that every engine has.
const (
	MaxKey   = 1 << 10  // bytes in a key
	MaxValue = 1 << 20  // bytes in a value
	MaxBatch = 64 << 20 // bytes that one transaction may write, keys and values
)

// BulkPrefix is the least first byte of keys in the bulk area.
const BulkPrefix = 0xF0

// Partition names a partition. Any number is valid; who uses which number is
// decided by the models (see docs/formats.md).
type Partition uint64

// DB is an open store. It is safe for concurrent use.
type DB interface {
	// View runs fn on a snapshot of p. The snapshot, its iterators and the
	// slices they give are valid only until fn returns.
	View(ctx context.Context, p Partition, fn func(Reader) error) error

	// Update runs fn, commits what it wrote, and returns when that is durable.
	// A body that writes nothing costs no sync, but Update still waits until
	// all that it has read is durable.
	// If ctx ends while waiting for the partition, fn doesn't run. Once the commit has begun
	// the outcome is awaited, whatever ctx says.
	Update(ctx context.Context, p Partition, fn func(Tx) error) error

	// Submit is Update in two steps: it returns when the writes stand in the log's
	// queue, and Commit.Wait when they are durable. The caller must call Wait and
	// must not tell anybody of the writes before it returned nil.
	// With it, one goroutine commits to many partitions for the price of one sync.
	Submit(ctx context.Context, p Partition, fn func(Tx) error) (Commit, error)

	// SubmitLazy is Submit without asking for a sync: the writes become durable with
	// the next synced transaction in any partition, or when the engine likes; Views
	// of the partition show them at once. For
	// what may be lost but not torn: parts of a message whose reference comes later.
	SubmitLazy(ctx context.Context, p Partition, fn func(Tx) error) error

	// Bell returns p's bell: see the package comment.
	Bell(p Partition) <-chan struct{}

	// Partitions lists the partitions between from and to (inclusive) that have keys, in order.
	Partitions(ctx context.Context, from, to Partition) ([]Partition, error)

	// Close waits for running transactions and snapshots, syncs, and releases everything.
	// Calls after Close fail with fault.Unavailable.
	Close() error
}

// Commit is a transaction whose writes stand in the log's queue.
type Commit interface {
	// Wait returns when the writes are durable (nil) or have failed. It
	// may be called several times, from several goroutines.
	Wait() error
}

// Reader reads one partition. It is not safe for concurrent use.
type Reader interface {
	// Get returns the value of key; ok is false if there is none. The value is
	// valid until the transaction or snapshot ends and must not be changed. Until
	// then it stays in memory: many large values are better read in several views.
	Get(key []byte) (value []byte, ok bool, err error)

	// Scan visits the keys from lo (inclusive) to hi (exclusive) in order, or from the
	// last to the first if reverse. Keys and values are valid until the next step.
	// The partition must not be written to during a scan by the same transaction.
	// An error ends the scan as its last pair: (Pair{}, err).
	Scan(r Range) iter.Seq2[Pair, error]

	// Cursor returns a cursor for jumping between near keys of one area, the
	// records or the bulk. It shows what was there when it was made, and finds nothing
	// outside of lo and hi. What is not closed is closed when the transaction or snapshot ends.
	Cursor(lo, hi []byte) (Cursor, error)
}

// Range is what to scan. Lo must be below Hi.
type Range struct {
	Lo, Hi  []byte
	Reverse bool
}

// Pair is a key and its value.
type Pair struct{ Key, Value []byte }

// Cursor looks up keys in ascending order, at the cost of a step where the next
// key is near. Not safe for concurrent use.
type Cursor interface {
	// Seek moves to the first key at or after key. It returns ok false at the end.
	// The pair is valid until the next Seek, Next or Close.
	Seek(key []byte) (p Pair, ok bool, err error)
	// Next moves to the following key.
	Next() (p Pair, ok bool, err error)
	// Close releases the cursor. It may be called twice.
	Close() error
}

// Tx reads and writes one partition.
type Tx interface {
	Reader

	// Set gives key a value. It copies both.
	Set(key, value []byte) error
	// Put is Set for those who write many keys which the same transaction neither reads nor writes otherwise: it may spare the work that makes
	// its own reads find them. What such reads give is not defined, nor what comes of other writes to them.
	Put(key, value []byte) error
	// Delete removes key; a missing key is no error.
	Delete(key []byte) error
	// DeleteRange removes the keys from lo (inclusive) to hi (exclusive).
	DeleteRange(lo, hi []byte) error

	// Generation tells states of the partition apart: what was read or
	// decided by a transaction of this process that saw generation g, and wrote, is still true
	// for one that sees g+1, since nothing came between. Numbers hold for
	// this DB value only: never store them. A
	// transaction that writes nothing, or fails, doesn't advance it.
	Generation() uint64
}
