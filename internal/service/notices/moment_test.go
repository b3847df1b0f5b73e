package notices

import (
	"testing"
	"time"
)

// What is due is so by the time before the list was read: else a message could leave out what has come since, and that would wait for the next one.
func TestDueWhenTheListIsRead(t *testing.T) {
	w := newWorld(t)
	zoe := w.add("zoë@example.org")
	w.must(w.dir.SetPassword(t.Context(), w.ann, "secret-two"))
	w.must(w.dir.SetPassword(t.Context(), zoe, "secret-two"))
	began := w.clock
	w.s.o.Now = func() time.Time { // time passes while the service looks
		now := w.clock
		w.clock = now.Add(Gather)
		return now
	}
	next, err := w.s.Tell(t.Context())
	w.must(err)
	if n := len(w.inbox(w.ann)) + len(w.inbox(zoe)); n != 0 || !next.Equal(began.Add(Gather)) {
		t.Errorf("%d messages; next %v", n, next)
	}
}
