package queue_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"postroad/internal/fault"
	"postroad/internal/service/queue"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/kv"
)

// TestModel does what clients, other servers, administrators, clocks and crashes do to a queue, in any order, beside a model that is too simple
// to be wrong. Nothing is lost; nothing is sent again but what was under way at a crash; senders are told what they asked for, once;
// and no more is under way than may be.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var failed any // rapid ends a test by a panic, which must not leave the bubble
		synctest.Test(t, func(*testing.T) {
			m := &model{rt: rt, db: newMemory(), items: map[string]*modelItem{}, told: map[string]int{}}
			defer func() {
				failed = recover()
				m.stop()
			}()
			m.start()
			rt.Repeat(map[string]func(*rapid.T){
				"submit": m.submit, "answer": m.answer, "answer again": m.answer, "clock": m.clock, "crash": m.crash, "restart": m.restart,
				"hold": m.hold, "release": m.release, "drop": m.drop, "retry": m.retry, "": m.check,
			})
			m.finish()
		})
		if failed != nil {
			panic(failed)
		}
	})
}

const (
	modelWorkers = 6
	modelPerDest = 3
	modelWarn    = 4 * time.Hour
	modelAge     = 24 * time.Hour
)

// modelItem is what the model knows of a recipient of a message.
type modelItem struct {
	id, to   string
	from     string
	notify   transfer.Notify
	start    time.Time // attempts may begin
	held     bool
	final    bool // it must not be tried again
	dropped  bool
	sent     int       // the other side took it
	extra    int       // so often it may have been taken once more, because of crashes
	free     time.Time // since when nobody is at it
	attempts int
}

type modelAttempt struct {
	job    transfer.Job
	answer chan []transfer.Outcome
	life   int
}

type model struct {
	rt    *rapid.T
	db    *memory
	q     *queue.Queue
	stop  func()
	life  int
	next  int
	order []string

	mu      sync.Mutex
	items   map[string]*modelItem // guarded by mu: by id and recipient
	flights []*modelAttempt       // guarded by mu
	told    map[string]int        // guarded by mu: notifications by action, id and recipient
	names   map[string]bool       // guarded by mu: notifications handed in
}

func (m *model) start() {
	m.life++
	life := m.life
	o := queue.Options{
		Host: "mx.example.org", Rand: func(n int64) int64 { return n / 2 },
		Send:   func(ctx context.Context, job transfer.Job) []transfer.Outcome { return m.send(ctx, life, job) },
		Bounce: func(_ context.Context, n transfer.Job) error { return m.bounce(life, n) },
		Limits: queue.Limits{Workers: modelWorkers, PerDestination: modelPerDest, Initial: 2, JobRecipients: 2, Window: 2, Loaded: 4,
			MaxAge: modelAge, MaxBounceAge: modelAge, WarnAfter: modelWarn},
	}
	q, err := queue.Open(context.Background(), m.db, o)
	if err != nil {
		m.rt.Fatal(err)
	}
	m.q = q
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = q.Run(ctx) // the cause is our own
	}()
	m.stop = func() { cancel(); <-done }
	synctest.Wait()
}

// send is the other side: the attempt stays under way until the model answers it.
func (m *model) send(ctx context.Context, life int, job transfer.Job) []transfer.Outcome {
	a := &modelAttempt{job: job, answer: make(chan []transfer.Outcome, 1), life: life}
	m.mu.Lock()
	if life == m.life {
		m.flights = append(m.flights, a)
		for _, r := range job.Recipients {
			it := m.items[job.ID+" "+r.Address]
			if it == nil || it.final || m.told["failed "+job.ID+" "+r.Address] > 0 || it.held && it.free.IsZero() {
				m.mu.Unlock()
				m.fail("%s for %s is tried and must not be: %+v", job.ID, r.Address, it)
				return nil
			}
			if time.Now().Before(it.start) {
				m.fail("%s for %s is tried too early", job.ID, r.Address)
			}
			it.free = time.Time{}
		}
	}
	m.mu.Unlock()
	select {
	case outs := <-a.answer:
		return outs
	case <-ctx.Done():
		return nil
	}
}

// failure is what went wrong elsewhere than in rapid's goroutine.
func (m *model) fail(format string, args ...any) { m.rt.Errorf(format, args...) }

