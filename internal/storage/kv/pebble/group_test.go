package pebble

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// crowd is a store of which the disk is busy: the sync of one transaction is held up, and somebody waits for it.
type crowd struct {
	*DB
	t     *testing.T
	g     gate
	all   sync.WaitGroup
	ended atomic.Int64 // waits that have ended
}

func newCrowd(t *testing.T) *crowd {
	c := &crowd{t: t}
	c.DB = open(t, "db", Options{FS: c.g.fs(vfs.NewMem())})
	c.g.mu.Lock()
	before := c.g.arrived.Load()
	c.wait(c.submit(0))
	until(func() bool { return c.g.arrived.Load() > before && c.group.crowded() })
	return c
}

func (c *crowd) submit(p kv.Partition) kv.Commit {
	c.t.Helper()
	commit, err := c.Submit(c.t.Context(), p, func(tx kv.Tx) error { return tx.Set([]byte("a"), []byte("1")) })
	if err != nil {
		c.t.Fatal(err)
	}
	return commit
}

// wait waits in the background.
func (c *crowd) wait(commit kv.Commit) {
	c.all.Go(func() {
		if err := commit.Wait(); err != nil {
			c.t.Errorf("Wait: %v", err)
		}
		c.ended.Add(1)
	})
}

// waiters waits until so many wait.
func (c *crowd) waiters(n int64) { until(func() bool { return c.group.waiting.Load() >= n }) }

func TestGroupSharesASync(t *testing.T) {
	c := newCrowd(t)
	before := c.g.arrived.Load()
	for p := range kv.Partition(100) {
		c.wait(c.submit(p + 1))
	}
	c.waiters(101)
	for range 1000 { // chances to be told too early
		runtime.Gosched()
	}
	if n := c.ended.Load(); n != 0 {
		t.Errorf("%d were told of writes that weren't durable", n)
	}
	c.g.mu.Unlock()
	c.all.Wait()
	if n := c.g.arrived.Load() - before; n > 2 {
		t.Errorf("100 transactions took %d syncs, want 2 at most: those who were there when the first leader had gathered, and the rest", n)
	}
	if c.group.crowded() {
		t.Error("somebody still waits")
	}
}

// TestGroupIsClosedBeforeItsSync: who comes while a group's sync runs isn't told by that one.
func TestGroupIsClosedBeforeItsSync(t *testing.T) {
	c := newCrowd(t)
	before := c.g.arrived.Load()
	c.wait(c.submit(1))
	until(func() bool { // the leader has begun to sync
		c.group.mu.Lock()
		defer c.group.mu.Unlock()
		return c.group.next != nil && c.group.next.after != nil
	})
	c.wait(c.submit(2))
	c.waiters(3)
	c.g.mu.Unlock()
	c.all.Wait()
	if n := c.g.arrived.Load() - before; n != 2 {
		t.Errorf("two groups took %d syncs", n)
	}
}

// TestGroupAfterClose: members that nobody has waited for are durable once the store is closed.
func TestGroupAfterClose(t *testing.T) {
	c := newCrowd(t)
	late := c.submit(1)
	c.g.mu.Unlock()
	c.all.Wait()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := late.Wait(); err != nil {
		t.Errorf("Wait after Close: %v", err)
	}
}

// TestCloseWhileAGroupWaits: Close waits for a view, which waits for a group, whose leader has not begun.
func TestCloseWhileAGroupWaits(t *testing.T) {
	c := newCrowd(t)
	commits := []kv.Commit{c.submit(1), c.submit(2), c.submit(3)}
	c.wait(commits[0]) // leads the first round
	c.waiters(2)
	until(func() bool { // the round is closed: its sync waits for the one that is held up
		c.group.mu.Lock()
		defer c.group.mu.Unlock()
		return c.group.next != nil && c.group.next.after != nil
	})
	c.wait(commits[1]) // leads the second one
	c.waiters(3)
	c.all.Go(func() { // a view that began before Close, and joins the second round
		if v, err := read(c.DB, 3, "a"); v != "1" || err != nil {
			t.Errorf("a view shows %q, %v", v, err)
		}
	})
	c.waiters(4)
	c.all.Go(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	until(c.closing)
	c.g.mu.Unlock()
	c.all.Wait()
}

// TestGroupFails: when the sync fails, all members hear it.
func TestGroupFails(t *testing.T) {
	var broken atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return syscall.EIO
		}
		return nil
	}))
	db := open(t, "db", Options{FS: fs})
	db.group.waiting.Add(1) // as if somebody waited
	var commits []kv.Commit
	for p := range kv.Partition(5) {
		c, err := db.Submit(t.Context(), p, func(tx kv.Tx) error { return tx.Set([]byte("a"), nil) })
		if err != nil {
			t.Fatal(err)
		}
		commits = append(commits, c)
	}
	broken.Store(true)
	var all sync.WaitGroup
	for _, c := range commits {
		all.Go(func() {
			for range 2 {
				if err := c.Wait(); !fault.Is(err, fault.Unavailable) || !errors.Is(err, syscall.EIO) {
					t.Errorf("Wait: %v, want Unavailable", err)
				}
			}
		})
	}
	all.Wait()
}
