package mailbox

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

// guest is Bob at Ann's.
func (w *world) guest() *Session {
	w.Helper()
	s := w.open(w.store, ann, ident.Identity{Account: bob})
	w.Cleanup(s.Close)
	return s
}

// grant gives Bob rights on a folder.
func (w *world) grant(id FolderID, r Rights) {
	w.Helper()
	w.must(w.me.SetGrants(w.ctx, id, []Grant{{ToAccount, uint64(bob), r}}))
}

// TestOnlyTheOwnerGivesRoles: else Bob could make himself the folder that Ann's junk goes to.
func TestOnlyTheOwnerGivesRoles(t *testing.T) {
	w := newWorld(t)
	w.must(w.me.DeleteFolder(w.ctx, w.role(Junk).ID))
	w.grant(w.inbox(), AllRights)
	his := w.guest()
	for _, f := range []NewFolder{{Name: "x", Role: Junk}, {Name: "x", Subscribed: true}} {
		f.Parent = w.inbox()
		_, err := his.CreateFolder(w.ctx, f)
		w.fails(fault.Denied, err)
	}
	made, err := his.CreateFolder(w.ctx, NewFolder{Name: "x", Parent: w.inbox()})
	w.must(err)
	_, err = his.UpdateFolder(w.ctx, made.ID, FolderPatch{Role: ptr(Junk)})
	w.fails(fault.Denied, err)
}

// TestRenamingNeedsTheRightOnTheParent: RFC 4314 §4, RENAME.
func TestRenamingNeedsTheRightOnTheParent(t *testing.T) {
	w := newWorld(t)
	his := w.guest()
	f, err := w.me.CreateFolder(w.ctx, NewFolder{Name: "f", Parent: w.inbox()})
	w.must(err)
	w.grant(f.ID, RightLookup|RightDelete)
	rename := func(id FolderID) error {
		_, err := his.UpdateFolder(w.ctx, id, FolderPatch{Name: ptr("g")})
		return err
	}
	w.grant(w.inbox(), RightLookup)
	w.fails(fault.Denied, rename(f.ID))
	w.grant(w.inbox(), RightLookup|RightCreate)
	w.must(rename(f.ID))
	top := w.role(Archive).ID
	w.grant(top, AllRights)
	w.fails(fault.Denied, rename(top)) // the root is the owner's
}

func TestNoRightsNoKnowledge(t *testing.T) {
	w := newWorld(t)
	in, secret := w.inbox(), w.role(Archive).ID
	_, err := w.me.Append(w.ctx, in, Append{Content: w.content("x"), Keywords: []string{"public"}})
	w.must(err)
	_, err = w.me.Append(w.ctx, secret, Append{Content: w.content("x"), Keywords: []string{"private"}})
	w.must(err)
	w.view(in)
	his := w.guest()
	start := w.me.State().Floor
	look := func() (f Folder, keywords []string, items, folders int) {
		t.Helper()
		f, err := his.Folder(in)
		w.must(err)
		w.must(his.Log(w.ctx, start, func(c Change) error {
			if c.Folder == secret {
				t.Errorf("Bob reads in the log: %+v", c)
			}
			if c.UID != 0 {
				items++
			} else if c.Folder != 0 {
				folders++
			}
			return nil
		}))
		return f, his.FolderKeywords(in), items, folders
	}

	w.grant(in, RightLookup)
	f, kw, items, folders := look()
	if f.Items != 0 || f.Unseen != 0 || f.Bytes != 0 || f.UIDNext != 0 || f.HighestModSeq != 0 || f.Grants != nil || f.Name != "INBOX" {
		t.Errorf("with the right of lookup Bob sees %+v", f)
	}
	if len(kw) != 0 || items != 0 || folders == 0 {
		t.Errorf("with the right of lookup: keywords %v, %d items and %d folders in the log", kw, items, folders)
	}
	if all := his.Folders(); len(all) != 1 || all[0].Items != 0 {
		t.Errorf("listed: %+v", all)
	}

	w.grant(in, RightLookup|RightRead)
	f, kw, items, _ = look()
	if f.Items != 1 || f.UIDNext != 2 || f.Grants != nil || !slices.Equal(kw, []string{"public"}) || items != 1 {
		t.Errorf("with the right to read: %+v, keywords %v, %d items in the log", f, kw, items)
	}
	if kw := his.FolderKeywords(secret); len(kw) != 0 {
		t.Errorf("keywords of a hidden folder: %v", kw)
	}

	w.grant(in, AllRights)
	if f, _, _, _ = look(); len(f.Grants) != 1 {
		t.Errorf("with all rights: %+v", f)
	}
	if kw := w.me.FolderKeywords(in); !slices.Equal(kw, []string{"public", "private"}) {
		t.Errorf("the owner's keywords: %v", kw)
	}
}

