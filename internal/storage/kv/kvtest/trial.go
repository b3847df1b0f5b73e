package kvtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"postroad/internal/storage/kv"
)

// A Trial is a workload on a store whose power is cut (CrashPoints) or whose disk fails
// (FaultPoints), and the check that nothing acknowledged is lost and nothing is torn.
//
//	kvtest.CrashPoints(t, kvtest.Trial[string]{
//		Open: func(fs vfs.FS) (kv.DB, error) { return pebble.Open("db", pebble.Options{FS: fs}) },
//		Work: func(t testing.TB, db kv.DB, ack func(string)) {
//			if deliver(db, "one") == nil {
//				ack("one") // after it was acknowledged, never before
//			}
//		},
//		Check: func(t testing.TB, db kv.DB, acked []string) {
//			// all of acked is there, once; each invariant holds
//		},
//	})
type Trial[A any] struct {
	// Open opens the store, always the same directory, on a file system in memory. It is
	// called for the first run and for each check. A small memtable makes for many
	// flushes.
	Open func(fs vfs.FS) (kv.DB, error)
	// Work does things to a new, empty store, from as many goroutines as it likes, and
	// returns when they are done. It calls ack for each thing that the store has
	// acknowledged; ack is safe for concurrent use. Under FaultPoints operations may fail
	// with fault.Unavailable at any time; Work takes that as it comes.
	Work func(t testing.TB, db kv.DB, ack func(A))
	// Check looks at a store after the power was cut or the disk failed. acked is what
	// was acknowledged by then, in the order of the calls of ack. More may be there: what
	// was on its way. It may change the store.
	Check func(t testing.TB, db kv.DB, acked []A)
	// Points is at how many moments, spread evenly over the run, the power is cut or the
	// disk fails. 0 means 50, fewer with -short.
	Points int
}

func (tr *Trial[A]) points() int {
	switch {
	case tr.Points > 0:
		return tr.Points
	case testing.Short():
		return 10
	}
	return 50
}

// acks collects what was acknowledged.
type acks[A any] struct {
	mu  sync.Mutex
	all []A
}

func (a *acks[A]) add(x A) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, x)
}

func (a *acks[A]) soFar() []A {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.all)
}

// watched calls before with the number, from 1 on, of each operation that changes files
// (or of each, if reads), and fails the operation with its error.
func watched(fs vfs.FS, reads bool, before func(n int64) error) vfs.FS {
	var n atomic.Int64
	return errorfs.Wrap(inSteps{fs}, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !reads && op.Kind.ReadOrWrite() == errorfs.OpIsRead {
			return nil
		}
		return before(n.Add(1))
	}))
}

// inSteps reuses files in two steps: the file system in memory would lock itself twice,
// and hang if it is copied in between.
type inSteps struct{ vfs.FS }

// ReuseForWrite implements vfs.FS.
func (fs inSteps) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := fs.Rename(from, to); err != nil {
		return nil, err
	}
	return fs.OpenReadWrite(to, c)
}

// count runs the workload undisturbed, and counts its operations on files.
func (tr *Trial[A]) count(t *testing.T, reads bool) int64 {
	t.Helper()
	var total atomic.Int64
	var a acks[A]
	fs := vfs.NewCrashableMem()
	db, err := tr.Open(watched(fs, reads, func(n int64) error { total.Store(n); return nil }))
	if err != nil {
		t.Fatal(err)
	}
	tr.Work(t, db, a.add)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if len(a.all) == 0 {
		t.Fatal("the workload acknowledges nothing: this would prove nothing")
	}
	tr.check(t, fs, a.all)
	return total.Load()
}

// check opens the store and checks it.
func (tr *Trial[A]) check(t testing.TB, fs vfs.FS, acked []A) {
	t.Helper()
	db, err := tr.Open(fs)
	if err != nil {
		t.Errorf("the store doesn't open any more: %v", err)
		return
	}
	tr.Check(t, db, acked)
	if err := db.Close(); err != nil {
		t.Errorf("closing after the check: %v", err)
	}
}

