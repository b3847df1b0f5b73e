package queue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/service/queue"
	"postroad/internal/service/transfer"
)

var (
	deferred  = transfer.Outcome{Result: transfer.Deferred, Code: 451, Status: "4.2.0", Text: "later", Remote: "mx.far"}
	hostDown  = transfer.Outcome{Result: transfer.Deferred, Status: "4.4.1", Text: "no answer", HostWide: true}
	refused   = transfer.Outcome{Result: transfer.Failed, Code: 550, Status: "5.1.1", Text: "no such user", Remote: "mx.far"}
	delivered = transfer.Outcome{Result: transfer.Delivered, Code: 250, Status: "2.0.0", Text: "ok", Remote: "mx.far"}
	relayed   = transfer.Outcome{Result: transfer.Relayed, Code: 250, Status: "2.0.0", Text: "ok", Remote: "mx.far"}
)

func TestDeliveredAtOnceAndForgotten(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.submit(env("m1"), to("bob@a.example", "carl@a.example", "dora@b.example")...)
		synctest.Wait()
		got := w.attempts("")
		if len(got) != 3 || got[0].at != 0 || !strings.HasSuffix(got[0].text, "m1\r\n") {
			t.Fatalf("%+v", got)
		}
		if bob := w.attempts("bob@a.example"); bob[0].with != 2 {
			t.Errorf("bob went in a job with %d recipients, not with carl", bob[0].with)
		}
		w.empty()
	})
}

func TestLargeContentIsStaged(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		big := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
		if err := w.q.Submit(context.Background(), env("big"), to("bob@a.example"), bytes.NewReader(big)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := w.attempts(""); len(got) != 1 || got[0].text != string(big) {
			t.Error("the content didn't arrive as it was")
		}
		w.empty()
	})
}

func TestRetrySchedule(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.set(say(deferred))
		w.submit(env("m1"), to("bob@a.example")...)
		time.Sleep(8 * time.Hour)
		m := time.Minute
		want := []time.Duration{0, m, 6 * m, 21 * m, 51 * m, 111 * m, 231 * m, 351 * m}
		if diff := cmp.Diff(fmtTimes(want), fmtTimes(w.times("bob@a.example"))); diff != "" {
			t.Error(diff)
		}
		w.set(say(delivered))
		time.Sleep(4 * time.Hour)
		w.empty()
	})
}

func TestARestartForgetsNothing(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.set(say(deferred))
		for i := range 100 {
			w.submit(env(fmt.Sprint(i)), to(fmt.Sprintf("bob@d%d.example", i%7))...)
		}
		time.Sleep(30 * time.Second)
		w.stop()
		w.set(say(delivered))
		w.start(nil)
		if s := w.q.Stats(); s.Items != 100 || s.Destinations != 7 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Minute)
		if n := len(w.attempts("")); n != 200 {
			t.Errorf("%d attempts", n)
		}
		w.empty()
	})
}

func TestAnAttemptThatIsBrokenOffDoesNotCount(t *testing.T) {
	inWorld(t, func(o *queue.Options) {
		o.Send = func(ctx context.Context, _ transfer.Job) []transfer.Outcome {
			<-ctx.Done()
			return nil
		}
	}, func(w *world) {
		w.submit(env("m1"), to("bob@a.example")...)
		time.Sleep(time.Second)
		w.stop()
		entries, err := w.q.Show(context.Background(), "m1")
		if err != nil || entries[0].Attempts != 0 {
			t.Errorf("%+v %v", entries, err)
		}
		w.start(nil)
		synctest.Wait()
		if len(w.attempts("bob@a.example")) != 1 {
			t.Error("it isn't tried at once after the restart")
		}
	})
}

func TestExpiry(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*transfer.Envelope)
		reply   transfer.Outcome
		after   time.Duration
		bounces []string
	}{
		"five days":             {nil, deferred, 10 * time.Hour, []string{"delayed 4.2.0", "failed 5.4.7"}},
		"dead destination":      {nil, hostDown, 10 * time.Hour, []string{"delayed 4.4.1", "failed 5.4.7"}},
		"null reverse-path":     {func(e *transfer.Envelope) { e.From = "" }, deferred, 5 * time.Hour, nil},
		"deadline, return":      {deadline(time.Hour, false), deferred, time.Hour, []string{"failed 5.4.7"}},
		"deadline, notify":      {deadline(time.Hour, true), deferred, 10 * time.Hour, []string{"delayed 4.2.0", "failed 5.4.7"}},
		"late deadline, notify": {deadline(6*time.Hour, true), deferred, 10 * time.Hour, []string{"delayed 4.2.0", "delayed 4.2.0", "failed 5.4.7"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				w.set(say(c.reply))
				e := env("m1")
				e.Received = time.Now()
				if c.change != nil {
					c.change(&e)
				}
				w.submit(e, to("bob@a.example")...)
				time.Sleep(c.after - time.Second)
				if s := w.q.Stats(); s.Items != 1 {
					t.Errorf("%d items before the end", s.Items)
				}
				time.Sleep(time.Minute)
				if diff := cmp.Diff(c.bounces, w.notices()); diff != "" {
					t.Error(diff)
				}
				w.empty()
			})
		})
	}
}