// TestHiddenIsLikeMissing: errors don't tell what is hidden from what isn't there.
func TestHiddenIsLikeMissing(t *testing.T) {
	w := newWorld(t)
	w.add(w.inbox(), 1)
	item := w.view(w.inbox()).At(0).ID
	his := w.guest()
	content := w.content("x")
	const none = 9999
	for name, try := range map[string]func(FolderID, ItemID) error{
		"Folder": func(f FolderID, _ ItemID) error { _, err := his.Folder(f); return err },
		"View":   func(f FolderID, _ ItemID) error { _, err := his.View(w.ctx, f); return err },
		"Append": func(f FolderID, _ ItemID) error { _, err := his.Append(w.ctx, f, Append{Content: content}); return err },
		"Copy":   func(f FolderID, _ ItemID) error { _, _, err := his.Copy(w.ctx, f, nil, f); return err },
		"Create": func(f FolderID, _ ItemID) error {
			_, err := his.CreateFolder(w.ctx, NewFolder{Name: "x", Parent: f})
			return err
		},
		"Update": func(f FolderID, _ ItemID) error {
			_, err := his.UpdateFolder(w.ctx, f, FolderPatch{Name: ptr("x")})
			return err
		},
		"Delete":   func(f FolderID, _ ItemID) error { return his.DeleteFolder(w.ctx, f) },
		"Grants":   func(f FolderID, _ ItemID) error { return his.SetGrants(w.ctx, f, nil) },
		"SetFlags": func(f FolderID, _ ItemID) error { _, err := his.SetFlags(w.ctx, f, FlagChange{}); return err },
		"Find":     func(_ FolderID, i ItemID) error { _, _, err := his.Find(w.ctx, i); return err },
		"Bag":      func(_ FolderID, i ItemID) error { _, err := his.Bag(w.ctx, i); return err },
		"SetBag":   func(_ FolderID, i ItemID) error { return his.SetBag(w.ctx, i, nil) },
	} {
		hidden, missing := try(w.inbox(), item), try(none, none)
		if !fault.Is(hidden, fault.NotFound) || fmt.Sprint(hidden) != fmt.Sprint(missing) {
			t.Errorf("%s: hidden: %v; missing: %v", name, hidden, missing)
		}
	}
}

func TestGrants(t *testing.T) {
	w := newWorld(t)
	many := make([]Grant, MaxGrants+1)
	for i := range many {
		many[i] = Grant{ToAccount, uint64(i + 10), RightLookup}
	}
	w.fails(fault.TooLarge, w.me.SetGrants(w.ctx, w.inbox(), many))
	w.must(w.me.SetGrants(w.ctx, w.inbox(), many[1:]))
	w.must(w.me.SetGrants(w.ctx, w.inbox(), []Grant{{ToAccount, 7, 0}, {ToAnyone, 0, RightLookup}}))
	if g := w.role(Inbox).Grants; len(g) != 1 || g[0].Kind != ToAnyone {
		t.Errorf("grants %+v", g)
	}
	stranger := w.open(w.store, ann, ident.Identity{})
	defer stranger.Close()
	if w.guest().Rights(w.inbox()) != RightLookup || stranger.Rights(w.inbox()) != 0 {
		t.Error("anyone is everyone who has signed in, and nobody else")
	}
}

// TestLogEndsWhereTheStateDoes: what is durable but not shown yet stays for the next time,
// when it can be told who may see it.
func TestLogEndsWhereTheStateDoes(t *testing.T) {
	w := newWorld(t)
	his := w.guest()
	start := w.me.State().Change
	w.grant(w.inbox(), RightLookup)
	p := w.submitted(func(t *txn) error {
		if _, err := t.addFolder(NewFolder{Name: "x", Parent: w.inbox()}); err != nil {
			return err
		}
		f, err := t.folder(w.inbox())
		if err == nil {
			t.changeFolder(f) // which Bob sees already
		}
		return err
	})
	w.must(p.commit.Wait()) // durable, not published
	read := func() (folders []FolderID) {
		w.must(his.Log(w.ctx, start, func(c Change) error {
			start = c.Seq
			folders = append(folders, c.Folder)
			return nil
		}))
		return folders
	}
	if got := read(); len(got) != 1 || start != w.me.State().Change {
		t.Errorf("before: folders %v, up to %d", got, start)
	}
	w.must(p.wait())
	if got := read(); len(got) != 2 || got[0] == w.inbox() || got[1] != w.inbox() {
		t.Errorf("after: folders %v", got)
	}
}

