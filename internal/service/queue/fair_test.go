package queue_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"postroad/internal/service/queue"
	"postroad/internal/service/transfer"
)

// TestSendersTakeTurns: whatever one account has in the queue, the next one's message is tried after a few attempts.
func TestSendersTakeTurns(t *testing.T) {
	const flood = 2000
	for name, c := range map[string]struct {
		limits queue.Limits
		to     func(i int) string
		prio   int
	}{
		"for one destination":         {queue.Limits{Workers: 20}, func(int) string { return "b@a.example" }, 0},
		"for many destinations":       {queue.Limits{Workers: 3}, func(i int) string { return fmt.Sprintf("b@d%d.example", i) }, 0},
		"more than memory holds":      {queue.Limits{Workers: 3, Loaded: 50, Window: 8}, func(i int) string { return fmt.Sprintf("b@d%d.example", i%300) }, 0},
		"one destination, from disk":  {queue.Limits{Workers: 3, Loaded: 50, Window: 8}, func(int) string { return "b@a.example" }, 0},
		"bulk, which others send too": {queue.Limits{Workers: 8}, func(i int) string { return fmt.Sprintf("b@d%d.example", i%3) }, -4},
	} {
		t.Run(name, func(t *testing.T) {
			gated(t, c.limits, func(w *world, g *gate) {
				for i := range flood {
					e := env(fmt.Sprint("flood", i))
					e.Account, e.Priority = 7, c.prio
					w.submit(e, to(c.to(i))...)
				}
				synctest.Wait()
				e := env("other")
				e.Account, e.Priority = 8, c.prio
				w.submit(e, to("bob@a.example")...)
				tried := 0
				for ; len(w.attempts("bob@a.example")) == 0; tried++ {
					if tried > 60 {
						t.Fatal("the other's message waits for the flood")
					}
					g.open <- struct{}{}
					synctest.Wait()
				}
				close(g.open)
				time.Sleep(time.Minute)
				w.empty()
			})
		})
	}
}

// TestSendersTakeTurnsAfterARestart: also what lies on disk.
func TestSendersTakeTurnsAfterARestart(t *testing.T) {
	gated(t, queue.Limits{Workers: 2}, func(w *world, g *gate) {
		w.stop()
		q, err := queue.Open(t.Context(), w.db, queue.Options{Send: g.send})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 1001 {
			e := env(fmt.Sprint(i))
			if e.Account = 7; i == 1000 {
				e.Account = 8
			}
			if err := q.Submit(t.Context(), e, to(fmt.Sprintf("b%d@d%d.example", i, i%200)), text("x")); err != nil {
				t.Fatal(err)
			}
		}
		w.start(func(o *queue.Options) { o.Send, o.Limits = g.send, queue.Limits{Workers: 2} })
		synctest.Wait()
		for range 12 {
			g.open <- struct{}{}
			synctest.Wait()
		}
		if len(w.attempts("b1000@d0.example")) != 1 {
			t.Error("the other's message waits")
		}
		close(g.open)
		time.Sleep(time.Minute)
		w.empty()
	})
}

// TestPriorities: inside of a class, too, the better level is tried first (RFC 6710), and equals in the order in which they came.
func TestPriorities(t *testing.T) {
	gated(t, queue.Limits{Workers: 1, PerDestination: 1}, func(w *world, g *gate) {
		w.submit(env("first"), to("b@a.example")...)
		synctest.Wait()
		for i, p := range []int{-9, -1, 0, 1, 4, 9, 0, -9, 3, 6, 5, -3} {
			e := env(fmt.Sprintf("%d:%d", p, i))
			e.Priority = p
			w.submit(e, to("b@a.example")...)
			time.Sleep(time.Millisecond)
		}
		var order string
		for range 13 {
			g.open <- struct{}{}
			synctest.Wait()
		}
		for _, s := range w.attempts("")[1:] {
			order += s.id + " "
		}
		if want := "9:5 6:9 4:4 5:10 1:3 3:8 0:2 0:6 -1:1 -3:11 -9:0 -9:7 "; order != want {
			t.Errorf("order %s, want %s", order, want)
		}
		w.empty()
	})
}

// TestSharedDestination: domains behind one smart host share its back-off.
func TestSharedDestination(t *testing.T) {
	inWorld(t, func(o *queue.Options) {
		o.Destination = func(e *transfer.Envelope, _ *transfer.Recipient) string { return "smart.example" }
	}, func(w *world) {
		w.set(say(hostDown))
		for i := range 50 {
			w.submit(env(fmt.Sprint(i)), to(fmt.Sprintf("b@d%d.example", i))...)
		}
		time.Sleep(30 * time.Second)
		if s := w.q.Stats(); s.Destinations != 1 || s.Dead != 1 || s.Attempts > 10 {
			t.Errorf("%+v", s)
		}
		w.set(say(delivered))
		if es, _, err := w.q.List(t.Context(), queue.Filter{Destination: "d7.example"}); len(es) != 1 || err != nil {
			t.Error(es, err)
		}
		if n, err := w.q.Flush(t.Context(), "smart.example"); n == 0 || err != nil { // some are gone before it comes to them
			t.Error(n, err)
		}
		time.Sleep(time.Second)
		w.empty()
	})
}