// A cut is the state of the disk at a moment when the power was cut.
type cut[A any] struct {
	n     int64 // the operation that didn't happen any more
	kept  int   // how many percent of the data that was not synced survived
	disk  *vfs.MemFS
	acked []A
}

// CrashPoints runs the workload and cuts the power before many of its operations on
// files: at once, without the store knowing. What was written and not synced survives in
// part, chosen at random, block by block. Each of the disks is then opened and checked,
// and cut and checked again, for the recovery has to be durable too.
func CrashPoints[A any](t *testing.T, tr Trial[A]) {
	step := max(1, tr.count(t, false)/int64(tr.points()))
	for _, c := range tr.cuts(t, step) {
		t.Run(fmt.Sprintf("op%d,kept%d%%", c.n, c.kept), func(t *testing.T) {
			db, err := tr.Open(c.disk)
			if err != nil {
				t.Fatalf("the store doesn't open any more: %v", err)
			}
			again := c.disk.CrashClone(vfs.CrashCloneCfg{})
			tr.Check(t, db, c.acked)
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			tr.check(t, again, c.acked)
		})
	}
}

// cuts runs the workload once, and copies the disk at every step-th operation and at the
// end.
func (tr *Trial[A]) cuts(t *testing.T, step int64) (all []cut[A]) {
	var a acks[A]
	var mu sync.Mutex
	fs := vfs.NewCrashableMem()
	take := func(n int64) {
		c := cut[A]{n: n, kept: []int{0, 50, 100, 10}[n/step%4], acked: a.soFar()} // first what is acknowledged, then the disk
		rng := rand.New(rand.NewPCG(uint64(n), 1))
		c.disk = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: c.kept, RNG: rng})
		mu.Lock()
		defer mu.Unlock()
		all = append(all, c)
	}
	var last atomic.Int64
	db, err := tr.Open(watched(fs, false, func(n int64) error {
		if n%step == 0 {
			take(n)
		}
		last.Store(n)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	tr.Work(t, db, a.add)
	take(last.Load() + 1)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

// errDisk is what a failing disk says: sometimes that it is full.
func errDisk(n int64) error {
	if n%2 == 0 {
		return fmt.Errorf("injected: %w", syscall.ENOSPC)
	}
	return fmt.Errorf("injected: %w", syscall.EIO)
}

// FaultPoints runs the workload again and again while the disk fails, at another
// operation on files each time: once, or from then on for good. The store may fail what
// is asked of it, but it must not panic or hang. Then it is checked as it is, and as it
// would be after a power cut.
func FaultPoints[A any](t *testing.T, tr Trial[A]) {
	for _, mode := range []struct {
		name    string
		forGood bool
		reads   bool
	}{{"once", false, true}, {"for good", true, false}} {
		t.Run(mode.name, func(t *testing.T) {
			total := tr.count(t, mode.reads)
			step := max(1, total/int64(tr.points()))
			for at := int64(1); ; at += step {
				if !tr.fail(t, at, mode.forGood, mode.reads) {
					break
				}
				if t.Failed() {
					t.Fatalf("the disk failed at operation %d", at)
				}
			}
		})
	}
}

// fail lets operation at fail. It reports whether the run has come so far.
func (tr *Trial[A]) fail(t *testing.T, at int64, forGood, reads bool) bool {
	var a acks[A]
	var failed atomic.Bool
	fs := vfs.NewCrashableMem()
	db, err := tr.Open(watched(fs, reads, func(n int64) error {
		if n == at || forGood && n > at {
			failed.Store(true)
			return errDisk(at)
		}
		return nil
	}))
	if err == nil {
		tr.Work(t, db, a.add)
		err = db.Close()
	}
	if err != nil && !failed.Load() {
		t.Errorf("without any fault: %v", errors.Unwrap(err))
	}
	tr.check(t, fs.CrashClone(vfs.CrashCloneCfg{}), a.all)
	tr.check(t, fs, a.all)
	return failed.Load()
}
