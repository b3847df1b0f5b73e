package queue_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/format/dsn"
	"postroad/internal/format/message"
	"postroad/internal/service/queue"
	"postroad/internal/service/transfer"
)

// notices are what senders were told, one entry for each recipient.
func (w *world) notices() (all []string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, job := range w.bounces {
		b, err := io.ReadAll(io.NewSectionReader(job.Content, 0, job.Content.Size()))
		if err != nil {
			w.t.Fatal(err)
		}
		st, ok := dsn.Parse(bytes.NewReader(b), message.Parse(b))
		if !ok {
			w.t.Fatalf("not a notification: %s", b)
		}
		for _, r := range st.Recipients {
			all = append(all, r.Action.String()+" "+r.Status)
		}
	}
	return all
}

// TestWhoIsToldWhat is RFC 3461 §5.2: each event with each wish.
func TestWhoIsToldWhat(t *testing.T) {
	const (
		success = transfer.NotifySuccess
		failure = transfer.NotifyFailure
		delay   = transfer.NotifyDelay
		nobody  = transfer.NotifyNever
	)
	for _, c := range []struct {
		from    string
		notify  transfer.Notify
		reply   transfer.Outcome
		after   time.Duration
		notices []string
	}{
		{"ann@example.org", 0, delivered, 0, nil},
		{"ann@example.org", success, delivered, 0, nil}, // the next hop tells
		{"ann@example.org", 0, relayed, 0, nil},
		{"ann@example.org", success, relayed, 0, []string{"relayed 2.0.0"}},
		{"ann@example.org", success | failure, relayed, 0, []string{"relayed 2.0.0"}},
		{"ann@example.org", failure | delay, relayed, 0, nil},
		{"ann@example.org", nobody, relayed, 0, nil},
		{"", success, relayed, 0, nil},
		{"ann@example.org", 0, refused, 0, []string{"failed 5.1.1"}},
		{"ann@example.org", failure, refused, 0, []string{"failed 5.1.1"}},
		{"ann@example.org", success | delay, refused, 0, nil},
		{"ann@example.org", nobody, refused, 0, nil},
		{"", 0, refused, 0, nil},
		{"", failure, refused, 0, nil},
		{"ann@example.org", 0, deferred, 5 * time.Hour, []string{"delayed 4.2.0"}},
		{"ann@example.org", delay, deferred, 5 * time.Hour, []string{"delayed 4.2.0"}},
		{"ann@example.org", failure | success, deferred, 5 * time.Hour, nil},
		{"ann@example.org", nobody, deferred, 5 * time.Hour, nil},
		{"", delay, deferred, 5 * time.Hour, nil},
		{"ann@example.org", 0, deferred, 3 * time.Hour, nil},
		{"ann@example.org", delay, deferred, 11 * time.Hour, []string{"delayed 4.2.0"}}, // and nothing of the failure
		{"ann@example.org", nobody, deferred, 11 * time.Hour, nil},
	} {
		inWorld(t, nil, func(w *world) {
			w.set(say(c.reply))
			e := env("m1")
			e.From = c.from
			w.submit(e, transfer.Recipient{Address: "bob@a.example", Notify: c.notify})
			time.Sleep(c.after)
			synctest.Wait()
			if diff := cmp.Diff(c.notices, w.notices()); diff != "" {
				t.Errorf("from <%s>, NOTIFY %b, %v, after %v: %s", c.from, c.notify, c.reply.Result, c.after, diff)
			}
		})
	}
}

// TestWhatANotificationSays: one for all recipients of an attempt, from nobody, with what the envelope gave.
func TestWhatANotificationSays(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.set(say(refused))
		e := env("m1")
		e.EnvelopeID, e.Priority = "QQ=314", 5
		w.submit(e, transfer.Recipient{Address: "bob@a.example", OriginalType: "rfc822", Original: "Bob@A.example"}, transfer.Recipient{Address: "carl@a.example"})
		synctest.Wait()
		if len(w.bounces) != 1 {
			t.Fatalf("%d notifications", len(w.bounces))
		}
		job := w.bounces[0]
		if job.From != "" || len(job.Recipients) != 1 || job.Recipients[0].Address != "ann@example.org" || job.EnvelopeID != "" || job.Priority != 5 || job.Return != 0 || job.UTF8 || job.EightBit {
			t.Errorf("%+v", job)
		}
		b, _ := io.ReadAll(io.NewSectionReader(job.Content, 0, job.Content.Size()))
		s := message.Parse(b)
		st, _ := dsn.Parse(bytes.NewReader(b), s)
		if st.EnvelopeID != "QQ=314" || st.Host != "mx.example.org" || st.Recipients[0].Original != "Bob@A.example" || st.Recipients[1].Original != "" ||
			st.Recipients[0].Reply != "550 5.1.1 no such user" || st.Recipients[0].Remote != "mx.far" || st.Recipients[0].LogID != "m1" {
			t.Errorf("%+v", st)
		}
		if s.Header.Get("Auto-Submitted") != "auto-replied" || s.Header.Get("In-Reply-To") != "<m1@example.org>" {
			t.Errorf("%s", b)
		}
	})
}

// TestHowMuchIsGivenBack is RFC 3461 §4.3 and §6.2.
func TestHowMuchIsGivenBack(t *testing.T) {
	for _, c := range []struct {
		ret   transfer.Return
		reply transfer.Outcome
		size  int64
		whole bool
	}{
		{transfer.ReturnFull, refused, 0, true}, {transfer.ReturnHeaders, refused, 0, false}, {transfer.ReturnDefault, refused, 0, false},
		{transfer.ReturnFull, relayed, 0, false}, {transfer.ReturnFull, refused, 10, false},
	} {
		inWorld(t, func(o *queue.Options) { o.Limits.MaxReturn = c.size }, func(w *world) {
			w.set(say(c.reply))
			e := env("m1")
			e.Return = c.ret
			w.submit(e, transfer.Recipient{Address: "bob@a.example", Notify: transfer.NotifySuccess | transfer.NotifyFailure})
			synctest.Wait()
			job := w.bounces[0]
			b, _ := io.ReadAll(io.NewSectionReader(job.Content, 0, job.Content.Size()))
			if whole := strings.Contains(string(b), "message/rfc822"); whole != c.whole || !strings.Contains(string(b), "Subject: x") {
				t.Errorf("%+v: whole: %v\n%s", c, whole, b)
			}
		})
	}
}

// TestDelivered: local delivery has the queue tell those who asked for it.
func TestDelivered(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		job := transfer.Job{Envelope: env("m1"), Content: text("m1"), Recipients: []transfer.Recipient{
			{Address: "bob@a.example", Notify: transfer.NotifySuccess}, {Address: "carl@a.example"}, {Address: "d@a", Notify: transfer.NotifyFailure}}}
		if err := w.q.Delivered(context.Background(), job, false); err != nil {
			t.Fatal(err)
		}
		job.Recipients = job.Recipients[1:]
		if err := w.q.Delivered(context.Background(), job, false); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"delivered 2.1.5"}, w.notices()); diff != "" {
			t.Error(diff)
		}
		job.Recipients = []transfer.Recipient{{Address: "group@a.example", Notify: transfer.NotifySuccess}}
		if err := w.q.Delivered(context.Background(), job, true); err != nil { // RFC 3461 §5.2.7.3 (c)
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"delivered 2.1.5", "expanded 2.1.5"}, w.notices()); diff != "" {
			t.Error(diff)
		}
	})
}
