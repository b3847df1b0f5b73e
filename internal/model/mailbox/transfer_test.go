package mailbox

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"postroad/internal/fault"
)

// neighbours is ann, who has messages, and bob, to whom they may go: ann acts on both.
func neighbours(t *testing.T, rights Rights) (w *world, at Target) {
	w = newWorld(t)
	w.must(w.store.Create(w.ctx, bob, Usage{}))
	his := w.open(w.store, bob, asBob)
	t.Cleanup(his.Close)
	in, _ := his.FolderByRole(Inbox)
	w.must(his.SetGrants(w.ctx, in.ID, []Grant{{ToAccount, uint64(ann), rights}}))
	mine := w.open(w.store, bob, w.me.Identity())
	t.Cleanup(mine.Close)
	return w, Target{Session: mine, Folder: in.ID}
}

// there is what bob has in his INBOX.
func (w *world) there(at Target) []*Row {
	w.Helper()
	s := w.open(w.store, bob, asBob)
	defer s.Close()
	v, err := s.View(w.ctx, at.Folder)
	w.must(err)
	var rows []*Row
	for _, r := range v.All(0, v.Len()) {
		rows = append(rows, r)
	}
	return rows
}

func TestCopyToAnotherAccount(t *testing.T) {
	w, at := neighbours(t, RightLookup|RightInsert|RightSeen)
	in := w.inbox()
	big := "Subject: big\r\n\r\n" + strings.Repeat("text of some length\r\n", 100_000)
	_, err := w.me.Append(w.ctx, in, Append{Content: w.content(big), Flags: allFlags, Keywords: []string{"k"}, Received: w.now.AddDate(-1, 0, 0), Bag: map[string][]byte{"p": []byte("v")}})
	w.must(err)
	w.add(in, 3)
	done, validity, err := w.me.CopyTo(w.ctx, in, []UID{4, 1, 77, 3}, at)
	w.must(err)
	if !slices.Equal(done, []Copied{{1, 1}, {3, 2}, {4, 3}}) || validity == 0 {
		t.Errorf("copied %v, %d", done, validity)
	}
	rows := w.there(at)
	if len(rows) != 3 || rows[0].Flags != Seen || rows[0].Keywords.Len() != 0 || !rows[0].Received().Equal(w.now.AddDate(-1, 0, 0)) || rows[0].Size != int64(len(big)) {
		t.Errorf("there: %+v", rows)
	}
	his := w.open(w.store, bob, asBob)
	defer his.Close()
	var text []byte
	w.must(his.Read(w.ctx, func(b *Batch) (err error) {
		text, err = b.AppendContent(nil, rows[0], 0, rows[0].Size)
		return err
	}))
	if string(text) != big {
		t.Error("the bytes are other ones")
	}
	if b, err := his.Bag(w.ctx, rows[0].ID); err != nil || string(b.Props["p"]) != "v" {
		t.Errorf("properties: %v %v", b, err)
	}
	if w.view(in).Len() != 4 {
		t.Error("what is copied stays")
	}
}

// Where a copy came from is known after a restart, is forgotten with it, and when its account is restored elsewhere.
func TestOriginOfCopies(t *testing.T) {
	w, at := neighbours(t, RightLookup|RightInsert)
	if _, _, err := w.me.CopyTo(w.ctx, w.inbox(), w.add(w.inbox(), 2), at); err != nil {
		t.Fatal(err)
	}
	his := w.open(NewStore(w.db, w.options()), bob, asBob)
	v, err := his.View(w.ctx, at.Folder)
	w.must(err)
	origin := func(row *Row) (o Origin) {
		w.must(his.Read(w.ctx, func(b *Batch) (err error) { o, err = b.Origin(his, row); return err }))
		return o
	}
	if want := (Origin{ann, w.view(w.inbox()).At(0).Content}); !his.HasOrigins() || origin(v.At(0)) != want {
		t.Errorf("%t %v, want %v", his.HasOrigins(), origin(v.At(0)), want)
	}
	if w.me.HasOrigins() {
		t.Error("what stays is its own")
	}
	_, err = his.Expunge(w.ctx, at.Folder, []UID{1}, false)
	w.must(err)
	w.check()
	w.must(w.store.MendShares(w.ctx, bob, false))
	if o := origin(v.At(1)); o.Account != bob {
		t.Errorf("restored elsewhere: %v", o)
	}
	his.Close()
}

