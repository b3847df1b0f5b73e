package queue

import (
	"context"
	"errors"
	"slices"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/dsn"
	"postroad/internal/service/trace"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/kv"
)

// State says what an item waits for. The numbers are stored.
type State uint8

// What an item waits for.
const (
	// Waiting for its time, or being tried.
	Waiting State = iota
	// Held until an administrator releases it: it doesn't expire.
	Held
	// Telling: it is done, and its sender is about to be told.
	Telling

	stateEnd
)

// Scheduled is Waiting until the time that the sender asked for (RFC 4865). It is not stored, and only in a Filter or an Entry.
const Scheduled State = 255

// String names the state in a word.
func (s State) String() string {
	names := [stateEnd]string{"waiting", "held", "notifying"}
	switch {
	case s < stateEnd:
		return names[s]
	case s == Scheduled:
		return "scheduled"
	}
	return "unknown"
}

// Filter chooses items. Empty fields match all.
type Filter struct {
	ID string
	// From and To match without regard to case; "@example.org" matches everybody there, "<>" the null reverse-path.
	From, To string
	// Destination is a recipient's domain, or what Options.Destination calls it.
	Destination string
	// States are those to match. Waiting does not mean Scheduled.
	States []State
	// Before and After are about when the message was received; zero: whenever.
	Before, After time.Time
	// Limit is how many items at most; 0: 1,000 for List, all for the others.
	Limit int
}

// Entry is an item of the queue, as an administrator sees it.
type Entry struct {
	ID, MessageID, From, To string
	Destination             string
	State                   State
	Active                  bool // in memory: next to be tried, or being tried
	Priority                int
	Size                    int64
	Received, Due, Expires  time.Time // Due is zero if held
	Reason                  string    // why it is held, if it was from the beginning
	Attempts                int
	// History is the last attempts, oldest first: of List the last one, of Show up to MaxHistory.
	History []transfer.Outcome
}

// List returns the items that match, message by message. more is true if there are others.
func (q *Queue) List(ctx context.Context, f Filter) (entries []Entry, more bool, err error) {
	def(&f.Limit, 1000)
	limit := f.Limit
	f.Limit++
	err = q.each(ctx, f, func(shard uint8, r kv.Reader, ms []match) error {
		for i := range ms {
			e, err := q.entry(r, shard, &ms[i])
			if err != nil {
				return err
			}
			e.History = e.History[max(0, len(e.History)-1):]
			entries = append(entries, e)
		}
		return nil
	}, nil)
	if len(entries) > limit {
		return entries[:limit], true, err
	}
	return entries, false, err
}

