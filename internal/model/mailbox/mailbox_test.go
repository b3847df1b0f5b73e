package mailbox

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

func TestAppendIsSeenAtOnce(t *testing.T) {
	w := newWorld(t)
	bell := w.me.Bell()
	at := time.Date(2020, 2, 3, 4, 5, 6, 0, time.FixedZone("", 2*3600))
	done, err := w.me.Append(w.ctx, w.inbox(), Append{Content: w.content("Subject: hi\r\n\r\nbody"), Flags: Seen | Flagged, Keywords: []string{"$Work", "Älter"[2:]}, Received: at})
	w.must(err)
	<-bell
	v := w.view(w.inbox())
	r := v.At(0)
	if v.Len() != 1 || r.UID != done[0].UID || r.ID != done[0].ID || r.Flags != Seen|Flagged || !r.Received().Equal(at) {
		t.Errorf("got %+v", r)
	}
	if _, off := r.Received().Zone(); off != 2*3600 {
		t.Errorf("the zone is lost: %v", r.Received())
	}
	if got := w.body(r); got != "Subject: hi\r\n\r\nbody" {
		t.Errorf("body %q", got)
	}
	if f := w.role(Inbox); f.Items != 1 || f.Unseen != 0 || f.UIDNext != 2 || w.me.State().Used != (Usage{Bytes: 19, Items: 1}) {
		t.Errorf("folder %+v, used %+v", f, w.me.State().Used)
	}
	if !slices.Equal(r.Keywords.Names(), []string{"$Work", "lter"}) || !r.Keywords.Has("$WORK") || r.Keywords.Has("x") {
		t.Errorf("keywords %v", r.Keywords.Names())
	}
}

func TestViewIsTheSamePointerUntilTheFolderChanges(t *testing.T) {
	w := newWorld(t)
	a := w.view(w.inbox())
	w.add(w.role(Sent).ID, 1)
	if w.view(w.inbox()) != a {
		t.Error("a change elsewhere made a new view")
	}
	w.add(w.inbox(), 1)
	if w.view(w.inbox()) == a || a.Len() != 0 {
		t.Error("the old view moved")
	}
}

func TestEachChangedObjectTakesANumber(t *testing.T) {
	w := newWorld(t)
	before := w.me.State().Change
	uids := w.add(w.inbox(), 3)
	if got := w.me.State().Change; got != before+3 {
		t.Errorf("three messages took %d numbers", got-before)
	}
	_, err := w.me.SetFlags(w.ctx, w.inbox(), FlagChange{UIDs: uids, Flags: Seen})
	w.must(err)
	res, err := w.me.SetFlags(w.ctx, w.inbox(), FlagChange{UIDs: uids, Flags: Seen})
	w.must(err)
	if got := w.me.State().Change; got != before+6 || len(res.Changed) != 0 {
		t.Errorf("after 6 changes: %d", got-before)
	}
	r := w.view(w.inbox()).At(1)
	if r.ReadModSeq() != before+5 || r.Created() != before+2 || r.changed != before+2 {
		t.Errorf("read %d, created %d, changed %d", r.ReadModSeq(), r.Created(), r.changed)
	}
}

func TestFlags(t *testing.T) {
	w := newWorld(t)
	id := w.inbox()
	u := w.add(id, 2)
	set := func(op FlagOp, f Flags, kw ...string) *View {
		t.Helper()
		res, err := w.me.SetFlags(w.ctx, id, FlagChange{UIDs: u[:1], Op: op, Flags: f, Keywords: kw})
		w.must(err)
		return res.View
	}
	set(AddFlags, Answered, "Foo", "bar")
	if r := set(AddFlags, Deleted, "foo", "BAZ").At(0); r.Flags != Answered|Deleted || !slices.Equal(r.Keywords.Names(), []string{"BAZ", "Foo", "bar"}) {
		t.Errorf("added: %v %v", r.Flags, r.Keywords.Names())
	}
	if r := set(RemoveFlags, Answered, "BAR", "never-seen").At(0); r.Flags != Deleted || !slices.Equal(r.Keywords.Names(), []string{"BAZ", "Foo"}) {
		t.Errorf("removed: %v %v", r.Flags, r.Keywords.Names())
	}
	if f := w.role(Inbox); f.Deleted != 1 || f.Unseen != 2 {
		t.Errorf("counts: %+v", f)
	}
	v := set(ReplaceFlags, Draft|Seen, "x")
	if r := v.At(0); r.Flags != Draft|Seen || !slices.Equal(r.Keywords.Names(), []string{"x"}) {
		t.Errorf("replaced: %v %v", r.Flags, r.Keywords.Names())
	}
	if v.FirstUnseen() != 1 || slices.Contains(w.me.FolderKeywords(id), "never-seen") {
		t.Errorf("first unseen %d, keywords %v", v.FirstUnseen(), w.me.FolderKeywords(id))
	}
	_, err := w.me.SetFlags(w.ctx, id, FlagChange{UIDs: u, Keywords: []string{"no good"}})
	w.fails(fault.Invalid, err)
}