func TestMoveToAnotherAccount(t *testing.T) {
	w, at := neighbours(t, RightLookup|RightInsert)
	in := w.inbox()
	w.add(in, crossingItems+50)
	var uids []UID
	for u := range UID(crossingItems + 49) {
		uids = append(uids, u+1)
	}
	told := 0
	at.Progress = func(n int) error { told = n; return nil }
	done, _, err := w.me.MoveTo(w.ctx, in, uids, at)
	w.must(err)
	if len(done) != len(uids) || told != len(uids) || len(w.there(at)) != len(uids) || w.view(in).Len() != 1 {
		t.Errorf("moved %d, told of %d, there are %d, here %d", len(done), told, len(w.there(at)), w.view(in).Len())
	}
}

var errEnough = errors.New("enough")

// COPY is all or nothing (RFC 9051 §6.4.7); a MOVE that ends early has moved some whole, and no others (RFC 6851 §3.3).
func TestTransfersThatEndEarly(t *testing.T) {
	w, at := neighbours(t, RightLookup|RightInsert)
	in := w.inbox()
	uids := w.add(in, 2*crossingItems)
	at.Progress = func(int) error { return errEnough }
	if _, _, err := w.me.CopyTo(w.ctx, in, uids, at); !errors.Is(err, errEnough) || len(w.there(at)) != 0 {
		t.Errorf("copy: %v, %d remain", err, len(w.there(at)))
	}
	done, _, err := w.me.MoveTo(w.ctx, in, uids, at)
	if !errors.Is(err, errEnough) || len(done) != crossingItems || len(w.there(at)) != crossingItems || w.view(in).Len() != crossingItems {
		t.Errorf("move: %v, moved %d, there are %d, here %d", err, len(done), len(w.there(at)), w.view(in).Len())
	}
}

// The room is that of the account which they go to. Nothing is read in vain.
func TestCopyNeedsRoomThere(t *testing.T) {
	w, at := neighbours(t, RightLookup|RightInsert)
	uids := w.add(w.inbox(), 3)
	w.must(w.store.SetLimit(w.ctx, bob, Usage{Items: 2}))
	_, _, err := w.me.CopyTo(w.ctx, w.inbox(), uids, at)
	w.fails(fault.OverQuota, err)
	_, _, err = w.me.MoveTo(w.ctx, w.inbox(), uids, at)
	w.fails(fault.OverQuota, err)
	_, _, err = w.me.CopyTo(w.ctx, w.inbox(), uids[:2], at)
	w.must(err)
	_, _, err = w.me.CopyTo(w.ctx, w.inbox(), make([]UID, MaxCopy+1), at)
	w.fails(fault.TooLarge, err)
}