// Show returns all items of one message with their attempts. Errors: fault.NotFound.
func (q *Queue) Show(ctx context.Context, id string) (entries []Entry, err error) {
	err = q.each(ctx, Filter{ID: id}, func(shard uint8, r kv.Reader, ms []match) error {
		for i := range ms {
			e, err := q.entry(r, shard, &ms[i])
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
		return nil
	}, nil)
	if err == nil && (id == "" || len(entries) == 0) {
		return nil, errGone
	}
	return entries, err
}

func (q *Queue) entry(r kv.Reader, shard uint8, m *match) (Entry, error) {
	outs, err := readHistory(r, m.key.msg, m.key.rcpt)
	e := &m.msg.env
	return Entry{
		ID: e.ID, MessageID: m.msg.messageID, From: e.From, To: m.it.rcpt.Address, Destination: m.it.dest,
		State: m.it.stateOf(m.msg, q.now()), Reason: m.msg.reason,
		Active: q.taken(m.key), Priority: e.Priority, Size: m.msg.size, Received: e.Received, Due: instant(m.it.due),
		Expires: instant(q.o.expiry(m.msg)), Attempts: int(m.it.attempts), History: outs,
	}, err
}

// Hold keeps what matches from being tried until it is released. An attempt under way goes on. It returns how many
// items it changed, also with an error; so do the others.
func (q *Queue) Hold(ctx context.Context, f Filter) (int, error) {
	return q.change(ctx, f, func(tx kv.Tx, c *change) error {
		if c.it.state != Waiting {
			return nil
		}
		c.it.state, c.kind = Held, trace.Held
		return c.rewrite(tx, 0, 0)
	})
}

// Release ends Hold: the items are due now, or when their sender wanted them to be. Those that would have expired get their full time again.
func (q *Queue) Release(ctx context.Context, f Filter) (int, error) {
	return q.change(ctx, f, func(tx kv.Tx, c *change) error {
		if c.it.state != Held {
			return nil
		}
		if c.now >= q.o.expiry(c.msg) {
			c.msg.start = c.now
			if err := tx.Set(messageKey(c.key.msg), c.msg.encode()); err != nil {
				return err
			}
		}
		if c.msg.reason != "" {
			c.msg.reason = ""
			if err := tx.Set(messageKey(c.key.msg), c.msg.encode()); err != nil {
				return err
			}
		}
		c.it.state, c.kind = Waiting, trace.Released
		return c.rewrite(tx, max(c.now, c.msg.start), q.o.nextMark(c.msg, &c.it))
	})
}

// Retry makes what waits due now, and ends the pauses of its destinations. What is scheduled stays so, unless f asks for it: by
// its ID or state.
func (q *Queue) Retry(ctx context.Context, f Filter) (int, error) {
	return q.change(ctx, f, func(tx kv.Tx, c *change) error {
		mark := c.it.mark
		switch {
		case c.it.state != Waiting, c.msg.scheduled(c.now) && !f.early():
			return nil
		case c.msg.scheduled(c.now):
			c.msg.start, c.kind = c.now, trace.Released
			if err := tx.Set(messageKey(c.key.msg), c.msg.encode()); err != nil {
				return err
			}
			mark = q.o.nextMark(c.msg, &c.it)
		}
		c.revive = true
		return c.rewrite(tx, c.now, mark)
	})
}

// early reports whether a filter means mail whose time has not come.
func (f *Filter) early() bool { return f.ID != "" || slices.Contains(f.States, Scheduled) }

// Flush is Retry of all that waits for a destination.
func (q *Queue) Flush(ctx context.Context, destination string) (int, error) {
	n, err := q.Retry(ctx, Filter{Destination: destination})
	q.mu.Lock()
	q.s.revive(destination, q.now())
	q.mu.Unlock()
	q.wake()
	return n, err
}

// Drop removes what matches. With bounce the senders are told, as they asked to be of failures. What is being tried may
// still arrive.
func (q *Queue) Drop(ctx context.Context, f Filter, bounce bool) (int, error) {
	return q.change(ctx, f, func(tx kv.Tx, c *change) error {
		if c.it.state == Telling {
			return nil
		}
		out := transfer.Outcome{Result: transfer.Failed, Status: "5.3.0", Text: textDropped, At: instant(c.now)}
		c.kind = trace.Dropped
		if bounce && wants(c.msg, &c.it, transfer.NotifyFailure) {
			c.it.state, c.it.action, c.it.last = Telling, dsn.Failed, out
			return c.rewrite(tx, 0, c.now)
		}
		c.removed = true
		return errors.Join(unlist(tx, c.key.msg, c.key.rcpt, &c.it), removeItem(tx, c.key.msg, c.key.rcpt, c.it.attempts > 0))
	})
}

const textDropped = "an administrator removed the message"

// match is an item that a filter has chosen.
type match struct {
	key itemKey
	msg *message
	it  item
}

// change is an administrator's change of one item.
type change struct {
	match
	now              int64
	kind             trace.Kind // of what is noted; 0: nothing is
	changed, removed bool
	revive           bool
}

// rewrite writes the item with other times.
func (c *change) rewrite(tx kv.Tx, due, mark int64) error {
	c.changed = true
	err := unlist(tx, c.key.msg, c.key.rcpt, &c.it)
	c.it.due, c.it.mark = due, mark
	return errors.Join(err, writeItem(tx, c.key.msg, c.key.rcpt, &c.it))
}

// change applies fn to what matches, a few hundred items at a time.
func (q *Queue) change(ctx context.Context, f Filter, fn func(kv.Tx, *change) error) (n int, err error) {
	err = q.each(ctx, f, nil, func(shard uint8, ms []match) error {
		k, err := q.changeSome(ctx, shard, ms, fn)
		n += k
		return err
	})
	return n, err
}

// changeSome changes items of a shard in one transaction. Meanwhile nobody takes them up.
func (q *Queue) changeSome(ctx context.Context, shard uint8, ms []match, fn func(kv.Tx, *change) error) (n int, err error) {
	q.mu.Lock()
	for i := range ms {
		q.s.block(ms[i].it.dest, ms[i].it.lane, []itemKey{ms[i].key}, q.now())
	}
	q.mu.Unlock()
	var done []change
	messages, items := 0, 0
	err = q.db.Update(ctx, partition(shard), func(tx kv.Tx) error {
		done, messages, items = nil, 0, 0
		for rest := ms; len(rest) > 0; {
			k := 1
			for k < len(rest) && rest[k].key.msg == rest[0].key.msg {
				k++
			}
			cs, gone, err := q.changeMessage(tx, rest[:k], fn)
			if err != nil {
				return err
			}
			done, items = append(done, cs...), items-len(cs)+countLeft(cs)
			if gone {
				messages--
			}
			rest = rest[k:]
		}
		return nil
	})
	if err != nil {
		done, messages, items = nil, 0, 0
	}
	q.stats.changed(shard, messages, items)
	for i := range done {
		q.noteChange(&done[i])
	}
	q.unblock(shard, ms, done)
	for i := range done {
		if done[i].changed || done[i].removed {
			n++
		}
	}
	return n, err
}

func countLeft(cs []change) (n int) {
	for i := range cs {
		if !cs[i].removed {
			n++
		}
	}
	return n
}

// changeMessage changes items of one message. gone: it went with the last of them.
func (q *Queue) changeMessage(tx kv.Tx, ms []match, fn func(kv.Tx, *change) error) (cs []change, gone bool, err error) {
	n := ms[0].key.msg
	m, ok, err := readMessage(tx, n)
	if err != nil || !ok {
		return nil, false, err
	}
	for i := range ms {
		it, ok, err := readItem(tx, n, ms[i].key.rcpt)
		if err != nil {
			return nil, false, err
		}
		if !ok {
			continue
		}
		c := change{match: match{key: ms[i].key, msg: &m, it: it}, now: q.now()}
		if err := fn(tx, &c); err != nil {
			return nil, false, err
		}
		cs = append(cs, c)
	}
	removed := len(cs) - countLeft(cs)
	gone = removed > 0 && uint64(removed) == m.items
	return cs, gone, q.removed(tx, n, &m, removed)
}

// unblock lets the scheduler have the items again, as they are now.
func (q *Queue) unblock(shard uint8, ms []match, done []change) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	for i := range ms {
		due := int64(never)
		if ms[i].it.due != 0 {
			due = ms[i].it.due // as it was: if the change failed
		}
		q.s.unblock(ms[i].it.dest, ms[i].it.lane, []itemKey{ms[i].key}, due, now)
	}
	for i := range done {
		c := &done[i]
		if c.removed {
			continue
		}
		if c.it.due != 0 {
			q.s.unblock(c.it.dest, c.it.lane, nil, c.it.due, now)
		}
		if c.revive {
			q.s.revive(c.it.dest, now)
		}
		q.markAt(shard, c.it.mark)
	}
	q.wake()
}

