package pebble

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

func open(t *testing.T, dir string, o Options) *DB {
	t.Helper()
	db, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func set(t *testing.T, db *DB, p kv.Partition, key, value string) {
	t.Helper()
	if err := db.Update(t.Context(), p, func(tx kv.Tx) error { return tx.Set([]byte(key), []byte(value)) }); err != nil {
		t.Fatal(err)
	}
}

// read returns the value of key, and what View returned.
func read(db *DB, p kv.Partition, key string) (value string, err error) {
	err = db.View(context.Background(), p, func(r kv.Reader) error {
		v, _, err := r.Get([]byte(key))
		value = string(v)
		return err
	})
	return value, err
}

func TestSecondOpenIsInUse(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, Options{})
	_, err := Open(dir, Options{})
	if !fault.Is(err, fault.InUse) {
		t.Errorf("second Open: %v, want a fault of kind InUse", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, Options{})
}

// A second process is refused too. The test runs itself as that process.
func TestSecondProcessIsInUse(t *testing.T) {
	const name = "POSTROAD_TEST_OPEN"
	if dir := os.Getenv(name); dir != "" {
		_, err := Open(dir, Options{})
		fmt.Println("kind:", fault.KindOf(err), "text:", fault.TextOf(err))
		return
	}
	dir := t.TempDir()
	open(t, dir, Options{})
	cmd := exec.Command(os.Args[0], "-test.run=^TestSecondProcessIsInUse$")
	cmd.Env = append(os.Environ(), name+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "kind: in use text: the store is in use by another process") {
		t.Errorf("a second process got %s, %v", out, err)
	}
}

func TestOpenWhereItCannot(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, file + "/below"} {
		if _, err := Open(dir, Options{}); !fault.Is(err, fault.Unavailable) {
			t.Errorf("Open of %s: %v, want Unavailable", dir, err)
		}
	}
}

// TestSeparation: bulk values leave their keys when they are flushed, records don't.
func TestSeparation(t *testing.T) {
	fs := vfs.NewMem()
	db := open(t, "db", Options{FS: fs})
	blobs := func() uint64 {
		if err := db.lsm.Flush(); err != nil {
			t.Fatal(err)
		}
		return db.lsm.Metrics().BlobFiles.LiveSize
	}
	all := randomBytes(20 * 5000)
	value := func(i int) string { return string(all[i*5000:][:5000]) }
	for i := range 20 {
		set(t, db, 1, fmt.Sprint("record", i), value(i))
	}
	if n := blobs(); n != 0 {
		t.Errorf("of records, %d bytes were put into blob files", n)
	}
	for i := range 20 {
		set(t, db, 1, fmt.Sprint("\xF0bulk", i), value(i))
		set(t, db, 1, fmt.Sprint("\xF0tiny", i), "tiny")
	}
	if n := blobs(); n < 20*5000 || n > 25*5000 {
		t.Errorf("of 20 bulk values with 100,000 bytes, %d bytes were put into blob files", n)
	}
	if names, err := fs.List("db"); err != nil || !strings.Contains(strings.Join(names, " "), ".blob") {
		t.Errorf("the files are %v, %v", names, err)
	}
	for _, key := range []string{"record7", "\xF0bulk7"} {
		if got, err := read(db, 1, key); got != value(7) || err != nil {
			t.Errorf("%q came back with %d bytes, %v", key, len(got), err)
		}
	}
}

// gate holds up syncs of the log while it is closed.
type gate struct {
	mu      sync.Mutex
	arrived atomic.Int64
}

func (g *gate) fs(inner vfs.FS) vfs.FS {
	return errorfs.Wrap(inner, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, ".log") {
			g.arrived.Add(1)
			g.mu.Lock()
			defer g.mu.Unlock()
		}
		return nil
	}))
}

// until waits until cond holds, which it must at some time.
func until(cond func() bool) {
	for !cond() {
		runtime.Gosched()
	}
}

