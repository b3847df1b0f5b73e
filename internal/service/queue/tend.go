package queue

import (
	"context"
	"errors"
	"slices"
	"time"

	"postroad/internal/format/dsn"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/kv"
)

const (
	// tendAtOnce is how many items a tender takes from the index in one go.
	tendAtOnce = 200
	// tendPause is when it looks again at items that others were busy with.
	tendPause = 30 * time.Second
	// tellPause is when a notification is handed in again that could not be.
	tellPause = 5 * time.Minute
)

// tend looks after a shard's items whose time has come whatever attempts say, until ctx ends: it warns their
// senders, gives them up, and hands in notifications again.
func (q *Queue) tend(ctx context.Context, shard uint8) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		next := q.tendDue(ctx, shard)
		q.mu.Lock()
		next = min(next, q.marks[shard])
		q.marks[shard] = next
		q.mu.Unlock()
		timer.Reset(sleepUntil(next, q.now()))
		select {
		case <-ctx.Done():
		case <-q.tends[shard]:
		case <-timer.C:
		}
	}
}

// tendDue looks at all items that are due, and says when the next is.
func (q *Queue) tendDue(ctx context.Context, shard uint8) (next int64) {
	for ctx.Err() == nil {
		q.mu.Lock()
		q.marks[shard] = never // what comes from here on is added to it
		q.mu.Unlock()
		items, next, err := q.marked(ctx, shard)
		if err != nil {
			if ctx.Err() == nil {
				q.o.Logger.ErrorContext(ctx, "the queue can't be read", "shard", shard, "err", err)
			}
			return q.now() + loadPause.Milliseconds()
		}
		if len(items) == 0 {
			return next
		}
		for len(items) > 0 {
			n := 1
			for n < len(items) && n < dsn.MaxListed && items[n].key.msg == items[0].key.msg {
				n++
			}
			if !q.lookClaimed(ctx, items[:n]) {
				return q.now() + loadPause.Milliseconds()
			}
			items = items[n:]
		}
	}
	return never
}

// marked lists items that are due and nobody's, and when the next one is.
func (q *Queue) marked(ctx context.Context, shard uint8) (items []found, next int64, err error) {
	now := q.now()
	next = never
	err = q.db.View(ctx, partition(shard), func(r kv.Reader) error {
		for p, err := range r.Scan(all(keyMark)) {
			if err != nil {
				return err
			}
			at, m, rcpt := splitTimed(p.Key[1:])
			k := itemKey{msg: m, rcpt: rcpt, shard: shard}
			switch {
			case at > now || len(items) == tendAtOnce:
				next = min(next, at)
				return nil
			case q.taken(k):
				next = now + tendPause.Milliseconds()
			default:
				items = append(items, found{k, at})
			}
		}
		return nil
	})
	slices.SortStableFunc(items, func(a, b found) int { return int(int64(a.key.msg) - int64(b.key.msg)) })
	return items, next, err
}

// lookClaimed claims items of one message and looks at them: see look.
func (q *Queue) lookClaimed(ctx context.Context, items []found) (ok bool) {
	var rcpts []uint32
	q.mu.Lock()
	for _, f := range items {
		if q.s.claim(f.key) {
			rcpts = append(rcpts, f.key.rcpt)
		}
	}
	q.mu.Unlock()
	return len(rcpts) == 0 || q.look(ctx, items[0].key.shard, items[0].key.msg, rcpts)
}

// look does with items of one message, which are claimed, what their times ask for: it tells the sender what
// there is to tell, writes down that it did, and lets the items go. It reports whether the store could be read and written.
func (q *Queue) look(ctx context.Context, shard uint8, n msgNum, rcpts []uint32) (ok bool) {
	l := &looking{q: q, shard: shard, n: n, rcpts: rcpts, now: q.now()}
	err := q.db.View(ctx, partition(shard), l.read)
	if err == nil && len(l.reports) > 0 {
		if err = q.notify(ctx, l); err != nil && ctx.Err() == nil { // when stopping, the next start does it
			q.o.Logger.WarnContext(ctx, "a notification could not be handed in", "id", l.msg.env.ID, "to", l.msg.env.From, "err", err)
			l.failed = true
		}
	}
	if err == nil || l.failed {
		err = q.db.Update(context.WithoutCancel(ctx), partition(shard), l.write)
	}
	if err != nil && ctx.Err() != nil {
		l.mark = q.now()
	} else if err != nil {
		q.o.Logger.ErrorContext(ctx, "the queue can't be changed", "id", l.msg.env.ID, "err", err)
		l.mark = q.now() + tellPause.Milliseconds()
	} else {
		q.stats.changed(shard, -l.messages, -l.gone)
		q.stats.expired.Add(uint64(l.expired))
		l.log(ctx)
		l.note()
	}
	q.mu.Lock()
	now := q.now()
	for i, rcpt := range rcpts {
		k := []itemKey{{msg: n, rcpt: rcpt, shard: shard}}
		due := int64(never)
		if i < len(l.items) && l.items[i].due != 0 {
			due = l.items[i].due
		}
		if i < len(l.items) {
			q.s.release(l.items[i].dest, l.items[i].lane, k, due, now)
		} else {
			q.s.release("", 0, k, never, now)
		}
	}
	q.markAt(shard, l.mark)
	q.mu.Unlock()
	q.wake()
	return err == nil
}

