package queue

import (
	"cmp"
	"context"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// found is a lane's item, from the index alone.
type found struct {
	key itemKey
	due int64
}

// maxFound is how many items a load takes of a shard, however many recipients the messages have.
const maxFound = 1000

// load fills a lane's window from the disk.
func (q *Queue) load(ctx context.Context, ld *load) {
	jobs, next, err := q.read(ctx, ld)
	q.mu.Lock()
	if err != nil {
		q.s.loadFailed(ld, q.now())
	} else {
		q.s.loadedJobs(ld, jobs, next, q.now())
	}
	q.mu.Unlock()
	q.wake()
	if err != nil && ctx.Err() == nil {
		q.o.Logger.ErrorContext(ctx, "the queue can't be read", "destination", ld.dest, "err", err)
	}
}

// read finds a lane's next items, claims them, and only then reads them: so what it reads stays true. It returns when the
// first item is due that it leaves on disk.
func (q *Queue) read(ctx context.Context, ld *load) (jobs []*job, next int64, err error) {
	var all []found
	next = never
	now := q.now()
	for shard := range uint8(Shards) {
		err := q.db.View(ctx, partition(shard), func(r kv.Reader) error {
			items, after, err := q.find(r, ld, shard, now)
			all, next = append(all, items...), min(next, after)
			return err
		})
		if err != nil {
			return nil, 0, err
		}
	}
	slices.SortFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.key.shard, b.key.shard), cmp.Compare(a.key.msg, b.key.msg), cmp.Compare(a.key.rcpt, b.key.rcpt))
	})
	groups, after := q.group(all, ld.jobs)
	next = min(next, after)
	for i, g := range groups {
		j, err := q.readJob(ctx, ld, g)
		if err != nil {
			q.unclaim(groups[i:], jobs, ld)
			return nil, 0, err
		}
		if j != nil {
			jobs = append(jobs, j)
		}
	}
	return jobs, next, nil
}

// find lists a shard's items of a lane that are due and nobody's, as many as one load needs, and when the next one is due.
func (q *Queue) find(r kv.Reader, ld *load, shard uint8, now int64) (items []found, next int64, err error) {
	messages, last := 0, msgNum(0)
	for p, err := range r.Scan(laneRange(ld.dest, ld.lane, min(ld.from, now))) {
		if err != nil {
			return nil, 0, err
		}
		_, _, due, m, rcpt, ok := splitDue(p.Key)
		if !ok {
			return nil, 0, fault.New(fault.Corrupt, "the queue has a strange key %x", p.Key)
		}
		k := itemKey{msg: m, rcpt: rcpt, shard: shard}
		if q.taken(k) {
			continue
		}
		if m != last {
			messages, last = messages+1, m
		}
		if due > now || messages > ld.jobs || len(items) == maxFound {
			return items, due, nil
		}
		items = append(items, found{k, due})
	}
	return items, never, nil
}

func (q *Queue) taken(k itemKey) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.s.taken(k)
}

// group claims the first items, in groups that can go together, and says when the first of the others is due.
func (q *Queue) group(items []found, jobs int) (groups [][]found, next int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(items) > 0 && len(groups) < jobs {
		n := 1
		for n < len(items) && n < q.o.Limits.JobRecipients && items[n].key.msg == items[0].key.msg && items[n].key.shard == items[0].key.shard {
			n++
		}
		g := slices.DeleteFunc(slices.Clone(items[:n]), func(f found) bool { return !q.s.claim(f.key) })
		if len(g) > 0 {
			groups = append(groups, g)
		}
		items = items[n:]
	}
	if len(items) > 0 {
		return groups, items[0].due
	}
	return groups, never
}

// readJob makes a job of claimed items; nil if none is to be tried any more.
func (q *Queue) readJob(ctx context.Context, ld *load, g []found) (j *job, err error) {
	shard, n := g[0].key.shard, g[0].key.msg
	var stale []itemKey
	err = q.db.View(ctx, partition(shard), func(r kv.Reader) error {
		m, ok, err := readMessage(r, n)
		if err != nil {
			return err
		}
		j = &job{dest: ld.dest, lane: ld.lane, shard: shard, msg: n, env: m.env, size: m.size, due: g[0].due}
		for _, f := range g {
			it, there, err := readItem(r, n, f.key.rcpt)
			if err != nil {
				return err
			}
			if ok && there && it.state == Waiting && it.due == f.due {
				j.items = append(j.items, jobItem{rcpt: f.key.rcpt, to: it.rcpt, due: it.due})
			} else {
				stale = append(stale, f.key)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	q.s.release(ld.dest, ld.lane, stale, never, q.now())
	q.mu.Unlock()
	if len(j.items) == 0 {
		return nil, nil
	}
	return j, nil
}

// unclaim lets go of all that a load that failed has claimed.
func (q *Queue) unclaim(groups [][]found, jobs []*job, ld *load) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, g := range groups {
		for _, f := range g {
			q.s.release(ld.dest, ld.lane, []itemKey{f.key}, f.due, q.now())
		}
	}
	for _, j := range jobs {
		q.s.letGo(j, q.now())
	}
}