func TestUnchangedSince(t *testing.T) {
	w := newWorld(t)
	u := w.add(w.inbox(), 2)
	old := w.me.State().Change
	_, err := w.me.SetFlags(w.ctx, w.inbox(), FlagChange{UIDs: u[1:], Flags: Seen})
	w.must(err)
	res, err := w.me.SetFlags(w.ctx, w.inbox(), FlagChange{UIDs: append(u, 99), Flags: Flagged, UnchangedSince: &old})
	w.must(err)
	if !slices.Equal(res.Changed, u[:1]) || !slices.Equal(res.Failed, u[1:]) {
		t.Errorf("%+v", res)
	}
}

func TestThousandsOfKeywords(t *testing.T) {
	w := newWorld(t)
	u := w.add(w.inbox(), 1)
	var kw []string
	for i := range 20_000 { // far slower if each was a step over all
		kw = append(kw, fmt.Sprintf("Keyword-%d", i))
	}
	res, err := w.me.SetFlags(w.ctx, w.inbox(), FlagChange{UIDs: u, Keywords: kw})
	w.must(err)
	if got := res.View.At(0).Keywords.Len(); got != len(kw) {
		t.Errorf("%d keywords", got)
	}
	w.interfere() // the table is read again
	res, err = w.me.SetFlags(w.ctx, w.inbox(), FlagChange{UIDs: u, Op: RemoveFlags, Keywords: kw[1:]})
	w.must(err)
	if got := res.View.At(0).Keywords.Names(); !slices.Equal(got, kw[:1]) {
		t.Errorf("%d keywords are left", len(got))
	}
}

func TestManySetsOfKeywords(t *testing.T) {
	w := newWorld(t)
	for range 11 {
		var items []Append
		for len(items) < maxSets/10 {
			kw := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"}
			n := len(items) + w.role(Inbox).Items
			kw = slices.DeleteFunc(kw, func(k string) bool { return n>>(k[0]-'a')&1 != 0 })
			items = append(items, Append{Content: w.content("x"), Keywords: kw})
		}
		_, err := w.me.Append(w.ctx, w.inbox(), items...)
		w.must(err)
	}
	if n := len(w.me.a.current.kw.sets); n > maxSets {
		t.Errorf("%d sets are remembered", n)
	}
}

func TestKeywordsOfNothingAreNotKept(t *testing.T) {
	w := newWorld(t)
	res, err := w.me.SetFlags(w.ctx, w.inbox(), FlagChange{UIDs: []UID{9}, Keywords: []string{"new"}})
	w.must(err)
	if len(res.Changed) != 0 || len(w.me.FolderKeywords(w.inbox())) != 0 {
		t.Errorf("%+v, keywords %v", res, w.me.FolderKeywords(w.inbox()))
	}
}

// TestUIDsInAnyOrder: those who ask for an item twice get it once.
func TestUIDsInAnyOrder(t *testing.T) {
	w := newWorld(t)
	in, to := w.inbox(), w.role(Sent).ID
	w.add(in, 4)
	twice := []UID{3, 1, 3, 1}
	res, err := w.me.SetFlags(w.ctx, in, FlagChange{UIDs: twice, Flags: Seen})
	w.must(err)
	if want := []UID{1, 3}; !slices.Equal(res.Changed, want) || w.role(Inbox).Unseen != 2 {
		t.Errorf("changed %v, %d unseen", res.Changed, w.role(Inbox).Unseen)
	}
	want := []Copied{{1, 1}, {3, 2}}
	if got, _, err := w.me.Copy(w.ctx, in, twice, to); err != nil || !cmp.Equal(got, want) {
		t.Errorf("copied %v, %v", got, err)
	}
	if got, _, err := w.me.Move(w.ctx, to, []UID{2, 2}, in); err != nil || !cmp.Equal(got, []Copied{{2, 5}}) {
		t.Errorf("moved %v, %v", got, err)
	}
	if got, err := w.me.Expunge(w.ctx, in, twice, false); err != nil || !slices.Equal(got, []UID{1, 3}) {
		t.Errorf("expunged %v, %v", got, err)
	}
}

