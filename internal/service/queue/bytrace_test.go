package queue_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/service/transfer"
)

// TestUntimed: RFC 2852 §4.1.4.2: who wants to be told when it gets late hears that it has gone to a host that doesn't know that.
func TestUntimed(t *testing.T) {
	there, plain := delivered, delivered
	there.Remote, plain.Remote = "mx.a.example", "mx.a.example"
	there.Untimed = true
	old := there
	old.Result = transfer.Relayed
	for _, c := range []struct {
		notify  transfer.Notify
		reply   transfer.Outcome
		notices []string
	}{
		{0, there, []string{"relayed 2.0.0"}}, {0, old, []string{"relayed 2.0.0"}}, {transfer.NotifyFailure, there, []string{"relayed 2.0.0"}}, {transfer.NotifyNever, there, nil}, {0, plain, nil},
	} {
		inWorld(t, nil, func(w *world) {
			w.set(say(c.reply))
			e := env("m1")
			e.Deadline, e.NotifyLate = e.Received.Add(time.Hour), true
			w.submit(e, transfer.Recipient{Address: "bob@a.example", Notify: c.notify})
			synctest.Wait()
			if diff := cmp.Diff(c.notices, w.notices()); diff != "" {
				t.Errorf("%+v: %s", c, diff)
			}
		})
	}
}

// TestByTrace: RFC 2852: who asks for a trace hears from each host that passes the message on.
func TestByTrace(t *testing.T) {
	here := delivered
	here.Remote = "" // lies in a mailbox: that is no relaying
	there := delivered
	there.Remote = "mx.a.example"
	for _, c := range []struct {
		from    string
		notify  transfer.Notify
		reply   transfer.Outcome
		notices []string
	}{
		{"ann@example.org", 0, there, []string{"relayed 2.0.0"}},
		{"ann@example.org", transfer.NotifyNever, there, nil},
		{"", 0, there, nil},
		{"ann@example.org", 0, here, nil},
	} {
		inWorld(t, nil, func(w *world) {
			w.set(say(c.reply))
			e := env("m1")
			e.From, e.ByTrace = c.from, true
			w.submit(e, transfer.Recipient{Address: "bob@a.example", Notify: c.notify})
			synctest.Wait()
			if diff := cmp.Diff(c.notices, w.notices()); diff != "" {
				t.Errorf("%+v: %s", c, diff)
			}
		})
	}
}
