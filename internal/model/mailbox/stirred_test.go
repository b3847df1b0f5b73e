package mailbox

import (
	"context"
	"testing"

	"postroad/internal/model/ident"
)

// TestStirred: changes of items name their folders; any other change sends who asks to look at everything.
func TestStirred(t *testing.T) {
	w := newWorld(t)
	sent := w.role(Sent).ID
	mark := w.me.State().Change
	stirs := func(s *Session) (ids []FolderID, ok bool) {
		is, ok := s.Stirred(mark)
		if is.Change != w.me.State().Change {
			t.Errorf("at %d, but the account is at %d", is.Change, w.me.State().Change)
		}
		for _, f := range is.Folders {
			if f.HighestModSeq <= mark || f.Items == 0 {
				t.Errorf("%+v", f)
			}
			ids = append(ids, f.ID)
		}
		return ids, ok
	}
	expect := func(s *Session, ok bool, want ...FolderID) {
		t.Helper()
		got, is := stirs(s)
		if is != ok || len(got) != len(want) || len(want) > 0 && got[0] != want[0] || len(want) > 1 && got[1] != want[1] {
			t.Errorf("%v, %v; expected %v, %v", got, is, want, ok)
		}
	}
	bob := w.open(w.store, ann, ident.Identity{Account: ann + 1})
	defer bob.Close()
	expect(w.me, true)
	w.add(w.inbox(), 2)
	expect(w.me, true, w.inbox())
	w.add(sent, 1)
	expect(w.me, true, w.inbox(), sent)
	expect(bob, true) // it may see none of them
	mark = w.me.State().Change
	expect(w.me, true)

	f, err := w.me.CreateFolder(context.Background(), NewFolder{Name: "new"})
	w.must(err)
	expect(w.me, false)
	for _, change := range []func() error{
		func() error { return w.me.DeleteFolder(context.Background(), f.ID) },
		func() error {
			return w.me.SetProps(context.Background(), map[string][]byte{"x": []byte("y")})
		},
		func() error {
			return w.me.SetGrants(context.Background(), sent, []Grant{{Kind: ToAccount, ID: uint64(ann + 1), Rights: RightLookup | RightRead}})
		},
	} {
		mark = w.me.State().Change
		expect(w.me, true)
		w.must(change())
		expect(w.me, false)
	}
	mark = w.me.State().Change
	w.add(sent, 1)
	w.add(w.inbox(), 1)
	expect(bob, true, sent)

	w.interfere() // another process: what it does is found in the log
	w.must(w.me.a.refresh(w.ctx))
	expect(w.me, true, w.inbox(), sent)
	again := w.open(NewStore(w.db, w.options()), ann, ident.System())
	defer again.Close()
	if _, ok := again.Stirred(mark); ok {
		t.Error("what was before the account was read isn't known")
	}
	if _, ok := again.Stirred(again.State().Change); !ok {
		t.Error("but nothing has happened since")
	}
}