// log writes a line for each recipient that was told of or given up.
func (l *looking) log(ctx context.Context) {
	for i := range l.todo {
		s := &l.todo[i]
		if !s.told && !s.remove || l.failed && s.told {
			continue
		}
		what := "queue: given up, and nobody is told"
		if s.told {
			what = "queue: sender told"
		}
		l.q.o.Logger.InfoContext(ctx, what, "id", l.msg.env.ID, "from", l.msg.env.From, "to", l.items[i].rcpt.Address,
			"action", s.action, "status", s.out.Status)
	}
}

// looking is one look at a message's items.
type looking struct {
	q      *Queue
	shard  uint8
	n      msgNum
	rcpts  []uint32
	now    int64
	msg    message
	items  []item // like rcpts; a zero item is gone
	todo   []step
	failed bool // to tell

	reports []dsn.Recipient
	mark    int64 // when the next of the items that stay is to be looked at
	// gone counts the items that were removed, messages is 1 if the message was.
	gone, messages int
	expired        int
}

// step is what is to be done with an item.
type step struct {
	remove, warned, late bool
	told                 bool // it is in the report
	out                  transfer.Outcome
	action               dsn.Action
}

func (l *looking) read(r kv.Reader) error {
	l.items, l.todo, l.reports, l.expired = make([]item, len(l.rcpts)), make([]step, len(l.rcpts)), nil, 0
	m, ok, err := readMessage(r, l.n)
	if err != nil || !ok {
		return err
	}
	l.msg = m
	for i, rcpt := range l.rcpts {
		it, ok, err := readItem(r, l.n, rcpt)
		if err != nil {
			return err
		}
		if !ok || it.state == Held {
			continue
		}
		outs, err := readHistory(r, l.n, rcpt)
		if err != nil {
			return err
		}
		l.items[i], l.todo[i] = it, l.plan(&it, outs)
		if l.todo[i].told {
			l.reports = append(l.reports, l.describe(&it, &l.todo[i]))
		}
	}
	return nil
}

// plan says what an item's times ask for.
func (l *looking) plan(it *item, outs []transfer.Outcome) (s step) {
	var last *transfer.Outcome
	if len(outs) > 0 {
		last = &outs[len(outs)-1]
		s.out = *last
	} else {
		s.out = transfer.Outcome{Status: "4.4.7", Text: "it could not be tried yet: the destination does not answer"}
	}
	o := &l.q.o
	switch {
	case it.state == Telling:
		return step{remove: true, told: true, out: it.last, action: it.action}
	case l.now >= o.expiry(&l.msg):
		l.expired++
		return step{remove: true, told: wants(&l.msg, it, transfer.NotifyFailure), out: expired(last, instant(l.now)), action: dsn.Failed}
	}
	s.action = dsn.Delayed
	s.late = l.now >= o.lateAt(&l.msg, it)
	s.warned = l.now >= o.warnAt(&l.msg, it)
	s.told = s.late || s.warned
	return s
}

func (l *looking) describe(it *item, s *step) dsn.Recipient {
	r := dsn.Recipient{
		Action: s.action, Address: it.rcpt.Address, OriginalType: it.rcpt.OriginalType, Original: it.rcpt.Original,
		Status: s.out.Status, Remote: s.out.Remote, Reply: replyOf(&s.out), LastAttempt: s.out.At, LogID: l.msg.env.ID,
	}
	if s.action == dsn.Delayed {
		r.RetryUntil = instant(l.q.o.expiry(&l.msg))
	}
	return r
}

// write writes down what was done. Administrators may have been at the items meanwhile.
func (l *looking) write(tx kv.Tx) error {
	l.gone, l.messages, l.mark = 0, 0, 0
	m, ok, err := readMessage(tx, l.n)
	if err != nil || !ok {
		return err
	}
	for i, rcpt := range l.rcpts {
		it, ok, err := readItem(tx, l.n, rcpt)
		if err != nil {
			return err
		}
		if !ok || it.state == Held || it.state != l.items[i].state {
			l.items[i] = it
			continue
		}
		if err := l.item(tx, &m, i, &it); err != nil {
			return err
		}
		l.items[i] = it
	}
	l.messages = lastOf(&m, l.gone)
	return l.q.removed(tx, l.n, &m, l.gone)
}

func (l *looking) item(tx kv.Tx, m *message, i int, it *item) error {
	s, rcpt, due := &l.todo[i], l.rcpts[i], it.due
	err := unlist(tx, l.n, rcpt, it)
	postponed := l.failed && s.told
	if s.remove && !postponed {
		l.gone++
		return errors.Join(err, removeItem(tx, l.n, rcpt, it.attempts > 0))
	}
	it.due = due
	if postponed {
		it.mark = l.now + tellPause.Milliseconds()
	} else {
		it.warned, it.late = it.warned || s.warned || s.late, it.late || s.late
		it.mark = max(l.q.o.nextMark(m, it), l.now+1)
	}
	if l.mark == 0 || it.mark < l.mark {
		l.mark = it.mark
	}
	return errors.Join(err, writeItem(tx, l.n, rcpt, it))
}