func (m *model) bounce(life int, n transfer.Job) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if life != m.life {
		return nil
	}
	if m.names[n.ID] {
		return fault.New(fault.Exists, "there already")
	}
	if m.names == nil {
		m.names = map[string]bool{}
	}
	m.names[n.ID] = true
	b := make([]byte, n.Content.Size())
	_, _ = n.Content.ReadAt(b, 0)
	if n.From != "" || n.Recipients[0].Address != "ann@example.org" {
		m.fail("a notification from %q to %q", n.From, n.Recipients[0].Address)
	}
	var to string
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "Final-Recipient: rfc822;"); ok {
			to = strings.TrimSpace(v)
		}
		if v, ok := strings.CutPrefix(line, "Action: "); ok {
			m.told[strings.TrimSpace(v)+" "+n.ID[:strings.LastIndexByte(n.ID, '-')]+" "+to]++
		}
	}
	return nil
}

func (m *model) submit(rt *rapid.T) {
	m.next++
	id := fmt.Sprint("m", m.next)
	s := queue.Submission{Job: transfer.Job{Envelope: transfer.Envelope{
		ID: id, From: rapid.SampledFrom([]string{"ann@example.org", "ann@example.org", ""}).Draw(rt, "from"), Received: time.Now(),
		Priority: rapid.IntRange(-9, 9).Draw(rt, "priority"),
	}, Content: text(id)}}
	s.Held = rapid.IntRange(0, 5).Draw(rt, "held") == 0
	start := time.Now()
	if rapid.IntRange(0, 5).Draw(rt, "later") == 0 {
		s.HoldUntil = start.Add(time.Hour)
		start = s.HoldUntil
	}
	m.mu.Lock()
	for i := range rapid.IntRange(1, 3).Draw(rt, "recipients") {
		r := transfer.Recipient{Address: fmt.Sprintf("b%d@d%d.example", i, rapid.IntRange(0, 2).Draw(rt, "domain")),
			Notify: rapid.SampledFrom([]transfer.Notify{0, transfer.NotifyNever, transfer.NotifySuccess, transfer.NotifyFailure, transfer.NotifyDelay,
				transfer.NotifySuccess | transfer.NotifyFailure | transfer.NotifyDelay}).Draw(rt, "notify")}
		s.Recipients = append(s.Recipients, r)
		it := &modelItem{id: id, to: r.Address, from: s.From, notify: r.Notify, start: start, held: s.Held, free: time.Now()}
		if s.Held {
			it.free = time.Time{}
		}
		m.items[id+" "+r.Address] = it
		m.order = append(m.order, id+" "+r.Address)
	}
	m.mu.Unlock()
	p, err := m.q.Begin(context.Background(), s)
	if err == nil {
		err = p.Wait()
	}
	if err != nil {
		rt.Fatal(err)
	}
	synctest.Wait()
}

// outcomes are what other servers say.
var outcomes = map[string]transfer.Outcome{
	"delivered": delivered, "refused": refused, "deferred": deferred, "down": hostDown,
	"relayed": {Result: transfer.Relayed, Code: 250, Status: "2.0.0", Text: "ok"},
}

func drawOutcome(rt *rapid.T) string {
	return rapid.SampledFrom([]string{"delivered", "relayed", "refused", "deferred", "deferred", "down"}).Draw(rt, "outcome")
}

func (m *model) answer(rt *rapid.T) {
	m.mu.Lock()
	if len(m.flights) == 0 {
		m.mu.Unlock()
		rt.Skip("nothing is under way")
	}
	i := rapid.IntRange(0, len(m.flights)-1).Draw(rt, "attempt")
	a := m.flights[i]
	m.flights = slices.Delete(m.flights, i, i+1)
	m.mu.Unlock()
	m.reply(a, drawOutcome(rt))
}

// reply answers an attempt the same for all recipients, and notes what that means.
func (m *model) reply(a *modelAttempt, what string) {
	m.mu.Lock()
	var outs []transfer.Outcome
	for _, r := range a.job.Recipients {
		outs = append(outs, outcomes[what])
		it := m.items[a.job.ID+" "+r.Address]
		it.attempts++
		it.free = time.Now()
		switch {
		case what == "delivered" || what == "relayed":
			it.sent++
			it.final = true
		case what == "refused":
			it.final = true
		}
		if it.dropped {
			continue
		}
		switch {
		case what == "refused":
			m.expect(it, "failed", transfer.NotifyFailure)
		case what == "relayed":
			m.expect(it, "relayed", transfer.NotifySuccess)
		}
	}
	m.mu.Unlock()
	a.answer <- outs
	synctest.Wait()
}

