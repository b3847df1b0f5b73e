// Package trace remembers what happened to messages, so that the question "where is my mail?" has an answer: who
// brought it, what the checks said, where it was put, and what other servers replied.
//
//	l, err := trace.Open(ctx, db, trace.Options{})
//	go l.Run(ctx)                        // writes down what was noted
//	l.Note(trace.Event{Kind: trace.Received, ID: id, From: from, ...}) // from anywhere, at once
//	stories, more, err := l.Find(ctx, trace.Query{To: "bob@example.org"})
//
// It is a log, not a ledger: Note never waits for the disk and never fails. What was noted in the last second before a
// crash may be missing. What is remembered is bounded in age and size, and the oldest goes first.
//
// # How it lies on the disk
//
// Events are gathered in blocks of up to 256, which are compressed. Beside each block lies a sorted array
// of hashes of what people ask for: IDs, Message-IDs, addresses, addresses' domains. A question reads these arrays, and then the few blocks
// that can have an answer. A block that isn't full is written again, under the same key, when there is more, at most once a second:
// so a quiet server has few blocks too.
package trace

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"postroad/internal/storage/kv"
)

// Options are what a trace needs. All have defaults.
type Options struct {
	Now    func() time.Time // default: time.Now
	Logger *slog.Logger     // default: nothing is logged
	// Horizon is how long events are remembered (14 days), Bytes how large the whole may grow on disk (1 GiB).
	Horizon time.Duration
	Bytes   int64
	// Every is how often what was noted is written down (1 second), if a block isn't full before.
	Every time.Duration
}

func (o *Options) defaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Horizon <= 0 {
		o.Horizon = 14 * 24 * time.Hour
	}
	if o.Bytes <= 0 {
		o.Bytes = 1 << 30
	}
	if o.Every <= 0 {
		o.Every = time.Second
	}
}

// Log is an open trace. It is safe for concurrent use. A nil *Log forgets everything that is noted, and finds nothing.
type Log struct {
	db   kv.DB
	o    Options
	kick chan struct{} // there is something to write
	full chan struct{} // at once

	mu     sync.Mutex
	open   *block   // guarded by mu: takes events
	sealed []*block // guarded by mu: full, oldest first, to be written
	asked  bool     // guarded by mu: Run was told that there is something
	lost   uint64   // guarded by mu: events that nobody could write down in time
	noted  uint64   // guarded by mu

	writing sync.Mutex
	state   state  // guarded by writing: as on disk
	told    uint64 // guarded by writing: lost events that were told of
	packer  packer // guarded by writing
}

// Open opens the trace that lies in db. At most one Log may use a db at a time.
func Open(ctx context.Context, db kv.DB, o Options) (*Log, error) {
	o.defaults()
	l := &Log{db: db, o: o, kick: make(chan struct{}, 1), full: make(chan struct{}, 1)}
	err := db.View(ctx, Partition, func(r kv.Reader) (err error) {
		if l.state, err = readState(r); err != nil {
			return err
		}
		l.open, err = l.resume(r)
		return err
	})
	return l, err
}

// maxSealed is how many full blocks may wait to be written; what is noted beyond them is lost.
const maxSealed = 64

// Note remembers an event. It doesn't wait for the disk, and keeps nothing of e. It may be called on a nil Log.
func (l *Log) Note(e Event) {
	if l == nil {
		return
	}
	if e.At.IsZero() {
		e.At = l.o.Now()
	}
	l.mu.Lock()
	first := !l.asked
	l.asked = true
	l.open.add(&e)
	l.noted++
	full := l.open.isFull()
	if full {
		l.seal()
	}
	l.mu.Unlock()
	if full {
		poke(l.full)
	}
	if first {
		poke(l.kick)
	}
}

// seal begins a new block. l.mu is held.
func (l *Log) seal() {
	if len(l.sealed) < maxSealed {
		l.sealed = append(l.sealed, l.open)
		l.open = newBlock(l.open.seq + 1)
		return
	}
	l.lost += uint64(l.open.dirty)
	l.open.forget()
}

// Run writes down what is noted and forgets what is too old, until ctx ends; then it writes the rest. It owns no other goroutine.
// It must run once at a time.
func (l *Log) Run(ctx context.Context) {
	tidy := time.NewTicker(tidyEvery)
	defer tidy.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tidy.C:
			l.complain(ctx, l.Tidy(ctx))
		case <-l.kick:
			l.linger(ctx)
			l.complain(ctx, l.Flush(ctx))
		}
	}
	l.complain(ctx, l.Flush(context.WithoutCancel(ctx)))
}

// linger waits for more events, so that one write is for many.
func (l *Log) linger(ctx context.Context) {
	t := time.NewTimer(l.o.Every)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-l.full:
	}
}

func (l *Log) complain(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		l.o.Logger.ErrorContext(ctx, "the trace of messages can't be written", "err", err)
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Stats says how the trace is.
type Stats struct {
	Events uint64 // noted since it was opened
	Lost   uint64 // of them: forgotten because the disk was too slow
	Bytes  int64  // on disk
}

// Stats returns the counts.
func (l *Log) Stats() Stats {
	l.writing.Lock()
	bytes := l.state.bytes
	l.writing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{Events: l.noted, Lost: l.lost, Bytes: bytes}
}
