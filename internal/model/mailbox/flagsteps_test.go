package mailbox

import (
	"context"
	"testing"

	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// counted is a kv that counts transactions.
type counted struct {
	kv.DB
	n    int
	fail int // the transaction that fails; 0: none
}

func (c *counted) Submit(ctx context.Context, p kv.Partition, fn func(kv.Tx) error) (kv.Commit, error) {
	if c.n++; c.n == c.fail {
		return nil, context.Canceled
	}
	return c.DB.Submit(ctx, p, fn)
}

// TestFlagsInSteps: a change of very many items is several transactions, and one answer.
func TestFlagsInSteps(t *testing.T) {
	w := newWorld(t)
	const n = flagStep + 2
	c := w.content("x")
	defer c.Close()
	items := make([]Append, n)
	for i := range items {
		items[i].Content = c
	}
	done, err := w.me.Append(w.ctx, w.inbox(), items...)
	w.must(err)
	db := &counted{DB: w.db}
	s := w.open(NewStore(db, w.options()), ann, ident.System())
	defer s.Close()
	since := done[n-2].ModSeq // the last item was changed after that
	for _, tt := range []struct{ uids, transactions, changed int }{{flagStep, 1, flagStep}, {n, 2, 1}, {n, 2, 0}} {
		uids := make([]UID, tt.uids)
		for i := range uids {
			uids[i] = done[i].UID
		}
		v, err := s.View(w.ctx, w.inbox())
		w.must(err)
		unchanged := since
		if tt.uids == flagStep {
			unchanged = v.HighestModSeq()
		}
		before := db.n
		res, err := s.SetFlags(w.ctx, w.inbox(), FlagChange{UIDs: uids, Flags: Flagged, UnchangedSince: &unchanged})
		w.must(err)
		if db.n-before != tt.transactions || len(res.Changed) != tt.changed || len(res.Changed)+len(res.Failed) != tt.uids && tt.changed > 0 {
			t.Errorf("%d items: %d transactions, %d changed, %d failed", tt.uids, db.n-before, len(res.Changed), len(res.Failed))
		}
		if res.View.At(0).Flags != Flagged || res.View.At(n-1).Flags != 0 {
			t.Errorf("%d items: flags %v and %v", tt.uids, res.View.At(0).Flags, res.View.At(n-1).Flags)
		}
	}
	// What was changed before something failed is seen by all.
	uids := make([]UID, n)
	for i := range uids {
		uids[i] = done[i].UID
	}
	bell := s.Bell()
	db.fail = db.n + 2
	if _, err := s.SetFlags(w.ctx, w.inbox(), FlagChange{UIDs: uids, Flags: Seen}); err == nil {
		t.Error("it didn't fail")
	}
	select {
	case <-bell:
	default:
		t.Error("nobody hears of what was changed")
	}
	if f, err := s.Folder(w.inbox()); err != nil || f.Unseen != n-flagStep {
		t.Errorf("%d are unseen (%v)", f.Unseen, err)
	}
	w.check()
}
