package mailbox

import (
	"context"
	"testing"

	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// interfere writes to the account's partition past the Store, as staging a large message does.
func (w *world) interfere() {
	w.Helper()
	w.must(w.db.SubmitLazy(w.ctx, partition(ann), func(tx kv.Tx) error { return tx.Set(stagedKey(maxID), encodeTime(w.now)) }))
}

// submitted runs a transaction whose commit nobody has waited for yet.
func (w *world) submitted(fn func(*txn) error) *pending {
	w.Helper()
	p, err := w.me.a.submit(w.ctx, fn)
	w.must(err)
	return p
}

// TestCatchingUpLeavesViewsAlone: a state that was made again from the last durable one
// and the log doesn't touch the rows of those that are still on their way to the disk.
func TestCatchingUpLeavesViewsAlone(t *testing.T) {
	w := newWorld(t)
	in := w.inbox()
	w.add(in, 3)
	w.view(in)
	w.add(in, 1) // leaves spare room in the page's array
	added, err := w.me.SubmitAppend(w.ctx, in, Append{Content: w.content("x")})
	w.must(err)
	flagged := w.submitted(func(t *txn) error {
		f, err := t.viewed(in)
		if err != nil {
			return err
		}
		return t.setFlags(f, &FlagChange{UIDs: []UID{5}, Flags: Flagged}, AllRights, &FlagResult{})
	})
	w.interfere()
	caughtUp := w.submitted(func(*txn) error { return nil })
	before, after := added.p.next.folder(in).view, caughtUp.next.folder(in).view
	if before.Len() != 5 || before.At(4).Flags != 0 {
		t.Errorf("the view of the append shows what came later: %+v", before.At(4))
	}
	if after.Len() != 5 || after.At(4).Flags != Flagged {
		t.Errorf("after catching up: %+v", after.At(4))
	}
	_, err = added.Wait()
	w.must(err)
	w.must(flagged.wait())
	w.must(caughtUp.wait())
}

func TestCatchingUpKeepsViewsOfUnchangedFolders(t *testing.T) {
	w := newWorld(t)
	w.add(w.inbox(), 1)
	v := w.view(w.inbox())
	w.interfere()
	w.add(w.role(Sent).ID, 1)
	if w.view(w.inbox()) != v {
		t.Error("a change elsewhere made a new view")
	}
}

// hooked is a kv that does something between a transaction and the wait for it.
type hooked struct {
	kv.DB
	after func()
}

func (h *hooked) Submit(ctx context.Context, p kv.Partition, fn func(kv.Tx) error) (kv.Commit, error) {
	c, err := h.DB.Submit(ctx, p, fn)
	if after := h.after; after != nil {
		h.after = nil
		after()
	}
	return c, err
}

// TestViewWhileOthersWrite: the first look at a folder succeeds, whatever becomes of the
// account's state before it is durable.
func TestViewWhileOthersWrite(t *testing.T) {
	w := newWorld(t)
	w.add(w.inbox(), 3)
	db := &hooked{DB: w.db}
	s := w.open(NewStore(db, w.options()), ann, ident.System())
	defer s.Close()
	db.after = func() { // a newer state, which doesn't have the view, is published first
		w.interfere()
		w.must(s.a.refresh(w.ctx))
	}
	v, err := s.View(w.ctx, w.inbox())
	w.must(err)
	if v.Len() != 3 {
		t.Errorf("%d rows", v.Len())
	}
}
