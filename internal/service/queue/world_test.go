package queue_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"postroad/internal/fault"
	"postroad/internal/service/queue"
	"postroad/internal/service/trace"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/kv"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The engine leaves it behind if it can't be opened on a failing disk.
		goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2.(*ConcurrencyLimitScheduler).periodicGranter"))
}

// world is a queue in a bubble of fake time, with a remote side that does as it is told.
type world struct {
	t    testing.TB
	db   kv.DB
	q    *queue.Queue
	stop func()

	mu      sync.Mutex
	reply   func(job transfer.Job, r transfer.Recipient) transfer.Outcome // guarded by mu
	sent    []sent                                                        // guarded by mu
	bounces []transfer.Job                                                // guarded by mu
	noted   []trace.Event                                                 // guarded by mu
	began   time.Time
}

// sent is a recipient in an attempt.
type sent struct {
	id, to string
	at     time.Duration
	text   string
	with   int // recipients in the job
}

// inWorld runs fn in a bubble. o may change the options.
func inWorld(t *testing.T, o func(*queue.Options), fn func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, began: time.Now(), reply: say(transfer.Outcome{Result: transfer.Delivered})}
		db := newMemory()
		w.db = db
		w.start(o)
		fn(w)
		w.stop()
		w.check()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

func say(o transfer.Outcome) func(transfer.Job, transfer.Recipient) transfer.Outcome {
	return func(transfer.Job, transfer.Recipient) transfer.Outcome { return o }
}

// set has the remote side answer otherwise from now on.
func (w *world) set(reply func(transfer.Job, transfer.Recipient) transfer.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reply = reply
}

// start opens the queue and runs it.
func (w *world) start(change func(*queue.Options)) {
	w.t.Helper()
	o := queue.Options{Host: "mx.example.org", Send: w.send, Bounce: w.bounce, Note: w.note, Rand: func(n int64) int64 { return n / 2 }}
	o.Limits.MaxAge, o.Limits.MaxBounceAge = 10*time.Hour, 5*time.Hour // the store's own timers make days long
	if change != nil {
		change(&o)
	}
	q, err := queue.Open(w.t.Context(), w.db, o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.q = q
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = q.Run(ctx) // the cause is our own
	}()
	w.stop = func() {
		cancel()
		<-done
	}
}

func (w *world) note(e trace.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noted = append(w.noted, e)
}

func (w *world) send(ctx context.Context, job transfer.Job) []transfer.Outcome {
	b := make([]byte, job.Content.Size())
	if _, err := job.Content.ReadAt(b, 0); err != nil && !fault.Is(err, fault.NotFound) { // dropped meanwhile
		w.t.Errorf("content of %s: %v", job.ID, err)
	}
	var outs []transfer.Outcome
	for _, r := range job.Recipients {
		w.mu.Lock()
		w.sent = append(w.sent, sent{job.ID, r.Address, time.Since(w.began), string(b), len(job.Recipients)})
		outs = append(outs, w.reply(job, r))
		w.mu.Unlock()
	}
	return outs
}

func (w *world) bounce(_ context.Context, job transfer.Job) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bounces = append(w.bounces, job)
	return nil
}

// attempts are what was sent to an address ("" all), in order.
func (w *world) attempts(to string) (all []sent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sent {
		if to == "" || s.to == to {
			all = append(all, s)
		}
	}
	return all
}

// times are when an address was tried.
func (w *world) times(to string) (all []time.Duration) {
	for _, s := range w.attempts(to) {
		all = append(all, s.at.Round(time.Second))
	}
	return all
}

func env(id string) transfer.Envelope {
	return transfer.Envelope{ID: id, From: "ann@example.org"}
}

func to(addrs ...string) (rs []transfer.Recipient) {
	for _, a := range addrs {
		rs = append(rs, transfer.Recipient{Address: a})
	}
	return rs
}

func text(s string) *bytes.Reader {
	return bytes.NewReader([]byte("Message-ID: <" + s + "@example.org>\r\nSubject: x\r\n\r\n" + s + "\r\n"))
}

// submit submits a message and fails the test if that doesn't work.
func (w *world) submit(e transfer.Envelope, rs ...transfer.Recipient) {
	w.t.Helper()
	if err := w.q.Submit(w.t.Context(), e, rs, text(e.ID)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) empty() {
	w.t.Helper()
	if s := w.q.Stats(); s.Items != 0 || s.Messages != 0 {
		w.t.Errorf("%d items of %d messages are left", s.Items, s.Messages)
	}
	for shard := range queue.Shards {
		err := w.db.View(w.t.Context(), queue.FirstPartition+kv.Partition(shard), func(r kv.Reader) error {
			for _, rng := range []kv.Range{{Lo: []byte{1}, Hi: []byte{kv.BulkPrefix}}, {Lo: []byte{kv.BulkPrefix}, Hi: []byte{0xff}}} {
				for p, err := range r.Scan(rng) {
					if err != nil {
						return err
					}
					if p.Key[0] != 'h' {
						w.t.Errorf("the key %q is left", p.Key)
					}
				}
			}
			return nil
		})
		if err != nil {
			w.t.Error(err)
		}
	}
}

// check looks for contradictions in what the queue holds.
func (w *world) check() {
	w.t.Helper()
	if err := queue.Check(w.t.Context(), w.db, func(problem string) { w.t.Error(problem) }); err != nil {
		w.t.Error(err)
	}
}

func fmtTimes(ds []time.Duration) string { return fmt.Sprint(ds) }
