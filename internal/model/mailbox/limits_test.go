package mailbox

import (
	"math"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

func TestUIDsAreUsedUp(t *testing.T) {
	w := newWorld(t)
	in := w.inbox()
	w.must(w.submitted(func(t *txn) error {
		f, err := t.folder(in)
		if err == nil {
			f.UIDNext = math.MaxUint32
			t.changeFolder(f)
		}
		return err
	}).wait())
	if u := w.add(in, 1); u[0] != math.MaxUint32 {
		t.Errorf("the last UID is %d", u[0])
	}
	w.fails(fault.TooLarge, w.append1(in, "x"))
	if w.view(in).Len() != 1 {
		t.Error("a UID was given twice")
	}
}

func TestKeywordsAreAtoms(t *testing.T) {
	w := newWorld(t)
	u := w.add(w.inbox(), 1)
	for k, ok := range map[string]bool{
		"$Forwarded": true, "a.b/c-d!": true, "[": true, "}": true, strings.Repeat("k", MaxKeyword): true,
		"": false, "a b": false, "a\tb": false, "(": false, ")": false, "{": false, "%": false, "*": false, `"`: false,
		`\Seen`: false, "]": false, "é": false, "\x7f": false, strings.Repeat("k", MaxKeyword+1): false,
	} {
		_, err := w.me.SetFlags(w.ctx, w.inbox(), FlagChange{UIDs: u, Keywords: []string{k}})
		if got := err == nil; got != ok || !got && !fault.Is(err, fault.Invalid) {
			t.Errorf("keyword %q: %v", k, err)
		}
	}
}

// TestLogOfManyChanges: the log of one transaction is cut into records that a kv value can hold.
func TestLogOfManyChanges(t *testing.T) {
	w := newWorld(t)
	start, n := w.me.State().Change, 2*maxLogEntries+1
	w.must(w.submitted(func(t *txn) error {
		for range n {
			t.change(AccountChanged, 0, 0, 0)
		}
		return nil
	}).wait())
	read, records := 0, 0
	w.must(w.me.Log(w.ctx, start, func(Change) error { read++; return nil }))
	w.must(w.db.View(w.ctx, partition(ann), func(r kv.Reader) error {
		for _, err := range r.Scan(kv.Range{Lo: logKey(start + 1), Hi: []byte{keyLog + 1}}) {
			if err != nil {
				return err
			}
			records++
		}
		return nil
	}))
	if read != n || records != 3 {
		t.Errorf("%d of %d entries in %d records", read, n, records)
	}
}

func TestPagesAreSmall(t *testing.T) {
	w := newWorld(t)
	in := w.inbox()
	w.view(in)
	for range 3 {
		w.add(in, PageRows-1)
	}
	_, err := w.me.SetFlags(w.ctx, in, FlagChange{UIDs: []UID{1, PageRows, PageRows + 1}, Flags: Seen})
	w.must(err)
	rows := 0
	for _, p := range w.view(in).allPages() {
		if rows += len(p.rows); len(p.rows) > PageRows || len(p.rows) == 0 {
			t.Errorf("a page has %d rows", len(p.rows))
		}
	}
	if rows != 3*(PageRows-1) {
		t.Errorf("%d rows", rows)
	}
}

func TestUnusedAccountsAreBounded(t *testing.T) {
	s := NewStore(nil, Options{})
	for i := range maxUnused + 10 {
		a := s.acquire(ident.AccountID(i + 1))
		a.published.Store(&state{head: head{lastID: 1}})
		s.release(a)
	}
	if len(s.accounts) != maxUnused || s.unused.Len() != maxUnused || len(s.idle) != maxUnused || s.accounts[1] != nil {
		t.Errorf("%d accounts, %d and %d unused", len(s.accounts), s.unused.Len(), len(s.idle))
	}
}

func TestTooManyFolders(t *testing.T) {
	w := newWorld(t)
	x := &txn{next: &state{folders: make([]*node, MaxFolders)}}
	_, err := x.addFolder(NewFolder{Name: "x"})
	w.fails(fault.TooLarge, err)
}

func TestKindsDontMix(t *testing.T) {
	w := newWorld(t)
	f, err := w.me.CreateFolder(w.ctx, NewFolder{Name: "Calendar", Kind: Calendar})
	w.must(err)
	u := w.add(w.inbox(), 1)
	w.fails(fault.Invalid, w.append1(f.ID, "x"))
	_, _, err = w.me.Copy(w.ctx, w.inbox(), u, f.ID)
	w.fails(fault.Invalid, err)
	_, _, err = w.me.Move(w.ctx, w.inbox(), u, f.ID)
	w.fails(fault.Invalid, err)
}

// TestDates: RFC 8514: an item is saved when it comes to the folder; RFC 9051 §6.4.7: a copy
// keeps the time it was received.
func TestDates(t *testing.T) {
	w := newWorld(t)
	in, to := w.inbox(), w.role(Archive).ID
	received := w.now
	u := w.add(in, 1)
	w.now = w.now.Add(time.Hour)
	_, _, err := w.me.Copy(w.ctx, in, u, to)
	w.must(err)
	_, _, err = w.me.Move(w.ctx, in, u, to)
	w.must(err)
	for i, r := range w.view(to).All(0, 2) {
		if !r.Received().Equal(received) || !r.Saved().Equal(w.now) {
			t.Errorf("item %d: received %v, saved %v", i, r.Received(), r.Saved())
		}
	}
}

// TestReadStateHasItsOwnNumber: Seen alone counts as that, with other flags as both.
func TestReadStateHasItsOwnNumber(t *testing.T) {
	w := newWorld(t)
	u := w.add(w.inbox(), 1)
	created := w.view(w.inbox()).At(0).ModSeq()
	for i, c := range []struct {
		flags   Flags
		changed ModSeq // after created
	}{{Seen, 0}, {Flagged, 2}, {Flagged | Seen, 2}, {Answered, 4}} {
		res, err := w.me.SetFlags(w.ctx, w.inbox(), FlagChange{UIDs: u, Op: ReplaceFlags, Flags: c.flags})
		w.must(err)
		r, now := res.View.At(0), created+ModSeq(i)+1
		if r.ReadModSeq() != now || r.changed != created+c.changed || r.ModSeq() != now || r.Created() != created {
			t.Errorf("after change %d: read %d, changed %d", now, r.ReadModSeq(), r.changed)
		}
		if res.View.HighestModSeq() != now {
			t.Errorf("the folder's highest is %d, not %d", res.View.HighestModSeq(), now)
		}
	}
	res, err := w.me.SetFlags(w.ctx, w.inbox(), FlagChange{UIDs: u, Flags: Draft})
	w.must(err)
	if r := res.View.At(0); r.ReadModSeq() == r.ModSeq() {
		t.Error("a flag that isn't Seen counts as one")
	}
}

// TestDeletingALargeFolder takes several transactions.
func TestDeletingALargeFolder(t *testing.T) {
	w := newWorld(t)
	id := w.role(Archive).ID
	items := make([]Append, expungeStep+1)
	c := w.content("x")
	for i := range items {
		items[i].Content = c
	}
	_, err := w.me.Append(w.ctx, id, items...)
	w.must(err)
	w.must(w.me.DeleteFolder(w.ctx, id))
	if _, err := w.me.Folder(id); !fault.Is(err, fault.NotFound) || w.me.State().Used != (Usage{}) {
		t.Errorf("%v, used %+v", err, w.me.State().Used)
	}
}

// Messages under way hold little memory each when there are many, and more again when those have ended.
func TestManyContentsHoldLittle(t *testing.T) {
	w := newWorld(t)
	text := make([]byte, littleMemory+1)
	begin := func() (c *ContentWriter, inMemory bool) {
		c = w.store.NewContent()
		_, err := c.Write(text)
		w.must(err)
		_, inMemory = c.spool.Bytes()
		return c, inMemory
	}
	var open []*ContentWriter
	for i := range manyContents + 20 {
		c, inMemory := begin()
		if inMemory != (i < manyContents) {
			t.Fatalf("message %d in memory: %v", i, inMemory)
		}
		open = append(open, c)
	}
	for i, c := range open {
		if i%2 == 0 {
			c.Discard()
			c.Discard()
			continue
		}
		done, err := c.Finish()
		w.must(err)
		c.Discard()
		w.must(done.Close())
		w.must(done.Close())
	}
	c, inMemory := begin()
	if !inMemory || w.store.contents.Load() != 1 {
		t.Error("still", w.store.contents.Load(), "on their way")
	}
	c.Discard()
}

// TestLargeTransfers: a copy is one transaction, so it is bounded; a move goes in steps.
func TestLargeTransfers(t *testing.T) {
	w := newWorld(t)
	_, _, err := w.me.Copy(w.ctx, w.inbox(), make([]UID, MaxCopy+1), w.role(Sent).ID)
	w.fails(fault.TooLarge, err)
	_, _, err = w.me.Copy(w.ctx, w.inbox(), make([]UID, MaxCopy), w.role(Sent).ID)
	w.must(err)
	const n = expungeStep + 3
	c := w.content("Subject: one of many\r\n\r\n")
	items := make([]Append, n)
	for i := range items {
		items[i].Content = c
	}
	_, err = w.me.Append(w.ctx, w.inbox(), items...)
	w.must(err)
	done, _, err := w.me.Move(w.ctx, w.inbox(), w.view(w.inbox()).uids(false), w.role(Archive).ID)
	w.must(err)
	if len(done) != n || done[n-1] != (Copied{n, n}) || w.role(Inbox).Items != 0 || w.role(Archive).Items != n {
		t.Errorf("%d moved, the last %v", len(done), done[len(done)-1])
	}
}