// TestTransferRightsAcross: RFC 4314 §4, RFC 6851 §4, RFC 8508 §4.1, from and to accounts of others.
func TestTransferRightsAcross(t *testing.T) {
	w := newWorld(t)
	w.must(w.store.Create(w.ctx, bob, Usage{}))
	in := w.inbox()
	his := w.guest() // bob at ann's
	own := w.open(w.store, bob, asBob)
	defer own.Close()
	mine, _ := own.FolderByRole(Inbox)
	at := Target{Session: own, Folder: mine.ID}
	for name, c := range map[string]struct {
		try  func(UID) error
		need Rights
	}{
		"copy": {func(u UID) error { _, _, err := his.CopyTo(w.ctx, in, []UID{u}, at); return err }, RightRead},
		"move": {func(u UID) error { _, _, err := his.MoveTo(w.ctx, in, []UID{u}, at); return err }, RightRead | RightTrash | RightExpunge},
		"replace": {func(u UID) error {
			_, err := his.ReplaceTo(w.ctx, in, u, at, Append{Content: w.content("y")})
			return err
		}, RightRead | RightExpunge},
	} {
		u := w.add(in, 1)[0]
		for one := RightRead; one <= RightAdmin; one <<= 1 {
			w.grant(in, AllRights&^one)
			if one&c.need != 0 {
				w.fails(fault.Denied, c.try(u))
			}
		}
		w.grant(in, AllRights&^RightLookup)
		w.fails(fault.NotFound, c.try(u))
		if v, err := own.View(w.ctx, mine.ID); err != nil || v.Len() != 0 {
			t.Fatalf("%s without rights has brought %d messages (%v)", name, v.Len(), err)
		}
		w.grant(in, RightLookup|c.need)
		w.must(c.try(u))
		_, err := own.Expunge(w.ctx, mine.ID, nil, false)
		w.must(err)
	}
	// and the target
	before := w.view(in).Len()
	w.grant(in, AllRights&^RightInsert)
	back := Target{Session: his, Folder: in}
	put, err := own.Append(w.ctx, mine.ID, Append{Content: w.content("x")})
	w.must(err)
	_, _, err = own.CopyTo(w.ctx, mine.ID, []UID{put[0].UID}, back)
	w.fails(fault.Denied, err)
	_, _, err = own.MoveTo(w.ctx, mine.ID, []UID{put[0].UID}, back)
	w.fails(fault.Denied, err)
	_, err = own.ReplaceTo(w.ctx, mine.ID, put[0].UID, back, Append{Content: w.content("z")})
	w.fails(fault.Denied, err)
	if w.view(in).Len() != before {
		t.Error("something came")
	}
}

// REPLACE across accounts: the new message is there before the old one goes.
func TestReplaceInAnotherAccount(t *testing.T) {
	w, at := neighbours(t, RightLookup|RightInsert)
	u := w.add(w.inbox(), 2)[0]
	done, err := w.me.ReplaceTo(w.ctx, w.inbox(), u, at, Append{Content: w.content("Subject: new\r\n\r\n")})
	w.must(err)
	if done.UID != 1 || len(w.there(at)) != 1 || w.view(w.inbox()).Len() != 1 {
		t.Errorf("%+v, there are %d, here %d", done, len(w.there(at)), w.view(w.inbox()).Len())
	}
	_, err = w.me.ReplaceTo(w.ctx, w.inbox(), u, at, Append{Content: w.content("x")})
	w.fails(fault.NotFound, err)
	if len(w.there(at)) != 1 {
		t.Error("a replacement of nothing came")
	}
}

// What becomes of a message's flags while those before it are on their way goes with it.
func TestMoveTakesNewestFlags(t *testing.T) {
	w, at := neighbours(t, AllRights)
	in := w.inbox()
	uids := w.add(in, crossingItems+3)
	last := uids[len(uids)-1]
	at.Progress = func(n int) error {
		if n == crossingItems {
			_, err := w.me.SetFlags(w.ctx, in, FlagChange{UIDs: []UID{last}, Op: AddFlags, Flags: Flagged, Keywords: []string{"late"}})
			w.must(err)
			_, err = w.me.Expunge(w.ctx, in, []UID{last - 1}, false)
			w.must(err)
		}
		return nil
	}
	done, _, err := w.me.MoveTo(w.ctx, in, uids, at)
	w.must(err)
	rows := w.there(at)
	if len(done) != crossingItems+2 || len(rows) != len(done) {
		t.Fatalf("moved %d, there are %d", len(done), len(rows))
	}
	if r := rows[len(rows)-1]; r.Flags != Flagged || !r.Keywords.Has("late") {
		t.Errorf("flags %b %v", r.Flags, r.Keywords.Names())
	}
}
