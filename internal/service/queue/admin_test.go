package queue_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/service/queue"
	"postroad/internal/service/transfer"
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

func TestTrace(t *testing.T) {
	inWorld(t, func(o *queue.Options) { o.Trace.Horizon = 12 * time.Hour }, func(w *world) {
		replies := []transfer.Outcome{deferred, refused}
		w.reply = func(transfer.Job, transfer.Recipient) transfer.Outcome {
			r := replies[0]
			replies = replies[1:]
			return r
		}
		w.submit(env("m1"), to("bob@a.example")...)
		time.Sleep(time.Minute + time.Second)
		for name, c := range map[string]struct {
			f    queue.TraceFilter
			want string
		}{
			"id":         {queue.TraceFilter{ID: "m1"}, "[queued 0s tried 0s tried 1m0s ended 1m0s]"},
			"from":       {queue.TraceFilter{From: "ANN@example.org"}, "[queued 0s tried 0s tried 1m0s ended 1m0s]"},
			"to":         {queue.TraceFilter{To: "Bob@a.example"}, "[queued 0s tried 0s tried 1m0s ended 1m0s]"},
			"message-id": {queue.TraceFilter{MessageID: "m1@example.org"}, "[queued 0s tried 0s tried 1m0s ended 1m0s]"},
			"since":      {queue.TraceFilter{Since: w.began.Add(time.Second)}, "[tried 1m0s ended 1m0s]"},
			"until":      {queue.TraceFilter{Until: w.began.Add(time.Second)}, "[queued 0s tried 0s]"},
			"limit":      {queue.TraceFilter{Limit: 1}, "[ended 1m0s]"},
			"others":     {queue.TraceFilter{To: "x@a.example"}, "[]"},
		} {
			evs, err := w.q.Trace(context.Background(), c.f)
			var got []string
			for _, e := range evs {
				got = append(got, fmt.Sprint(e.Kind, " ", e.At.Sub(w.began)))
			}
			if err != nil || fmt.Sprint(got) != c.want {
				t.Errorf("%s: %v %v, want %s", name, got, err, c.want)
			}
		}
		evs, _ := w.q.Trace(context.Background(), queue.TraceFilter{ID: "m1"})
		if o := evs[2].Outcome; o.Code != 550 || o.Text != "no such user" || o.Remote != "mx.far" {
			t.Errorf("%+v", o)
		}
		time.Sleep(14 * time.Hour)
		if evs, _ := w.q.Trace(context.Background(), queue.TraceFilter{}); len(evs) != 0 {
			t.Errorf("%d events are kept beyond the horizon", len(evs))
		}
	})
}

func TestTraceIsBounded(t *testing.T) {
	inWorld(t, func(o *queue.Options) { o.Trace.Events = 5 }, func(w *world) {
		for i := range 100 {
			w.submit(env(fmt.Sprint(i)), to("bob@a.example")...)
		}
		time.Sleep(2 * time.Hour)
		if evs, _ := w.q.Trace(context.Background(), queue.TraceFilter{}); len(evs) > 5*queue.Shards || len(evs) == 0 {
			t.Errorf("%d events are kept", len(evs))
		}
	})
}
