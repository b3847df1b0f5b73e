package backup

import (
	"context"
	"fmt"
	"path/filepath"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// Verify reads all that is in the repository and tells what is wrong: packs and pieces that are damaged, runs that
// can't be restored in whole. No problem is an empty list.
func (r *Repository) Verify(ctx context.Context, progress func(Progress)) ([]string, error) {
	v := &verifier{Repository: r, good: map[hash]bool{}, progress: progress}
	if err := v.packs(ctx); err != nil {
		return v.problems, err
	}
	runs, err := r.Runs()
	if err != nil {
		v.tell("%s", err)
	}
	for _, run := range runs {
		if err := v.run(ctx, run); err != nil {
			return v.problems, err
		}
	}
	return v.problems, nil
}

type verifier struct {
	*Repository
	good     map[hash]bool
	problems []string
	bytes    int64
	progress func(Progress)
}

func (v *verifier) tell(format string, args ...any) {
	v.problems = append(v.problems, fmt.Sprintf(format, args...))
}

// packs reads every piece of every pack.
func (v *verifier) packs(ctx context.Context) error {
	names, err := v.packNames()
	if err != nil {
		return err
	}
	for i, name := range names {
		forget(name)
		if err := v.pack(ctx, name); err != nil {
			return err
		}
		if v.progress != nil {
			v.progress(Progress{i + 1, len(names), v.bytes})
		}
	}
	return nil
}

func (v *verifier) pack(ctx context.Context, name string) error {
	type piece struct {
		hash hash
		at   place
	}
	var pieces []piece
	if err := readIndex(name, func(h hash, at place) { pieces = append(pieces, piece{h, at}) }); err != nil {
		if fault.Is(err, fault.Corrupt) {
			v.tell("%s", err)
			return nil
		}
		return err
	}
	bad := 0
	for _, p := range pieces {
		if ctx.Err() != nil {
			return fault.Wrap(fault.Canceled, ctx.Err(), "interrupted")
		}
		if _, err := v.reader.read(p.hash, p.at); err != nil {
			bad++
			continue
		}
		v.good[p.hash] = true
		v.bytes += int64(p.at.size)
	}
	if bad > 0 {
		v.tell("%s: %d of %d pieces are damaged", filepath.Base(name), bad, len(pieces))
	}
	return nil
}

// run looks whether all that a run needs is there.
func (v *verifier) run(ctx context.Context, run Run) error {
	missing := 0
	var keys, bytes int64
	for _, p := range run.Partitions {
		if ctx.Err() != nil {
			return fault.Wrap(fault.Canceled, ctx.Err(), "interrupted")
		}
		if !v.good[p.List] {
			missing++
			continue
		}
		entries, err := v.list(p)
		if err != nil {
			v.tell("run %s: %s: %v", run.ID, partitionName(p.ID), err)
			continue
		}
		for _, e := range entries {
			keys, bytes = keys+e.keys, bytes+e.size
			if !v.good[e.hash] {
				missing++
			}
		}
	}
	switch {
	case missing > 0:
		v.tell("run %s: %d pieces are missing or damaged", run.ID, missing)
	case keys != run.Keys || bytes != run.Bytes:
		v.tell("run %s: its lists don't add up to what it says of itself", run.ID)
	}
	return nil
}

func partitionName(p kv.Partition) string { return fmt.Sprintf("partition %d", p) }
