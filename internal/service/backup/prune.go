package backup

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"postroad/internal/fault"
)

// Keep says which runs stay: the newest Runs, and all that are younger than Age. The newest one stays always.
type Keep struct {
	Runs int
	Age  time.Duration
}

// Pruned is what a pruning has done.
type Pruned struct {
	Runs  int   `json:"runs"`  // that were removed
	Packs int   `json:"packs"` // likewise
	Freed int64 `json:"freed"` // bytes
}

// sparse: a pack of which less than one part in so many is needed is written anew.
const sparse = 2

// Prune removes runs, and then what no run needs. The repository must be open for writing. Interrupted, it leaves
// everything whole that stays.
func (r *Repository) Prune(ctx context.Context, keep Keep, now time.Time) (done Pruned, err error) {
	runs, err := r.Runs()
	if err != nil {
		return done, err // what a damaged run needs isn't known
	}
	live := map[hash]bool{}
	for i, run := range runs {
		if newest := len(runs) - i; newest > max(1, keep.Runs) && now.Sub(run.Started) >= keep.Age {
			if err := os.Remove(r.runPath(run.ID)); err != nil {
				return done, unwritable(err)
			}
			done.Runs++
			continue
		}
		if err := r.mark(run, live); err != nil {
			return done, err
		}
	}
	if err := syncDir(filepath.Join(r.dir, runsDir)); err != nil {
		return done, unwritable(err)
	}
	err = r.prunePacks(ctx, live, &done)
	return done, err
}

// mark notes all that a run needs.
func (r *Repository) mark(run Run, live map[hash]bool) error {
	for _, p := range run.Partitions {
		if live[p.List] {
			continue
		}
		entries, err := r.list(p)
		if err != nil {
			return err
		}
		live[p.List] = true
		for _, e := range entries {
			live[e.hash] = true
		}
	}
	return nil
}

// use is how much of a pack is needed.
type use struct {
	pack *pack
	live []hash
	size int64
}

func (r *Repository) uses(live map[hash]bool) (map[string]*use, error) {
	all := map[string]*use{}
	names, err := r.packNames()
	for _, name := range names {
		info, failed := os.Stat(name)
		if failed != nil {
			return nil, unreadable(failed)
		}
		all[name] = &use{pack: &pack{name, info.Size()}}
	}
	for h, at := range r.index {
		if u := all[at.pack.path]; u != nil && live[h] {
			u.live = append(u.live, h)
			u.size += int64(at.stored)
		}
	}
	return all, err
}

// prunePacks removes the packs of which little is needed, after that has been written anew.
func (r *Repository) prunePacks(ctx context.Context, live map[hash]bool, done *Pruned) error {
	all, err := r.uses(live)
	if err != nil {
		return err
	}
	t := &taker{Repository: r}
	gone := map[string]bool{}
	for _, u := range all {
		if u.size*sparse >= u.pack.bytes {
			continue
		}
		if err := t.copyPieces(ctx, u); err != nil {
			t.dropPack()
			return err
		}
		gone[u.pack.path] = true
		done.Freed += u.pack.bytes
	}
	if err := t.closePack(); err != nil {
		return err
	}
	done.Freed -= t.run.Added
	return r.removePacks(gone, done)
}

// copyPieces writes what is needed of a pack into a new one.
func (t *taker) copyPieces(ctx context.Context, u *use) error {
	for _, h := range u.live {
		if ctx.Err() != nil {
			return fault.Wrap(fault.Canceled, ctx.Err(), "interrupted")
		}
		at := t.index[h]
		if _, err := t.reader.read(h, at); err != nil {
			return err
		}
		if err := t.write(h, t.reader.room, int(at.size)); err != nil {
			return err
		}
	}
	return nil
}

func (r *Repository) removePacks(gone map[string]bool, done *Pruned) error {
	for path := range gone {
		if err := os.Remove(path); err != nil {
			return unwritable(err)
		}
		done.Packs++
	}
	for h, at := range r.index {
		if gone[at.pack.path] {
			delete(r.index, h)
		}
	}
	if err := syncDir(r.packs()); err != nil {
		return unwritable(err)
	}
	return nil
}
