package mailbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// sharers is whom somebody may find something with.
func (w *world) sharers(who ident.Identity) []ident.AccountID {
	w.Helper()
	ids, err := w.store.Sharers(w.ctx, who)
	w.must(err)
	return ids
}

var (
	asBob    = ident.Identity{Account: bob}
	asMember = ident.Identity{Account: 9, Groups: []ident.GroupID{team}}
	asCarol  = ident.Identity{Account: 10}
)

func TestSharersAreFoundAtOnceAndAfterRestart(t *testing.T) {
	w := newWorld(t)
	for _, who := range []ident.Identity{asBob, asMember, asCarol} {
		if got := w.sharers(who); len(got) != 0 {
			t.Errorf("before: %v", got)
		}
	}
	w.grant(w.inbox(), RightLookup)
	if !slices.Equal(w.sharers(asBob), []ident.AccountID{ann}) || len(w.sharers(asCarol)) != 0 {
		t.Errorf("bob: %v, carol: %v", w.sharers(asBob), w.sharers(asCarol))
	}
	w.must(w.me.SetGrants(w.ctx, w.role(Archive).ID, []Grant{{ToGroup, uint64(team), RightLookup}}))
	if !slices.Equal(w.sharers(asMember), []ident.AccountID{ann}) {
		t.Errorf("member: %v", w.sharers(asMember))
	}
	w.must(w.me.SetGrants(w.ctx, w.role(Sent).ID, []Grant{{ToAnyone, 0, RightLookup}}))
	w.store = NewStore(w.db, w.options())
	for _, who := range []ident.Identity{asBob, asMember, asCarol} {
		if !slices.Equal(w.sharers(who), []ident.AccountID{ann}) {
			t.Errorf("after: %v finds %v", who, w.sharers(who))
		}
	}
	if len(w.sharers(ident.Identity{Account: ann})) != 0 || len(w.sharers(ident.Identity{})) != 0 {
		t.Error("one's own account is not somebody else's, and strangers find nothing")
	}
}

// A grant that isn't in the index would be found by nobody, so the index comes first: if it can't be written, there is no grant.
func TestNoGrantWithoutIndex(t *testing.T) {
	w := newWorld(t)
	broken := &brokenIndex{DB: w.db}
	w.store = NewStore(broken, w.options())
	me := w.open(w.store, ann, ident.Identity{Account: ann})
	defer me.Close()
	broken.fail = true
	if err := me.SetGrants(w.ctx, w.inbox(), []Grant{{ToAccount, uint64(bob), RightLookup}}); !errors.Is(err, errFailing) {
		t.Errorf("got %v", err)
	}
	if f, _ := me.Folder(w.inbox()); len(f.Grants) != 0 {
		t.Errorf("granted all the same: %v", f.Grants)
	}
	broken.fail = false
	w.must(me.SetGrants(w.ctx, w.inbox(), []Grant{{ToAccount, uint64(bob), RightLookup}}))
}

var errFailing = errors.New("the disk is full")

// brokenIndex is a kv whose index of shares can't be written.
type brokenIndex struct {
	kv.DB
	fail bool
}

func (f *brokenIndex) Update(ctx context.Context, p kv.Partition, fn func(kv.Tx) error) error {
	if f.fail && p == SharesPartition {
		return errFailing
	}
	return f.DB.Update(ctx, p, fn)
}

func TestSweepRemovesWhatHasNoUse(t *testing.T) {
	w := newWorld(t)
	w.grant(w.inbox(), RightLookup)
	w.must(w.me.SetGrants(w.ctx, w.role(Sent).ID, []Grant{{ToAnyone, 0, RightLookup}}))
	w.grant(w.inbox(), 0)
	w.must(w.store.SweepShares(w.ctx)) // too young: the grant may be on its way
	if len(w.sharers(asBob)) != 1 {
		t.Error("a young entry was swept")
	}
	w.now = w.now.Add(shareAge)
	w.must(w.store.SweepShares(w.ctx))
	if list, err := w.store.allShares(w.ctx); err != nil || len(list) != 1 || list[0].to.kind != ToAnyone {
		t.Errorf("left: %v %v", list, err)
	}
	w.must(w.store.Delete(w.ctx, ann))
	w.must(w.store.SweepShares(w.ctx))
	if len(w.sharers(asBob)) != 0 {
		t.Error("a deleted account shares something")
	}
}

