package audit

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"context"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble/pebbletest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a log on a clock that the test moves.
type world struct {
	*Log
	db  kv.DB
	now time.Time
	o   Options
}

func newWorld(t testing.TB, o Options) *world {
	t.Helper()
	db := pebbletest.Open(t)
	w := &world{db: db, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), o: o}
	w.o.Now = func() time.Time { return w.now }
	w.reopen(t)
	return w
}

func (w *world) reopen(t testing.TB) {
	t.Helper()
	var err error
	w.Log, err = Open(t.Context(), w.db, w.o)
	must(t, err)
}

func (w *world) find(t testing.TB, q Query) string {
	t.Helper()
	all, err := w.Find(t.Context(), q)
	must(t, err)
	var lines []string
	for _, e := range all {
		lines = append(lines, fmt.Sprintf("%s %s %s %d", e.Kind, e.Who, e.What, e.Count))
	}
	return strings.Join(lines, "\n")
}

func TestEntriesAreFound(t *testing.T) {
	w := newWorld(t, Options{})
	ctx := t.Context()
	w.Note(Entry{Kind: SignIn, What: "signed in", Who: "ann@example.org", Client: "192.0.2.1"})
	w.now = w.now.Add(time.Minute)
	w.Note(Entry{Kind: Failure, What: "failed", Who: "ann@example.org", Client: "192.0.2.9"})
	w.now = w.now.Add(time.Minute)
	must(t, w.Act(ctx, Entry{What: "account.disable", Who: "socket", Detail: `address=Ann@example.org`}))
	w.now = w.now.Add(time.Minute)
	w.Note(Entry{Kind: SignIn, What: "signed in", Who: "ben@example.org", Client: "192.0.2.9"})
	for _, c := range []struct {
		q    Query
		want string
	}{
		{Query{}, "sign-in ann@example.org signed in 1\nfailure ann@example.org failed 1\nact socket account.disable 1\nsign-in ben@example.org signed in 1"},
		{Query{Who: "ANN@example.org"}, "sign-in ann@example.org signed in 1\nfailure ann@example.org failed 1\nact socket account.disable 1"},
		{Query{Client: "192.0.2.9"}, "failure ann@example.org failed 1\nsign-in ben@example.org signed in 1"},
		{Query{Kinds: []Kind{Act}}, "act socket account.disable 1"},
		{Query{Since: w.now.Add(-time.Minute)}, "act socket account.disable 1\nsign-in ben@example.org signed in 1"},
		{Query{Limit: 1}, "sign-in ben@example.org signed in 1"},
		{Query{Who: "nobody"}, ""},
	} {
		if got := w.find(t, c.q); got != c.want {
			t.Errorf("%+v:\n%s", c.q, got)
		}
	}
	w.reopen(t) // all of it is stored, and numbers go on
	w.Note(Entry{Kind: SignIn, What: "signed in", Who: "carl@example.org"})
	if got := w.find(t, Query{}); strings.Count(got, "\n") != 4 {
		t.Errorf("%s", got)
	}
}

// What is alike is one entry with a count, for an hour.
func TestAlikeIsCounted(t *testing.T) {
	w := newWorld(t, Options{})
	e := Entry{Kind: SignIn, What: "signed in", Who: "ann@example.org", Protocol: "pop3"}
	for i := range 90 {
		w.Note(e)
		if i%7 == 0 {
			must(t, w.Flush(t.Context()))
		}
		w.now = w.now.Add(time.Minute)
	}
	other := e
	other.Protocol = "imap"
	w.Note(other)
	if got := w.find(t, Query{}); got != "sign-in ann@example.org signed in 60\nsign-in ann@example.org signed in 30\nsign-in ann@example.org signed in 1" {
		t.Errorf("%s", got)
	}
	all, err := w.Find(t.Context(), Query{})
	must(t, err)
	if all[0].Last.Sub(all[0].At) != 59*time.Minute {
		t.Errorf("%+v", all[0])
	}
}

