package queue

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"postroad/internal/format/dsn"
	"postroad/internal/format/record"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/kv"
)

// TraceLimits bound what is remembered of messages. Zero means the default.
type TraceLimits struct {
	// Horizon is how long (14 days), Events how many of each shard at most (500,000).
	Horizon time.Duration
	Events  int
}

func (l *TraceLimits) defaults() {
	def(&l.Horizon, 14*24*time.Hour)
	def(&l.Events, 500_000)
}

// EventKind says what happened.
type EventKind uint8

// What happens to a message. The numbers are stored.
const (
	EventSubmitted EventKind = 1 + iota // it came into the queue
	EventAttempt                        // it was tried
	EventWarned                         // its sender was told of a delay
	EventDone                           // it was given up or told of, and removed
	EventDropped                        // an administrator removed it

	eventEnd
)

// String names the kind in a word.
func (k EventKind) String() string {
	names := [...]string{
		EventSubmitted: "queued", EventAttempt: "tried", EventWarned: "warned", EventDone: "ended", EventDropped: "dropped",
	}
	if k == 0 || k >= eventEnd {
		return "unknown"
	}
	return names[k]
}

// Event is something that happened to a message.
type Event struct {
	At            time.Time
	Kind          EventKind
	ID, MessageID string
	From          string
	To            []string // of EventSubmitted up to maxTraced, else one
	Size          int64
	// Outcome is the attempt's, or what the sender was told.
	Outcome transfer.Outcome
}

// maxTraced is how many recipients a submission's event names.
const maxTraced = 200

// TraceFilter says what to look for. Empty fields match everything; From and To are as in Filter.
type TraceFilter struct {
	ID, From, To, MessageID string
	Since, Until            time.Time
	Limit                   int // the newest that many; 0: 1,000
}

// Trace tells what happened to messages, oldest first: what matches and is not older than the horizon.
func (q *Queue) Trace(ctx context.Context, f TraceFilter) ([]Event, error) {
	def(&f.Limit, 1000)
	var all []Event
	for shard := range uint8(Shards) {
		if f.ID != "" && shardOf(f.ID) != shard {
			continue
		}
		err := q.db.View(ctx, partition(shard), func(r kv.Reader) error {
			evs, err := traced(ctx, r, &f)
			all = append(all, evs...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(all, func(a, b Event) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Kind, b.Kind)) })
	return all[max(0, len(all)-f.Limit):], nil
}

// traced reads a shard's newest events that match, newest first.
func traced(ctx context.Context, r kv.Reader, f *TraceFilter) (evs []Event, err error) {
	rng := all(keyTrace)
	rng.Reverse = true
	if ms := millis(f.Since); ms > 0 {
		rng.Lo = binary.BigEndian.AppendUint64([]byte{keyTrace}, uint64(ms))
	}
	if ms := millis(f.Until); ms > 0 {
		rng.Hi = binary.BigEndian.AppendUint64([]byte{keyTrace}, uint64(max(ms, millis(f.Since))+1))
	}
	for p, err := range r.Scan(rng) {
		if err != nil {
			return nil, err
		}
		ev, err := decodeEvent(p.Value)
		if err != nil {
			return nil, err
		}
		at, _, _ := splitTimed(p.Key[1:])
		ev.At = instant(at)
		if f.match(&ev) {
			evs = append(evs, ev)
		}
		if len(evs) == f.Limit || ctx.Err() != nil {
			return evs, ctx.Err()
		}
	}
	return evs, nil
}

func (f *TraceFilter) match(ev *Event) bool {
	to := func(a string) bool { return MatchAddress(f.To, a) }
	return (f.ID == "" || f.ID == ev.ID) && (f.MessageID == "" || f.MessageID == ev.MessageID) &&
		MatchAddress(f.From, ev.From) && (f.To == "" || slices.ContainsFunc(ev.To, to))
}

func (ev *Event) encode() []byte {
	b := append(make([]byte, 0, 160), recordVersion, byte(ev.Kind))
	for _, s := range []string{ev.ID, ev.MessageID, ev.From} {
		b = record.AppendString(b, s)
	}
	b = appendUints(b, uint64(ev.Size), uint64(len(ev.To)))
	for _, to := range ev.To {
		b = record.AppendString(b, to)
	}
	return appendOutcome(b, &ev.Outcome)
}

func decodeEvent(v []byte) (ev Event, err error) {
	d := decode(v)
	ev.Kind = EventKind(d.Byte())
	ev.ID, ev.MessageID, ev.From, ev.Size = d.String(), d.String(), d.String(), int64(d.Uint())
	for range d.Count() {
		ev.To = append(ev.To, d.String())
	}
	ev.Outcome = d.outcome()
	return ev, d.end("trace")
}

func trace(tx kv.Tx, now int64, n msgNum, rcpt uint32, m *message, ev Event) error {
	ev.ID, ev.MessageID, ev.From, ev.Size = m.env.ID, m.messageID, m.env.From, m.size
	return tx.Set(traceKey(now, n, rcpt, ev.Kind), ev.encode())
}

func (q *Queue) traceSubmitted(tx kv.Tx, n msgNum, m *message, items []item) error {
	to := make([]string, min(len(items), maxTraced))
	for i := range to {
		to[i] = items[i].rcpt.Address
	}
	return trace(tx, q.now(), n, 0, m, Event{Kind: EventSubmitted, To: to})
}

func traceAttempt(tx kv.Tx, now int64, n msgNum, rcpt uint32, m *message, it *item, out *transfer.Outcome) error {
	return trace(tx, now, n, rcpt, m, Event{Kind: EventAttempt, To: []string{it.rcpt.Address}, Outcome: *out})
}

// traceTold writes down that an item's sender was told, or that the item was given up.
func traceTold(tx kv.Tx, now int64, n msgNum, rcpt uint32, m *message, it *item, s *step) error {
	kind := EventDone
	if s.action == dsn.Delayed {
		kind = EventWarned
	}
	return trace(tx, now, n, rcpt, m, Event{Kind: kind, To: []string{it.rcpt.Address}, Outcome: s.out})
}

// cutTrace forgets what is beyond the limits.
func (q *Queue) cutTrace(ctx context.Context, shard uint8) {
	hi := binary.BigEndian.AppendUint64([]byte{keyTrace}, uint64(max(q.now()-q.o.Trace.Horizon.Milliseconds(), 0)))
	some := false
	err := q.db.View(ctx, partition(shard), func(r kv.Reader) error {
		n := 0
		for p, err := range r.Scan(kv.Range{Lo: []byte{keyTrace}, Hi: []byte{keyTrace + 1}, Reverse: true}) {
			if err != nil {
				return err
			}
			if n++; n > q.o.Trace.Events || string(p.Key) < string(hi) {
				hi, some = append(slices.Clone(p.Key), 0), true
				return ctx.Err()
			}
		}
		return nil
	})
	if err == nil && some {
		err = q.db.SubmitLazy(ctx, partition(shard), func(tx kv.Tx) error { return tx.DeleteRange([]byte{keyTrace}, hi) })
	}
	if err != nil && ctx.Err() == nil {
		q.o.Logger.ErrorContext(ctx, "the trace can't be cut", "shard", shard, "err", err)
	}
}
