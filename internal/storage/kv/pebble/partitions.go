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
	all, err := partitionsOf(ctx, db.lsm, from, to)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if err := db.settle(p); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// partitionsOf lists the partitions that a source shows.
func partitionsOf(ctx context.Context, src source, from, to kv.Partition) ([]kv.Partition, error) {
	var all []kv.Partition
	for _, area := range []byte{areaRecords, areaBulk} {
		ps, err := partitionsIn(ctx, src, area, from, to)
		if err != nil {
			return nil, err
		}
		all = append(all, ps...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func partitionsIn(ctx context.Context, src source, area byte, from, to kv.Partition) ([]kv.Partition, error) {
	if from > to {
		return nil, nil
	}
	it, err := src.NewIter(&engine.IterOptions{
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
