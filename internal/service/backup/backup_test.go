package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/fault"
	"postroad/internal/storage/blob"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble"
)

func newStore(t testing.TB) kv.DB {
	t.Helper()
	db, err := pebble.Open("db", pebble.Options{FS: vfs.NewMem(), MemtableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// fill puts n messages with records into a partition, from the ID first on.
func fill(t testing.TB, db kv.DB, p kv.Partition, first, n int, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, uint64(p)))
	for i := first; i < first+n; i++ {
		body := make([]byte, r.IntN(20_000))
		for k := range body {
			body[k] = byte(r.Uint32())
		}
		err := db.SubmitLazy(t.Context(), p, func(tx kv.Tx) error {
			if err := tx.Set(fmt.Appendf(nil, "I%08d", i), body[:len(body)/40]); err != nil {
				return err
			}
			return blob.PutBytes(tx, blob.ID(i), body)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func set(t testing.TB, db kv.DB, p kv.Partition, key, value string) {
	t.Helper()
	if err := db.Update(t.Context(), p, func(tx kv.Tx) error { return tx.Set([]byte(key), []byte(value)) }); err != nil {
		t.Fatal(err)
	}
}

// dump is all of a store but what it notes of backups.
func dump(t testing.TB, db kv.DB) map[kv.Partition]string {
	t.Helper()
	l, err := NewLocal(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ps, err := l.Partitions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[kv.Partition]string{}
	for _, p := range ps {
		if p == Partition {
			continue
		}
		var b []byte
		for _, s := range stretches() {
			err := l.Read(t.Context(), p, s.lo, s.hi, func(pair kv.Pair) error {
				b = appendPair(b, pair)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		all[p] = string(b)
	}
	return all
}

func same(t testing.TB, what string, got, want map[kv.Partition]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d partitions, want %d", what, len(got), len(want))
	}
	for p, w := range want {
		if got[p] != w {
			t.Errorf("%s: partition %d differs", what, p)
		}
	}
}

// take makes a run of a store.
func take(t testing.TB, dir string, db kv.DB) Run {
	t.Helper()
	r, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	l, err := NewLocal(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	run, err := r.Take(t.Context(), l, TakeOptions{Now: clock()})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

var ticks int

// clock goes on by a second with each repository that is used.
func clock() func() time.Time {
	ticks++
	now := time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC).Add(time.Duration(ticks) * time.Second)
	return func() time.Time { return now }
}

// restored is a new store with a run in it.
func restored(t testing.TB, dir, id string) kv.DB {
	t.Helper()
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	run, err := r.Run(id)
	if err != nil {
		t.Fatal(err)
	}
	db := newStore(t)
	if err := r.Restore(t.Context(), run, db, nil); err != nil {
		t.Fatal(err)
	}
	return db
}

func problems(t testing.TB, dir string) []string {
	t.Helper()
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	found, err := r.Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// filled is a store with some partitions.
func filled(t testing.TB) kv.DB {
	db := newStore(t)
	fill(t, db, 1, 0, 600, 1)
	fill(t, db, 2, 0, 100, 2)
	set(t, db, 1<<56, "d", "directory")
	set(t, db, 4<<56, "\xf0t1", "a block of the trace")
	set(t, db, 9, "only a record", "")
	return db
}

// What a run brought is what the store was, at the run's moment, whatever came later; and a run after
// a small change reads and writes little.
func TestRunsAreIncremental(t *testing.T) {
	dir, db := t.TempDir(), filled(t)
	before := dump(t, db)
	first := take(t, dir, db)
	if first.Added < 6<<20 {
		t.Errorf("the first run added %d bytes", first.Added)
	}

	again := take(t, dir, db)
	if again.Base != first.ID || again.Added > 2000 || again.Read > first.Bytes/20 {
		t.Errorf("a run without changes has base %q, read %d and added %d bytes", again.Base, again.Read, again.Added)
	}

	fill(t, db, 1, 600, 10, 3)
	set(t, db, 1, "I00000300", "flags have changed")
	if err := db.Update(t.Context(), 2, func(tx kv.Tx) error { return blob.Delete(tx, 50) }); err != nil {
		t.Fatal(err)
	}
	set(t, db, 4<<56, "\xf0t1", "the block has grown")
	after := dump(t, db)
	second := take(t, dir, db)
	if second.Added > first.Added/3 || second.Read > first.Bytes/2 {
		t.Errorf("a run after a small change read %d and added %d bytes, the first one %d", second.Read, second.Added, first.Added)
	}

	same(t, "the first run", dump(t, restored(t, dir, first.ID)), before)
	same(t, "the run after the change", dump(t, restored(t, dir, "latest")), after)
	if p := problems(t, dir); len(p) > 0 {
		t.Errorf("verify tells %q", p)
	}
}

// A store that was set back uses the numbers of its messages again: what a later run of the old store has
// under the same keys must not be taken for its own.
func TestStoreThatWasSetBack(t *testing.T) {
	dir, db := t.TempDir(), filled(t)
	first := take(t, dir, db)
	fill(t, db, 1, 600, 50, 3)
	take(t, dir, db)

	back := restored(t, dir, first.ID)
	fill(t, back, 1, 600, 50, 3)
	lo, _ := blob.Keys()
	key := string(lo) + "\x00\x00\x00\x00\x02\x6c\x00\x00\x00\x00" // of message 620
	size := 0
	err := back.View(t.Context(), 1, func(r kv.Reader) error {
		v, ok, err := r.Get([]byte(key))
		if size = len(v); !ok {
			t.Error("there is no message 620")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	set(t, back, 1, key, strings.Repeat("x", size)) // another message of the same size
	want := dump(t, back)
	if run := take(t, dir, back); run.Base != first.ID {
		t.Errorf("the run's base is %q, want %q, from which the store was restored", run.Base, first.ID)
	}
	same(t, "the store that was set back", dump(t, restored(t, dir, "")), want)
}

// failing is an origin that fails after some pairs.
type failing struct {
	*Local
	left int
}

var errCut = errors.New("cut")

func (f *failing) Read(ctx context.Context, p kv.Partition, lo, hi []byte, fn func(kv.Pair) error) error {
	return f.Local.Read(ctx, p, lo, hi, func(pair kv.Pair) error {
		if f.left--; f.left < 0 {
			return errCut
		}
		return fn(pair)
	})
}

// An interrupted run leaves no run, and what it has written is used by the next.
func TestInterruptedRun(t *testing.T) {
	dir, db := t.TempDir(), filled(t)
	r, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLocal(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := r.Take(t.Context(), &failing{l, 1100}, TakeOptions{}); !errors.Is(err, errCut) {
		t.Fatalf("Take: %v", err)
	}
	r.Close()
	if err := os.WriteFile(filepath.Join(dir, packsDir, newPrefix+"1"), []byte("half a pack"), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadDir(filepath.Join(dir, runsDir))
	if err != nil || len(all) > 0 {
		t.Errorf("an interrupted run left %v, %v", all, err)
	}
	run := take(t, dir, db)
	if run.Added > run.Bytes/2 {
		t.Errorf("the run after it added %d of %d bytes", run.Added, run.Bytes)
	}
	same(t, "the run after it", dump(t, restored(t, dir, "")), dump(t, db))
	if left, _ := filepath.Glob(filepath.Join(dir, packsDir, newPrefix+"*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// Damage anywhere in the files is found by Verify and by Restore, and the next run mends what it can.
func TestDamage(t *testing.T) {
	dir, db := t.TempDir(), filled(t)
	run := take(t, dir, db)
	packs, _ := filepath.Glob(filepath.Join(dir, packsDir, "*"+packSuffix))
	runs, _ := filepath.Glob(filepath.Join(dir, runsDir, "*"))
	for _, c := range []struct {
		file string
		at   int64 // from the end, if negative
	}{{packs[0], 1000}, {packs[0], -5}, {packs[0], -200}, {packs[0], 3 << 20}, {runs[0], 100}} {
		whole, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		bad := bytes.Clone(whole)
		bad[(c.at+int64(len(bad)))%int64(len(bad))] ^= 4
		write := func(b []byte) {
			if err := errors.Join(os.Chmod(c.file, 0o600), os.WriteFile(c.file, b, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		write(bad)
		if p := problems(t, dir); len(p) == 0 {
			t.Errorf("a bit of %s at %d: Verify finds nothing", filepath.Base(c.file), c.at)
		}
		if err := restoreErr(t, dir, run.ID); !fault.Is(err, fault.Corrupt) {
			t.Errorf("a bit of %s at %d: Restore says %v", filepath.Base(c.file), c.at, err)
		}
		write(whole)
	}
	if p := problems(t, dir); len(p) > 0 {
		t.Errorf("mended, but: %q", p)
	}
	if err := os.Remove(packs[0]); err != nil {
		t.Fatal(err)
	}
	take(t, dir, db)
	same(t, "the run after a pack was lost", dump(t, restored(t, dir, "")), dump(t, db))
}

func restoreErr(t testing.TB, dir, id string) error {
	t.Helper()
	r, err := Open(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	run, err := r.Run(id)
	if err != nil {
		return err
	}
	return r.Restore(t.Context(), run, newStore(t), nil)
}

// Prune removes old runs and what only they needed; those that stay are whole.
func TestPrune(t *testing.T) {
	dir, db := t.TempDir(), filled(t)
	for i := range 4 {
		take(t, dir, db)
		if err := db.Update(t.Context(), 1, func(tx kv.Tx) error {
			for id := range 150 {
				if err := blob.Delete(tx, blob.ID(150*i+id)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	last := take(t, dir, db)
	r, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	before := folderSize(t, dir)
	done, err := r.Prune(t.Context(), Keep{Runs: 1}, last.Started.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if done.Runs != 4 || done.Packs == 0 || before-folderSize(t, dir) < 4<<20 || before-folderSize(t, dir) < done.Freed {
		t.Errorf("%+v, of %d bytes %d are left", done, before, folderSize(t, dir))
	}
	if p := problems(t, dir); len(p) > 0 {
		t.Errorf("after it: %q", p)
	}
	same(t, "the run that stayed", dump(t, restored(t, dir, "")), dump(t, db))
	same(t, "the next run", dump(t, restored(t, dir, take(t, dir, db).ID)), dump(t, db))
}

func TestPruneKeeps(t *testing.T) {
	dir, db := t.TempDir(), newStore(t)
	set(t, db, 1, "a", "b")
	var last Run
	for range 5 {
		last = take(t, dir, db)
	}
	for _, c := range []struct {
		keep Keep
		left int
	}{{Keep{Runs: 9}, 5}, {Keep{Runs: 1, Age: time.Hour}, 5}, {Keep{Runs: 3}, 3}, {Keep{Age: time.Second}, 1}, {Keep{}, 1}} {
		r, err := Create(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Prune(t.Context(), c.keep, last.Started.Add(time.Second)); err != nil {
			t.Error(err)
		}
		if runs, err := r.Runs(); len(runs) != c.left || err != nil {
			t.Errorf("%+v left %d runs, want %d; %v", c.keep, len(runs), c.left, err)
		}
		r.Close()
	}
}

func folderSize(t testing.TB, dir string) (n int64) {
	names, err := filepath.Glob(filepath.Join(dir, packsDir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}

// A folder with something else in it isn't touched; one that is in use is left alone.
func TestWhereItCannot(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "letter.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir); !fault.Is(err, fault.Invalid) {
		t.Errorf("Create in a folder of letters: %v", err)
	}
	if _, err := Open(dir); !fault.Is(err, fault.NotFound) {
		t.Errorf("Open of a folder of letters: %v", err)
	}
	dir = t.TempDir()
	r, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir); !fault.Is(err, fault.InUse) {
		t.Errorf("a second writer: %v", err)
	}
	if _, err := Open(dir); !fault.Is(err, fault.InUse) {
		t.Errorf("a reader beside a writer: %v", err)
	}
	r.Close()
	if _, err := r.Run(""); !fault.Is(err, fault.NotFound) {
		t.Errorf("the newest of no runs: %v", err)
	}
}

// A store that has something isn't written to.
func TestRestoreIntoWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	db := newStore(t)
	set(t, db, 7, "\xf0z", "last")
	run := take(t, dir, db)
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Restore(t.Context(), run, db, nil); !fault.Is(err, fault.Exists) {
		t.Errorf("Restore: %v", err)
	}
	one := newStore(t)
	set(t, one, 8, "a", "stays")
	if err := r.Restore(t.Context(), run, one, nil, 7); err != nil {
		t.Error(err)
	}
	if d := dump(t, one); len(d) != 2 {
		t.Errorf("after restoring one partition: %v", d)
	}
}

// Pairs of any kind survive a block; what is no block is refused.
func FuzzBlock(f *testing.F) {
	f.Add([]byte("\x01a\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var again []byte
		err := eachPair(b, func(p kv.Pair) error {
			again = appendPair(again, p)
			return nil
		})
		if err == nil && len(again) > len(b) {
			t.Error("it has grown")
		}
		if entries, err := decodeList(b); err == nil && len(entries) > len(b) {
			t.Error("more entries than bytes")
		}
	})
}

func BenchmarkTake(b *testing.B) {
	db := newStore(b)
	fill(b, db, 1, 0, 3000, 1)
	for _, again := range []bool{false, true} {
		b.Run(fmt.Sprintf("again=%v", again), func(b *testing.B) {
			dir := b.TempDir()
			if again {
				take(b, dir, db)
			}
			for b.Loop() {
				if !again {
					dir = b.TempDir()
				}
				b.SetBytes(take(b, dir, db).Bytes)
			}
		})
	}
}
