package backup

import (
	"context"
	"crypto/sha256"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// Restore writes a run into a store that has none of its partitions, reads it there, and proves that the two are
// equal. Given partitions, it restores these alone, as far as they are in the run. When it returns nil, all is durable.
func (r *Repository) Restore(ctx context.Context, run Run, db kv.DB, progress func(Progress), only ...kv.Partition) error {
	parts := run.some(only)
	var bytes int64
	for i, p := range parts {
		if err := r.restorePartition(ctx, p, db); err != nil {
			return err
		}
		bytes += p.Bytes
		if progress != nil {
			progress(Progress{i + 1, len(parts), bytes})
		}
	}
	// The one synced transaction makes those before it durable, too.
	return Mark(ctx, db, run.Repository, run.ID)
}

// some returns the partitions of these numbers; all, without any.
func (run Run) some(only []kv.Partition) []Partial {
	if len(only) == 0 {
		return run.Partitions
	}
	var parts []Partial
	for _, p := range run.Partitions {
		if slices.Contains(only, p.ID) {
			parts = append(parts, p)
		}
	}
	return parts
}

// Mark notes in a store which run was its last.
func Mark(ctx context.Context, db kv.DB, repository, run string) error {
	return db.Update(ctx, Partition, func(tx kv.Tx) error {
		return tx.Set(append([]byte{keyLastRun}, repository...), []byte(run))
	})
}

func (r *Repository) restorePartition(ctx context.Context, p Partial, db kv.DB) error {
	entries, err := r.list(p)
	if err != nil {
		return err
	}
	if err := mustBeEmpty(ctx, db, p.ID); err != nil {
		return err
	}
	for _, e := range entries {
		block, err := r.piece(e.hash)
		if err != nil {
			return err
		}
		err = db.SubmitLazy(ctx, p.ID, func(tx kv.Tx) error {
			return eachPair(block, func(pair kv.Pair) error { return tx.Set(pair.Key, pair.Value) })
		})
		if err != nil {
			return err
		}
	}
	return compare(ctx, db, p.ID, entries)
}

// Pairs gives the keys and values of one partition of a run, in order; they are valid until fn returns. Errors:
// fault.NotFound if the run doesn't have it.
func (r *Repository) Pairs(run Run, p kv.Partition, fn func(kv.Pair) error) error {
	parts := run.some([]kv.Partition{p})
	if len(parts) == 0 {
		return fault.New(fault.NotFound, "the run has no partition %d", p)
	}
	entries, err := r.list(parts[0])
	if err != nil {
		return err
	}
	for _, e := range entries {
		block, err := r.piece(e.hash)
		if err == nil {
			err = eachPair(block, fn)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func mustBeEmpty(ctx context.Context, db kv.DB, p kv.Partition) error {
	return db.View(ctx, p, func(r kv.Reader) error {
		for _, s := range stretches() {
			for _, err := range r.Scan(kv.Range{Lo: s.lo, Hi: s.hi}) {
				if err == nil {
					err = fault.New(fault.Exists, "the store has something in partition %d", p)
				}
				return err
			}
		}
		return nil
	})
}

// compare proves that a partition holds what a list says, and no more.
func compare(ctx context.Context, db kv.DB, p kv.Partition, entries []entry) error {
	differs := fault.New(fault.Corrupt, "what was restored of partition %d is not what the backup holds", p)
	var block []byte
	keys := int64(0)
	err := db.View(ctx, p, func(r kv.Reader) error {
		for _, s := range stretches() {
			for pair, err := range r.Scan(kv.Range{Lo: s.lo, Hi: s.hi}) {
				if err != nil {
					return err
				}
				if len(entries) == 0 {
					return differs
				}
				block = appendPair(block, pair)
				if keys++; keys < entries[0].keys {
					continue
				}
				if sha256.Sum256(block) != entries[0].hash {
					return differs
				}
				entries, block, keys = entries[1:], block[:0], 0
			}
		}
		return nil
	})
	if err == nil && len(entries) > 0 {
		err = differs
	}
	return err
}
