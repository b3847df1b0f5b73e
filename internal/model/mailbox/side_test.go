package mailbox

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

func (w *world) side(s *Session) map[string]string {
	w.Helper()
	got := map[string]string{}
	w.must(s.ReadSide(w.ctx, JunkSide, func(r SideReader) error {
		return r.Scan(nil, func(k, v []byte) error { got[string(k)] = string(v); return nil })
	}))
	return got
}

// TestSide: a service's records are its own: no change, no bell, nobody else's; and they go with the account.
func TestSide(t *testing.T) {
	w := newWorld(t)
	before, bell := w.me.State(), w.me.Bell()
	put := func(s *Session, pairs ...string) error {
		return s.UpdateSide(w.ctx, JunkSide, func(tx SideTx) error {
			for i := 0; i < len(pairs); i += 2 {
				if err := tx.Set([]byte(pairs[i]), []byte(pairs[i+1])); err != nil {
					return err
				}
			}
			return nil
		})
	}
	w.must(put(w.me, "h", "1", "k\xff", "2", "k\xff\xff", "3", "l", "4"))
	w.must(w.me.NoteSide(w.ctx, JunkSide, func(tx SideTx) error { return tx.DeleteAll([]byte("k\xff")) }))
	w.must(w.me.UpdateSide(w.ctx, JunkSide, func(tx SideTx) error {
		if v, ok, err := tx.Get([]byte("l")); err != nil || !ok || string(v) != "4" {
			t.Errorf("%q, %v, %v", v, ok, err)
		}
		return tx.Delete([]byte("l"))
	}))
	if diff := cmp.Diff(map[string]string{"h": "1"}, w.side(w.me)); diff != "" {
		t.Error(diff)
	}
	failed := fault.New(fault.Invalid, "no")
	err := w.me.UpdateSide(w.ctx, JunkSide, func(tx SideTx) error { tx.Set([]byte("x"), nil); return failed })
	if w.fails(fault.Invalid, err); len(w.side(w.me)) != 1 {
		t.Error("what failed is there")
	}
	select {
	case <-bell:
		t.Error("the bell rang")
	default:
	}
	if w.me.State() != before {
		t.Errorf("%+v, was %+v", w.me.State(), before)
	}
	stranger := w.open(w.store, ann, ident.Identity{Account: bob})
	defer stranger.Close()
	w.fails(fault.Denied, put(stranger, "a", "b"))
	w.fails(fault.Denied, stranger.NoteSide(w.ctx, JunkSide, func(SideTx) error { return nil }))
	w.fails(fault.Denied, stranger.ReadSide(w.ctx, JunkSide, func(SideReader) error { return nil }))
	w.must(w.store.Delete(w.ctx, ann))
	w.must(w.store.Create(w.ctx, ann, Usage{}))
	again := w.open(w.store, ann, ident.Identity{Account: ann})
	defer again.Close()
	if got := w.side(again); len(got) != 0 {
		t.Errorf("left of a removed account: %v", got)
	}
}

// TestRows: single rows are as a view has them, with strokes that the store's rows lack.
func TestRows(t *testing.T) {
	w := newWorld(t)
	w.fill(w.inbox(), 3*fewFlags)
	all := []UID{}
	for u := range 2 * fewFlags {
		all = append(all, UID(u+1))
	}
	w.flag(w.inbox(), FlagChange{UIDs: all, Flags: Seen, Keywords: []string{"$Junk"}})
	if w.strokes() == 0 {
		t.Fatal("no stroke: the test is for nothing")
	}
	w.add(w.role(Junk).ID, 1)
	v, err := w.me.View(w.ctx, w.inbox())
	w.must(err)
	j, err := w.me.View(w.ctx, w.role(Junk).ID)
	w.must(err)
	want := []ItemAt{{w.inbox(), *v.At(0)}, {w.inbox(), *v.At(v.Len() - 1)}, {w.role(Junk).ID, *j.At(0)}}
	got, err := w.me.Rows(w.ctx, []ItemID{v.At(0).ID, 1 << 40, v.At(v.Len() - 1).ID, j.At(0).ID})
	w.must(err)
	same := cmp.Comparer(func(a, b Row) bool {
		return a.ID == b.ID && a.UID == b.UID && a.Flags == b.Flags && cmp.Equal(a.Keywords.Names(), b.Keywords.Names()) && a.ModSeq() == b.ModSeq() && a.Content == b.Content
	})
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Error(diff)
	}
	stranger := w.open(w.store, ann, ident.Identity{Account: bob})
	defer stranger.Close()
	if got, err := stranger.Rows(w.ctx, []ItemID{v.At(0).ID}); err != nil || len(got) != 0 {
		t.Errorf("a stranger sees %v, %v", got, err)
	}
}

