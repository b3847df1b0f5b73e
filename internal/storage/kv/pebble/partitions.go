package pebble

import (
	"context"
	"slices"

	engine "github.com/cockroachdb/pebble/v2"

	"postroad/internal/storage/kv"
)

// Partitions implements kv.DB: one seek for each partition and area.
func (db *DB) Partitions(ctx context.Context, from, to kv.Partition) ([]kv.Partition, error) {
	if err := db.enter(); err != nil {
		return nil, err
	}
	defer db.leave()
	var all []kv.Partition
	for _, area := range []byte{areaRecords, areaBulk} {
		ps, err := db.partitionsIn(ctx, area, from, to)
		if err != nil {
			return nil, err
		}
		all = append(all, ps...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	for _, p := range all {
		if err := db.settle(p); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (db *DB) partitionsIn(ctx context.Context, area byte, from, to kv.Partition) ([]kv.Partition, error) {
	if from > to {
		return nil, nil
	}
	it, err := db.lsm.NewIter(&engine.IterOptions{
		LowerBound: appendPrefix(nil, area, from),
		UpperBound: after(area, to),
	})
	if err != nil {
		return nil, readFault(err)
	}
	defer it.Close()
	var ps []kv.Partition
	for ok := it.First(); ok; {
		if ctx.Err() != nil {
			return nil, canceled(ctx)
		}
		p := partitionOf(it.Key())
		ps = append(ps, p)
		if p == to {
			break
		}
		ok = it.SeekGE(appendPrefix(nil, area, p+1))
	}
	return ps, readFault(it.Error())
}

// after is the first physical key behind p's in the area.
func after(area byte, p kv.Partition) []byte {
	if p == ^kv.Partition(0) {
		return []byte{area + 1}
	}
	return appendPrefix(nil, area, p+1)
}
