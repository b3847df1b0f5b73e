package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/service/queue"
	"postroad/internal/service/trace"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/kv/pebble"
)

// byName answers as the recipient's name says.
func byName(_ context.Context, job transfer.Job) (outs []transfer.Outcome) {
	for _, r := range job.Recipients {
		name, _, _ := strings.Cut(r.Address, "@")
		outs = append(outs, map[string]transfer.Outcome{
			"later": {Code: 451, Status: "4.3.0", Text: "later", Remote: "mx.far.test", Took: 7 * time.Millisecond},
			"never": {Result: transfer.Failed, Code: 550, Status: "5.1.1", Text: "no such user"},
			"right": {Result: transfer.Delivered, Code: 250, Status: "2.0.0", Text: "ok", TLS: "TLS1.3 DANE"},
		}[name])
	}
	return outs
}

// withQueue runs fn in a bubble, on the queue of a server that runs (with send) or is stopped (send is nil).
func withQueue(t *testing.T, send func(context.Context, transfer.Job) []transfer.Outcome, fn func(d *Direct, q *queue.Queue)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		db, err := pebble.Open("db", pebble.Options{FS: vfs.NewMem(), CacheBytes: 1 << 20, MemtableBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		d := NewDirect(db, nil, nil, nil)
		l, err := trace.Open(t.Context(), db, trace.Options{})
		if err != nil {
			t.Fatal(err)
		}
		d.SetTrace(l)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		if send != nil {
			q, err := queue.Open(ctx, db, queue.Options{Send: send, Note: l.Note,
				Bounce: func(context.Context, transfer.Job) error { return nil }})
			if err != nil {
				t.Fatal(err)
			}
			d.SetQueue(q)
			go func() {
				defer close(done)
				_ = q.Run(ctx) // the cause is our own
			}()
		} else {
			close(done)
		}
		q, err := d.openQueue(ctx)
		if err != nil {
			t.Fatal(err)
		}
		fn(d, q)
		cancel()
		<-done
		if err := queue.Check(t.Context(), db, func(p string) { t.Error(p) }); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

func submit(t *testing.T, q *queue.Queue, id, from string, to ...string) {
	t.Helper()
	var rcpts []transfer.Recipient
	for _, a := range to {
		rcpts = append(rcpts, transfer.Recipient{Address: a})
	}
	content := strings.NewReader("Message-ID: <" + id + "@example.org>\r\n\r\nhello\r\n")
	if err := q.Submit(t.Context(), transfer.Envelope{ID: id, From: from, Received: time.Now()}, rcpts, content); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// listed says what a filter finds.
func listed(t *testing.T, d *Direct, f QueueFilter) string {
	t.Helper()
	l, err := d.Queue(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, i := range l.Items {
		words = append(words, i.ID+" "+i.Recipient+" "+i.State)
	}
	return strings.Join(words, ", ") // the older one is first
}

func TestQueueFilters(t *testing.T) {
	withQueue(t, nil, func(d *Direct, q *queue.Queue) {
		submit(t, q, "a", "ann@example.org", "x@far.test")
		began := time.Now()
		time.Sleep(time.Hour)
		submit(t, q, "b", "", "y@near.test", "z@far.test")
		if n, err := d.HoldQueue(t.Context(), QueueChange{Filter: QueueFilter{Recipient: "Y@near.test"}}); n.Recipients != 1 || err != nil {
			t.Fatal(n, err)
		}
		const a, y, z = "a x@far.test waiting", "b y@near.test held", "b z@far.test waiting"
		for _, c := range []struct {
			f    QueueFilter
			want string
		}{
			{QueueFilter{}, a + ", " + y + ", " + z},
			{QueueFilter{ID: "b"}, y + ", " + z},
			{QueueFilter{ID: "c"}, ""},
			{QueueFilter{Sender: "<>"}, y + ", " + z},
			{QueueFilter{Sender: "@EXAMPLE.org"}, a},
			{QueueFilter{Domain: "Far.Test"}, a + ", " + z},
			{QueueFilter{Domain: "@far.test", Sender: "<>"}, z},
			{QueueFilter{States: []string{"Held"}}, y},
			{QueueFilter{States: []string{"held", "waiting"}}, a + ", " + y + ", " + z},
			{QueueFilter{States: []string{"notifying"}}, ""},
			{QueueFilter{ReceivedBefore: began.Add(time.Minute)}, a},
			{QueueFilter{ReceivedAfter: began.Add(time.Minute)}, y + ", " + z},
		} {
			if got := listed(t, d, c.f); got != c.want {
				t.Errorf("%+v: %s, want %s", c.f, got, c.want)
			}
		}
		if l, err := d.Queue(t.Context(), QueueFilter{Limit: 2}); len(l.Items) != 2 || !l.More || err != nil {
			t.Error(len(l.Items), l.More, err)
		}
		if l, err := d.Queue(t.Context(), QueueFilter{Limit: 3}); len(l.Items) != 3 || l.More || err != nil {
			t.Error(len(l.Items), l.More, err)
		}
		for _, f := range []QueueFilter{{States: []string{"lost"}}, {Limit: -1}, {Limit: maxListed + 1}} {
			if _, err := d.Queue(t.Context(), f); !fault.Is(err, fault.Invalid) {
				t.Errorf("%+v: %v", f, err)
			}
		}
	})
}

func TestQueueChangesNeedFilter(t *testing.T) {
	withQueue(t, nil, func(d *Direct, q *queue.Queue) {
		submit(t, q, "a", "ann@example.org", "x@far.test", "y@near.test")
		for name, change := range map[string]func(context.Context, QueueChange) (Changed, error){
			"retry": d.RetryQueue, "hold": d.HoldQueue, "release": d.ReleaseQueue, "drop": d.DropQueue,
		} {
			for _, c := range []QueueChange{{}, {Filter: QueueFilter{Limit: 1}}, {Filter: QueueFilter{ID: "a"}, All: true}} {
				if n, err := change(t.Context(), c); n.Recipients != 0 || !fault.Is(err, fault.Invalid) {
					t.Errorf("%s %+v: %v %v", name, c, n, err)
				}
			}
		}
		if _, err := d.FlushQueue(t.Context(), "@"); !fault.Is(err, fault.Invalid) {
			t.Error(err)
		}
		for i, change := range []func(context.Context, QueueChange) (Changed, error){d.RetryQueue, d.HoldQueue, d.ReleaseQueue, d.DropQueue} {
			if n, err := change(t.Context(), QueueChange{All: true}); n.Recipients != 2 || err != nil {
				t.Errorf("%d: %v %v", i, n, err)
			}
		}
		if got := listed(t, d, QueueFilter{}); got != "" {
			t.Error(got)
		}
		if _, err := d.QueueMessage(t.Context(), "a"); !fault.Is(err, fault.NotFound) {
			t.Error(err)
		}
	})
}

func TestQueueShowsAttempts(t *testing.T) {
	withQueue(t, byName, func(d *Direct, q *queue.Queue) {
		submit(t, q, "a", "ann@example.org", "later@far.test", "right@far.test")
		if n, err := d.FlushQueue(t.Context(), "FAR.test"); n.Recipients != 1 || err != nil {
			t.Fatal(n, err)
		}
		synctest.Wait()
		items, err := d.QueueMessage(t.Context(), "a")
		if err != nil || len(items) != 1 {
			t.Fatal(items, err)
		}
		i := items[0]
		want := Attempt{At: i.Attempts[0].At, Result: "deferred", Code: 451, Status: "4.3.0", Text: "later", Remote: "mx.far.test", TookMS: 7}
		if i.Tried != 2 || i.MessageID != "a@example.org" || !i.Due.After(time.Now()) || !i.Expires.After(i.Due) {
			t.Errorf("%+v", i)
		}
		if diff := cmp.Diff([]Attempt{want, want}, i.Attempts); diff != "" {
			t.Error(diff)
		}
	})
}

// told renders a trace without its times.
func told(ts []Trace) (lines []string) {
	for _, t := range ts {
		lines = append(lines, fmt.Sprintf("%s <%s> from <%s>", t.ID, t.MessageID, t.Sender))
		for _, e := range t.Events {
			line := e.Event + " " + strings.Join(e.Recipients, " ")
			if e.Attempt != nil {
				line += fmt.Sprintf(" %s %d %s", e.Attempt.Result, e.Attempt.Code, e.Attempt.Text)
			}
			lines = append(lines, line)
		}
		for _, r := range t.Recipients {
			lines = append(lines, fmt.Sprintf("= %s %s %v", r.Recipient, r.Outcome, r.Queued != nil))
		}
	}
	return lines
}

// TestTraceOfForgotten: what lies in the queue is told of though the trace has forgotten it.
func TestTraceOfForgotten(t *testing.T) {
	withQueue(t, nil, func(d *Direct, q *queue.Queue) {
		submit(t, q, "a", "ann@example.org", "x@far.test", "y@far.test")
		time.Sleep(time.Second)
		submit(t, q, "b", "ann@example.org", "x@far.test")
		empty, err := trace.Open(t.Context(), d.db, trace.Options{})
		if err != nil {
			t.Fatal(err)
		}
		d.SetTrace(empty) // the first one has not written anything down
		a := []string{"a <a@example.org> from <ann@example.org>", "queued x@far.test", "queued y@far.test", "= x@far.test waiting true", "= y@far.test waiting true"}
		b := []string{"b <b@example.org> from <ann@example.org>", "queued x@far.test", "= x@far.test waiting true"}
		for name, c := range map[string]struct {
			q    TraceQuery
			want []string
		}{
			"sender":        {TraceQuery{Sender: "ann@example.org"}, slices.Concat(a, b)},
			"newest":        {TraceQuery{Sender: "ann@example.org", Limit: 1}, b},
			"id":            {TraceQuery{ID: "a"}, a},
			"Message-ID":    {TraceQuery{MessageID: "<b@example.org>"}, b},
			"since":         {TraceQuery{Recipient: "x@far.test", Since: time.Now().Add(-time.Millisecond)}, b},
			"somebody else": {TraceQuery{Sender: "ben@example.org"}, nil},
			"client":        {TraceQuery{Client: "192.0.2.1"}, nil},
		} {
			ts, err := d.Trace(t.Context(), c.q)
			if diff := cmp.Diff(c.want, told(ts)); diff != "" || err != nil || ts == nil { // nil would be "null" in JSON
				t.Error(name, diff, err)
			}
		}
	})
}

func TestTrace(t *testing.T) {
	withQueue(t, byName, func(d *Direct, q *queue.Queue) {
		submit(t, q, "a", "ann@example.org", "right@far.test", "never@near.test")
		time.Sleep(time.Second)
		submit(t, q, "b", "ben@example.org", "later@far.test")
		submit(t, q, "c", "ben@example.org", "later@gone.test")
		if _, err := d.DropQueue(t.Context(), QueueChange{Filter: QueueFilter{ID: "c"}, Bounce: true}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		right := []string{"tried right@far.test delivered 250 ok", "= right@far.test delivered false"}
		later := []string{"b <b@example.org> from <ben@example.org>", "queued later@far.test", "tried later@far.test deferred 451 later", "= later@far.test waiting true"}
		for name, c := range map[string]struct {
			q    TraceQuery
			want []string
		}{
			"one of two recipients": {TraceQuery{Recipient: "right@FAR.test"}, []string{"a <a@example.org> from <ann@example.org>",
				"queued right@far.test never@near.test", right[0], "notified ann@example.org", right[1]}},
			"both": {TraceQuery{MessageID: "<a@example.org>"}, []string{"a <a@example.org> from <ann@example.org>",
				"queued right@far.test never@near.test", right[0], "tried never@near.test failed 550 no such user",
				"ended never@near.test failed 550 no such user", "notified ann@example.org", right[1], "= never@near.test failed false"}},
			"waiting": {TraceQuery{ID: "b"}, later},
			"dropped": {TraceQuery{Recipient: "@gone.test"}, []string{"c <c@example.org> from <ben@example.org>", "queued later@gone.test",
				"tried later@gone.test deferred 451 later", "dropped later@gone.test failed 0 an administrator removed the message", "notified ben@example.org",
				"ended later@gone.test failed 0 an administrator removed the message", "= later@gone.test dropped false"}},
			"nobody":        {TraceQuery{Sender: "nobody@example.org"}, nil},
			"too long ago":  {TraceQuery{Sender: "ann@example.org", Since: time.Now()}, nil},
			"later than it": {TraceQuery{Recipient: "later@far.test", Until: time.Now().Add(-time.Second)}, nil},
			"both senders":  {TraceQuery{Sender: "@example.org", MessageID: "b@example.org"}, later},
		} {
			got, err := d.Trace(t.Context(), c.q)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			lines := told(got)
			if name == "both" || name == "one of two recipients" { // two destinations: either may be tried first
				slices.Sort(lines)
				slices.Sort(c.want)
			}
			if diff := cmp.Diff(c.want, lines); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		if got, _ := d.Trace(t.Context(), TraceQuery{Sender: "@example.org", Limit: 1}); len(got) != 1 || got[0].ID == "a" {
			t.Error(told(got))
		}
		for _, bad := range []TraceQuery{{}, {Since: time.Now()}, {ID: "a", Limit: -1}} {
			if _, err := d.Trace(t.Context(), bad); !fault.Is(err, fault.Invalid) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
	})
}

// Recipients that no event names are found in the queue.
func TestTraceOfManyRecipients(t *testing.T) {
	withQueue(t, nil, func(d *Direct, q *queue.Queue) {
		var many []string
		for i := range 250 { // more than one event names
			many = append(many, fmt.Sprintf("x%d@far.test", i))
		}
		submit(t, q, "a", "ann@example.org", many...)
		got, err := d.Trace(t.Context(), TraceQuery{ID: "a"})
		if err != nil || len(got) != 1 || len(got[0].Recipients) != 250 {
			t.Fatal(got, err)
		}
		for _, r := range got[0].Recipients {
			if r.Outcome != "waiting" || r.Queued == nil {
				t.Errorf("%+v", r)
			}
		}
	})
}
