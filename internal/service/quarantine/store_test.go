package quarantine

import (
	"bytes"
	"context"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/service/transfer"
	"postroad/internal/storage/blob"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble"
)

// world is a quarantine on a disk in memory.
type world struct {
	*Store
	db  kv.DB
	now time.Time
}

func open(t *testing.T, fs vfs.FS, o Options) *world {
	t.Helper()
	db, err := pebble.Open("store", pebble.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{db: db, now: time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)}
	o.Now = func() time.Time { return w.now }
	w.Store = New(db, o)
	return w
}

func full() Entry {
	return Entry{ID: "id", MessageID: "1@x", Reason: "clamav: virus Eicar", From: "eve@x.example", To: []transfer.Recipient{{Address: "ann@example.test", Notify: transfer.NotifyFailure, OriginalType: "rfc822", Original: "a@b"}, {Address: "ben@example.test"}},
		Account: 7, Login: "eve@example.test", Client: "192.0.2.1", Helo: "x", Author: "Eve <eve@x>", Subject: "grün", Field: "X-A: b\r\n", Proved: true,
		EnvelopeID: "env", Return: transfer.ReturnFull, EightBit: true, Binary: true, UTF8: true, RequireTLS: true}
}

func (w *world) add(t *testing.T, e Entry, text string) uint64 {
	t.Helper()
	n, err := w.Add(t.Context(), e, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// blobs are the numbers of what has bytes.
func (w *world) blobs(t *testing.T) (all []uint64) {
	t.Helper()
	err := w.db.View(t.Context(), Partition, func(r kv.Reader) error {
		for b, err := range blob.All(r) {
			if err != nil {
				return err
			}
			all = append(all, uint64(b.ID))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// What was put in is there after a crash, with all that is needed to deliver it; small or large.
func TestKeptOverACrash(t *testing.T) {
	for _, size := range []int{0, 100, 1 << 20, 3 << 20} {
		fs := vfs.NewCrashableMem()
		w := open(t, fs, Options{})
		text := strings.Repeat("x", size)
		n := w.add(t, full(), text)
		w = open(t, fs.CrashClone(vfs.CrashCloneCfg{}), Options{})
		got, err := w.Get(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		want := full()
		want.Number, want.Size, want.Whole, want.Received = n, int64(size), true, w.now
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		c := w.Open(&got)
		b, err := io.ReadAll(io.NewSectionReader(c, 0, c.Size()))
		if err != nil || string(b) != text {
			t.Errorf("%d bytes of %d, %v", len(b), size, err)
		}
	}
}

// Every field of an entry is kept.
func TestFullIsFull(t *testing.T) {
	v := reflect.ValueOf(full())
	for i := range v.NumField() {
		switch name := v.Type().Field(i).Name; name {
		case "Number", "Received", "Whole", "Size":
		default:
			if v.Field(i).IsZero() {
				t.Errorf("%s isn't tested", name)
			}
		}
	}
}

func TestSettle(t *testing.T) {
	w := open(t, vfs.NewMem(), Options{})
	n := w.add(t, full(), "text")
	other := w.add(t, full(), "other")
	if err := w.Settle(t.Context(), n, []string{"ANN@example.test", "nobody@x"}, true); err != nil {
		t.Fatal(err)
	}
	if e, err := w.Get(t.Context(), n); err != nil || e.Whole || len(e.To) != 1 || e.To[0].Address != "ben@example.test" {
		t.Fatalf("%+v, %v", e, err)
	}
	if err := w.Settle(t.Context(), n, []string{"ben@example.test"}, false); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Get(t.Context(), n); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if err := w.Settle(t.Context(), n, nil, false); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if got := w.blobs(t); len(got) != 1 || got[0] != other {
		t.Errorf("bytes of %v", got)
	}
	want := Stats{Entries: 1, Bytes: 5 + perEntry, Most: DefaultBytes, Kept: 2, Released: 1, Deleted: 1}
	if s, err := w.Stats(t.Context()); err != nil || s != want {
		t.Errorf("%+v, %v", s, err)
	}
}

// It takes as much as it may, and not a byte more; what goes makes room.
func TestRoom(t *testing.T) {
	w := open(t, vfs.NewMem(), Options{Bytes: 4 << 20})
	big := w.add(t, full(), strings.Repeat("x", 3<<20))
	w.add(t, full(), strings.Repeat("x", 1<<20-2*perEntry))
	for _, size := range []int{0, 1, 2 << 20} {
		if _, err := w.Add(t.Context(), full(), strings.NewReader(strings.Repeat("x", size))); !fault.Is(err, fault.OverQuota) {
			t.Errorf("%d bytes more: %v", size, err)
		}
	}
	if err := w.Settle(t.Context(), big, []string{"ann@example.test", "ben@example.test"}, false); err != nil {
		t.Fatal(err)
	}
	w.add(t, full(), strings.Repeat("x", 2<<20))
}

func TestTidy(t *testing.T) {
	w := open(t, vfs.NewMem(), Options{Keep: 48 * time.Hour})
	for range together + 50 {
		w.add(t, full(), "old")
	}
	w.now = w.now.Add(47 * time.Hour)
	fresh := w.add(t, full(), "fresh")
	// A message whose bytes were stored, and that never came.
	broken := errReader{bytes.NewReader(make([]byte, 2<<20))}
	if _, err := w.Add(t.Context(), full(), broken); err == nil {
		t.Fatal("it can be read")
	}
	w.now = w.now.Add(time.Hour + time.Second)
	if err := w.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, more, err := w.List(t.Context(), Query{})
	if err != nil || more || len(list) != 1 || list[0].Number != fresh {
		t.Errorf("%d left, %v", len(list), err)
	}
	if got := w.blobs(t); len(got) != 1 {
		t.Errorf("bytes of %v", got)
	}
	if s, _ := w.Stats(t.Context()); s.Expired != together+50 || s.Entries != 1 {
		t.Errorf("%+v", s)
	}
	w.now = w.now.Add(stagingTime)
	if err := w.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.db.View(t.Context(), Partition, func(r kv.Reader) error {
		for p, err := range r.Scan(kv.Range{Lo: []byte{keyStaged}, Hi: []byte{keyStaged + 1}}) {
			t.Errorf("left %x, %v", p.Key, err)
		}
		return nil
	})
}

// errReader ends in an error.
type errReader struct{ *bytes.Reader }

func (r errReader) ReadAt(p []byte, off int64) (int, error) {
	if off > 1<<20 {
		return 0, io.ErrClosedPipe
	}
	return r.Reader.ReadAt(p, off)
}

func TestList(t *testing.T) {
	w := open(t, vfs.NewMem(), Options{})
	for i := range 10 {
		e := full()
		e.Subject = string(rune('a' + i))
		w.add(t, e, "x")
	}
	odd := func(e *Entry) bool { return (e.Subject[0]-'a')%2 == 1 }
	list, more, err := w.List(t.Context(), Query{Match: odd, Limit: 3})
	if err != nil || !more || len(list) != 3 || list[0].Subject != "j" || list[2].Subject != "f" {
		t.Fatalf("%+v, %v", list, err)
	}
	list, more, err = w.List(context.Background(), Query{Match: odd, Limit: 3, Before: list[2].Number})
	if err != nil || more || len(list) != 2 || list[1].Subject != "b" {
		t.Fatalf("%+v, %v", list, err)
	}
}

func FuzzEntry(f *testing.F) {
	e := full()
	f.Add(e.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEntry(1, b)
		if err != nil {
			return
		}
		again, err := decodeEntry(1, e.encode())
		if d := cmp.Diff(e, again); err != nil || d != "" {
			t.Error(err, d)
		}
	})
}
