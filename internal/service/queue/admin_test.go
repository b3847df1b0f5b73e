package queue_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/service/queue"
	"postroad/internal/service/trace"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/kv"
)

// filled is a world with 30 deferred messages: from ann and bob in turn, to three destinations.
func filled(t *testing.T, fn func(w *world)) {
	inWorld(t, nil, func(w *world) {
		w.set(say(deferred))
		for i := range 30 {
			e := env(fmt.Sprint("m", i))
			if i%2 == 1 {
				e.From = "bob@example.org"
			}
			w.submit(e, to(fmt.Sprintf("Carl%d@D%d.example", i, i%3))...)
		}
		time.Sleep(time.Second)
		fn(w)
	})
}

func TestList(t *testing.T) {
	filled(t, func(w *world) {
		for name, c := range map[string]struct {
			f    queue.Filter
			n    int
			more bool
		}{
			"all": {queue.Filter{}, 30, false}, "limited": {queue.Filter{Limit: 7}, 7, true}, "at the limit": {queue.Filter{Limit: 30}, 30, false},
			"id": {queue.Filter{ID: "m3"}, 1, false}, "no such id": {queue.Filter{ID: "x"}, 0, false},
			"from": {queue.Filter{From: "BOB@example.org"}, 15, false}, "to": {queue.Filter{To: "carl7@d1.example"}, 1, false},
			"destination": {queue.Filter{Destination: "d2.example"}, 10, false}, "both": {queue.Filter{Destination: "d2.example", From: "bob@example.org"}, 5, false},
			"held": {queue.Filter{States: []queue.State{queue.Held}}, 0, false}, "waiting": {queue.Filter{States: []queue.State{queue.Held, queue.Waiting}}, 30, false},
			"old": {queue.Filter{Before: w.began}, 0, false}, "young": {queue.Filter{After: w.began.Add(-time.Second)}, 30, false},
		} {
			es, more, err := w.q.List(context.Background(), c.f)
			if err != nil || len(es) != c.n || more != c.more {
				t.Errorf("%s: %d, more %v, %v", name, len(es), more, err)
			}
		}
	})
}

