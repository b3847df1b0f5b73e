package admin

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/service/backup"
	"postroad/internal/service/move"
	"postroad/internal/storage/kv"
)

// moreOperations are those that answer with JSON, but are not of Admin.
var moreOperations = map[string]operation{
	broughtName: asking(func(ctx context.Context, a Admin, x addressArg) (move.Brought, error) {
		m, ok := a.(Mover)
		if !ok {
			return nil, fault.New(fault.Unsupported, "this server can't move mailboxes")
		}
		return m.Brought(ctx, x.Address)
	}),

	"backup.begin": onMoments(func(ctx context.Context, k momentKeeper, _ none) (momentArg, error) {
		id, err := k.beginMoment(ctx)
		return momentArg{id}, err
	}),
	"backup.partitions": onMoments(func(ctx context.Context, k momentKeeper, m momentArg) (ps []kv.Partition, err error) {
		err = k.withMoment(m.ID, func(o backup.Origin) (err error) { ps, err = o.Partitions(ctx); return err })
		return ps, err
	}),
	"backup.mark": onMoments(func(ctx context.Context, k momentKeeper, m markArg) (none, error) {
		return none{}, k.withMoment(m.ID, func(o backup.Origin) error { return o.Mark(ctx, m.Repository, m.Run) })
	}),
	"backup.end": onMoments(func(_ context.Context, k momentKeeper, m momentArg) (none, error) { return none{}, k.endMoment(m.ID) }),
}