// TestFlagRights: RFC 4314 §4: STORE fails if the identity may change none of what it names.
func TestFlagRights(t *testing.T) {
	w := newWorld(t)
	in := w.inbox()
	u := w.add(in, 1)
	his := w.open(w.store, ann, ident.Identity{Account: bob})
	defer his.Close()
	const see = RightLookup | RightRead
	for _, c := range []struct {
		rights Rights
		change FlagChange
		ok     bool
	}{
		{see | RightWrite, FlagChange{Flags: Seen}, false},
		{see | RightWrite, FlagChange{Flags: Seen | Deleted}, false},
		{see | RightWrite, FlagChange{Flags: Seen | Flagged}, true},
		{see | RightWrite, FlagChange{Flags: Seen, Keywords: []string{"k"}}, true},
		{see | RightSeen, FlagChange{Keywords: []string{"k"}}, false},
		{see | RightSeen, FlagChange{Flags: Seen, Keywords: []string{"k"}}, true},
		{see | RightTrash, FlagChange{Flags: Deleted, Op: RemoveFlags}, true},
		{see | RightTrash, FlagChange{Op: ReplaceFlags}, true},
		{see | RightTrash, FlagChange{}, true},
		{see, FlagChange{}, false},
		{see, FlagChange{Op: ReplaceFlags}, false},
	} {
		w.must(w.me.SetGrants(w.ctx, in, []Grant{{ToAccount, uint64(bob), c.rights}}))
		c.change.UIDs = u
		_, err := his.SetFlags(w.ctx, in, c.change)
		if ok := err == nil; ok != c.ok || !ok && !fault.Is(err, fault.Denied) {
			t.Errorf("with rights %b: %+v: %v", c.rights, c.change, err)
		}
	}
}

func TestCopyAndMoveAndExpunge(t *testing.T) {
	w := newWorld(t)
	in, to := w.inbox(), w.role(Archive).ID
	u := w.add(in, 3)
	v := w.view(in)
	w.must(w.me.SetBag(w.ctx, v.At(1).ID, map[string][]byte{"mapi.1": []byte("x")}))
	copied, validity, err := w.me.Copy(w.ctx, in, []UID{u[1], 77}, to)
	w.must(err)
	if !cmp.Equal(copied, []Copied{{u[1], 1}}) || validity != w.role(Archive).UIDValidity {
		t.Errorf("copied %v", copied)
	}
	c := w.view(to).At(0)
	if c.ID == v.At(1).ID || c.Content != v.At(1).Content {
		t.Error("a copy is a new item that shares the bytes")
	}
	moved, _, err := w.me.Move(w.ctx, in, u[1:2], to)
	w.must(err)
	m := w.view(to).At(1)
	if m.ID != v.At(1).ID || moved[0].To != m.UID || w.view(in).Len() != 2 {
		t.Errorf("a move keeps the ID: %+v", m)
	}
	for _, r := range []*Row{c, m} {
		bag, err := w.me.Bag(w.ctx, r.ID)
		w.must(err)
		if string(bag.Props["mapi.1"]) != "x" || bag.Content != r.Content {
			t.Errorf("the bag of %d is lost: %+v", r.ID, bag)
		}
	}
	if f, uid, err := w.me.Find(w.ctx, m.ID); err != nil || f != to || uid != m.UID {
		t.Errorf("found at %d %d %v", f, uid, err)
	}
	gone, err := w.me.Expunge(w.ctx, to, []UID{c.UID}, false)
	w.must(err)
	if !slices.Equal(gone, []UID{c.UID}) || w.body(m) != "Subject: 1\r\n\r\ntext 1\r\n" {
		t.Error("the bytes went with the first reference")
	}
	_, err = w.me.Expunge(w.ctx, to, nil, false)
	w.must(err)
	w.fails(fault.NotFound, w.me.Read(w.ctx, func(b *Batch) error { _, err := b.Summary(m); return err }))
	if _, err := io.Copy(io.Discard, io.NewSectionReader(w.me.Content(m), 0, m.Size)); !fault.Is(err, fault.NotFound) {
		t.Errorf("reading what is gone: %v", err)
	}
}

