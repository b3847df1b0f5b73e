package kvtest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// History is a workload for CrashPoints and FaultPoints that proves an engine's
// durability: several writers for each of several partitions, synced and lazy
// transactions, records and bulk values, deletions of both kinds. What a partition holds
// after its n-th transaction depends on n alone; so it can be told whether a store holds
// the result of a prefix of the transactions, and of which.
func History(open func(fs vfs.FS) (kv.DB, error)) Trial[Step] {
	return Trial[Step]{Open: open, Work: workHistory, Check: checkHistory}
}

// Step is the n-th transaction of a partition.
type Step struct {
	Part kv.Partition
	N    uint64
}

const (
	historyParts   = 3
	historyWriters = 2  // for each partition
	historySteps   = 12 // for each writer
	historyWindow  = 6  // a key is deleted so many steps later
)

func recordKey(n uint64) string { return fmt.Sprintf("t/%06d", n) }
func bulkKey(n uint64) string   { return fmt.Sprintf("\xF0t/%06d", n) }

// bulkValue has up to 24 KB, mostly fewer.
func bulkValue(s Step) string {
	size := 100 << (s.N * uint64(s.Part+3) % 9)
	return string(bytes.Repeat([]byte{byte(s.N), byte(s.Part)}, size/2))
}

func (s Step) state() map[string]string {
	all := map[string]string{}
	if s.N == 0 {
		return all
	}
	all["n"] = fmt.Sprint(s.N)
	for n := s.N; n > 0 && n+historyWindow > s.N; n-- {
		all[recordKey(n)] = fmt.Sprint(s.Part, n)
		all[bulkKey(n)] = bulkValue(Step{s.Part, n})
	}
	return all
}

// write goes from the state of step s.N-1 to that of s.
func (s Step) write(tx kv.Tx) error {
	set := tx.Set
	if s.N%2 == 0 {
		set = tx.Put
	}
	err := tx.Set(b("n"), b(fmt.Sprint(s.N)))
	if err == nil {
		err = set(b(recordKey(s.N)), b(fmt.Sprint(s.Part, s.N)))
	}
	if err == nil {
		err = set(b(bulkKey(s.N)), b(bulkValue(s)))
	}
	if err != nil || s.N <= historyWindow {
		return err
	}
	old := s.N - historyWindow
	for _, key := range []func(uint64) string{recordKey, bulkKey} {
		if s.N%3 == 0 {
			err = tx.DeleteRange(b(key(0)), b(key(old+1)))
		} else {
			err = tx.Delete(b(key(old)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// take runs the partition's next step.
func take(db kv.DB, p kv.Partition, ack func(Step)) error {
	s := Step{Part: p}
	body := func(tx kv.Tx) error {
		v, _, err := tx.Get(b("n"))
		if err != nil {
			return err
		}
		s.N = 1
		if len(v) > 0 {
			if _, err := fmt.Sscan(string(v), &s.N); err != nil {
				return err
			}
			s.N++
		}
		return s.write(tx)
	}
	c, err := db.Submit(context.Background(), p, body)
	if err != nil {
		return err
	}
	if err := c.Wait(); err != nil {
		return err
	}
	ack(s)
	if s.N%4 != 0 {
		return nil
	}
	return db.SubmitLazy(context.Background(), p, body)
}

func workHistory(t testing.TB, db kv.DB, ack func(Step)) {
	together(historyParts*historyWriters, func(i int) {
		for range historySteps {
			err := take(db, kv.Partition(i%historyParts), ack)
			if err != nil && !fault.Is(err, fault.Unavailable) {
				t.Errorf("a step failed with %v, want success or Unavailable", err)
			}
		}
	})
}

func checkHistory(t testing.TB, db kv.DB, acked []Step) {
	for p := range kv.Partition(historyParts) {
		s := Step{Part: p}
		for _, a := range acked {
			if a.Part == p {
				s.N = max(s.N, a.N)
			}
		}
		now := checkStep(t, db, s)
		if t.Failed() {
			return
		}
		if err := take(db, p, func(next Step) { now = next }); err != nil {
			t.Errorf("writing after the crash: %v", err)
		}
		checkStep(t, db, now)
	}
}

// checkStep checks that the partition is at step least or later, and whole.
func checkStep(t testing.TB, db kv.DB, least Step) (now Step) {
	now.Part = least.Part
	view(t, db, least.Part, func(r kv.Reader) error {
		got, err := All(r)
		if err != nil {
			return err
		}
		if got["n"] != "" {
			if _, err := fmt.Sscan(got["n"], &now.N); err != nil {
				return err
			}
		}
		if now.N < least.N {
			t.Errorf("partition %d is at step %d, step %d was acknowledged", now.Part, now.N, least.N)
		}
		if !maps.Equal(got, now.state()) {
			t.Errorf("partition %d is torn: it is at step %d, with %d keys", now.Part, now.N, len(got))
		}
		return nil
	})
	return now
}