// TestActs: who wants to know hears of what people do, and not of each message that comes.
func TestActs(t *testing.T) {
	w := newWorld(t)
	var heard []ident.AccountID
	w.store.opts.Acted = func(id ident.AccountID) { heard = append(heard, id) }
	expect := func(what string, n int) {
		t.Helper()
		if len(heard) != n {
			t.Errorf("%s: heard %v, want %d", what, heard, n)
		}
		heard = nil
	}
	w.add(w.inbox(), 3)
	expect("delivery", 0)
	w.flag(w.inbox(), FlagChange{UIDs: []UID{1}, Flags: Answered})
	expect("a flag", 1)
	w.add(w.inbox(), 1)
	expect("delivery again", 0)
	_, _, err := w.me.Move(w.ctx, w.inbox(), []UID{1, 2}, w.role(Junk).ID)
	w.must(err)
	expect("a move", 1)
	w.add(w.role(Sent).ID, 1)
	expect("sent", 1)
	w.add(w.role(Junk).ID, 1)
	expect("into the junk", 1)
	_, err = w.me.Append(w.ctx, w.role(Junk).ID, Append{Content: w.content("x: y\r\n"), Arrived: true})
	w.must(err)
	expect("junk that comes by itself", 0)
	if ids := heard; len(ids) > 0 && ids[0] != ann {
		t.Errorf("%v", ids)
	}
}

// TestManyRecordsAtOnce: those that there are, in any order.
func TestManyRecordsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.must(w.me.UpdateSide(w.ctx, JunkSide, func(tx SideTx) error {
		for i := range 50 {
			w.must(tx.Set([]byte{'x', byte(2 * i)}, []byte{byte(i)}))
		}
		return nil
	}))
	w.must(w.me.ReadSide(w.ctx, JunkSide, func(r SideReader) error {
		got := map[int]byte{}
		key := func(i int) []byte {
			if i == 2 {
				return nil
			}
			return []byte{'x', byte(i * 37)}
		}
		w.must(r.GetAll(256, key, func(i int, v []byte) error { got[i] = v[0]; return nil }))
		for i := range 256 {
			k := byte(i * 37)
			if v, ok := got[i]; ok != (k%2 == 0 && k < 100 && i != 2) || ok && v != k/2 {
				t.Errorf("record %d of key %d: %d, %v", i, k, v, ok)
			}
		}
		return nil
	}))
}

// TestManyRowsAtOnce are found as few are, in the order that was asked for.
func TestManyRowsAtOnce(t *testing.T) {
	w := newWorld(t)
	in := w.inbox()
	w.fill(in, 30)
	var ids []ItemID
	for _, r := range w.view(in).All(0, 30) {
		ids = append(ids, r.ID)
	}
	ids[7], ids[9] = ids[9], ids[7]
	ids = append(ids, ids[3], 1<<40, ids[0])
	items, err := w.me.Rows(w.ctx, ids)
	w.must(err)
	ids = slices.Delete(ids, 31, 32)
	if len(items) != len(ids) {
		t.Fatalf("%d of %d", len(items), len(ids))
	}
	for i, it := range items {
		if it.Row.ID != ids[i] || it.Folder != in {
			t.Errorf("%d: %+v", i, it)
		}
	}
}
