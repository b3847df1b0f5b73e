package queue_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postroad/internal/service/queue"
	"postroad/internal/service/transfer"
)

// gate is a remote side whose attempts take until they are let through.
type gate struct {
	w    *world
	open chan struct{}
	now  atomic.Int32
	most atomic.Int32
}

func (g *gate) send(ctx context.Context, job transfer.Job) []transfer.Outcome {
	n := g.now.Add(1)
	for m := g.most.Load(); n > m && !g.most.CompareAndSwap(m, n); m = g.most.Load() {
	}
	defer g.now.Add(-1)
	select {
	case <-g.open:
	case <-ctx.Done():
		return nil
	}
	return g.w.send(ctx, job)
}

func gated(t *testing.T, limits queue.Limits, fn func(w *world, g *gate)) {
	t.Helper()
	g := &gate{}
	inWorld(t, func(o *queue.Options) {
		g.open = make(chan struct{}) // of the bubble
		o.Send, o.Limits = g.send, limits
	}, func(w *world) {
		g.w = w
		fn(w, g)
	})
}

// TestADeadDestinationCostsNobodyElse queues a hundred thousand messages for a destination that doesn't answer. They cost
// a bounded number of attempts and items in memory, and mail for others goes through at once.
func TestADeadDestinationCostsNobodyElse(t *testing.T) {
	count := 100_000
	if testing.Short() || underRace {
		count = 10_000
	}
	inWorld(t, func(o *queue.Options) { o.Limits.Loaded = 500 }, func(w *world) {
		w.reply = func(_ transfer.Job, r transfer.Recipient) transfer.Outcome {
			if strings.HasSuffix(r.Address, "@dead.example") {
				return hostDown
			}
			return delivered
		}
		addrs := make([]string, 1000)
		for i := range addrs {
			addrs[i] = fmt.Sprintf("b%d@dead.example", i)
		}
		for i := range count / len(addrs) {
			w.submit(env(fmt.Sprint("bulk", i)), to(addrs...)...)
		}
		time.Sleep(time.Hour)
		s := w.q.Stats()
		if s.Items != uint64(count) || s.Dead != 1 || s.Active != 0 {
			t.Errorf("%+v", s)
		}
		if held := w.q.Held(); held > 500+200 {
			t.Errorf("%d items are held in memory", held)
		}
		if s.Attempts > 40 {
			t.Errorf("%d attempts in an hour", s.Attempts)
		}
		before := time.Since(w.began)
		w.submit(env("live"), to("ann@live.example")...)
		synctest.Wait()
		if got := w.attempts("ann@live.example"); len(got) != 1 || got[0].at != before {
			t.Errorf("the other mail waits: %v", got)
		}
		w.set(say(delivered)) // it is back
		time.Sleep(2 * time.Hour)
		w.empty()
	})
}

func TestConcurrencyGrowsWithSuccess(t *testing.T) {
	gated(t, queue.Limits{}, func(w *world, g *gate) {
		for i := range 300 {
			w.submit(env(fmt.Sprint(i)), to("bob@a.example")...)
		}
		synctest.Wait()
		if n := g.now.Load(); n != 5 {
			t.Errorf("it begins with %d at once", n)
		}
		for range 300 {
			g.open <- struct{}{}
			synctest.Wait()
		}
		if n := g.most.Load(); n != 20 {
			t.Errorf("it grew to %d at once", n)
		}
		w.empty()
	})
}

// TestProbes: a dead destination is asked after pauses that double, with one job.
func TestProbes(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.set(say(hostDown))
		for i := range 100 {
			w.submit(env(fmt.Sprint(i)), to(fmt.Sprintf("b%d@a.example", i))...)
		}
		time.Sleep(90 * time.Minute)
		var at []time.Duration
		for _, s := range w.attempts("") {
			if s.at > 0 {
				at = append(at, s.at.Round(time.Minute))
			}
		}
		m := time.Minute
		if want := fmtTimes([]time.Duration{m, 3 * m, 7 * m, 15 * m, 31 * m, 61 * m}); fmtTimes(at) != want {
			t.Errorf("probes at %v, want %s", at, want)
		}
	})
}

