package mailbox

import (
	"maps"
	"strings"
	"testing"

	"postroad/internal/fault"
)

func TestFolderProps(t *testing.T) {
	w := newWorld(t)
	id := w.inbox()
	his := w.guest()
	w.grant(id, RightLookup|RightRead)
	set := func(s *Session, scope PropScope, name, value string) error {
		v := []byte(value)
		if value == "" {
			v = nil
		}
		return s.SetFolderProps(w.ctx, id, map[PropScope]map[string][]byte{scope: {name: v}})
	}
	shows := func(s *Session, scope PropScope, want ...string) {
		t.Helper()
		props, err := s.FolderProps(w.ctx, id, scope)
		w.must(err)
		got := map[string]string{}
		for k, v := range props {
			got[k] = string(v)
		}
		expect := map[string]string{}
		for i := 0; i < len(want); i += 2 {
			expect[want[i]] = want[i+1]
		}
		if !maps.Equal(got, expect) {
			t.Errorf("got %v, want %v", got, expect)
		}
	}
	before := w.view(id).HighestModSeq()
	w.must(set(w.me, SharedProps, "a", "ours"))
	w.must(set(w.me, PrivateProps, "a", "mine"))
	w.must(set(his, PrivateProps, "a", "his"))
	if now := w.view(id).HighestModSeq(); now != before+3 {
		t.Errorf("change %d, then %d (RFC 7162 §3.2)", before, now)
	}
	shows(w.me, SharedProps, "a", "ours")
	shows(his, SharedProps, "a", "ours")
	shows(w.me, PrivateProps, "a", "mine")
	shows(his, PrivateProps, "a", "his")
	w.must(set(his, SharedProps, "a", ""))
	shows(w.me, SharedProps)
	// all or none
	err := w.me.SetFolderProps(w.ctx, id, map[PropScope]map[string][]byte{SharedProps: {"b": {1}}, PrivateProps: {"c": []byte(strings.Repeat("x", MaxBag))}})
	w.fails(fault.TooLarge, err)
	shows(w.me, SharedProps)
	// rights (RFC 5464 §3.3)
	w.grant(id, RightLookup|RightCreate|RightAdmin)
	w.fails(fault.Denied, set(his, PrivateProps, "a", "x"))
	_, err = his.FolderProps(w.ctx, id, SharedProps)
	w.fails(fault.Denied, err)
	w.grant(id, RightRead)
	w.fails(fault.NotFound, set(his, PrivateProps, "a", "x"))
	_, err = his.FolderProps(w.ctx, id, SharedProps)
	w.fails(fault.NotFound, err)
}

// What is said of a folder goes with it; the world checks that nothing is left.
func TestFolderPropsGoWithTheFolder(t *testing.T) {
	w := newWorld(t)
	f, err := w.me.CreateFolder(w.ctx, NewFolder{Name: "going"})
	w.must(err)
	w.must(w.me.SetFolderProps(w.ctx, f.ID, map[PropScope]map[string][]byte{SharedProps: {"a": {1}}, PrivateProps: {"a": {1}}}))
	w.must(w.me.DeleteFolder(w.ctx, f.ID))
	w.check()
}

// The checker finds properties of a folder that isn't there.
func TestCheckFolderProps(t *testing.T) {
	w := newWorld(t)
	err := w.me.a.update(w.ctx, func(t *txn) error {
		t.dirty = true
		return t.patchFolderProps(folderPropsKey(9999, 0), map[string][]byte{"a": {1}})
	})
	w.must(err)
	problems, err := w.store.Check(w.ctx, ann)
	w.must(err)
	if len(problems) != 1 || !strings.Contains(problems[0], "9999") {
		t.Errorf("%q", problems)
	}
	w.must(w.me.a.update(w.ctx, func(t *txn) error {
		t.dirty = true
		return t.dropFolderProps(9999)
	}))
}