// TestNothingIsToldBeforeItIsDurable: neither Wait, nor a view, nor the bell.
func TestNothingIsToldBeforeItIsDurable(t *testing.T) {
	g := &gate{}
	db := open(t, "db", Options{FS: g.fs(vfs.NewMem())})
	set(t, db, 1, "a", "old")
	bell := db.Bell(1)
	g.mu.Lock()
	before := g.arrived.Load()
	c, err := db.Submit(t.Context(), 1, func(tx kv.Tx) error { return tx.Set([]byte("a"), []byte("new")) })
	if err != nil {
		t.Fatal(err)
	}
	until(func() bool { return g.arrived.Load() > before })

	var open atomic.Bool
	var told sync.WaitGroup
	tell := func(what string, wait func() error) {
		told.Go(func() {
			if err := wait(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			if !open.Load() {
				t.Errorf("%s was told of a write that was not durable", what)
			}
		})
	}
	tell("Wait", c.Wait)
	tell("a view", func() error {
		v, err := read(db, 1, "a")
		if v != "new" && err == nil {
			err = fmt.Errorf("it shows %q", v)
		}
		return err
	})
	tell("who listens", func() error { <-bell; return nil })
	tell("a reading update", func() error { return db.Update(t.Context(), 1, func(kv.Tx) error { return nil }) })

	// Meanwhile the next body runs, and other partitions are read.
	next, err := db.Submit(t.Context(), 1, func(tx kv.Tx) error {
		if v, _, err := tx.Get([]byte("a")); string(v) != "new" || err != nil {
			t.Errorf("the next body sees %q, %v", v, err)
		}
		return tx.Set([]byte("b"), nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read(db, 2, "a"); err != nil {
		t.Error(err)
	}
	for range 1000 { // chances to be told too early
		runtime.Gosched()
	}
	open.Store(true)
	g.mu.Unlock()
	told.Wait()
	if err := next.Wait(); err != nil {
		t.Error(err)
	}
}

// TestSyncsAreShared: while one sync runs, all who come wait for the next, of one
// partition and of many.
func TestSyncsAreShared(t *testing.T) {
	g := &gate{}
	db := open(t, "db", Options{FS: g.fs(vfs.NewMem())})
	g.mu.Lock()
	before := g.arrived.Load()
	var commits []kv.Commit
	for i := range 100 {
		c, err := db.Submit(t.Context(), kv.Partition(i%10), func(tx kv.Tx) error { return tx.Set([]byte{byte(i)}, nil) })
		if err != nil {
			t.Fatal(err)
		}
		commits = append(commits, c)
		until(func() bool { return g.arrived.Load() > before })
	}
	g.mu.Unlock()
	for _, c := range commits {
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	}
	if n := g.arrived.Load() - before; n != 2 {
		t.Errorf("100 transactions cost %d syncs, want 2", n)
	}
}

// TestWhatCostsNoSync: reading, in views and bodies, and lazy writing.
func TestWhatCostsNoSync(t *testing.T) {
	var syncs atomic.Int64
	db := open(t, "db", Options{FS: countSyncs(vfs.NewMem(), &syncs)})
	set(t, db, 1, "a", "1")
	before := syncs.Load()
	for range 10 {
		err := errors.Join(
			db.Update(t.Context(), 1, func(kv.Tx) error { return nil }),
			db.SubmitLazy(t.Context(), 1, func(tx kv.Tx) error { return tx.Set([]byte("b"), nil) }),
			db.View(t.Context(), 1, func(kv.Reader) error { return nil }))
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := syncs.Load() - before; n != 0 {
		t.Errorf("they cost %d syncs", n)
	}
}

// TestDiskFails: once a sync has failed, what was acknowledged can be read, nothing can
// be written, the owner knows, and Close returns.
func TestDiskFails(t *testing.T) {
	for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
		var broken atomic.Bool
		inner := vfs.NewCrashableMem()
		fs := errorfs.Wrap(inner, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if broken.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
				return cause
			}
			return nil
		}))
		told := make(chan error, 2)
		db := open(t, "db", Options{FS: fs, OnFatal: func(err error) { told <- err }})
		set(t, db, 1, "a", "1")
		set(t, db, 2, "a", "1")
		broken.Store(true)
		write := func(p kv.Partition) error {
			return db.Update(t.Context(), p, func(tx kv.Tx) error { return tx.Set([]byte("a"), []byte("2")) })
		}
		for p := range kv.Partition(4) {
			if err := write(p); !fault.Is(err, fault.Unavailable) || !errors.Is(err, cause) {
				t.Errorf("writing to a broken disk: %v, want Unavailable", err)
			}
		}
		if err := <-told; !errors.Is(err, cause) {
			t.Errorf("OnFatal was told %v", err)
		}
		broken.Store(false) // what has failed once stays so: nobody knows what is on the disk
		if err := write(1); !fault.Is(err, fault.Unavailable) {
			t.Errorf("writing after the disk has failed once: %v, want Unavailable", err)
		}
		if v, err := read(db, 2, "a"); v != "1" || err != nil {
			t.Errorf("reading what is durable: %q, %v", v, err)
		}
		if err := db.Close(); !errors.Is(err, cause) {
			t.Errorf("Close: %v, want the cause", err)
		}
		if len(told) > 0 {
			t.Error("OnFatal was called twice")
		}
		again := open(t, "db", Options{FS: inner})
		for p := range kv.Partition(2) {
			if v, err := read(again, p+1, "a"); v == "" || err != nil {
				t.Errorf("after reopening, partition %d has %q, %v", p+1, v, err)
			}
		}
	}
}

// TestBrokenDiskDoesNotHoldWriters: those who wait for a flush give up when it fails.
func TestBrokenDiskDoesNotHoldWriters(t *testing.T) {
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate && strings.HasSuffix(op.Path, ".sst") {
			return syscall.ENOSPC
		}
		return nil
	}))
	db := open(t, "db", Options{FS: fs, MemtableBytes: 32 << 10})
	var wg sync.WaitGroup
	for p := range kv.Partition(4) {
		wg.Go(func() {
			for {
				err := db.Update(t.Context(), p, func(tx kv.Tx) error { return tx.Set([]byte("a"), make([]byte, 4000)) })
				if err != nil {
					if !fault.Is(err, fault.Unavailable) {
						t.Errorf("Update: %v, want Unavailable", err)
					}
					return
				}
			}
		})
	}
	wg.Wait()
	if err := db.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Close: %v, want the cause", err)
	}
}

