package admin

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/queue"
	"postroad/internal/service/transfer"
)

// SetQueue gives the queue that the server runs. Without it Direct opens the queue itself, when it is
// first asked for, and never runs it. It must be called before anything else.
func (d *Direct) SetQueue(q *queue.Queue) { d.queue = q }

// openQueue is the queue that lies in the store.
func (d *Direct) openQueue(ctx context.Context) (*queue.Queue, error) {
	d.opening.Lock()
	defer d.opening.Unlock()
	if d.queue != nil {
		return d.queue, nil
	}
	q, err := queue.Open(ctx, d.db, queue.Options{Send: deferAll, Note: d.trace.Note})
	if err == nil {
		d.queue = q
	}
	return q, err
}

// deferAll sends nothing.
func deferAll(context.Context, transfer.Job) []transfer.Outcome { return nil }

// maxListed is how many items or messages one answer may have.
const maxListed = 100_000

func checkLimit(n int) error {
	if n < 0 || n > maxListed {
		return fault.New(fault.Invalid, "a limit is from 0 to %d", maxListed)
	}
	return nil
}

// filter is what a filter means to the queue.
func (f *QueueFilter) filter() (queue.Filter, error) {
	out := queue.Filter{ID: f.ID, From: f.Sender, To: f.Recipient, Destination: strings.ToLower(strings.TrimPrefix(f.Domain, "@")),
		Before: f.ReceivedBefore, After: f.ReceivedAfter, Limit: f.Limit}
	if err := checkLimit(f.Limit); err != nil {
		return out, err
	}
	for _, name := range f.States {
		s, ok := stateNames[strings.ToLower(name)]
		if !ok {
			return out, fault.New(fault.Invalid, "state %q: want waiting, scheduled, held or notifying", name)
		}
		out.States = append(out.States, s)
	}
	return out, nil
}

var stateNames = map[string]queue.State{
	queue.Waiting.String(): queue.Waiting, queue.Held.String(): queue.Held, queue.Telling.String(): queue.Telling,
	queue.Scheduled.String(): queue.Scheduled,
}

// all reports whether the filter matches everything.
func (f *QueueFilter) all() bool {
	return f.ID == "" && f.Sender == "" && f.Recipient == "" && f.Domain == "" && len(f.States) == 0 &&
		f.ReceivedBefore.IsZero() && f.ReceivedAfter.IsZero()
}

// Queue implements Admin.
func (d *Direct) Queue(ctx context.Context, f QueueFilter) (QueueList, error) {
	list := QueueList{Items: []QueueItem{}}
	want, err := f.filter()
	if err != nil {
		return list, err
	}
	q, err := d.openQueue(ctx)
	if err != nil {
		return list, err
	}
	entries, more, err := q.List(ctx, want)
	for i := range entries {
		list.Items = append(list.Items, itemOf(&entries[i]))
	}
	slices.SortStableFunc(list.Items, func(a, b QueueItem) int {
		return cmp.Or(a.Received.Compare(b.Received), cmp.Compare(a.ID, b.ID))
	})
	list.More = more
	return list, err
}

// QueueMessage implements Admin.
func (d *Direct) QueueMessage(ctx context.Context, id string) ([]QueueItem, error) {
	q, err := d.openQueue(ctx)
	if err != nil {
		return nil, err
	}
	entries, err := q.Show(ctx, id)
	items := []QueueItem{}
	for i := range entries {
		items = append(items, itemOf(&entries[i]))
	}
	return items, err
}

// RetryQueue implements Admin.
func (d *Direct) RetryQueue(ctx context.Context, c QueueChange) (Changed, error) {
	return d.changeQueue(ctx, c, (*queue.Queue).Retry)
}

// HoldQueue implements Admin.
func (d *Direct) HoldQueue(ctx context.Context, c QueueChange) (Changed, error) {
	return d.changeQueue(ctx, c, (*queue.Queue).Hold)
}

// ReleaseQueue implements Admin.
func (d *Direct) ReleaseQueue(ctx context.Context, c QueueChange) (Changed, error) {
	return d.changeQueue(ctx, c, (*queue.Queue).Release)
}

// DropQueue implements Admin.
func (d *Direct) DropQueue(ctx context.Context, c QueueChange) (Changed, error) {
	return d.changeQueue(ctx, c, func(q *queue.Queue, ctx context.Context, f queue.Filter) (int, error) {
		return q.Drop(ctx, f, c.Bounce)
	})
}

// FlushQueue implements Admin.
func (d *Direct) FlushQueue(ctx context.Context, domain string) (Changed, error) {
	want, _ := (&QueueFilter{Domain: domain}).filter() // what could be wrong isn't there
	if want.Destination == "" {
		return Changed{}, fault.New(fault.Invalid, "say which domain")
	}
	q, err := d.openQueue(ctx)
	if err != nil {
		return Changed{}, err
	}
	n, err := q.Flush(ctx, want.Destination)
	return Changed{n}, err
}

// changeQueue does something with all that a change is about.
func (d *Direct) changeQueue(ctx context.Context, c QueueChange, do func(*queue.Queue, context.Context, queue.Filter) (int, error)) (Changed, error) {
	want, err := c.Filter.filter()
	if err != nil {
		return Changed{}, err
	}
	if c.Filter.all() != c.All {
		return Changed{}, fault.New(fault.Invalid, "say which mail by at least one filter, or that all is meant")
	}
	want.Limit = 0
	q, err := d.openQueue(ctx)
	if err != nil {
		return Changed{}, err
	}
	n, err := do(q, ctx, want)
	return Changed{n}, err
}