// TestBulkNeverDelaysPeople: with bulk mail in all the places it can have, a person's goes at once; and first
// from the disk.
func TestBulkNeverDelaysPeople(t *testing.T) {
	gated(t, queue.Limits{Workers: 40, PerDestination: 8}, func(w *world, g *gate) {
		for i := range 200 {
			e := env(fmt.Sprint("bulk", i))
			e.Priority = -1
			w.submit(e, to(fmt.Sprintf("b@d%d.example", i%10))...)
		}
		synctest.Wait()
		if n := g.now.Load(); n != 30 {
			t.Errorf("bulk takes %d of 40 places", n)
		}
		w.submit(env("person"), to("ann@d1.example")...)
		urgent := env("urgent")
		urgent.Priority = 4
		w.submit(urgent, to("ann@d1.example")...)
		synctest.Wait()
		if n := g.now.Load(); n < 31 {
			t.Errorf("the person's mail waits behind bulk: %d under way", n)
		}
		close(g.open)
		time.Sleep(time.Minute)
		w.empty()
	})
}

func TestBetterClassesGoFirst(t *testing.T) {
	gated(t, queue.Limits{Workers: 1}, func(w *world, g *gate) {
		w.submit(env("first"), to("b@x.example")...)
		synctest.Wait()
		for i, p := range []int{-5, 0, 5, -1, 0, 9} {
			e := env(fmt.Sprint(i, " ", p))
			e.Priority = p
			w.submit(e, to(fmt.Sprintf("b@d%d.example", i))...)
		}
		var order []string
		for range 7 {
			g.open <- struct{}{}
			synctest.Wait()
		}
		for _, s := range w.attempts("") {
			order = append(order, s.id)
		}
		if got, want := strings.Join(order, ","), "first,5 9,2 5,1 0,4 0,3 -1,0 -5"; got != want {
			t.Errorf("order %s, want %s", got, want)
		}
	})
}

// TestDestinationsTakeTurns: one with a thousand messages doesn't make one with a single message wait.
func TestDestinationsTakeTurns(t *testing.T) {
	gated(t, queue.Limits{Workers: 2}, func(w *world, g *gate) {
		for i := range 1000 {
			w.submit(env(fmt.Sprint("many", i)), to("b@many.example")...)
		}
		for i := range 3 {
			w.submit(env(fmt.Sprint("few", i)), to(fmt.Sprintf("b@few%d.example", i))...)
		}
		for range 12 {
			g.open <- struct{}{}
			synctest.Wait()
		}
		for i := range 3 {
			if n := len(w.attempts(fmt.Sprintf("b@few%d.example", i))); n != 1 {
				t.Errorf("few%d waits", i)
			}
		}
		close(g.open)
		time.Sleep(time.Minute)
		w.empty()
	})
}

// TestMemoryIsBounded: whatever waits, memory has no more than the limit, a window for each load and what is being tried.
func TestMemoryIsBounded(t *testing.T) {
	const loaded, workers, window = 100, 10, 8
	gated(t, queue.Limits{Workers: workers, Loaded: loaded, Window: window}, func(w *world, g *gate) {
		for i := range 3000 {
			w.submit(env(fmt.Sprint(i)), to(fmt.Sprintf("b@d%d.example", i%500))...)
		}
		for range 500 {
			synctest.Wait()
			if held := w.q.Held(); held > loaded+workers+4*window {
				t.Fatalf("%d items are held", held)
			}
			g.open <- struct{}{}
		}
		close(g.open)
		time.Sleep(time.Minute)
		w.empty()
	})
}

// TestThousandsOfRecipients go in jobs of a hundred.
func TestThousandsOfRecipients(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		addrs := make([]string, 2550)
		for i := range addrs {
			addrs[i] = fmt.Sprintf("b%d@a.example", i)
		}
		n := 0
		w.reply = func(transfer.Job, transfer.Recipient) transfer.Outcome {
			if n++; n <= len(addrs) {
				return deferred
			}
			return delivered
		}
		w.submit(env("m1"), to(addrs...)...)
		time.Sleep(5 * time.Minute)
		all := w.attempts("")
		if s := w.q.Stats(); len(all) != 2*len(addrs) || s.Attempts != 52 {
			t.Errorf("%d recipients in %d jobs", len(all), s.Attempts)
		}
		for _, s := range all {
			if s.with > 100 {
				t.Fatalf("%d recipients in a job", s.with)
			}
		}
		w.empty()
	})
}
