package queue_test

import (
	"strings"
	"testing"
	"time"

	"postroad/internal/service/queue"
	"postroad/internal/service/transfer"
)

// What an administrator says for addresses chooses what they mean.
func TestFilterAddresses(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.reply = say(transfer.Outcome{Result: transfer.Deferred, Status: "4.0.0"})
		submit := func(id, from, to string) {
			e := transfer.Envelope{ID: id, From: from, Received: time.Now()}
			if err := w.q.Submit(t.Context(), e, []transfer.Recipient{{Address: to}}, strings.NewReader("\r\n")); err != nil {
				t.Fatal(err)
			}
		}
		submit("a", "ann@example.org", "x@far.test")
		submit("b", "Ben@Example.ORG", "y@near.test")
		submit("c", "", "z@sub.far.test")
		for _, c := range []struct{ from, to, want string }{
			{"", "", "a b c"}, {"<>", "", "c"}, {"@example.org", "", "a b"}, {"ben@example.org", "", "b"},
			{"@org", "", ""}, {"", "@far.test", "a"}, {"", "X@FAR.TEST", "a"}, {"@example.org", "@near.test", "b"}, {"@", "", ""},
		} {
			listed, _, err := w.q.List(t.Context(), queue.Filter{From: c.from, To: c.to})
			if err != nil {
				t.Fatal(err)
			}
			inQueue := map[string]bool{}
			for _, e := range listed {
				inQueue[e.ID] = true
			}
			for _, id := range []string{"a", "b", "c"} {
				if want := strings.Contains(c.want, id); inQueue[id] != want {
					t.Errorf("from %q to %q, %s: in the queue %v", c.from, c.to, id, inQueue[id])
				}
			}
		}
	})
}