func TestExpungeOnlyDeleted(t *testing.T) {
	w := newWorld(t)
	u := w.add(w.inbox(), 4)
	_, err := w.me.SetFlags(w.ctx, w.inbox(), FlagChange{UIDs: []UID{u[0], u[2]}, Flags: Deleted})
	w.must(err)
	gone, err := w.me.Expunge(w.ctx, w.inbox(), u[1:], true)
	w.must(err)
	if !slices.Equal(gone, []UID{u[2]}) {
		t.Errorf("UID EXPUNGE took %v", gone)
	}
	gone, err = w.me.Expunge(w.ctx, w.inbox(), nil, true)
	w.must(err)
	if !slices.Equal(gone, []UID{u[0]}) || w.role(Inbox).Items != 2 {
		t.Errorf("EXPUNGE took %v", gone)
	}
}

func TestReplaceKeepsTheID(t *testing.T) {
	w := newWorld(t)
	id := w.role(Drafts).ID
	u := w.add(id, 1)
	old := w.view(id).At(0)
	done, err := w.me.Replace(w.ctx, id, u[0], Append{Content: w.content("Subject: new\r\n\r\n"), Flags: Draft})
	w.must(err)
	r := w.view(id).At(0)
	if done.ID != old.ID || r.ID != old.ID || r.UID == old.UID || w.body(r) != "Subject: new\r\n\r\n" {
		t.Errorf("%+v then %+v", old, r)
	}
}

// A draft that was sent goes to the sent mail in one step.
func TestReplaceInto(t *testing.T) {
	w := newWorld(t)
	from, to := w.role(Drafts).ID, w.role(Sent).ID
	u := w.add(from, 2)
	old := w.view(from).At(0)
	done, err := w.me.ReplaceInto(w.ctx, from, u[0], to, Append{Content: w.content("Subject: sent\r\n\r\n"), Flags: Seen})
	w.must(err)
	if r := w.view(to).At(0); done.ID != old.ID || r.ID != old.ID || r.Flags != Seen || w.body(r) != "Subject: sent\r\n\r\n" {
		t.Errorf("%+v then %+v", old, r)
	}
	if v := w.view(from); v.Len() != 1 || v.At(0).UID != u[1] {
		t.Errorf("%d drafts are left", v.Len())
	}
	_, err = w.me.ReplaceInto(w.ctx, from, u[0], to, Append{Content: w.content("x")})
	w.fails(fault.NotFound, err)
	his := w.guest()
	w.grant(from, RightLookup|RightRead|RightExpunge)
	w.grant(to, AllRights&^RightInsert)
	_, err = his.ReplaceInto(w.ctx, from, u[1], to, Append{Content: w.content("x")})
	w.fails(fault.Denied, err)
}

func TestLargeMessagesAreStagedAndSwept(t *testing.T) {
	w := newWorld(t)
	big := "Subject: big\r\n\r\n" + strings.Repeat("0123456789abcdef0123456789abcdef\r\n", 100_000)
	w.must(w.append1(w.inbox(), big))
	r := w.view(w.inbox()).At(0)
	var got bytes.Buffer
	_, err := w.me.Content(r).WriteTo(&got)
	w.must(err)
	if got.String() != big {
		t.Error("the bytes changed")
	}
	// One that stays half stored is removed in time, and not before.
	id, err := w.me.a.stage(w.ctx, w.content(big))
	w.must(err)
	w.must(w.store.Tidy(w.ctx, ann))
	if n := w.staged(); n != 1 {
		t.Errorf("%d staged; a message that is still arriving was swept", n)
	}
	w.now = w.now.Add(stagingTime + time.Hour)
	w.must(w.store.Tidy(w.ctx, ann))
	if n := w.staged(); n != 0 || id == 0 {
		t.Errorf("%d staged after the sweep", n)
	}
}

func (w *world) append1(to FolderID, text string) error {
	_, err := w.me.Append(w.ctx, to, Append{Content: w.content(text)})
	return err
}