// What was granted before there was an index is found once it has been made, and Tidy mends what was lost.
func TestIndexIsMadeAndMended(t *testing.T) {
	w := newWorld(t)
	w.grant(w.inbox(), RightLookup)
	lose := func() {
		w.must(w.db.Update(w.ctx, SharesPartition, func(tx kv.Tx) error { return tx.DeleteRange([]byte{keyShare}, []byte{keyShare + 1}) }))
	}
	lose()
	if problems, err := w.store.CheckShares(w.ctx); err != nil || len(problems) != 0 {
		t.Errorf("an index that isn't made yet has no problems: %v %v", problems, err)
	}
	w.must(w.store.IndexShares(w.ctx))
	if len(w.sharers(asBob)) != 1 {
		t.Error("not found after the index was made")
	}
	lose()
	if problems, err := w.store.CheckShares(w.ctx); err != nil || len(problems) != 1 || problems[ann] == "" {
		t.Errorf("check: %v %v", problems, err)
	}
	w.must(w.store.IndexShares(w.ctx)) // once in a store's life
	if len(w.sharers(asBob)) != 0 {
		t.Error("made again")
	}
	w.must(w.store.Tidy(w.ctx, ann))
	if len(w.sharers(asBob)) != 1 {
		t.Error("not mended")
	}
}

// A restored account is found by those whom its folders give rights to, unless they are numbers of elsewhere.
func TestMendShares(t *testing.T) {
	w := newWorld(t)
	w.grant(w.inbox(), RightLookup)
	w.must(w.db.Update(w.ctx, SharesPartition, func(tx kv.Tx) error { return tx.DeleteRange([]byte{keyShare}, []byte{keyShare + 1}) }))
	w.must(w.store.MendShares(w.ctx, ann, true))
	if len(w.sharers(asBob)) != 1 || len(w.role(Inbox).Grants) != 1 {
		t.Errorf("kept: %v, found %v", w.role(Inbox).Grants, w.sharers(asBob))
	}
	w.must(w.store.MendShares(w.ctx, ann, false))
	if len(w.role(Inbox).Grants) != 0 {
		t.Errorf("from elsewhere: %v", w.role(Inbox).Grants)
	}
}

// TestForget: who is gone can't be named any more.
func TestForget(t *testing.T) {
	w := newWorld(t)
	for _, id := range []FolderID{w.inbox(), w.role(Sent).ID} {
		w.must(w.me.SetGrants(w.ctx, id, []Grant{{ToAccount, uint64(bob), RightLookup}, {ToGroup, uint64(team), RightLookup}}))
	}
	w.must(w.store.Forget(w.ctx, ToAccount, uint64(bob)))
	for _, id := range []FolderID{w.inbox(), w.role(Sent).ID} {
		if f, _ := w.me.Folder(id); len(f.Grants) != 1 || f.Grants[0].Kind != ToGroup {
			t.Errorf("left: %v", f.Grants)
		}
	}
}

