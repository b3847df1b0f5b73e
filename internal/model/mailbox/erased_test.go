package mailbox

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// keeping is a world whose expunged items are kept for ten days.
func keeping(t *testing.T) *world {
	w := newWorld(t)
	w.store.opts.KeepErased = 10 * 24 * time.Hour
	return w
}

func (w *world) erased() (all []Erased) {
	w.Helper()
	w.must(w.me.Erased(w.ctx, func(e *Erased) error {
		all = append(all, *e)
		return nil
	}))
	return all
}

func (w *world) unerase(all ...Erased) {
	w.Helper()
	n, err := w.me.Unerase(w.ctx, all...)
	w.must(err)
	if n != len(all) {
		w.Errorf("of %d items %d came back", len(all), n)
	}
}

// What was expunged comes back as it was, and counts as used only then.
func TestUnerase(t *testing.T) {
	w := keeping(t)
	_, err := w.me.Append(w.ctx, w.inbox(), Append{Content: w.content("Subject: x\r\n\r\nbody"), Flags: Seen | Deleted, Keywords: []string{"work"},
		Received: w.now.Add(-time.Hour), Bag: map[string][]byte{"a": []byte("b")}})
	w.must(err)
	w.add(w.inbox(), 2)
	before := w.view(w.inbox()).At(0)
	used := w.me.State().Used
	_, err = w.me.Expunge(w.ctx, w.inbox(), []UID{1, 2}, false)
	w.must(err)
	if now := w.me.State().Used; now.Items != 1 || now.Bytes >= used.Bytes {
		t.Errorf("used are %+v, before %+v", now, used)
	}
	w.check()

	all := w.erased()
	if len(all) != 2 || fmt.Sprint(all[0].Path) != "[INBOX]" || all[0].Row.UID != 1 || !all[0].At.Equal(w.now) {
		t.Fatalf("%+v", all)
	}
	w.unerase(all[0])
	if n, err := w.me.Unerase(w.ctx, all[0]); n != 0 || err != nil {
		t.Errorf("again: %d came, %v", n, err)
	}
	v := w.view(w.inbox())
	r := v.At(v.Len() - 1)
	if r.UID != 4 || r.ID == before.ID || r.Flags != Seen || !r.Received().Equal(before.Received()) || w.body(r) != "Subject: x\r\n\r\nbody" {
		t.Errorf("it came back as %+v", r)
	}
	if d := cmp.Diff([]string{"work"}, r.Keywords.Names()); d != "" {
		t.Error(d)
	}
	if bag, err := w.me.Bag(w.ctx, r.ID); string(bag.Props["a"]) != "b" || err != nil {
		t.Error(bag, err)
	}
	if len(w.erased()) != 1 || w.me.State().Used.Items != 2 {
		t.Errorf("left are %+v", w.erased())
	}
}

// After the time that was set they are gone for good, with their bytes; others' references stay.
func TestErasedAreForgotten(t *testing.T) {
	w := keeping(t)
	w.add(w.inbox(), 3)
	_, _, err := w.me.Copy(w.ctx, w.inbox(), []UID{1}, w.role(Archive).ID)
	w.must(err)
	_, err = w.me.Expunge(w.ctx, w.inbox(), []UID{1, 2}, false)
	w.must(err)
	w.now = w.now.Add(5 * 24 * time.Hour)
	_, err = w.me.Expunge(w.ctx, w.inbox(), []UID{3}, false)
	w.must(err)
	w.now = w.now.Add(5*24*time.Hour + time.Second)
	w.must(w.store.Tidy(w.ctx, ann))
	if all := w.erased(); len(all) != 1 || all[0].Row.UID != 3 {
		t.Errorf("%+v", all)
	}
	if n := w.count(keyContent); n != 2 {
		t.Errorf("%d contents are left", n)
	}
	w.check()
	w.store.opts.KeepErased = 0 // switched off
	w.must(w.store.Tidy(w.ctx, ann))
	if n := w.count(keyContent); n != 1 || len(w.erased()) != 0 {
		t.Errorf("%d contents are left", n)
	}
}

func (w *world) count(kind byte) (n int) {
	w.Helper()
	w.must(w.db.View(w.ctx, partition(ann), func(r kv.Reader) error {
		for _, err := range r.Scan(all(kind)) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	}))
	return n
}

// Who appends and expunges without end doesn't fill the disk: as much is kept as the account may hold, the newest.
func TestErasedAreBounded(t *testing.T) {
	w := keeping(t)
	w.must(w.store.SetLimit(w.ctx, ann, Usage{Items: 5, Bytes: 1 << 20}))
	for range 4 {
		w.add(w.inbox(), 4)
		_, err := w.me.Expunge(w.ctx, w.inbox(), nil, false)
		w.must(err)
	}
	all := w.erased()
	if len(all) != 5 || all[4].Row.UID != 16 {
		t.Errorf("%d are kept, the last is %+v", len(all), all[len(all)-1].Row)
	}
	w.check()
	w.add(w.inbox(), 5)
	_, err := w.me.Unerase(w.ctx, all[4])
	w.fails(fault.OverQuota, err)
}

// An item comes back into its folder, be it renamed; if that is gone, into one at its path.
func TestUneraseIntoFolders(t *testing.T) {
	w := keeping(t)
	work, err := w.me.CreateFolder(w.ctx, NewFolder{Name: "Work"})
	w.must(err)
	year, err := w.me.CreateFolder(w.ctx, NewFolder{Name: "2025", Parent: work.ID})
	w.must(err)
	w.add(year.ID, 2)
	_, err = w.me.Expunge(w.ctx, year.ID, []UID{1}, false)
	w.must(err)
	name := "last year"
	_, err = w.me.UpdateFolder(w.ctx, year.ID, FolderPatch{Name: &name})
	w.must(err)
	w.unerase(w.erased()[0])
	if n := w.view(year.ID).Len(); n != 2 {
		t.Errorf("%d are in the folder", n)
	}
	w.must(w.me.DeleteFolder(w.ctx, year.ID))
	w.must(w.me.DeleteFolder(w.ctx, work.ID))
	for _, e := range w.erased() {
		if fmt.Sprint(e.Path) != "[Work last year]" {
			t.Errorf("%q", e.Path)
		}
	}
	w.unerase(w.erased()...)
	again, _ := w.me.Child(0, "Work")
	if f, ok := w.me.Child(again.ID, "last year"); !ok || f.Items != 2 {
		t.Errorf("%+v", f)
	}
}

// Nobody else sees or brings back what was expunged, whatever rights they have.
func TestErasedAreTheOwners(t *testing.T) {
	w := keeping(t)
	w.add(w.inbox(), 1)
	_, err := w.me.Expunge(w.ctx, w.inbox(), nil, false)
	w.must(err)
	e := w.erased()[0]
	w.must(w.me.SetGrants(w.ctx, w.inbox(), []Grant{{Kind: ToAccount, ID: uint64(bob), Rights: AllRights}}))
	b := w.open(w.store, ann, ident.Identity{Account: bob})
	defer b.Close()
	w.fails(fault.Denied, b.Erased(w.ctx, func(*Erased) error { return nil }))
	_, err = b.Unerase(w.ctx, e)
	w.fails(fault.Denied, err)
}
