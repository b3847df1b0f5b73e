package junk

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// told is what a session's view of the log comes to, of each look until its end.
func (w *world) told(box *mailbox.Session, after mailbox.ModSeq) (all []string, rows int) {
	w.Helper()
	for more := true; more; {
		n, err := readNews(w.ctx, box, after, false)
		w.must(err)
		rows += len(n.items)
		lessons, err := w.s.lessons(w.ctx, box, n)
		w.must(err)
		for _, l := range lessons {
			all = append(all, fmt.Sprint(l.item.Row.ID, l.labelled, l.had, l.known))
		}
		after, more = n.upTo, n.more
	}
	return all, rows
}

// TestFlagsInMemoryTeachTheSame: what is decided without reading rows is what would be decided with them.
func TestFlagsInMemoryTeachTheSame(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt, 1)
		box := w.open(1)
		roles := []mailbox.Role{mailbox.Inbox, mailbox.Junk, mailbox.Archive, mailbox.Trash}
		for n := range 6 {
			w.put(1, roles[n%3], offer(n), 0)
		}
		w.must(w.s.Learn(w.ctx, 1))
		after := box.State().Change
		word := rapid.SampledFrom([]string{"$Junk", "$NotJunk", "NonJunk", "$label1", "$label2"})
		flag := rapid.SampledFrom([]mailbox.Flags{0, mailbox.Seen, mailbox.Flagged, mailbox.Answered})
		for range rapid.IntRange(1, 12).Draw(rt, "acts") {
			from := rapid.SampledFrom(roles).Draw(rt, "folder")
			uids := w.some(rt, from)
			if len(uids) == 0 {
				continue
			}
			switch rapid.IntRange(0, 5).Draw(rt, "act") {
			case 0:
				_, _, err := box.Move(w.ctx, w.folder(1, from), uids, w.folder(1, rapid.SampledFrom(roles).Draw(rt, "to")))
				w.must(err)
			case 1:
				w.must(w.s.Learn(w.ctx, 1))
				after = box.State().Change
			default:
				c := mailbox.FlagChange{UIDs: uids, Op: mailbox.FlagOp(rapid.IntRange(0, 1).Draw(rt, "op")), Flags: flag.Draw(rt, "flag")}
				if rapid.Bool().Draw(rt, "words") {
					c.Keywords = []string{word.Draw(rt, "word")}
				}
				_, err := box.SetFlags(w.ctx, w.folder(1, from), c)
				w.must(err)
			}
		}
		fresh, err := mailbox.NewStore(w.db, mailbox.Options{}).Open(w.ctx, 1, ident.System())
		w.must(err)
		defer fresh.Close()
		got, _ := w.told(box, after)
		want, _ := w.told(fresh, after)
		slices.Sort(got)
		if slices.Sort(want); !slices.Equal(got, want) {
			rt.Errorf("learns %q, with rows read from the store %q", got, want)
		}
	})
}

// some are messages of a folder.
func (w *world) some(rt *rapid.T, role mailbox.Role) (uids []mailbox.UID) {
	v, err := w.open(1).View(w.ctx, w.folder(1, role))
	w.must(err)
	for _, r := range v.All(0, v.Len()) {
		if rapid.Bool().Draw(rt, "this") {
			uids = append(uids, r.UID)
		}
	}
	return uids
}

// TestFlagsOfAllAreNotRead: of a folder that is marked as read no rows are looked at but those of answered messages, and of those with our words.
func TestFlagsOfAllAreNotRead(t *testing.T) {
	w := newWorld(t, 1)
	box, in := w.open(1), w.folder(1, mailbox.Inbox)
	for n := range 200 {
		w.put(1, mailbox.Inbox, offer(n), []mailbox.Flags{0, mailbox.Answered}[n/199], []string{"$label1", "$NotJunk"}[n/198])
	}
	v, err := box.View(w.ctx, in)
	w.must(err)
	var uids []mailbox.UID
	for _, r := range v.All(0, v.Len()) {
		uids = append(uids, r.UID)
	}
	after := box.State().Change
	for op := range mailbox.FlagOp(2) {
		_, err = box.SetFlags(w.ctx, in, mailbox.FlagChange{UIDs: uids, Flags: mailbox.Seen | mailbox.Flagged, Op: op})
		w.must(err)
	}
	if all, rows := w.told(box, after); rows != 2 || len(all) != 2 {
		t.Errorf("%d rows were read, for %q", rows, all)
	}
}

// TestGlanceFromBefore: of what happened after the glance, it says nothing.
func TestGlanceFromBefore(t *testing.T) {
	w := newWorld(t, 1)
	box, in := w.open(1), w.folder(1, mailbox.Inbox)
	d := w.put(1, mailbox.Inbox, offer(1), 0)
	for _, flag := range []mailbox.Flags{mailbox.Seen, mailbox.Flagged} {
		old, err := box.View(w.ctx, in)
		w.must(err)
		res, err := box.SetFlags(w.ctx, in, mailbox.FlagChange{UIDs: []mailbox.UID{d.UID}, Flags: flag})
		w.must(err)
		c := mailbox.Change{Seq: res.View.HighestModSeq(), Op: mailbox.ItemFlagged, Folder: in, UID: d.UID, Item: d.ID}
		for _, g := range []*glance{nil, {view: old}, {view: res.View}} {
			if got, want := g.teachesNothing(&c), g != nil && g.view == res.View; got != want {
				t.Errorf("teaches nothing: %v, want %v", got, want)
			}
		}
	}
}
