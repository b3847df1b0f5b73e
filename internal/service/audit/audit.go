package audit

import (
	"context"
	"encoding/binary"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// Partition is where the log lies.
const Partition kv.Partition = 9 << 56

// Schema of the partition, version 1.
//
//	<kind> <number>   entry: kind is 's', 'f' or 'a', number 8 bytes, counting up
//
// The next number follows from the last entry; the oldest go first.

// Options are what a Log is made of. Zero fields take the defaults.
type Options struct {
	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // default: nothing is logged
	// Keep is how long entries are kept; default 90 days.
	Keep time.Duration
	// Entries is how many of each kind are kept; default 200,000.
	Entries int
}

const (
	writeEvery = time.Second
	tidyEvery  = 10 * time.Minute
	// together is how long entries that are alike are counted as one.
	together = time.Hour
	// maxOpen bounds the entries that more can be counted in, and maxWaiting those that wait to be written.
	maxOpen    = 20_000
	maxWaiting = 50_000
	// maxTidied bounds what is removed in one transaction.
	maxTidied = 10_000
)

// Log is the open log. It is safe for concurrent use.
type Log struct {
	db      kv.DB
	now     func() time.Time
	log     *slog.Logger
	keep    time.Duration
	entries uint64

	mu      sync.Mutex
	next    map[Kind]uint64   // numbers to give; guarded by mu
	open    map[alike]*placed // guarded by mu
	waiting []*placed         // to be written, each once; guarded by mu
	lost    uint64            // for want of room; guarded by mu
}

// placed is an entry that has its number.
type placed struct {
	Entry
	number uint64
	dirty  bool // it is in waiting
}

// Open opens the log of db.
func Open(ctx context.Context, db kv.DB, o Options) (*Log, error) {
	l := &Log{db: db, now: o.Now, log: o.Logger, keep: o.Keep, entries: uint64(o.Entries), next: map[Kind]uint64{}, open: map[alike]*placed{}}
	if l.now == nil {
		l.now = time.Now
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.keep == 0 {
		l.keep = 90 * 24 * time.Hour
	}
	if l.entries == 0 {
		l.entries = 200_000
	}
	err := db.View(ctx, Partition, func(r kv.Reader) error {
		for _, k := range Kinds() {
			for p, err := range r.Scan(kv.Range{Lo: []byte{byte(k)}, Hi: []byte{byte(k) + 1}, Reverse: true}) {
				if err != nil {
					return err
				}
				l.next[k] = numberOf(p.Key) + 1
				break
			}
		}
		return nil
	})
	return l, err
}

func keyOf(k Kind, number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{byte(k)}, number)
}

func numberOf(key []byte) uint64 {
	if len(key) != 9 {
		return 0
	}
	return binary.BigEndian.Uint64(key[1:])
}

// bound makes an entry's texts valid, and no longer than they may be.
func (e *Entry) bound() {
	for _, s := range e.texts() {
		*s = strings.ToValidUTF8((*s)[:min(len(*s), maxText)], "?")
	}
}

// Note remembers a sign-in or a failure. It waits for nothing; Run writes it down. At, Last and Count are set here.
func (l *Log) Note(e Entry) {
	e.bound()
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	k := e.alike()
	p := l.open[k]
	if p == nil || now.Sub(p.At) >= together {
		if len(l.waiting) >= maxWaiting {
			l.lost++
			return
		}
		if len(l.open) >= maxOpen {
			clear(l.open)
		}
		e.At, e.Count = now, 0
		p = &placed{Entry: e, number: l.take(e.Kind)}
		l.open[k] = p
	}
	p.Count++
	p.Last = now
	if !p.dirty {
		p.dirty = true
		l.waiting = append(l.waiting, p)
	}
}

// take gives a number. The caller holds mu.
func (l *Log) take(k Kind) uint64 {
	n := l.next[k]
	l.next[k]++
	return n
}

// Act remembers what an administrator did. It is durable when Act returns nil. Kind, At, Last and Count are set here.
func (l *Log) Act(ctx context.Context, e Entry) error {
	e.bound()
	now := l.now()
	e.Kind, e.At, e.Last, e.Count = Act, now, now, 1
	l.mu.Lock()
	n := l.take(Act)
	l.mu.Unlock()
	return l.db.Update(ctx, Partition, func(tx kv.Tx) error { return tx.Set(keyOf(Act, n), e.encode()) })
}

// Flush writes down what waits.
func (l *Log) Flush(ctx context.Context) error {
	l.mu.Lock()
	writes := make([]kv.Pair, len(l.waiting))
	for i, p := range l.waiting {
		p.dirty = false
		writes[i] = kv.Pair{Key: keyOf(p.Kind, p.number), Value: p.encode()}
	}
	l.waiting = nil
	lost := l.lost
	l.lost = 0
	l.mu.Unlock()
	if lost > 0 {
		l.log.WarnContext(ctx, "more sign-ins than the audit log can write down", "lost", lost)
	}
	ctx = context.WithoutCancel(ctx) // what was taken out is in no other place
	for chunk := range slices.Chunk(writes, 5000) {
		err := l.db.SubmitLazy(ctx, Partition, func(tx kv.Tx) error {
			for _, w := range chunk {
				if err := tx.Set(w.Key, w.Value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Run writes down what is noted, and removes what is too old or too much, until ctx ends.
func (l *Log) Run(ctx context.Context) {
	write, tidy := time.NewTicker(writeEvery), time.NewTicker(tidyEvery)
	defer write.Stop()
	defer tidy.Stop()
	l.report(ctx, l.Tidy(ctx))
	for {
		select {
		case <-write.C:
			l.report(ctx, l.Flush(ctx))
		case <-tidy.C:
			l.report(ctx, l.Tidy(ctx))
		case <-ctx.Done():
			l.report(ctx, l.Flush(context.WithoutCancel(ctx)))
			return
		}
	}
}

func (l *Log) report(ctx context.Context, err error) {
	if err != nil && !fault.Is(err, fault.Canceled) {
		l.log.ErrorContext(ctx, "cannot keep the audit log", "error", err)
	}
}

// Tidy removes what is too old, or too much. Run does that by itself.
func (l *Log) Tidy(ctx context.Context) error {
	for _, k := range Kinds() {
		for more := true; more; {
			var err error
			if more, err = l.tidy(ctx, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// tidy removes some of a kind; more says whether there are more to remove.
func (l *Log) tidy(ctx context.Context, k Kind) (more bool, err error) {
	l.mu.Lock()
	next := l.next[k]
	l.mu.Unlock()
	horizon := l.now().Add(-l.keep)
	var upTo []byte // the first key that stays
	found := 0
	err = l.db.View(ctx, Partition, func(r kv.Reader) error {
		for p, err := range r.Scan(kv.Range{Lo: []byte{byte(k)}, Hi: []byte{byte(k) + 1}}) {
			if err != nil {
				return err
			}
			e, bad := decodeEntry(k, p.Value)
			if found == maxTidied || bad == nil && !e.Last.Before(horizon) && next-numberOf(p.Key) <= l.entries {
				upTo = slices.Clone(p.Key)
				more = found == maxTidied
				return nil
			}
			found++
		}
		upTo = []byte{byte(k) + 1}
		return nil
	})
	if err != nil || found == 0 {
		return false, err
	}
	return more, l.db.SubmitLazy(ctx, Partition, func(tx kv.Tx) error { return tx.DeleteRange([]byte{byte(k)}, upTo) })
}

// Query says which entries are wanted. Zero fields: any.
type Query struct {
	Kinds []Kind
	// Who is an account's address or name, without regard to case; in acts it is looked for in what they were done to.
	Who    string
	Client string
	Since  time.Time
	// Only chooses among those; nil: all.
	Only func(*Entry) bool
	// Limit is how many at most, the newest; default 100.
	Limit int
}

// Find gives entries, oldest first.
func (l *Log) Find(ctx context.Context, q Query) ([]Entry, error) {
	if err := l.Flush(ctx); err != nil {
		return nil, err
	}
	if q.Limit <= 0 {
		q.Limit = 100
	}
	kinds := q.Kinds
	if len(kinds) == 0 {
		kinds = Kinds()
	}
	found := []Entry{}
	err := l.db.View(ctx, Partition, func(r kv.Reader) error {
		for _, k := range kinds {
			some, err := newest(ctx, r, k, &q)
			if err != nil {
				return err
			}
			found = append(found, some...)
		}
		return nil
	})
	slices.SortStableFunc(found, func(a, b Entry) int { return a.Last.Compare(b.Last) })
	return found[max(0, len(found)-q.Limit):], err
}

// newest finds the newest entries of a kind. What can't be read is passed over.
func newest(ctx context.Context, r kv.Reader, k Kind, q *Query) (found []Entry, err error) {
	for p, err := range r.Scan(kv.Range{Lo: []byte{byte(k)}, Hi: []byte{byte(k) + 1}, Reverse: true}) {
		if err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, fault.Wrap(fault.Canceled, ctx.Err(), "")
		}
		e, err := decodeEntry(k, p.Value)
		switch {
		case err != nil:
			continue
		case e.At.Before(q.Since.Add(-together)): // those before may have gone on for an hour, no longer
			return found, nil
		case q.wants(&e):
			found = append(found, e)
		}
		if len(found) == q.Limit {
			return found, nil
		}
	}
	return found, nil
}

func (q *Query) wants(e *Entry) bool {
	who := q.Who == "" || strings.EqualFold(e.Who, q.Who) || e.Kind == Act && strings.Contains(strings.ToLower(e.Detail), strings.ToLower(q.Who))
	return who && (q.Client == "" || e.Client == q.Client) && !e.Last.Before(q.Since) && (q.Only == nil || q.Only(e))
}
