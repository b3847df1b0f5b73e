package queue

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/trace"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/kv"
)

// Options are what a queue needs of the world. Send is needed, all else has defaults.
type Options struct {
	// Send makes one attempt and returns an outcome for each recipient, in their order; what is missing counts as
	// deferred. It must come to an end by itself, and soon when ctx ends. An attempt that ended because of that is forgotten
	// if it was deferred, recorded else. It must be safe for concurrent use.
	Send func(ctx context.Context, job transfer.Job) []transfer.Outcome
	// Bounce hands a notification in; nil result: it is durable. Its ID is the same when it is tried again, fault.Exists
	// means that it was there already. Default: Submit.
	Bounce func(ctx context.Context, notification transfer.Job) error
	// Destination names what shares the remote end: its failures and limits. Not more than 255 bytes, no zero
	// bytes. Default: the recipient's domain.
	Destination func(e *transfer.Envelope, r *transfer.Recipient) string
	// Host is our name in notifications, Postmaster the address they come from: default MAILER-DAEMON@ Host.
	Host, Postmaster string
	Now              func() time.Time    // default: time.Now
	Rand             func(n int64) int64 // from 0 to n-1, for spreading retries; safe for concurrent use; default: math/rand/v2
	Logger           *slog.Logger        // default: nothing is logged
	Limits           Limits              //
	Retry            []time.Duration     // pauses after the first, second ... attempt; the last one repeats. Default: DefaultRetry
	Note             func(trace.Event)   // hears what happens to messages; it must not wait. Default: nobody does
}

// DefaultRetry is how long an item waits after each deferred attempt; the last pause repeats. Each is spread by a tenth.
func DefaultRetry() []time.Duration {
	return []time.Duration{
		time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 2 * time.Hour, 4 * time.Hour,
	}
}

// Limits bound what the queue does. Zero means the default.
type Limits struct {
	// Workers is how many attempts are under way at most (100).
	Workers int
	// PerDestination is how many of them for one destination (20); a new one begins with Initial (5).
	PerDestination, Initial int
	// JobRecipients is how many recipients go in one attempt (100).
	JobRecipients int
	// Window is how many jobs of one destination, level and share of senders wait in memory (64), and Loaded how many items in all (10,000);
	// above that each gets a window of one.
	Window, Loaded int
	// Recipients is how many a message may have (10,000).
	Recipients int
	// MaxAge is when an item expires (5 days), MaxBounceAge when one with the null reverse-path does (1 day).
	MaxAge, MaxBounceAge time.Duration
	// WarnAfter is when the sender is told of a delay, once (4 hours).
	WarnAfter time.Duration
	// FirstPause and MaxPause are a dead destination's first and longest pause (1 and 30 minutes).
	FirstPause, MaxPause time.Duration
	// MaxReturn is how large a message may be, in bytes, to be given back whole (256 KiB).
	MaxReturn int64
}

// MaxHistory is how many attempts are kept of each item.
const MaxHistory = 20

func (l *Limits) defaults() {
	def(&l.Workers, 100)
	def(&l.PerDestination, 20)
	def(&l.Initial, 5)
	def(&l.JobRecipients, 100)
	def(&l.Window, 64)
	def(&l.Loaded, 10_000)
	def(&l.Recipients, 10_000)
	def(&l.MaxAge, 5*24*time.Hour)
	def(&l.MaxBounceAge, 24*time.Hour)
	def(&l.WarnAfter, 4*time.Hour)
	def(&l.FirstPause, time.Minute)
	def(&l.MaxPause, 30*time.Minute)
	def(&l.MaxReturn, 256<<10)
}