// Grants that come while the index is swept are found afterwards.
func TestSweepAndGrantTogether(t *testing.T) {
	w := newWorld(t)
	w.must(w.store.Create(w.ctx, bob, Usage{}))
	var both sync.WaitGroup
	for range 4 {
		both.Go(func() {
			for range 20 {
				if err := w.store.SweepShares(w.ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 20 {
		w.must(w.me.UpdateGrants(w.ctx, w.inbox(), func(old []Grant) []Grant {
			return append(old, Grant{ToAccount, uint64(100 + i), RightLookup})
		}))
	}
	both.Wait()
	for i := range 20 {
		if len(w.sharers(ident.Identity{Account: ident.AccountID(100 + i)})) != 1 {
			t.Errorf("grant %d is lost", i)
		}
	}
}

// A crash at any write of a grant leaves no grant that the index doesn't know.
func TestCrashWhileSharing(t *testing.T) {
	for crash := range 6 {
		fs := vfs.NewCrashableMem()
		w := &world{tb: t, ctx: t.Context(), db: openDB(t, fs), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
		w.store = NewStore(w.db, w.options())
		w.must(w.store.Create(w.ctx, ann, Usage{}))
		w.must(w.store.IndexShares(w.ctx))
		w.me = w.open(w.store, ann, ident.Identity{Account: ann})
		id := w.inbox()
		var after *vfs.MemFS
		writes := 0
		counted := &counting{DB: w.db, each: func() {
			if writes++; writes == crash+1 {
				after = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(uint64(crash), 1))})
			}
		}}
		w.me.Close()
		w.store = NewStore(counted, w.options())
		w.me = w.open(w.store, ann, ident.Identity{Account: ann})
		w.grant(id, RightLookup)
		w.must(w.me.SetGrants(w.ctx, w.role(Sent).ID, []Grant{{ToAnyone, 0, RightLookup}}))
		w.me.Close()
		w.must(w.db.Close())
		if after == nil {
			continue
		}
		db := openDB(t, after)
		if problems, err := NewStore(db, w.options()).CheckShares(w.ctx); err != nil || len(problems) != 0 {
			t.Errorf("crash at %d: %v %v", crash, problems, err)
		}
		w.must(db.Close())
	}
}

// counting tells of each transaction that is durable.
type counting struct {
	kv.DB
	each func()
}

func (c *counting) Update(ctx context.Context, p kv.Partition, fn func(kv.Tx) error) error {
	err := c.DB.Update(ctx, p, fn)
	c.each()
	return err
}

func (c *counting) Submit(ctx context.Context, p kv.Partition, fn func(kv.Tx) error) (kv.Commit, error) {
	commit, err := c.DB.Submit(ctx, p, fn)
	c.each()
	return commit, err
}

// Folders are found by name through parents that can't be seen, and those that can't be seen aren't there.
func TestWalkAndTree(t *testing.T) {
	w := newWorld(t)
	make := func(name string, parent FolderID) FolderID {
		f, err := w.me.CreateFolder(w.ctx, NewFolder{Name: name, Parent: parent})
		w.must(err)
		return f.ID
	}
	a := make("a", 0)
	b := make("b", a)
	c := make("c", b)
	sub := make("sub", w.inbox())
	w.grant(b, RightLookup)
	w.grant(sub, RightLookup)
	his := w.guest()
	for _, x := range []struct {
		names []string
		at    FolderID
		rest  int
	}{
		{[]string{"a"}, 0, 1}, {[]string{"a", "b"}, b, 0}, {[]string{"a", "b", "c"}, b, 1}, {[]string{"a", "b", "x", "y"}, b, 2},
		{[]string{"x"}, 0, 1}, {[]string{"inbox"}, 0, 1}, {[]string{"INBOX", "sub"}, sub, 0}, {[]string{"a", "x"}, 0, 2},
	} {
		if at, rest := his.Walk(x.names); at.ID != x.at || len(rest) != x.rest {
			t.Errorf("%v: at %d, %d left", x.names, at.ID, len(rest))
		}
	}
	if at, rest := w.me.Walk([]string{"a", "b", "c"}); at.ID != c || len(rest) != 0 {
		t.Errorf("the owner: at %d, %v left", at.ID, rest)
	}
	tree := his.Tree()
	if len(tree) != 2 || !slices.Equal(tree[0].Names, []string{"INBOX", "sub"}) || !slices.Equal(tree[1].Names, []string{"a", "b"}) {
		t.Errorf("tree: %+v", tree)
	}
	w.must(w.me.SetGrants(w.ctx, sub, nil))
	if f, err := his.Folder(b); err != nil || f.Subscribed {
		t.Errorf("bob sees %+v %v", f, err)
	}
	_, err := w.me.UpdateFolder(w.ctx, b, FolderPatch{Subscribed: ptr(true)})
	w.must(err)
	if f, err := his.Folder(b); err != nil || f.Subscribed {
		t.Errorf("bob sees what ann has subscribed to: %+v %v", f, err)
	}
}

func TestRightsAsLetters(t *testing.T) {
	for text, want := range map[string]Rights{"": 0, "lr": RightLookup | RightRead, "c": RightCreate | RightDelete, "d": RightTrash | RightExpunge, "lrswipkxtea": AllRights} {
		if got, err := ParseRights(text); err != nil || got != want {
			t.Errorf("%q: %b %v", text, got, err)
		}
	}
	if AllRights.String() != "lrswipkxtea" {
		t.Error(AllRights.String())
	}
	if _, err := ParseRights("lq"); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}