func TestShow(t *testing.T) {
	filled(t, func(w *world) {
		time.Sleep(10 * time.Minute)
		es, err := w.q.Show(context.Background(), "m3")
		if err != nil || len(es) != 1 {
			t.Fatal(es, err)
		}
		e := es[0]
		if e.From != "bob@example.org" || e.To != "Carl3@D0.example" || e.Destination != "d0.example" || e.MessageID != "m3@example.org" || e.Attempts != 3 ||
			len(e.History) != 3 || e.History[0].Text != "later" || e.History[0].Remote != "mx.far" || !e.Due.Equal(w.began.Add(21*time.Minute)) {
			t.Errorf("%+v", e)
		}
		for _, id := range []string{"", "nothing"} {
			if _, err := w.q.Show(context.Background(), id); !fault.Is(err, fault.NotFound) {
				t.Errorf("%q: %v", id, err)
			}
		}
		for range queue.MaxHistory + 5 {
			if _, err := w.q.Retry(context.Background(), queue.Filter{ID: "m3"}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if es, _ := w.q.Show(context.Background(), "m3"); len(es[0].History) != queue.MaxHistory || es[0].Attempts != 3+queue.MaxHistory+5 {
			t.Errorf("%d of %d attempts are kept", len(es[0].History), es[0].Attempts)
		}
	})
}

func TestHoldAndRelease(t *testing.T) {
	filled(t, func(w *world) {
		n, err := w.q.Hold(context.Background(), queue.Filter{From: "bob@example.org"})
		if err != nil || n != 15 {
			t.Fatal(n, err)
		}
		w.set(say(delivered))
		time.Sleep(12 * time.Hour)
		if s := w.q.Stats(); s.Items != 15 || len(w.notices()) != 0 {
			t.Errorf("%d items, %v", s.Items, w.notices())
		}
		if n, err := w.q.Release(context.Background(), queue.Filter{}); n != 15 || err != nil {
			t.Error(n, err)
		}
		synctest.Wait()
		if len(w.notices()) != 0 {
			t.Errorf("what was held has expired: %v", w.notices())
		}
		w.empty()
	})
}

func TestRetryAndFlush(t *testing.T) {
	filled(t, func(w *world) {
		w.set(say(delivered))
		if n, err := w.q.Retry(context.Background(), queue.Filter{ID: "m3"}); n != 1 || err != nil {
			t.Error(n, err)
		}
		synctest.Wait()
		if s := w.q.Stats(); s.Items != 29 {
			t.Errorf("%d items after one is tried again", s.Items)
		}
		w.set(say(hostDown))
		time.Sleep(2 * time.Minute)
		if s := w.q.Stats(); s.Dead != 3 {
			t.Errorf("%d are dead", s.Dead)
		}
		w.set(say(delivered))
		if _, err := w.q.Flush(context.Background(), "d1.example"); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if es, _, _ := w.q.List(context.Background(), queue.Filter{Destination: "d1.example"}); len(es) != 0 {
			t.Errorf("%d wait for the flushed destination", len(es))
		}
		if s := w.q.Stats(); s.Dead != 2 {
			t.Errorf("%d are dead", s.Dead)
		}
	})
}

// TestFlushAsAnAttemptEnds: a wish that comes when an attempt has been written down, and isn't over yet, counts.
func TestFlushAsAnAttemptEnds(t *testing.T) {
	var w *world
	flush := func(o *queue.Options) {
		note := o.Note
		once := sync.Once{}
		o.Note = func(e trace.Event) {
			note(e)
			if e.Kind != trace.Attempt {
				return
			}
			once.Do(func() {
				w.set(say(delivered))
				if n, err := w.q.Flush(context.Background(), "there.example"); n != 1 || err != nil {
					t.Error(n, err)
				}
				time.Sleep(time.Second) // the queue looks for the item, and can't have it yet
			})
		}
	}
	inWorld(t, flush, func(got *world) {
		w = got
		w.set(say(transfer.Outcome{Result: transfer.Deferred, Status: "4.2.0"}))
		w.submit(env("m1"), to("ben@there.example")...)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		w.empty()
	})
}

func TestDrop(t *testing.T) {
	filled(t, func(w *world) {
		if n, err := w.q.Drop(context.Background(), queue.Filter{Destination: "d0.example"}, false); n != 10 || err != nil {
			t.Error(n, err)
		}
		if n, err := w.q.Drop(context.Background(), queue.Filter{ID: "m1"}, true); n != 1 || err != nil {
			t.Error(n, err)
		}
		synctest.Wait()
		if diff := cmp.Diff([]string{"failed 5.3.0"}, w.notices()); diff != "" {
			t.Error(diff)
		}
		if s := w.q.Stats(); s.Items != 19 || s.Messages != 19 {
			t.Errorf("%+v", s)
		}
		if n, err := w.q.Drop(context.Background(), queue.Filter{}, false); n != 19 || err != nil {
			t.Error(n, err)
		}
		time.Sleep(time.Hour)
		if n := len(w.attempts("")); n != 30 {
			t.Errorf("%d attempts: dropped ones go on", n)
		}
		w.empty()
	})
}

// TestChangesWhileItIsBeingTried: the attempt ends as it ends, and what was asked for holds after it.
func TestChangesWhileItIsBeingTried(t *testing.T) {
	gated(t, queue.Limits{}, func(w *world, g *gate) {
		w.set(say(deferred))
		for _, id := range []string{"hold", "drop", "retry", "tell"} {
			w.submit(env(id), to(id+"@"+id+".example")...)
		}
		synctest.Wait()
		ctx := context.Background()
		_, err1 := w.q.Hold(ctx, queue.Filter{ID: "hold"})
		_, err2 := w.q.Drop(ctx, queue.Filter{ID: "drop"}, false)
		_, err3 := w.q.Retry(ctx, queue.Filter{ID: "retry"})
		_, err4 := w.q.Drop(ctx, queue.Filter{ID: "tell"}, true)
		if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
			t.Fatal(err1, err2, err3, err4)
		}
		w.check()
		close(g.open)
		time.Sleep(30 * time.Second)
		w.check()
		time.Sleep(31 * time.Second)
		for id, want := range map[string]int{"hold": 1, "drop": 1, "retry": 2, "tell": 1} {
			if n := len(w.attempts(id + "@" + id + ".example")); n != want {
				t.Errorf("%s: tried %d times", id, n)
			}
		}
		if s := w.q.Stats(); s.Items != 2 || len(w.notices()) != 1 {
			t.Errorf("%d items, %v", s.Items, w.notices())
		}
	})
}

// ways are what was noted of each message, in order.
func (w *world) ways() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[string][]string{}
	for _, e := range w.noted {
		all[e.ID] = append(all[e.ID], fmt.Sprint(e.Kind, " ", strings.Join(e.To, ","), " ", e.Outcome.Code))
	}
	ways := map[string]string{}
	for id, way := range all {
		ways[id] = strings.Join(way, ", ")
	}
	return ways
}

