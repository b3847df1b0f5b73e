package mailbox

import (
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

func rang(bell <-chan struct{}) bool {
	select {
	case <-bell:
		return true
	default:
		return false
	}
}

// renamed is a transaction that changes the archive's name.
func (w *world) renamed(name string) *pending {
	w.Helper()
	id := w.role(Archive).ID
	return w.submitted(func(t *txn) error {
		f, err := t.folder(id)
		if err == nil {
			f.Name = name
			t.changeFolder(f)
		}
		return err
	})
}

func TestNothingShowsBeforeItIsDurable(t *testing.T) {
	w := newWorld(t)
	bell, before := w.me.Bell(), w.me.State()
	p := w.renamed("a")
	if rang(bell) || w.me.State() != before || w.role(Archive).Name != "Archive" {
		t.Error("a change shows that a crash could take back")
	}
	w.must(p.wait())
	if !rang(bell) || w.me.State() == before || w.role(Archive).Name != "a" {
		t.Error("a durable change doesn't show")
	}
}

func TestOlderStatesDontCoverNewerOnes(t *testing.T) {
	w := newWorld(t)
	first, second := w.renamed("a"), w.renamed("b")
	w.must(second.wait())
	w.must(first.wait())
	if name := w.role(Archive).Name; name != "b" {
		t.Errorf("the folder's name is %q", name)
	}
}

func TestTheBellRingsForChangesOnly(t *testing.T) {
	w := newWorld(t)
	w.add(w.inbox(), 1)
	bell := w.me.Bell()
	w.view(w.inbox())
	w.must(w.me.a.refresh(w.ctx))
	if rang(bell) {
		t.Error("it rang for nothing")
	}
}

// failing is a commit that doesn't reach the disk.
type failing struct{ kv.Commit }

func (c failing) Wait() error {
	_ = c.Commit.Wait()
	return fault.New(fault.Unavailable, "on purpose")
}

func TestFailedCommitsDontShow(t *testing.T) {
	w := newWorld(t)
	bell, before := w.me.Bell(), w.me.State()
	p := w.renamed("a")
	p.commit = failing{p.commit}
	w.fails(fault.Unavailable, p.wait())
	if rang(bell) || w.me.State() != before {
		t.Error("a failed commit shows")
	}
}

// TestCatchingUpFromBeforeTheLog: a view that the log doesn't reach back to is read again.
func TestCatchingUpFromBeforeTheLog(t *testing.T) {
	w := newWorld(t)
	in := w.inbox()
	w.add(in, 1)
	w.view(in)
	other := NewStore(w.db, w.options())
	s := w.open(other, ann, ident.System())
	defer s.Close()
	_, err := s.Append(w.ctx, in, Append{Content: w.content("x")})
	w.must(err)
	w.now = w.now.Add(other.opts.Horizon + time.Hour)
	w.must(other.Tidy(w.ctx, ann))
	w.must(w.me.a.refresh(w.ctx))
	if n := w.view(in).Len(); n != 2 {
		t.Errorf("%d rows", n)
	}
}
