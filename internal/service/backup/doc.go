// Package backup copies a whole store, as it stood at one moment, into a folder of files, and back.
//
//	postroad-backup     what the folder is: JSON with the repository's ID
//	lock                held exclusively by who changes the folder, shared by who reads it
//	runs/ID.run         one backup: JSON, then a line with its SHA-256
//	packs/HASH.pack     pieces, and an index of them; never changed once it is there
//
// A run names all partitions of the store, and for each a list of blocks. A block is a stretch of keys with their values.
// Where it ends depends on the keys in it alone, so that a change makes one or two blocks
// new, and a run shares all others with those before. Blocks and lists are pieces: named by the SHA-256 of what they hold,
// compressed, kept once.
//
// Messages, the most of a store, never change under their key. Blocks of them that consist of the same keys as in the run
// before are not even read. That run must be an ancestor: the store keeps under Partition which run was its last,
// so a store that was set back goes on from the right one.
//
// What is there is whole at any time: packs get their name when they are on the disk and have been read back, a run gets
// its own after all its packs. What an interrupted run has written is found by the next.
//
// What this package does not do: it decides nothing about when to run, and doesn't encrypt.
package backup

import (
	"context"
	"iter"
	"time"

	"postroad/internal/storage/kv"
)

// Partition is where a store notes its last run in each repository: under 'r' and the repository's ID the run's ID.
const Partition kv.Partition = 8 << 56

const keyLastRun = 'r'

// Origin is a store as it stood at one moment, to be backed up. Ranges lie in one area of the kv; see package kv.
type Origin interface {
	// Partitions lists those that have keys.
	Partitions(ctx context.Context) ([]kv.Partition, error)
	// Sizes gives keys and the sizes of their values, in order. Keys are valid until the next step.
	Sizes(ctx context.Context, p kv.Partition, lo, hi []byte) iter.Seq2[kv.Sized, error]
	// Read gives keys and values, in order, which are valid until fn returns.
	Read(ctx context.Context, p kv.Partition, lo, hi []byte, fn func(kv.Pair) error) error
	// Mark notes in the store that it was backed up.
	Mark(ctx context.Context, repository, run string) error
}

// Run is one backup.
type Run struct {
	Format     int       `json:"format"`
	ID         string    `json:"id"` // begins with the time, so that later ones are larger
	Repository string    `json:"repository"`
	Base       string    `json:"base,omitempty"` // the run whose messages were taken as known
	Hostname   string    `json:"hostname,omitempty"`
	Version    string    `json:"version,omitempty"` // of the program
	Started    time.Time `json:"started"`           // no change after this is in it
	Ended      time.Time `json:"ended"`
	Keys       int64     `json:"keys"`
	Bytes      int64     `json:"bytes"` // keys and values of the store
	Read       int64     `json:"read"`  // of these, those that had to be read
	Added      int64     `json:"added"` // bytes that the repository has grown by
	Partitions []Partial `json:"partitions,omitempty"`
}

// Partial is a partition in a run.
type Partial struct {
	ID    kv.Partition `json:"id"`
	List  hash         `json:"list"`
	Keys  int64        `json:"keys"`
	Bytes int64        `json:"bytes"`
}

const formatVersion = 1
