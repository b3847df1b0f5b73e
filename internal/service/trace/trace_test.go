package trace_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"postroad/internal/fault"
	"postroad/internal/service/trace"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/kvtest"
	"postroad/internal/storage/kv/pebble"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The engine leaves it behind if it can't be opened on a failing disk.
		goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2.(*ConcurrencyLimitScheduler).periodicGranter"))
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func memory(t testing.TB) kv.DB {
	db, err := pebble.Open("db", pebble.Options{FS: vfs.NewMem(), CacheBytes: 1 << 20, MemtableBytes: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func open(t testing.TB, db kv.DB, o trace.Options) *trace.Log {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	l, err := trace.Open(t.Context(), db, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func find(t testing.TB, l *trace.Log, q trace.Query) []trace.Story {
	t.Helper()
	stories, _, err := l.Find(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return stories
}

// ids are those of the stories, in order.
func ids(stories []trace.Story) string {
	var all []string
	for _, s := range stories {
		all = append(all, s.ID)
	}
	return strings.Join(all, " ")
}

// way is a story in a line: what happened to which message.
func way(s trace.Story) string {
	var all []string
	for _, e := range s.Events {
		all = append(all, e.ID+" "+e.Kind.String())
	}
	return strings.Join(all, ", ")
}

// full is an event with everything.
func full(kind trace.Kind) trace.Event {
	return trace.Event{
		At: noon, Kind: kind, ID: "m1", Parent: "m0", MessageID: "x@example.org", From: "ann@example.org",
		To: []string{"Bob@far.example", "cy@far.example"}, Size: 1234,
		Client: trace.Client{Addr: netip.MustParseAddr("192.0.2.7"), Name: "a.example", Helo: "b.example", TLS: "TLS1.3", Protocol: "ESMTPS", Account: "ann@here.example"},
		Stage:  "data", Text: "spf=pass", Account: "bob@here.example", Folder: "INBOX/x",
		Outcome: transfer.Outcome{Result: transfer.Failed, Code: 550, Status: "5.1.1", Text: "no such user", Remote: "mx.far.example",
			Addr: netip.MustParseAddrPort("[2001:db8::1]:25"), TLS: "TLS1.3 DANE", HostWide: true, At: noon.Add(-time.Second), Took: time.Second},
	}
}

// TestRoundTrip: what was noted is told, all of it, before and after a restart.
func TestRoundTrip(t *testing.T) {
	db := memory(t)
	l := open(t, db, trace.Options{Now: func() time.Time { return noon }})
	want := []trace.Event{full(trace.Received), {At: noon, Kind: trace.Refused, ID: "m1"}, full(trace.Attempt)}
	for _, e := range want {
		l.Note(e)
	}
	for _, again := range []*trace.Log{l, open(t, db, trace.Options{})} {
		got := find(t, again, trace.Query{ID: "m1"})
		if len(got) != 1 || got[0].ID != "m0" {
			t.Fatal(got)
		}
		if d := cmp.Diff(want, got[0].Events, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); d != "" {
			t.Error(d)
		}
	}
}

func TestFindBy(t *testing.T) {
	l := open(t, memory(t), trace.Options{})
	at := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	client := func(s string) trace.Client { return trace.Client{Addr: netip.MustParseAddr(s)} }
	for _, e := range []trace.Event{
		{At: at(1), Kind: trace.Received, ID: "a", MessageID: "1@x", From: "Ann@Example.org", To: []string{"bob@far.example"}, Client: client("192.0.2.1")},
		{At: at(2), Kind: trace.Received, ID: "b", MessageID: "2@x", From: "", To: []string{"ann@example.org"}, Client: client("192.0.2.2")},
		{At: at(3), Kind: trace.Refused, Client: client("192.0.2.2"), Stage: "connect"},
		{At: at(4), Kind: trace.Attempt, ID: "a", From: "Ann@Example.org", To: []string{"BOB@far.example"}},
		{At: at(5), Kind: trace.Received, ID: "c", MessageID: "1@x", From: "ann@example.org", To: []string{"dee@far.example", "jürgen@ü.example"}},
	} {
		l.Note(e)
	}
	mapped := netip.MustParseAddr("::ffff:192.0.2.1")
	for i, c := range []struct {
		q    trace.Query
		want string
	}{
		{trace.Query{ID: "a"}, "a"},
		{trace.Query{ID: "A"}, ""},
		{trace.Query{MessageID: "1@x"}, "a c"},
		{trace.Query{MessageID: "3@x"}, ""},
		{trace.Query{From: "ann@example.org"}, "a c"},
		{trace.Query{From: "@example.ORG"}, "a c"},
		{trace.Query{From: "@ample.org"}, ""},
		{trace.Query{From: "<>"}, "b"}, // the refused connection had no sender
		{trace.Query{To: "bob@FAR.example"}, "a"},
		{trace.Query{To: "@far.example"}, "a c"},
		{trace.Query{To: "JÜRGEN@Ü.example"}, "c"},
		{trace.Query{Client: mapped}, "a"},
		{trace.Query{Client: netip.MustParseAddr("192.0.2.2")}, "b "},
		{trace.Query{MessageID: "1@x", To: "dee@far.example"}, "c"},
		{trace.Query{MessageID: "1@x", To: "eve@far.example"}, ""},
		{trace.Query{From: "ann@example.org", To: "ann@example.org"}, ""},
		{trace.Query{ID: "a", From: "ann@example.org", To: "@far.example", MessageID: "1@x", Client: mapped}, "a"},
		{trace.Query{From: "ann@example.org", Since: at(5)}, "c"},
		{trace.Query{From: "ann@example.org", Until: at(4)}, "a"},
		{trace.Query{From: "ann@example.org", Since: at(6)}, ""},
		{trace.Query{From: "ann@example.org", Limit: 1}, "c"},
	} {
		if got := ids(find(t, l, c.q)); got != c.want {
			t.Errorf("%d: got %q, want %q", i, got, c.want)
		}
	}
	if _, more, err := l.Find(t.Context(), trace.Query{From: "ann@example.org", Limit: 1}); err != nil || !more {
		t.Error("there are more", err)
	}
	if _, more, err := l.Find(t.Context(), trace.Query{From: "ann@example.org", Limit: 2}); err != nil || more {
		t.Error("there are no more", err)
	}
	if _, _, err := l.Find(t.Context(), trace.Query{Since: at(1)}); !fault.Is(err, fault.Invalid) {
		t.Error("a question for everything:", err)
	}
}

// TestCopies: who asks for a message is told of its copies; who asks for a copy, of the message it comes from and not of the others.
func TestCopies(t *testing.T) {
	l := open(t, memory(t), trace.Options{})
	n := 0
	note := func(kind trace.Kind, id, parent string, to ...string) {
		n++
		from := "ann@example.org"
		if id != "m" {
			from = "list+bounces@here.example"
		}
		l.Note(trace.Event{At: noon.Add(time.Duration(n) * time.Second), Kind: kind, ID: id, Parent: parent, From: from, To: to})
	}
	note(trace.Received, "m", "", "list@here.example")
	note(trace.Listed, "m.1", "m", "bob@far.example")
	note(trace.Queued, "m.1", "", "bob@far.example")
	note(trace.Listed, "m.2", "m", "cy@far.example")
	note(trace.Queued, "m.2", "", "cy@far.example")
	note(trace.Attempt, "m.1", "", "bob@far.example")
	note(trace.Notification, "m.1-fai", "m.1", "list+bounces@here.example")
	note(trace.Delivered, "m.1-fai", "", "list+bounces@here.example")
	note(trace.Received, "other", "", "bob@here.example")
	bobs := "m received, m.1 listed, m.1 queued, m.1 tried, m.1-fai notified, m.1-fai delivered"
	for _, c := range []struct {
		q    trace.Query
		want string
	}{
		{trace.Query{ID: "m"}, "m received, m.1 listed, m.1 queued, m.2 listed, m.2 queued, m.1 tried, m.1-fai notified, m.1-fai delivered"},
		{trace.Query{ID: "m.1"}, bobs},
		{trace.Query{To: "bob@far.example"}, bobs},
		{trace.Query{To: "bob@far.example", From: "ann@example.org"}, bobs},
		{trace.Query{To: "cy@far.example"}, "m received, m.2 listed, m.2 queued"},
		{trace.Query{ID: "m.1-fai"}, bobs},
	} {
		got := find(t, l, c.q)
		if len(got) != 1 || got[0].ID != "m" || way(got[0]) != c.want {
			t.Errorf("%+v:\ngot  %v\nwant %s", c.q, got, c.want)
		}
	}
}

// A message that claims to be its own ancestor does no harm.
func TestCircle(t *testing.T) {
	l := open(t, memory(t), trace.Options{})
	for _, x := range [][2]string{{"a", "a"}, {"b", "c"}, {"c", "d"}, {"d", "b"}} {
		l.Note(trace.Event{At: noon, Kind: trace.Forwarded, ID: x[0], Parent: x[1], To: []string{"x@y"}})
	}
	if got := find(t, l, trace.Query{To: "x@y"}); len(got) == 0 {
		t.Error("nothing found")
	}
}

// TestManyBlocks: among many messages each is found, also over restarts in between, and blocks are filled up.
func TestManyBlocks(t *testing.T) {
	db := memory(t)
	var l *trace.Log
	const messages = 3000
	for i := range messages {
		if i%700 == 0 {
			l = open(t, db, trace.Options{})
		}
		id := fmt.Sprint("m", i)
		l.Note(trace.Event{At: noon.Add(time.Duration(i) * time.Second), Kind: trace.Received, ID: id, From: fmt.Sprintf("u%d@example.org", i%7), To: []string{id + "@far.example"}})
		if i%10 == 9 {
			if err := l.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, i := range []int{0, 1, 699, 700, 701, 1234, 2999} {
		id := fmt.Sprint("m", i)
		if got := ids(find(t, l, trace.Query{To: strings.ToUpper(id) + "@far.example"})); got != id {
			t.Errorf("%s: got %q", id, got)
		}
	}
	if got := find(t, l, trace.Query{From: "u3@example.org", Limit: 5000}); len(got) != messages/7+1 && len(got) != messages/7 {
		t.Errorf("%d of one sender", len(got))
	}
	if n := blocks(t, db); n != (messages+255)/256 {
		t.Errorf("%d blocks", n)
	}
}

// blocks counts the blocks on disk, and checks that index and body come in pairs.
func blocks(t *testing.T, db kv.DB) (n int) {
	t.Helper()
	err := db.View(t.Context(), trace.Partition, func(r kv.Reader) error {
		for p, err := range r.Scan(kv.Range{Lo: []byte{'h'}, Hi: []byte{'h' + 1}}) {
			if err != nil {
				return err
			}
			n++
			if _, ok, err := r.Get(append([]byte{kv.BulkPrefix, 't'}, p.Key[1:]...)); !ok || err != nil {
				t.Errorf("block %x has no body (%v)", p.Key, err)
			}
		}
		for _, err := range r.Scan(kv.Range{Lo: []byte{kv.BulkPrefix}, Hi: []byte{0xff}}) {
			if err != nil {
				return err
			}
			n--
		}
		if n != 0 {
			t.Errorf("%d bodies too few", n)
		}
		for range r.Scan(kv.Range{Lo: []byte{'h'}, Hi: []byte{'h' + 1}}) {
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestHorizon: what is too old goes, as mail comes and also when none comes.
func TestHorizon(t *testing.T) {
	db, now := memory(t), noon
	l := open(t, db, trace.Options{Now: func() time.Time { return now }, Horizon: 10 * 24 * time.Hour})
	for day := range 20 {
		now = noon.Add(time.Duration(day) * 24 * time.Hour)
		for i := range 256 {
			l.Note(trace.Event{Kind: trace.Received, ID: fmt.Sprintf("%d.%d", day, i), From: "ann@example.org"})
		}
		if err := l.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := blocks(t, db); n != 11 {
		t.Errorf("%d blocks of 10 days and a bit", n)
	}
	if ids(find(t, l, trace.Query{ID: "8.255"})) != "" || ids(find(t, l, trace.Query{ID: "9.0"})) != "9.0" {
		t.Error("cut in the wrong place")
	}
	now = now.Add(365 * 24 * time.Hour)
	if err := l.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := blocks(t, db); n != 1 { // the last one stays
		t.Errorf("%d blocks a year later", n)
	}
}

// TestBytes: the whole stays within its size, at the price of the oldest.
func TestBytes(t *testing.T) {
	db := memory(t)
	const most = 200_000
	l := open(t, db, trace.Options{Now: func() time.Time { return noon }, Bytes: most})
	for i := range 30_000 {
		l.Note(trace.Event{Kind: trace.Received, ID: fmt.Sprint(i), From: fmt.Sprint(rand.Uint64(), "@example.org")})
		if i%1000 == 999 {
			if err := l.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if b := l.Stats().Bytes; b > most+50_000 {
				t.Fatalf("%d bytes", b)
			}
		}
	}
	if b := l.Stats().Bytes; b < most/2 || onDisk(t, db) > int64(most)+20_000 || open(t, db, trace.Options{}).Stats().Bytes != b {
		t.Errorf("%d bytes, on disk %d", b, onDisk(t, db))
	}
	if ids(find(t, l, trace.Query{ID: "29999"})) != "29999" || ids(find(t, l, trace.Query{ID: "0"})) != "" {
		t.Error("the oldest must go, not the newest")
	}
}

func onDisk(t *testing.T, db kv.DB) (n int64) {
	err := db.View(t.Context(), trace.Partition, func(r kv.Reader) error {
		for _, rng := range []kv.Range{{Lo: []byte{1}, Hi: []byte{kv.BulkPrefix}}, {Lo: []byte{kv.BulkPrefix}, Hi: []byte{0xff}}} {
			for p, err := range r.Scan(rng) {
				if err != nil {
					return err
				}
				n += int64(len(p.Value))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLongStrings: what strangers send doesn't blow up the trace, and is found all the same.
func TestLongStrings(t *testing.T) {
	l := open(t, memory(t), trace.Options{})
	long := strings.Repeat("x", 100_000)
	e := full(trace.Received)
	e.ID, e.Parent, e.From, e.Text, e.Client.Helo, e.Outcome.Text, e.Folder = long, "", long+"@y", long, long, long, long
	for range 10_000 {
		e.To = append(e.To, "bob@far.example")
	}
	l.Note(e)
	got := find(t, l, trace.Query{MessageID: e.MessageID})
	if len(got) != 1 || len(got[0].Events[0].To) != trace.MaxTo || len(got[0].Events[0].Text) > 512 {
		t.Error(len(got))
	}
	if s := l.Stats(); s.Bytes > 10_000 {
		t.Errorf("%d bytes for one event", s.Bytes)
	}
	if got := find(t, l, trace.Query{ID: long[:255]}); len(got) != 1 {
		t.Error("not found by its shortened ID")
	}
}

// TestDamage: a damaged block is passed over, the others are told.
func TestDamage(t *testing.T) {
	db := memory(t)
	l := open(t, db, trace.Options{})
	for i := range 1024 {
		l.Note(trace.Event{At: noon, Kind: trace.Received, ID: fmt.Sprint(i), From: "ann@example.org"})
	}
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := db.Update(t.Context(), trace.Partition, func(tx kv.Tx) error {
		for seq, v := range []string{"", "\x01nonsense", "\x07"} {
			if err := tx.Set([]byte{kv.BulkPrefix, 't', 0, 0, 0, 0, 0, 0, 0, byte(seq)}, []byte(v)); err != nil {
				return err
			}
		}
		return tx.Set([]byte{'h', 0, 0, 0, 0, 0, 0, 0, 2}, []byte{1, 0xff})
	})
	if err != nil {
		t.Fatal(err)
	}
	l = open(t, db, trace.Options{})
	if got := find(t, l, trace.Query{From: "ann@example.org", Limit: 5000}); len(got) != 256 {
		t.Errorf("%d found", len(got))
	}
}

// TestRun: events are written down after a second, together, or at once when a block is full; and at the end.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := pebble.Open("db", pebble.Options{FS: vfs.NewMem()})
		if err != nil {
			t.Fatal(err)
		}
		l := open(t, db, trace.Options{Now: time.Now})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { l.Run(ctx) })
		step := func(n int, after time.Duration, want int) {
			t.Helper()
			for range n {
				l.Note(trace.Event{Kind: trace.Received, ID: "x"})
			}
			time.Sleep(after)
			synctest.Wait()
			if got := written(t, db); got != want {
				t.Errorf("%d are written, want %d", got, want)
			}
		}
		step(3, 900*time.Millisecond, 0)
		step(0, 200*time.Millisecond, 3)
		step(253, 0, 256) // a full block, and nothing beyond it: Run may write while the last of many are being noted
		step(1, 900*time.Millisecond, 256)
		cancel()
		wg.Wait()
		if got := written(t, db); got != 257 {
			t.Errorf("%d at the end", got)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

// written counts the events on disk by asking a trace of its own.
func written(t *testing.T, db kv.DB) (n int) {
	t.Helper()
	for _, s := range find(t, open(t, db, trace.Options{Now: time.Now}), trace.Query{ID: "x"}) {
		n += len(s.Events)
	}
	return n
}

// stuck is a store whose writes wait.
type stuck struct {
	kv.DB
	release chan struct{}
}

func (s *stuck) SubmitLazy(ctx context.Context, p kv.Partition, fn func(kv.Tx) error) error {
	<-s.release
	return s.DB.SubmitLazy(ctx, p, fn)
}

// TestSlowDisk: noting goes on while nothing can be written, in bounded memory; what was lost is counted.
func TestSlowDisk(t *testing.T) {
	db := &stuck{memory(t), make(chan struct{})}
	l := open(t, db, trace.Options{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := l.Flush(t.Context()); err != nil {
			t.Error(err)
		}
	})
	const n = 100 * 256
	for i := range n {
		l.Note(trace.Event{Kind: trace.Received, ID: fmt.Sprint(i)})
	}
	close(db.release)
	wg.Wait()
	s := l.Stats()
	if s.Events != n || s.Lost == 0 || s.Lost > n/2 {
		t.Errorf("%+v", s)
	}
	l.Note(trace.Event{Kind: trace.Received, ID: "last"})
	if len(find(t, l, trace.Query{ID: "last"})) != 1 || len(find(t, l, trace.Query{ID: "0"})) != 1 {
		t.Error("what came before and after must be there")
	}
}

// TestConcurrent is for the race detector.
func TestConcurrent(t *testing.T) {
	l := open(t, memory(t), trace.Options{})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 500 {
				l.Note(trace.Event{Kind: trace.Received, ID: fmt.Sprint(w, ".", i), From: "ann@example.org"})
				if i%50 == w {
					_ = find(t, l, trace.Query{From: "ann@example.org", Limit: 3})
				}
			}
		})
	}
	wg.Wait()
	if got := find(t, l, trace.Query{From: "@example.org", Limit: 5000}); len(got) != 2000 {
		t.Errorf("%d are there", len(got))
	}
}

// A nil trace forgets.
func TestNil(*testing.T) {
	var l *trace.Log
	l.Note(trace.Event{Kind: trace.Received})
}

// TestPowerCut: after a crash at any moment the trace opens, has what it had up to some moment, and goes on.
func TestPowerCut(t *testing.T)    { kvtest.CrashPoints(t, crashing()) }
func TestFailingDisk(t *testing.T) { kvtest.FaultPoints(t, crashing()) }

func crashing() kvtest.Trial[int] {
	return kvtest.Trial[int]{
		Open: func(fs vfs.FS) (kv.DB, error) {
			return pebble.Open("db", pebble.Options{FS: fs, MemtableBytes: 64 << 10})
		},
		Work: crashWork, Check: crashCheck, Points: 30,
	}
}

// crashWork notes numbered events, and now and then has them synced by a transaction elsewhere, as mail does.
func crashWork(t testing.TB, db kv.DB, ack func(int)) {
	l, err := trace.Open(t.Context(), db, trace.Options{Now: func() time.Time { return noon }})
	if err != nil {
		return // the disk fails
	}
	for i := range 1000 {
		l.Note(trace.Event{At: noon.Add(time.Duration(i) * time.Millisecond), Kind: trace.Received, ID: fmt.Sprintf("m%04d", i), From: "ann@example.org"})
		if i%40 != 39 || l.Flush(t.Context()) != nil {
			continue
		}
		err := db.Update(t.Context(), trace.Partition, func(tx kv.Tx) error { return tx.Set([]byte{'x'}, nil) })
		if err == nil {
			ack(i)
		}
	}
}

func crashCheck(t testing.TB, db kv.DB, acked []int) {
	l := open(t, db, trace.Options{})
	got := find(t, l, trace.Query{From: "ann@example.org", Limit: 5000})
	for i, s := range got {
		if s.ID != fmt.Sprintf("m%04d", i) {
			t.Fatalf("%s in place %d", s.ID, i)
		}
	}
	if n := len(acked); n > 0 && len(got) <= acked[n-1] {
		t.Errorf("%d are there, %d were synced", len(got), acked[n-1]+1)
	}
	l.Note(trace.Event{At: noon.Add(time.Hour), Kind: trace.Received, ID: "after", From: "ann@example.org"})
	if after := find(t, l, trace.Query{From: "ann@example.org", Limit: 5000}); len(after) != len(got)+1 || after[len(got)].ID != "after" {
		t.Errorf("%d after the crash, and then %d", len(got), len(after))
	}
}