func deadline(d time.Duration, notify bool) func(*transfer.Envelope) {
	return func(e *transfer.Envelope) { e.Deadline, e.NotifyLate = time.Now().Add(d), notify }
}

func TestHoldUntil(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.set(say(deferred))
		s := queue.Submission{HoldUntil: time.Now().Add(12 * time.Hour)}
		s.Envelope, s.Recipients, s.Content = env("m1"), to("bob@a.example"), text("m1")
		p, err := w.q.Begin(context.Background(), s)
		if err != nil || p.Wait() != nil || p.Wait() != nil {
			t.Fatal(err)
		}
		time.Sleep(12*time.Hour - time.Second)
		if n := len(w.attempts("")); n != 0 || len(w.notices()) != 0 {
			t.Errorf("%d attempts, notices %v before the time", n, w.notices())
		}
		time.Sleep(time.Minute)
		if n := len(w.attempts("")); n == 0 {
			t.Error("not tried when it was time")
		}
		time.Sleep(10*time.Hour - 2*time.Minute)
		if s := w.q.Stats(); s.Items != 1 {
			t.Error("its age counts from before it was to be sent")
		}
	})
}

func TestWhatIsRefused(t *testing.T) {
	inWorld(t, func(o *queue.Options) { o.Limits.Recipients = 3 }, func(w *world) {
		w.set(say(deferred))
		w.submit(env("there"), to("b@c")...)
		for name, c := range map[string]struct {
			id   string
			to   int
			want fault.Kind
		}{
			"no ID": {"", 1, fault.Invalid}, "long ID": {strings.Repeat("x", 256), 1, fault.Invalid}, "nobody": {"x", 0, fault.Invalid},
			"too many": {"x", 4, fault.TooLarge}, "far too many": {"x", 100_000, fault.TooLarge}, "again": {"there", 1, fault.Exists},
		} {
			err := w.q.Submit(context.Background(), env(c.id), make([]transfer.Recipient, c.to), text("x"))
			if !fault.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		w.submit(env(strings.Repeat("x", 255)), to("a@b", "b@b", "c@b")...)
		short := &lying{text("x")}
		if err := w.q.Submit(context.Background(), env("short"), to("b@c"), short); err == nil {
			t.Error("a content that ends early is taken")
		}
		if _, err := w.q.Show(context.Background(), "short"); !fault.Is(err, fault.NotFound) {
			t.Errorf("what was refused is there: %v", err)
		}
	})
}

// lying says that it is longer than it is.
type lying struct{ *bytes.Reader }

func (l *lying) Size() int64 { return 5 << 20 }

func TestANotificationThatIsRefusedIsHandedInAgain(t *testing.T) {
	var tries atomic.Int32
	inWorld(t, func(o *queue.Options) {
		bounce := o.Bounce
		o.Bounce = func(ctx context.Context, job transfer.Job) error {
			if tries.Add(1) < 3 {
				return errors.New("no")
			}
			return bounce(ctx, job)
		}
	}, func(w *world) {
		w.set(say(refused))
		w.submit(env("m1"), to("bob@a.example")...)
		time.Sleep(time.Minute)
		if s := w.q.Stats(); s.Items != 1 || tries.Load() != 1 {
			t.Errorf("%d items, %d tries", s.Items, tries.Load())
		}
		time.Sleep(time.Hour)
		if n := len(w.attempts("")); n != 1 || len(w.notices()) != 1 || tries.Load() != 3 {
			t.Errorf("%d attempts, %v, %d tries", n, w.notices(), tries.Load())
		}
		w.empty()
	})
}

// TestBouncesGoThroughTheQueueByDefault, and there is none for a bounce.
func TestBouncesGoThroughTheQueueByDefault(t *testing.T) {
	inWorld(t, func(o *queue.Options) { o.Bounce = nil }, func(w *world) {
		w.set(say(refused))
		w.submit(env("m1"), to("bob@a.example")...)
		synctest.Wait()
		got := w.attempts("ann@example.org")
		if len(got) != 1 || !strings.Contains(got[0].text, "delivery-status") || len(w.attempts("")) != 2 {
			t.Errorf("%+v", w.attempts(""))
		}
		w.empty()
	})
}

// TestFiveDays is the default.
func TestFiveDays(t *testing.T) {
	if testing.Short() {
		t.Skip("the store's own timers make days long")
	}
	inWorld(t, func(o *queue.Options) { o.Limits = queue.Limits{} }, func(w *world) {
		w.set(say(deferred))
		w.submit(env("m1"), to("bob@a.example")...)
		time.Sleep(5*24*time.Hour - time.Second)
		if s := w.q.Stats(); s.Items != 1 {
			t.Errorf("%d items before the end", s.Items)
		}
		time.Sleep(2 * time.Second)
		w.empty()
	})
}
