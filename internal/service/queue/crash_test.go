package queue_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/fault"
	"postroad/internal/service/queue"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/kvtest"
	"postroad/internal/storage/kv/pebble"
)

// event is what somebody saw of a message by the time of the cut.
type event struct{ what, id string }

const (
	submitted = "submitted" // Submit returned nil
	arrived   = "arrived"   // the remote side got it
	recorded  = "recorded"  // the attempt's transaction is done
)

// crashing is a workload of submissions and attempts, of which some fail so that a notification goes through the
// queue too, and one is large. Whatever happens: what was accepted arrives, and what was recorded isn't sent again.
func crashing() kvtest.Trial[event] {
	return kvtest.Trial[event]{
		Open: func(fs vfs.FS) (kv.DB, error) {
			return pebble.Open("db", pebble.Options{FS: fs, MemtableBytes: 256 << 10})
		},
		Work: crashWork, Check: crashCheck, Points: 30,
	}
}

func TestPowerCut(t *testing.T)    { kvtest.CrashPoints(t, crashing()) }
func TestFailingDisk(t *testing.T) { kvtest.FaultPoints(t, crashing()) }

// remote is the other side: it notes what arrives, and refuses what is called so.
type remote struct{ note func(event) }

func (r remote) send(_ context.Context, job transfer.Job) []transfer.Outcome {
	out := delivered
	if strings.HasPrefix(job.ID, "refused") && !strings.Contains(job.ID, "-") {
		out = refused
	}
	r.note(event{arrived, job.ID})
	outs := make([]transfer.Outcome, len(job.Recipients))
	for i := range outs {
		outs[i] = out
	}
	return outs
}

// listener hears the queue's log.
type listener struct {
	slog.Handler
	hear func(what, id string)
}

func (l listener) Enabled(context.Context, slog.Level) bool { return true }
func (l listener) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "id" {
			l.hear(r.Message, a.Value.String())
		}
		return true
	})
	return nil
}

// runQueue opens a queue in db and runs it until stop. Its clock is so much ahead.
func runQueue(t testing.TB, db kv.DB, ahead time.Duration, note func(event), hear func(what, id string)) (q *queue.Queue, stop func(), err error) {
	logger := slog.New(listener{slog.DiscardHandler, func(what, id string) {
		if what == "queue: delivered" || what == "queue: failed" {
			note(event{recorded, id})
		}
		hear(what, id)
	}})
	q, err = queue.Open(t.Context(), db, queue.Options{Host: "mx.example.org", Send: remote{note}.send, Logger: logger,
		Now: func() time.Time { return time.Now().Add(ahead) }})
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = q.Run(ctx)
	}()
	return q, func() { cancel(); <-done }, nil
}

func crashWork(t testing.TB, db kv.DB, ack func(event)) {
	q, stop, err := runQueue(t, db, 0, ack, func(string, string) {})
	if err != nil {
		return // the disk fails
	}
	var wg sync.WaitGroup
	for worker := range 3 {
		wg.Go(func() {
			for i := range 8 {
				submitOne(t, q, worker, i, ack)
			}
		})
	}
	wg.Wait()
	stop()
}

func submitOne(t testing.TB, q *queue.Queue, worker, i int, ack func(event)) {
	id, c := fmt.Sprintf("good%d.%d", worker, i), text("x")
	switch {
	case i == 5:
		id = "refused" + id
	case i == 6 && worker == 0:
		c = bytes.NewReader(bytes.Repeat([]byte("x"), 1<<20+5))
	}
	err := q.Submit(context.Background(), env(id), to(fmt.Sprintf("b@d%d.example", i%3)), c)
	switch {
	case err == nil:
		ack(event{submitted, id})
	case !fault.Is(err, fault.Unavailable):
		t.Errorf("%s: %v", id, err)
	}
}

func crashCheck(t testing.TB, db kv.DB, acked []event) {
	problem := func(p string) { t.Error(p) }
	if err := queue.Check(t.Context(), db, problem); err != nil {
		t.Fatal(err)
	}
	seen := map[event]int{}
	for _, e := range acked {
		seen[e]++
	}
	now := drain(t, db)
	for e := range seen {
		if e.what == submitted && seen[event{arrived, e.id}]+now[e.id] == 0 {
			t.Errorf("%s was accepted and never arrived", e.id)
		}
		if e.what == submitted && strings.HasPrefix(e.id, "refused") {
			if b := e.id + "-fai0.1"; seen[event{arrived, b}]+now[b] == 0 {
				t.Errorf("nobody is told that %s was refused", e.id)
			}
		}
		if e.what == recorded && now[e.id] > 0 && !strings.Contains(e.id, "-") {
			t.Errorf("%s was sent again", e.id)
		}
	}
	for id, n := range now {
		if n > 1 && !strings.Contains(id, "-") || n > 2 { // a notification may be handed in again
			t.Errorf("%s was sent %d times", id, n)
		}
	}
	if err := queue.Check(t.Context(), db, problem); err != nil {
		t.Fatal(err)
	}
}

// drain runs the queue until it is empty, and counts what arrives. It is an hour later: what a fault has put off is due.
func drain(t testing.TB, db kv.DB) map[string]int {
	var mu sync.Mutex
	now := map[string]int{}
	heard := make(chan struct{}, 1000)
	q, stop, err := runQueue(t, db, time.Hour, func(e event) {
		if e.what == arrived {
			mu.Lock()
			defer mu.Unlock()
			now[e.id]++
		}
	}, func(string, string) { heard <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	for q.Stats().Items > 0 {
		<-heard
	}
	stop()
	return now
}