// expect counts down what the sender is to be told.
func (m *model) expect(it *modelItem, action string, event transfer.Notify) {
	if it.wants(event) {
		m.told[action+" "+it.id+" "+it.to]--
	}
}

func (it *modelItem) wants(event transfer.Notify) bool {
	switch {
	case it.from == "" || it.notify&transfer.NotifyNever != 0:
		return false
	case it.notify == 0:
		return event != transfer.NotifySuccess
	}
	return it.notify&event != 0
}

func (m *model) clock(rt *rapid.T) {
	d := rapid.SampledFrom([]time.Duration{time.Second, 2 * time.Minute, 30 * time.Minute, 5 * time.Hour}).Draw(rt, "time")
	time.Sleep(d)
	synctest.Wait()
}

// look compares the model with what lies in the queue: what is missing there must have had its time.
func (m *model) look() {
	entries, more, err := m.q.List(context.Background(), queue.Filter{Limit: 100_000})
	if err != nil || more {
		m.rt.Fatal(err, more)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	there := map[string]bool{}
	for _, e := range entries {
		there[e.ID+" "+e.To] = true
		if it := m.items[e.ID+" "+e.To]; it == nil || it.final && e.State != queue.Telling && !m.under(it) {
			m.rt.Fatalf("%s to %s must not be there: %+v", e.ID, e.To, it)
		}
	}
	for _, key := range m.order {
		it := m.items[key]
		if it.final || there[key] {
			continue
		}
		if it.held || time.Now().Before(it.start.Add(modelAge)) {
			m.rt.Fatalf("%s is lost: %+v", key, it)
		}
		it.final = true
		m.expect(it, "failed", transfer.NotifyFailure)
	}
}

// crash is a loss of power: what was under way may have arrived, and nobody here knows.
func (m *model) crash(rt *rapid.T) {
	db := m.db.clone()
	m.mu.Lock()
	old := m.flights
	m.flights, m.life = nil, m.life+1
	for _, a := range old {
		arrived := rapid.Bool().Draw(rt, "arrived")
		for _, r := range a.job.Recipients {
			it := m.items[a.job.ID+" "+r.Address]
			if !it.dropped {
				it.free = time.Now()
			}
			if arrived {
				it.sent++
				it.extra++
			}
		}
	}
	m.mu.Unlock()
	m.stop()
	m.db = db
	m.life--
	m.start()
}

// restart is an orderly one: what is under way is broken off.
func (m *model) restart(rt *rapid.T) {
	m.mu.Lock()
	for _, a := range m.flights {
		for _, r := range a.job.Recipients {
			m.items[a.job.ID+" "+r.Address].free = time.Now()
		}
	}
	m.flights = nil
	m.mu.Unlock()
	m.stop()
	m.start()
}

// pick draws a message, or all.
func (m *model) pick(rt *rapid.T) queue.Filter {
	if m.next == 0 {
		return queue.Filter{}
	}
	n := rapid.IntRange(0, m.next).Draw(rt, "which")
	if n == 0 {
		return queue.Filter{From: "ann@example.org"}
	}
	return queue.Filter{ID: fmt.Sprint("m", n)}
}

// matching are the items that a filter is about and that are still in the queue.
func (m *model) matching(f queue.Filter, fn func(*modelItem)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range m.order {
		if it := m.items[key]; !it.final && (f.ID == it.id || f.From != "" && f.From == it.from || f.ID+f.From == "") {
			fn(it)
		}
	}
}

func (m *model) hold(rt *rapid.T) {
	f := m.pick(rt)
	m.matching(f, func(it *modelItem) { it.held = true })
	m.act(m.q.Hold(context.Background(), f))
}

func (m *model) release(rt *rapid.T) {
	f := m.pick(rt)
	m.matching(f, func(it *modelItem) {
		if !it.held {
			return
		}
		it.held = false
		if !m.under(it) {
			it.free = time.Now()
		}
		if !time.Now().Before(it.start.Add(modelAge)) {
			it.start = time.Now()
			for _, other := range m.items { // the message's time begins anew
				if other.id == it.id {
					other.start = time.Now()
				}
			}
		}
	})
	m.act(m.q.Release(context.Background(), f))
}

// under reports whether an item is being tried. m.mu is held.
func (m *model) under(it *modelItem) bool {
	return slices.ContainsFunc(m.flights, func(a *modelAttempt) bool {
		return a.job.ID == it.id && slices.ContainsFunc(a.job.Recipients, func(r transfer.Recipient) bool { return r.Address == it.to })
	})
}

func (m *model) drop(rt *rapid.T) {
	f, bounce := m.pick(rt), rapid.Bool().Draw(rt, "bounce")
	m.matching(f, func(it *modelItem) {
		it.final, it.dropped = true, true
		if bounce {
			m.expect(it, "failed", transfer.NotifyFailure)
		}
	})
	m.act(m.q.Drop(context.Background(), f, bounce))
}

func (m *model) retry(rt *rapid.T) {
	f := m.pick(rt)
	if f.ID != "" { // that means what is scheduled, too
		m.matching(f, func(it *modelItem) {
			if it.start.After(time.Now()) && !it.held {
				for _, other := range m.items {
					if other.id == it.id {
						other.start = time.Now()
					}
				}
			}
		})
	}
	m.act(m.q.Retry(context.Background(), f))
}

func (m *model) act(_ int, err error) {
	if err != nil {
		m.rt.Fatal(err)
	}
	synctest.Wait()
}

// check compares what there is with what there may be.
func (m *model) check(rt *rapid.T) {
	synctest.Wait()
	m.look()
	m.mu.Lock()
	defer m.mu.Unlock()
	perDest := map[string]int{}
	for _, a := range m.flights {
		_, domain, _ := strings.Cut(a.job.Recipients[0].Address, "@")
		perDest[domain]++
	}
	for d, n := range perDest {
		if n > modelPerDest {
			rt.Fatalf("%d attempts for %s", n, d)
		}
	}
	if len(m.flights) > modelWorkers {
		rt.Fatalf("%d attempts at once", len(m.flights))
	}
	for key, it := range m.items {
		if it.sent > 1+it.extra {
			rt.Fatalf("%s was sent %d times, with %d under way at a crash", key, it.sent, it.extra)
		}
	}
}

// finish has all that is left delivered, and looks whether anything is missing or too much.
func (m *model) finish() {
	m.look()
	m.matching(queue.Filter{}, func(it *modelItem) {
		if it.held {
			it.held = false
			if !m.under(it) {
				it.free = time.Now()
			}
			if !time.Now().Before(it.start.Add(modelAge)) {
				for _, other := range m.items {
					if other.id == it.id {
						other.start = time.Now()
					}
				}
			}
		}
	})
	m.act(m.q.Release(context.Background(), queue.Filter{}))
	for range 100 {
		for {
			m.mu.Lock()
			if len(m.flights) == 0 {
				m.mu.Unlock()
				break
			}
			a := m.flights[0]
			m.flights = m.flights[1:]
			m.mu.Unlock()
			m.reply(a, "delivered")
		}
		if m.q.Stats().Items == 0 {
			break
		}
		time.Sleep(20 * time.Minute)
		synctest.Wait()
	}
	if n := m.q.Stats().Items; n > 0 {
		left, _, _ := m.q.List(context.Background(), queue.Filter{})
		m.rt.Fatalf("%d items are left: %+v", n, left)
	}
	m.look()
	m.stop()
	if err := queue.Check(context.Background(), m.db, func(p string) { m.rt.Error(p) }); err != nil {
		m.rt.Fatal(err)
	}
	m.verify()
}

// verify: each item came to an end, and its sender was told as they asked.
func (m *model) verify() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range m.order {
		it := m.items[key]
		if !it.final {
			m.rt.Errorf("%s came to no end: %+v", key, it)
		}
		if n := m.told["delayed "+key]; n < 0 || n > 1 || n == 1 && !it.wants(transfer.NotifyDelay) {
			m.rt.Errorf("%s: told %d times of a delay", key, n)
		}
		for _, action := range []string{"failed", "relayed"} {
			if n := m.told[action+" "+key]; n != 0 {
				m.rt.Errorf("%s: the sender was told %+d times too often that it was %s: %+v", key, n, action, it)
			}
		}
	}
}

// clone is the store as it is now: what a loss of power leaves.
func (m *memory) clone() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := newMemory()
	for p, x := range m.parts {
		x.mu.Lock()
		c.parts[p] = &memoryPart{root: x.root, bell: make(chan struct{})}
		x.mu.Unlock()
	}
	return c
}

var _ kv.DB = (*memory)(nil)