func def[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Queue is an open queue. It is safe for concurrent use.
type Queue struct {
	db    kv.DB
	o     Options
	kick  chan struct{} // Run looks again
	tends [Shards]chan struct{}
	stats counters

	mu    sync.Mutex
	s     *sched        // guarded by mu
	marks [Shards]int64 // guarded by mu: when the shard's tender looks next
	given [Shards]given
}

// given is a shard's counter of message numbers.
type given struct {
	mu       sync.Mutex
	last     uint64 // guarded by mu: given out
	reserved uint64 // guarded by mu: durably
}

// Open opens the queue that lies in db. It reads where each destination's first item stands, and
// removes what was staged and not submitted. Nothing is tried before Run. At most one Queue may use a db at a time.
func Open(ctx context.Context, db kv.DB, o Options) (*Queue, error) {
	o.defaults()
	q := &Queue{db: db, o: o, kick: make(chan struct{}, 1)}
	if q.o.Bounce == nil {
		q.o.Bounce = q.submitJob
	}
	q.s = newSched(&q.o)
	for shard := range uint8(Shards) {
		q.tends[shard] = make(chan struct{}, 1)
		if err := q.openShard(ctx, shard); err != nil {
			return nil, err
		}
	}
	return q, nil
}

func (o *Options) defaults() {
	o.Limits.defaults()
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Int64N
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Note == nil {
		o.Note = func(trace.Event) {}
	}
	if len(o.Retry) == 0 {
		o.Retry = DefaultRetry()
	}
	if o.Destination == nil {
		o.Destination = domainOf
	}
	if o.Host == "" {
		o.Host = "localhost"
	}
	if o.Postmaster == "" {
		o.Postmaster = "MAILER-DAEMON@" + o.Host
	}
}

func domainOf(_ *transfer.Envelope, r *transfer.Recipient) string {
	return strings.ToLower(r.Address[strings.LastIndexByte(r.Address, '@')+1:])
}

// destination is the item's destination in the form that keys bear.
func (o *Options) destination(e *transfer.Envelope, r *transfer.Recipient) string {
	d := strings.ReplaceAll(o.Destination(e, r), "\x00", "")
	return d[:min(len(d), maxDest)]
}

func (q *Queue) openShard(ctx context.Context, shard uint8) error {
	var staged []msgNum
	err := q.db.View(ctx, partition(shard), func(r kv.Reader) error {
		h, err := readHead(r)
		if err != nil {
			return err
		}
		q.given[shard].last, q.given[shard].reserved = h.given, h.given
		q.stats.changed(shard, int(h.messages), int(h.items))
		if staged, err = stagedIn(r); err != nil {
			return err
		}
		return q.readLanes(r)
	})
	if err != nil {
		return err
	}
	if err := q.forgetTrace(ctx, shard); err != nil {
		return err
	}
	return q.sweep(ctx, shard, staged)
}

// forgetTrace removes what queues wrote that kept a trace of their own.
func (q *Queue) forgetTrace(ctx context.Context, shard uint8) error {
	some := false
	err := q.db.View(ctx, partition(shard), func(r kv.Reader) error {
		for _, err := range r.Scan(all(keyOldTrace)) {
			some = true
			return err
		}
		return nil
	})
	if err != nil || !some {
		return err
	}
	return q.db.SubmitLazy(ctx, partition(shard), func(tx kv.Tx) error {
		return tx.DeleteRange([]byte{keyOldTrace}, []byte{keyOldTrace + 1})
	})
}

// readLanes finds each lane's first item: one seek for each lane.
func (q *Queue) readLanes(r kv.Reader) error {
	c, err := r.Cursor([]byte{keyDue}, []byte{keyDue + 1})
	if err != nil {
		return err
	}
	p, ok, err := c.Seek([]byte{keyDue})
	for ok && err == nil {
		dest, lane, due, _, _, valid := splitDue(p.Key)
		if !valid {
			return fault.New(fault.Corrupt, "the queue has a strange key %x", p.Key)
		}
		d := q.s.dest(dest)
		d.lane(lane).note(due)
		q.s.refresh(d, q.now())
		p, ok, err = c.Seek(append(lanePrefix(dest, lane), 0xff))
	}
	return err
}

func (q *Queue) now() int64 { return q.o.Now().UnixMilli() }

// wake makes Run look again. It never waits.
func (q *Queue) wake() { poke(q.kick) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