// eachAtOnce is how many items are read in one view, and changed in one transaction.
const eachAtOnce = 256

// each gives what matches to see, inside of a view, or to act, outside of it: some items of one shard at a time.
func (q *Queue) each(ctx context.Context, f Filter, see func(uint8, kv.Reader, []match) error, act func(uint8, []match) error) error {
	for shard := range uint8(Shards) {
		if f.ID != "" && shardOf(f.ID) != shard {
			continue
		}
		for rng := all(keyItem); rng.Lo != nil; {
			var ms []match
			err := q.db.View(ctx, partition(shard), func(r kv.Reader) (err error) {
				if ms, rng, err = q.matches(r, shard, rng, &f); err == nil && see != nil {
					err = see(shard, r, ms)
				}
				return err
			})
			if err == nil && act != nil && len(ms) > 0 {
				err = act(shard, ms)
			}
			if err != nil {
				return err
			}
			if f.Limit > 0 {
				if f.Limit -= len(ms); f.Limit <= 0 {
					return nil
				}
			}
		}
	}
	return nil
}

// matches finds some of a shard's items that match, and where to go on; rest.Lo is nil at the end.
func (q *Queue) matches(r kv.Reader, shard uint8, rng kv.Range, f *Filter) (ms []match, rest kv.Range, err error) {
	if f.ID != "" {
		v, ok, err := r.Get(nameKey(f.ID))
		if err != nil || !ok || len(v) != 6 {
			return nil, kv.Range{}, err
		}
		n, _ := splitItem(append(slices.Clone(v), 0, 0, 0, 0))
		of := itemsOf(keyItem, n)
		if string(of.Lo) > string(rng.Lo) {
			rng.Lo = of.Lo
		}
		if rng.Hi = of.Hi; string(rng.Lo) >= string(rng.Hi) {
			return nil, kv.Range{}, nil
		}
	}
	var m *message
	var of msgNum
	seen, now := 0, q.now()
	for p, err := range r.Scan(rng) {
		if err != nil {
			return nil, kv.Range{}, err
		}
		n, rcpt := splitItem(p.Key[1:])
		if seen++; seen > 20*eachAtOnce || len(ms) == eachAtOnce || f.Limit > 0 && len(ms) == f.Limit {
			return ms, kv.Range{Lo: slices.Clone(p.Key), Hi: rng.Hi}, nil
		}
		it, err := decodeItem(p.Value)
		if err != nil {
			return nil, kv.Range{}, err
		}
		if !f.matchItem(&it) {
			continue // most often without a look at the message
		}
		if m == nil || of != n {
			rec, ok, err := readMessage(r, n)
			if err != nil {
				return nil, kv.Range{}, err
			}
			if !ok {
				return nil, kv.Range{}, fault.New(fault.Corrupt, "an item of the queue has no message")
			}
			m, of = &rec, n
		}
		if f.matchMessage(m) && f.matchState(it.stateOf(m, now)) {
			ms = append(ms, match{itemKey{msg: n, rcpt: rcpt, shard: shard}, m, it})
		}
	}
	return ms, kv.Range{}, nil
}

func (f *Filter) matchItem(it *item) bool {
	return trace.MatchAddress(f.To, it.rcpt.Address) && f.matchDestination(it) &&
		(it.state == Waiting || f.matchState(it.state))
}

func (f *Filter) matchDestination(it *item) bool {
	return f.Destination == "" || f.Destination == it.dest || f.Destination == domainOf(nil, &it.rcpt)
}

func (f *Filter) matchState(s State) bool { return len(f.States) == 0 || slices.Contains(f.States, s) }

// stateOf is the state as people see it.
func (it *item) stateOf(m *message, now int64) State {
	if it.state == Waiting && m.scheduled(now) {
		return Scheduled
	}
	return it.state
}

func (f *Filter) matchMessage(m *message) bool {
	return (f.ID == "" || f.ID == m.env.ID) && trace.MatchAddress(f.From, m.env.From) &&
		(f.Before.IsZero() || m.env.Received.Before(f.Before)) && (f.After.IsZero() || m.env.Received.After(f.After))
}