// TestIdlePartitionsAreForgotten: a store that has seen many partitions remembers few.
func TestIdlePartitionsAreForgotten(t *testing.T) {
	db := open(t, "db", Options{FS: vfs.NewMem()})
	for p := range kv.Partition(100_000) {
		db.Bell(p)
		if err := db.Update(t.Context(), p, func(kv.Tx) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for i := range db.parts.shard {
		n += len(db.parts.shard[i].m)
	}
	if n > 4*shards*keepIdle {
		t.Errorf("of 100,000 partitions %d are remembered", n)
	}
}

// TestDamagedFile: a flipped bit is reported as such, and doesn't stop the store.
func TestDamagedFile(t *testing.T) {
	fs := vfs.NewMem()
	db := open(t, "db", Options{FS: fs})
	set(t, db, 1, "a", string(randomBytes(1000)))
	if err := db.lsm.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, fs)
	db = open(t, "db", Options{FS: fs})
	if _, err := read(db, 1, "a"); !fault.Is(err, fault.Corrupt) {
		t.Errorf("reading a damaged block: %v, want Corrupt", err)
	}
	set(t, db, 1, "b", "1")
	if v, err := read(db, 1, "b"); v != "1" || err != nil {
		t.Errorf("reading something else: %q, %v", v, err)
	}
}

// damage flips a bit in each table.
func damage(t *testing.T, fs vfs.FS) {
	names, err := fs.List("db")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		f, err := fs.OpenReadWrite("db/"+name, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		var b [1]byte
		if _, err := f.ReadAt(b[:], 500); err != nil {
			t.Fatal(err)
		}
		b[0] ^= 1
		if _, err := f.WriteAt(b[:], 500); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
