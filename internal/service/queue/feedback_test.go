package queue

import (
	"testing"

	"postroad/internal/service/transfer"
)

// feedback is a scheduler with one destination that has much to do, and a clock.
type feedback struct {
	s    *sched
	now  int64
	next msgNum
}

func newFeedback() *feedback {
	o := &Options{Rand: func(n int64) int64 { return n / 2 }}
	o.defaults()
	return &feedback{s: newSched(o), now: 1_000_000}
}

// begin starts an attempt, or returns nil.
func (f *feedback) begin() *job {
	f.next++
	j := &job{dest: "a.example", lane: 1, msg: f.next, due: f.now, items: []jobItem{{due: f.now}}}
	f.s.claim(j.key(0))
	f.s.arrive(j, f.now)
	a, _ := f.s.next(f.now)
	return a.try
}

func (f *feedback) end(j *job, v verdict) {
	f.s.finished(j, v, f.now)
	f.s.release(j.dest, j.lane, []itemKey{j.key(0)}, never, f.now)
}

func TestOneSuccessBetweenFailuresKeepsADestinationAlive(t *testing.T) {
	f := newFeedback()
	for i := range 100 {
		j := f.begin()
		if j == nil {
			t.Fatalf("nothing begins after %d attempts", i)
		}
		f.end(j, []verdict{alive, failing}[i%2])
		if d := f.s.dests["a.example"]; d != nil && (d.dead || d.limit < leastPlaces) {
			t.Fatalf("after %d: %+v", i, d)
		}
	}
}

func TestTwoFailuresInARowMakeItDead(t *testing.T) {
	f := newFeedback()
	a, b := f.begin(), f.begin()
	f.end(a, failing)
	f.end(b, failing)
	if d := f.s.dests["a.example"]; d == nil || !d.dead {
		t.Fatalf("%+v", d)
	}
	if j := f.begin(); j != nil {
		t.Error("something begins in its pause")
	}
	if next := f.s.tick(f.now); next != f.now+60_000 {
		t.Errorf("looked at again after %d ms", next-f.now)
	}
}

// TestALateSuccessRevives: an attempt that began before the pause gets through.
func TestALateSuccessRevives(t *testing.T) {
	f := newFeedback()
	a, b, c := f.begin(), f.begin(), f.begin()
	f.end(a, failing)
	f.end(b, failing)
	f.end(c, alive)
	if f.begin() == nil && f.s.loads == 0 {
		t.Error("nothing begins though it lives")
	}
}

// TestNothingIsKeptOfDestinationsWithoutMail: memory is for those with items.
func TestNothingIsKeptOfDestinationsWithoutMail(t *testing.T) {
	f := newFeedback()
	f.end(f.begin(), alive)
	a, b := f.begin(), f.begin()
	f.end(a, failing)
	f.end(b, failing)
	f.now += 120_000
	f.s.tick(f.now)
	if len(f.s.dests) != 0 || len(f.s.known) != 0 || len(f.s.wakes) != 0 {
		t.Errorf("left: %d destinations, %d items, %d in the heap", len(f.s.dests), len(f.s.known), len(f.s.wakes))
	}
}

func TestWhatAttemptsSayOfTheDestination(t *testing.T) {
	down := transfer.Outcome{HostWide: true}
	later := transfer.Outcome{}
	gone := transfer.Outcome{Result: transfer.Failed, HostWide: true}
	for i, c := range []struct {
		outs []transfer.Outcome
		want verdict
	}{
		{nil, unknown}, {[]transfer.Outcome{down}, failing}, {[]transfer.Outcome{down, down}, failing},
		{[]transfer.Outcome{down, later}, alive}, {[]transfer.Outcome{later}, alive}, {[]transfer.Outcome{gone}, alive},
	} {
		if got := judge(c.outs); got != c.want {
			t.Errorf("%d: %v", i, got)
		}
	}
}

func TestRecords(t *testing.T) {
	for _, v := range [][]byte{nil, {2}, {1}, {1, 0xff}} {
		if _, err := decodeMessage(v); err == nil {
			t.Errorf("a message of %x", v)
		}
		if _, err := decodeItem(v); err == nil {
			t.Errorf("an item of %x", v)
		}
	}
}

func FuzzRecords(f *testing.F) {
	m := message{env: transfer.Envelope{ID: "x", From: "a@b", UTF8: true, Priority: -3}, reason: "why"}
	it := item{state: Telling, dest: "d", due: 5, last: transfer.Outcome{Text: "x", Code: 550}}
	f.Add(m.encode())
	f.Add(it.encode())
	f.Fuzz(func(t *testing.T, v []byte) {
		if m, err := decodeMessage(v); err == nil {
			again, err := decodeMessage(m.encode())
			if err != nil || again != m {
				t.Errorf("message: %+v, again %+v, %v", m, again, err)
			}
		}
		if it, err := decodeItem(v); err == nil {
			if again, err := decodeItem(it.encode()); err != nil || again != it {
				t.Errorf("item: %+v, again %+v, %v", it, again, err)
			}
		}
	})
}