// TestNotes: all that happens to a message is noted, in order, with what it takes to find it.
func TestNotes(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		replies := map[string][]transfer.Outcome{"m1": {deferred, refused}, "m2": {delivered}, "m3": {deferred, deferred}, "m4": {deferred, deferred}}
		w.reply = func(job transfer.Job, _ transfer.Recipient) transfer.Outcome {
			r := replies[job.ID][0]
			replies[job.ID] = replies[job.ID][1:]
			return r
		}
		w.submit(env("m1"), to("bob@a.example")...)
		w.submit(env("m2"), to("bob@b.example", "cy@b.example")[:1]...)
		w.submit(env("m3"), to("bob@c.example")...)
		w.submit(env("m4"), to("bob@d.example")...)
		p, err := w.q.Begin(t.Context(), queue.Submission{
			Job: transfer.Job{Envelope: env("m5"), Recipients: to("bob@e.example"), Content: text("m5")}, Held: true, Reason: "too many"})
		if err != nil || p.Wait() != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute + time.Second)
		for _, do := range []func() (int, error){
			func() (int, error) { return w.q.Drop(t.Context(), queue.Filter{ID: "m3"}, true) },
			func() (int, error) { return w.q.Hold(t.Context(), queue.Filter{ID: "m4"}) },
			func() (int, error) { return w.q.Drop(t.Context(), queue.Filter{ID: "m4"}, false) },
		} {
			if n, err := do(); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		synctest.Wait()
		time.Sleep(time.Second)
		want := map[string]string{
			"m1":        "queued bob@a.example 0, tried bob@a.example 451, tried bob@a.example 550, ended bob@a.example 550",
			"m1-fai0.2": "notified ann@example.org 0",
			"m2":        "queued bob@b.example 0, tried bob@b.example 250",
			"m3":        "queued bob@c.example 0, tried bob@c.example 451, tried bob@c.example 451, dropped bob@c.example 0, ended bob@c.example 0",
			"m3-fai0.2": "notified ann@example.org 0",
			"m4":        "queued bob@d.example 0, tried bob@d.example 451, tried bob@d.example 451, held bob@d.example 0, dropped bob@d.example 0",
			"m5":        "queued bob@e.example 0",
		}
		if d := cmp.Diff(want, w.ways()); d != "" {
			t.Error(d)
		}
		for _, e := range w.noted {
			switch {
			case e.Kind == trace.Notification && (e.Parent+"-fai0.2" != e.ID || e.From != ""),
				e.Kind != trace.Notification && (e.From != "ann@example.org" || e.MessageID != e.ID+"@example.org" || e.Size == 0),
				e.ID == "m5" && e.Text != "held: too many":
				t.Errorf("%+v", e)
			}
		}
	})
}

// TestOldTrace: what an older queue wrote of its own trace is removed.
func TestOldTrace(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.stop()
		old := []byte("t\x00\x00\x00")
		err := w.db.Update(t.Context(), queue.FirstPartition+3, func(tx kv.Tx) error { return tx.Set(old, []byte("x")) })
		if err != nil {
			t.Fatal(err)
		}
		w.start(nil)
		err = w.db.View(t.Context(), queue.FirstPartition+3, func(r kv.Reader) error {
			if _, there, err := r.Get(old); there || err != nil {
				t.Error("it is still there", err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestScheduled: mail for later says so, and is not sent earlier because other mail is.
func TestScheduled(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		submit := func(id string) {
			p, err := w.q.Begin(t.Context(), queue.Submission{
				Job:       transfer.Job{Envelope: env(id), Recipients: to(id + "@a.example"), Content: text(id)},
				HoldUntil: time.Now().Add(2 * time.Hour)})
			if err != nil || p.Wait() != nil {
				t.Fatal(err)
			}
		}
		for _, id := range []string{"later", "sooner", "held"} {
			submit(id)
		}
		only := func(s queue.State) (ids string) {
			es, _, err := w.q.List(t.Context(), queue.Filter{States: []queue.State{s}})
			if err != nil {
				t.Error(err)
			}
			for _, e := range es {
				ids += e.ID + " "
			}
			return ids
		}
		n, err := w.q.Flush(t.Context(), "a.example")
		if n != 0 || err != nil || only(queue.Waiting) != "" || len(only(queue.Scheduled)) != len("later sooner held ") {
			t.Errorf("%d, %v, waiting %s, scheduled %s", n, err, only(queue.Waiting), only(queue.Scheduled))
		}
		if n, err := w.q.Hold(t.Context(), queue.Filter{ID: "held"}); n != 1 || err != nil {
			t.Error(n, err)
		}
		if n, err := w.q.Release(t.Context(), queue.Filter{ID: "held"}); n != 1 || err != nil {
			t.Error(n, err)
		}
		if n, err := w.q.Retry(t.Context(), queue.Filter{ID: "sooner"}); n != 1 || err != nil {
			t.Error(n, err)
		}
		time.Sleep(time.Hour)
		if w.check(); len(w.attempts("")) != 1 || len(w.attempts("sooner@a.example")) != 1 {
			t.Errorf("after an hour: %v", w.attempts(""))
		}
		time.Sleep(time.Hour + time.Second)
		if len(w.attempts("")) != 3 {
			t.Errorf("after two: %v", w.attempts(""))
		}
	})
}

// TestHeldDuringTheLastAttempt: what is held doesn't expire, also when the attempt under way fails after its time. (TestModel found it.)
func TestHeldDuringTheLastAttempt(t *testing.T) {
	gated(t, queue.Limits{MaxAge: 2 * time.Hour}, func(w *world, g *gate) {
		w.set(say(deferred))
		w.submit(env("m1"), to("bob@a.example")...)
		synctest.Wait()
		if n, err := w.q.Hold(t.Context(), queue.Filter{ID: "m1"}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		time.Sleep(3 * time.Hour)
		g.open <- struct{}{}
		synctest.Wait()
		if es, err := w.q.Show(t.Context(), "m1"); err != nil || es[0].State != queue.Held || len(w.notices()) != 0 {
			t.Errorf("%+v %v", es, err)
		}
	})
}
