package mailbox

import (
	"maps"
	"slices"
	"testing"

	"postroad/internal/storage/kv"
)

// What came after a backup had numbers that clients remember: a restored mailbox doesn't give them to other messages, and tells of
// all flags again (RFC 9051 §2.3.1.1, RFC 7162).
func TestRestoredMailboxGivesNoNumberTwice(t *testing.T) {
	w := newWorld(t)
	in := w.inbox()
	w.add(in, 300)
	_, err := w.me.SetFlags(w.ctx, in, FlagChange{UIDs: w.view(in).uids(false), Op: AddFlags, Flags: Seen, Keywords: []string{"k"}})
	w.must(err)
	_, err = w.me.Expunge(w.ctx, in, []UID{7, 8, 200}, false)
	w.must(err)
	saved := map[string]string{}
	w.must(w.db.View(w.ctx, partition(ann), func(r kv.Reader) error {
		for _, area := range []kv.Range{{Lo: []byte{0}, Hi: []byte{kv.BulkPrefix}}, {Lo: []byte{kv.BulkPrefix}, Hi: []byte{0xFF, 0xFF}}} {
			for p, err := range r.Scan(area) {
				if err != nil {
					return err
				}
				saved[string(p.Key)] = string(p.Value)
			}
		}
		return nil
	}))
	before := w.view(in)
	// What clients see, and is lost.
	later, err := w.me.Append(w.ctx, in, Append{Content: w.content("later")})
	w.must(err)
	_, err = w.me.SetFlags(w.ctx, in, FlagChange{UIDs: before.uids(false), Op: RemoveFlags, Flags: Seen})
	w.must(err)
	seen := w.view(in)
	lost := w.me.State()

	w.must(w.store.Delete(w.ctx, ann))
	w.me.Close()
	w.must(w.store.Restore(w.ctx, ann, func(put func(kv.Pair) error) error {
		for _, k := range slices.Sorted(maps.Keys(saved)) {
			if err := put(kv.Pair{Key: []byte(k), Value: []byte(saved[k])}); err != nil {
				return err
			}
		}
		return nil
	}))
	for _, store := range []*Store{w.store, NewStore(w.db, w.options())} {
		w.me = w.open(store, ann, w.me.Identity())
		now := w.view(in)
		if now.Len() != before.Len() || now.Folder().UIDValidity != before.Folder().UIDValidity {
			t.Fatalf("%d rows, UIDVALIDITY %d", now.Len(), now.Folder().UIDValidity)
		}
		for i, r := range now.All(0, now.Len()) {
			old := before.At(i)
			if r.UID != old.UID || r.ID != old.ID || r.Content != old.Content || r.Flags != old.Flags || !r.Keywords.Has("k") || w.body(r) == "" {
				t.Fatalf("%+v was %+v", r, old)
			}
			if r.ModSeq() <= seen.HighestModSeq() {
				t.Fatalf("UID %d has change number %d, clients have seen %d", r.UID, r.ModSeq(), seen.HighestModSeq())
			}
		}
		if st := w.me.State(); st.Floor <= lost.Change {
			t.Errorf("the log begins at %d: it would hide what is gone since %d", st.Floor, lost.Change)
		}
		fresh, err := w.me.Append(w.ctx, in, Append{Content: w.content("fresh")})
		w.must(err)
		if fresh[0].UID <= later[0].UID || fresh[0].ID <= later[0].ID {
			t.Errorf("the new message is called as one that is lost was: %+v, %+v", fresh[0], later[0])
		}
		_, err = w.me.Expunge(w.ctx, in, []UID{fresh[0].UID}, false)
		w.must(err)
		w.check()
		if store == w.store {
			w.me.Close()
		}
	}
}