// A flood of failures pushes out failures alone.
func TestStreamsAreBounded(t *testing.T) {
	w := newWorld(t, Options{Entries: 50, Keep: 24 * time.Hour})
	ctx := t.Context()
	w.Note(Entry{Kind: SignIn, What: "signed in", Who: "ann@example.org"})
	must(t, w.Act(ctx, Entry{What: "x"}))
	for i := range 500 {
		w.Note(Entry{Kind: Failure, What: "failed", Who: fmt.Sprint(i)})
	}
	must(t, w.Flush(ctx))
	must(t, w.Tidy(ctx))
	count := func(k Kind) int {
		all, err := w.Find(ctx, Query{Kinds: []Kind{k}, Limit: 1000})
		must(t, err)
		return len(all)
	}
	if count(Failure) != 50 || count(SignIn) != 1 || count(Act) != 1 {
		t.Errorf("%d %d %d", count(Failure), count(SignIn), count(Act))
	}
	w.now = w.now.Add(25 * time.Hour)
	must(t, w.Act(ctx, Entry{What: "y"}))
	must(t, w.Tidy(ctx))
	if got := w.find(t, Query{}); got != "act  y 1" {
		t.Errorf("%s", got)
	}
	w.reopen(t)
	w.Note(Entry{Kind: Failure, What: "failed", Who: "z"})
	if count(Failure) != 1 {
		t.Error("a stream that was emptied doesn't go on")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	w := newWorld(t, Options{})
	for i := range maxWaiting + maxOpen {
		w.Note(Entry{Kind: Failure, Who: fmt.Sprint(i)})
	}
	if len(w.waiting) != maxWaiting || len(w.open) > maxOpen || w.lost != maxOpen {
		t.Errorf("%d %d %d", len(w.waiting), len(w.open), w.lost)
	}
	long := strings.Repeat("\xff", 10*maxText)
	w.reopen(t)
	w.Note(Entry{Kind: Failure, Who: long, What: long})
	all, err := w.Find(t.Context(), Query{})
	must(t, err)
	if len(all) != 1 || len(all[0].Who) > maxText {
		t.Errorf("%d", len(all[0].Who))
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := pebbletest.Open(t)
		l, err := Open(t.Context(), db, Options{})
		must(t, err)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); l.Run(ctx) }()
		stored := func() int {
			other, err := Open(t.Context(), db, Options{})
			must(t, err)
			all, err := other.Find(t.Context(), Query{})
			must(t, err)
			return len(all)
		}
		l.Note(Entry{Kind: SignIn, Who: "a"})
		time.Sleep(2 * writeEvery)
		if n := stored(); n != 1 {
			t.Errorf("%d entries after a while", n)
		}
		l.Note(Entry{Kind: SignIn, Who: "b"})
		stop()
		<-done
		if n := stored(); n != 2 {
			t.Errorf("%d entries at the end", n)
		}
	})
}

func FuzzEntry(f *testing.F) {
	e := Entry{Kind: SignIn, At: time.Unix(1, 0), Last: time.Unix(2, 0), Count: 3, What: "x", Who: "y", TLS: true, Error: "z"}
	f.Add(e.encode())
	f.Fuzz(func(t *testing.T, value []byte) {
		e, err := decodeEntry(SignIn, value)
		if err != nil {
			if !fault.Is(err, fault.Corrupt) {
				t.Error(err)
			}
			return
		}
		if again, err := decodeEntry(SignIn, e.encode()); err != nil || again != e {
			t.Errorf("%+v became %+v, %v", e, again, err)
		}
	})
}

func BenchmarkNote(b *testing.B) {
	w := newWorld(b, Options{})
	e := Entry{Kind: SignIn, What: "signed in", Who: "ann@example.org", Protocol: "imap", Client: "192.0.2.1"}
	b.ReportAllocs()
	for b.Loop() {
		w.Note(e)
	}
}

// Who asks and goes away takes nothing along.
func TestNothingIsLostWithTheAsker(t *testing.T) {
	db := pebbletest.Open(t)
	l, err := Open(t.Context(), db, Options{})
	must(t, err)
	l.Note(Entry{Kind: SignIn, Who: "a"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Find(ctx, Query{}); err == nil {
		t.Log("the answer came all the same")
	}
	all, err := l.Find(t.Context(), Query{})
	must(t, err)
	if len(all) != 1 {
		t.Errorf("%d entries are left", len(all))
	}
}