func TestQuota(t *testing.T) {
	w := newWorld(t)
	w.must(w.store.SetLimit(w.ctx, ann, Usage{Bytes: 30, Items: 3}))
	w.must(w.append1(w.inbox(), strings.Repeat("x", 20)))
	w.fails(fault.OverQuota, w.append1(w.inbox(), strings.Repeat("x", 11)))
	w.must(w.append1(w.inbox(), strings.Repeat("x", 10)))
	_, _, err := w.me.Copy(w.ctx, w.inbox(), []UID{1}, w.role(Sent).ID)
	w.fails(fault.OverQuota, err)
	_, _, err = w.me.Move(w.ctx, w.inbox(), []UID{1}, w.role(Sent).ID)
	w.must(err)
	w.must(w.append1(w.inbox(), ""))
	w.fails(fault.OverQuota, w.append1(w.inbox(), ""))
	_, err = w.me.Expunge(w.ctx, w.inbox(), nil, false)
	w.must(err)
	w.must(w.append1(w.inbox(), strings.Repeat("x", 10)))
	if st := w.me.State(); st.Used != (Usage{30, 2}) || st.Limit != (Usage{30, 3}) {
		t.Errorf("%+v", st)
	}
}

func TestFolders(t *testing.T) {
	w := newWorld(t)
	mk := func(parent FolderID, name string) Folder {
		t.Helper()
		f, err := w.me.CreateFolder(w.ctx, NewFolder{Name: name, Parent: parent})
		w.must(err)
		return f
	}
	a := mk(0, "a")
	b := mk(a.ID, "b")
	c := mk(b.ID, "c")
	w.add(c.ID, 1)
	name := "z"
	got, err := w.me.UpdateFolder(w.ctx, a.ID, FolderPatch{Name: &name, Parent: ptr(w.inbox())})
	w.must(err)
	if got.Name != "z" || got.Parent != w.inbox() {
		t.Errorf("%+v", got)
	}
	if d, ok := w.me.Child(a.ID, "b"); !ok || d.ID != b.ID {
		t.Error("children must come along")
	}
	var names []string
	for _, f := range w.me.Folders() {
		names = append(names, f.Name)
	}
	if want := []string{"INBOX", "z", "b", "c", "Archive", "Drafts", "Junk", "Sent", "Trash"}; !slices.Equal(names, want) {
		t.Errorf("folders %v", names)
	}
	_, err = w.me.UpdateFolder(w.ctx, a.ID, FolderPatch{Parent: &c.ID})
	w.fails(fault.Invalid, err)
	w.fails(fault.Conflict, w.me.DeleteFolder(w.ctx, b.ID))
	w.fails(fault.Denied, w.me.DeleteFolder(w.ctx, w.inbox()))
	_, err = w.me.UpdateFolder(w.ctx, a.ID, FolderPatch{Parent: &a.ID})
	w.fails(fault.Invalid, err)
	w.must(w.me.DeleteFolder(w.ctx, c.ID))
	again := mk(b.ID, "c")
	if again.UIDValidity <= c.UIDValidity || again.ID == c.ID {
		t.Errorf("UIDVALIDITY %d then %d", c.UIDValidity, again.UIDValidity)
	}
	if w.me.State().Used != (Usage{}) {
		t.Errorf("the deleted folder's items still count: %+v", w.me.State().Used)
	}
}

func ptr[T any](v T) *T { return &v }

func TestFolderRules(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		f    NewFolder
		want fault.Kind
	}{
		{NewFolder{Name: ""}, fault.Invalid},
		{NewFolder{Name: "a\nb"}, fault.Invalid},
		{NewFolder{Name: "a\xffb"}, fault.Invalid},
		{NewFolder{Name: strings.Repeat("x", MaxName+1)}, fault.TooLarge},
		{NewFolder{Name: "InBoX"}, fault.Exists},
		{NewFolder{Name: "Sent"}, fault.Exists},
		{NewFolder{Name: "x", Role: Sent}, fault.Exists},
		{NewFolder{Name: "x", Parent: 999}, fault.NotFound},
		{NewFolder{Name: "x", Kind: Notes + 1}, fault.Invalid},
		{NewFolder{Name: "x", Role: Archive + 1}, fault.Invalid},
	} {
		_, err := w.me.CreateFolder(w.ctx, c.f)
		if !fault.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.f, err, c.want)
		}
	}
	parent := FolderID(0)
	for i := 1; ; i++ {
		f, err := w.me.CreateFolder(w.ctx, NewFolder{Name: strings.Repeat("x", MaxName), Parent: parent})
		if i > MaxDepth {
			w.fails(fault.TooLarge, err)
			break
		}
		w.must(err)
		parent = f.ID
	}
	// A folder with one below it is too tall for the last level but one.
	sent := w.role(Sent).ID
	_, err := w.me.CreateFolder(w.ctx, NewFolder{Name: "x", Parent: sent})
	w.must(err)
	last, _ := w.me.Folder(parent)
	_, err = w.me.UpdateFolder(w.ctx, sent, FolderPatch{Parent: &last.Parent})
	w.fails(fault.TooLarge, err)
	above, _ := w.me.Folder(last.Parent)
	_, err = w.me.UpdateFolder(w.ctx, sent, FolderPatch{Parent: &above.Parent})
	w.must(err)
	_, err = w.me.UpdateFolder(w.ctx, w.inbox(), FolderPatch{Name: ptr("other")})
	w.fails(fault.Denied, err)
}