// TestTransferRights: RFC 4314 §4 (COPY, REPLACE as APPEND and EXPUNGE), RFC 6851 §4.
func TestTransferRights(t *testing.T) {
	w := newWorld(t)
	in, to := w.inbox(), w.role(Archive).ID
	his := w.guest()
	w.grant(to, RightLookup|RightInsert)
	cp := func(u UID) error { _, _, err := his.Copy(w.ctx, in, []UID{u}, to); return err }
	mv := func(u UID) error { _, _, err := his.Move(w.ctx, in, []UID{u}, to); return err }
	replace := func(u UID) error { _, err := his.Replace(w.ctx, in, u, Append{Content: w.content("y")}); return err }
	expunge := func(u UID) error { _, err := his.Expunge(w.ctx, in, []UID{u}, false); return err }
	bag := func(u UID) error {
		i, _ := w.view(in).Find(u)
		return his.SetBag(w.ctx, w.view(in).At(i).ID, map[string][]byte{"a": {1}})
	}
	for name, c := range map[string]struct {
		try  func(UID) error
		need Rights
	}{
		"copy":    {cp, RightRead},
		"move":    {mv, RightRead | RightTrash | RightExpunge},
		"replace": {replace, RightRead | RightInsert | RightExpunge},
		"expunge": {expunge, RightExpunge},
		"bag":     {bag, RightWrite},
	} {
		u := w.add(in, 1)[0]
		for one := RightRead; one < RightAdmin; one <<= 1 {
			if one&c.need != 0 {
				w.grant(in, AllRights&^one)
				if err := c.try(u); !fault.Is(err, fault.Denied) {
					t.Errorf("%s without right %b: %v", name, one, err)
				}
			}
		}
		w.grant(in, RightLookup|c.need)
		if err := c.try(u); err != nil {
			t.Errorf("%s with rights %b: %v", name, c.need, err)
		}
	}
	w.grant(in, RightLookup|RightRead)
	w.grant(to, AllRights&^RightInsert)
	w.fails(fault.Denied, cp(1))
	w.fails(fault.Denied, his.SetProps(w.ctx, map[string][]byte{"a": {1}}))
	w.must(w.me.SetProps(w.ctx, map[string][]byte{"a": {1}}))
	if got, err := his.Props(w.ctx); err != nil || len(got) != 0 {
		t.Errorf("Bob reads Ann's settings: %v %v", got, err)
	}
}

// TestFlagsStayBehind: RFC 4314 §4: flags that may not be set in the target are left out.
func TestFlagsStayBehind(t *testing.T) {
	w := newWorld(t)
	in, to := w.inbox(), w.role(Archive).ID
	his := w.guest()
	for _, c := range []struct {
		rights   Rights
		want     Flags
		keywords int
	}{
		{RightInsert, 0, 0},
		{RightInsert | RightSeen, Seen, 0},
		{RightInsert | RightTrash, Deleted, 0},
		{RightInsert | RightWrite, Answered | Flagged | Draft, 1},
		{AllRights, allFlags, 1},
	} {
		full := Append{Content: w.content("x"), Flags: allFlags, Keywords: []string{"k"}}
		done, err := w.me.Append(w.ctx, in, full, full)
		w.must(err)
		w.grant(in, AllRights)
		w.grant(to, RightLookup|c.rights)
		_, _, err = his.Copy(w.ctx, in, []UID{done[0].UID}, to)
		w.must(err)
		_, _, err = his.Move(w.ctx, in, []UID{done[1].UID}, to)
		w.must(err)
		_, err = his.Append(w.ctx, to, full)
		w.must(err)
		v := w.view(to)
		for _, r := range v.All(v.Len()-3, v.Len()) {
			if r.Flags != c.want || r.Keywords.Len() != c.keywords {
				t.Errorf("with rights %b: UID %d has %b %v", c.rights, r.UID, r.Flags, r.Keywords.Names())
			}
		}
	}
}

// Two who change the grants at the same time both succeed.
func TestUpdateGrants(t *testing.T) {
	w := newWorld(t)
	id := w.inbox()
	var both sync.WaitGroup
	for i := range 20 {
		both.Go(func() {
			err := w.me.UpdateGrants(w.ctx, id, func(old []Grant) []Grant {
				return append(old, Grant{Kind: ToAccount, ID: uint64(100 + i), Rights: RightLookup})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	f, err := w.me.Folder(id)
	w.must(err)
	if len(f.Grants) != 20 {
		t.Errorf("%d grants", len(f.Grants))
	}
	w.fails(fault.Invalid, w.me.UpdateGrants(w.ctx, id, func(old []Grant) []Grant { return append(old, Grant{Kind: ToAccount}) }))
	w.fails(fault.NotFound, w.guest().UpdateGrants(w.ctx, id, func(old []Grant) []Grant { return old }))
}