func TestRights(t *testing.T) {
	w := newWorld(t)
	u := w.add(w.inbox(), 2)
	his := w.open(w.store, ann, ident.Identity{Account: bob, Groups: []ident.GroupID{team}})
	defer his.Close()
	stranger := w.open(w.store, ann, ident.Identity{})
	defer stranger.Close()
	in := w.inbox()
	if len(his.Folders()) != 0 {
		t.Error("Bob sees folders that nobody shared")
	}
	_, err := his.View(w.ctx, in)
	w.fails(fault.NotFound, err)
	w.must(w.me.SetGrants(w.ctx, in, []Grant{{ToAccount, uint64(bob), RightLookup}, {ToGroup, uint64(team), RightRead | RightSeen}}))
	if r := his.Rights(in); r != RightLookup|RightRead|RightSeen || stranger.Rights(in) != 0 {
		t.Errorf("rights %b", r)
	}
	res, err := his.SetFlags(w.ctx, in, FlagChange{UIDs: u, Flags: Seen | Flagged, Keywords: []string{"k"}})
	w.must(err)
	if r := res.View.At(0); r.Flags != Seen || r.Keywords != nil {
		t.Errorf("Bob set %v %v", r.Flags, r.Keywords.Names())
	}
	_, err = his.SetFlags(w.ctx, in, FlagChange{UIDs: u, Flags: Flagged})
	w.fails(fault.Denied, err)
	_, err = his.Expunge(w.ctx, in, nil, false)
	w.fails(fault.Denied, err)
	_, err = his.Append(w.ctx, in, Append{Content: w.content("x")})
	w.fails(fault.Denied, err)
	_, _, err = his.Move(w.ctx, in, u, w.role(Sent).ID)
	w.fails(fault.Denied, err)
	_, _, err = his.Copy(w.ctx, in, u, w.role(Sent).ID)
	w.fails(fault.NotFound, err)
	_, err = his.CreateFolder(w.ctx, NewFolder{Name: "x", Parent: in})
	w.fails(fault.Denied, err)
	w.fails(fault.Denied, his.SetGrants(w.ctx, in, nil))
	w.fails(fault.Denied, his.DeleteFolder(w.ctx, in))
	w.fails(fault.NotFound, his.DeleteFolder(w.ctx, w.role(Sent).ID))
	w.fails(fault.NotFound, his.SetBag(w.ctx, 12345, nil))
	w.fails(fault.Invalid, w.me.SetGrants(w.ctx, in, []Grant{{Rights: 1 << 15}}))
}

func TestLog(t *testing.T) {
	w := newWorld(t)
	start := w.me.State().Change
	u := w.add(w.inbox(), 3)
	_, _, err := w.me.Move(w.ctx, w.inbox(), u[:1], w.role(Sent).ID)
	w.must(err)
	_, err = w.me.Expunge(w.ctx, w.inbox(), u[1:2], false)
	w.must(err)
	_, err = w.me.SetFlags(w.ctx, w.inbox(), FlagChange{UIDs: u[2:], Flags: Seen})
	w.must(err)
	read := func(after ModSeq) (ops []ChangeOp, err error) {
		last := after
		err = w.me.Log(w.ctx, after, func(c Change) error {
			if c.Seq != last+1 || !c.At.Equal(w.now) {
				t.Errorf("%+v after %d", c, last)
			}
			last = c.Seq
			ops = append(ops, c.Op)
			return nil
		})
		return ops, err
	}
	ops, err := read(start)
	w.must(err)
	want := []ChangeOp{ItemAdded, ItemAdded, ItemAdded, ItemMovedOut, ItemMovedIn, ItemRemoved, ItemFlagged}
	if !slices.Equal(ops, want) {
		t.Errorf("log %v", ops)
	}
	if ops, _ = read(start + 1); !slices.Equal(ops, want[1:]) {
		t.Errorf("the log from inside a transaction: %v", ops)
	}
	w.now = w.now.Add(w.store.opts.Horizon + time.Hour)
	w.add(w.inbox(), 1)
	w.must(w.store.Tidy(w.ctx, ann))
	_, err = read(start)
	w.fails(fault.Conflict, err)
	st := w.me.State()
	if st.Floor != st.Change-1 {
		t.Errorf("floor %d, change %d", st.Floor, st.Change)
	}
	if ops, err = read(st.Floor); err != nil || len(ops) != 1 {
		t.Errorf("%v %v", ops, err)
	}
}

func TestRecentIsGivenOnce(t *testing.T) {
	w := newWorld(t)
	w.add(w.inbox(), 2)
	for _, want := range []UID{1, 3, 3} {
		if got, _, err := w.me.ClaimRecent(w.ctx, w.inbox()); err != nil || got != want {
			t.Errorf("recent from %d %v, want %d", got, err, want)
		}
	}
	other := w.open(NewStore(w.db, w.options()), ann, ident.System())
	defer other.Close()
	if got, next, err := other.ClaimRecent(w.ctx, w.inbox()); err != nil || got != 3 || next != 3 {
		t.Errorf("that they were given isn't stored: %d %v", got, err)
	}
}

func TestMaildropLock(t *testing.T) {
	w := newWorld(t)
	unlock, err := w.me.LockMaildrop()
	w.must(err)
	_, err = w.me.LockMaildrop()
	w.fails(fault.InUse, err)
	w.add(w.inbox(), 1) // holds up nobody else
	unlock()
	unlock()
	again, err := w.me.LockMaildrop()
	w.must(err)
	again()
}

func TestDeleteAccount(t *testing.T) {
	w := newWorld(t)
	w.add(w.inbox(), 2)
	w.must(w.store.Create(w.ctx, bob, Usage{}))
	w.must(w.store.Delete(w.ctx, bob))
	_, err := w.store.Open(w.ctx, bob, ident.System())
	w.fails(fault.NotFound, err)
	w.must(w.store.Delete(w.ctx, bob))
	w.fails(fault.Exists, w.store.Create(w.ctx, ann, Usage{}))
	w.fails(fault.Invalid, w.store.Create(w.ctx, 1<<48, Usage{}))
	if ids, err := w.store.Accounts(w.ctx); err != nil || !slices.Equal(ids, []ident.AccountID{ann}) {
		t.Errorf("accounts %v %v", ids, err)
	}
}

func TestProps(t *testing.T) {
	w := newWorld(t)
	w.must(w.me.SetProps(w.ctx, map[string][]byte{"a": []byte("1"), "b": {}}))
	w.must(w.me.SetProps(w.ctx, map[string][]byte{"a": nil}))
	got, err := w.me.Props(w.ctx)
	w.must(err)
	if len(got) != 1 || got["b"] == nil {
		t.Errorf("props %v", got)
	}
	w.fails(fault.TooLarge, w.me.SetProps(w.ctx, map[string][]byte{"c": make([]byte, MaxBag+1)}))
}

// TestUnusedAccountsAreForgotten: what nobody uses leaves the memory, and comes back right.
func TestUnusedAccountsAreForgotten(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.CacheRows = 10
	s := NewStore(w.db, o)
	w.add(w.inbox(), 20)
	for range 2 {
		ses := w.open(s, ann, ident.System())
		v, err := ses.View(w.ctx, w.inbox())
		w.must(err)
		if v.Len() != 20 {
			t.Errorf("%d rows", v.Len())
		}
		ses.Close()
		ses.Close()
		if len(s.accounts) != 0 || s.idleRows != 0 || s.unused.Len() != 0 {
			t.Errorf("%d accounts with %d rows are kept", len(s.accounts), s.idleRows)
		}
	}
}

// staged counts the messages that are being staged.
func (w *world) staged() int {
	n := 0
	w.must(w.db.View(w.ctx, partition(ann), func(r kv.Reader) error {
		for _, err := range r.Scan(all(keyStaged)) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	}))
	return n
}
