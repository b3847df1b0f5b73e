package mailbox

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

// The model test runs random operations, through two stores on one kv in turns, against
// plain maps. After each it compares everything that a session shows, checks that
// Compare tells exactly what lies between the views, and at the end runs the checker.

type mitem struct {
	id    ItemID
	text  string
	flags Flags
	kw    string
}

type mfolder struct {
	id    FolderID
	items map[UID]mitem
	next  UID
}

type model struct {
	t       *rapid.T
	w       *world
	stores  []*Store
	ses     []*Session
	folders []*mfolder
	n       int
	seen    map[FolderID]*View // what an old session knows
	change  ModSeq
}

func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt)
		if rapid.Bool().Draw(rt, "expunged items are kept") {
			w.keep = time.Hour
			w.store.opts.KeepErased = w.keep
		}
		m := &model{t: rt, w: w, seen: map[FolderID]*View{}}
		other := NewStore(w.db, w.options())
		m.stores = []*Store{w.store, other}
		m.ses = []*Session{w.me, w.open(other, ann, ident.System())}
		defer m.ses[1].Close()
		for _, f := range w.me.Folders()[:3] {
			m.folders = append(m.folders, &mfolder{id: f.ID, items: map[UID]mitem{}, next: 1})
		}
		rt.Repeat(map[string]func(*rapid.T){
			"append":  m.append,
			"flags":   m.flags,
			"expunge": m.expunge,
			"copy":    func(rt *rapid.T) { m.transfer(rt, false) },
			"move":    func(rt *rapid.T) { m.transfer(rt, true) },
			"fail":    m.fail,
			"":        m.compare,
		})
		w.check()
	})
}

// session is one of the two, made to know the newest state.
func (m *model) session(rt *rapid.T) *Session {
	s := m.ses[rapid.IntRange(0, 1).Draw(rt, "store")]
	m.w.must(s.a.refresh(m.w.ctx))
	return s
}

func (m *model) pick(rt *rapid.T) *mfolder {
	return m.folders[rapid.IntRange(0, len(m.folders)-1).Draw(rt, "folder")]
}

func (f *mfolder) some(rt *rapid.T) []UID {
	if len(f.items) == 0 {
		return []UID{1}
	}
	all := slices.Sorted(maps.Keys(f.items))
	lo := rapid.IntRange(0, len(all)-1).Draw(rt, "lo")
	hi := rapid.IntRange(lo, min(len(all), lo+200)).Draw(rt, "hi")
	return append(slices.Clone(all[lo:hi]), f.next+5)
}

func modelText(n int) string { return fmt.Sprintf("Subject: %d\r\n%s\r\n%d\r\n", n, trace(n), n) }

func (m *model) append(rt *rapid.T) {
	f := m.pick(rt)
	n := rapid.SampledFrom([]int{1, 2, 150}).Draw(rt, "n")
	var items []Append
	for range n {
		m.n++
		items = append(items, Append{Content: m.w.content(modelText(m.n))})
	}
	done, err := m.session(rt).Append(m.w.ctx, f.id, items...)
	m.w.must(err)
	for i, d := range done {
		if d.UID != f.next {
			rt.Fatalf("UID %d, want %d", d.UID, f.next)
		}
		k := m.n - n + i + 1
		f.items[d.UID] = mitem{id: d.ID, text: modelText(k)}
		f.next++
	}
}

func (m *model) flags(rt *rapid.T) {
	f := m.pick(rt)
	c := FlagChange{
		UIDs:  f.some(rt),
		Op:    rapid.SampledFrom([]FlagOp{AddFlags, RemoveFlags, ReplaceFlags}).Draw(rt, "op"),
		Flags: Flags(rapid.IntRange(0, int(allFlags)).Draw(rt, "flags")),
	}
	kw := rapid.SampledFrom([]string{"", "$a", "b"}).Draw(rt, "keyword")
	if kw != "" {
		c.Keywords = []string{kw}
	}
	res, err := m.session(rt).SetFlags(m.w.ctx, f.id, c)
	m.w.must(err)
	var changed []UID
	for _, uid := range c.UIDs {
		old, ok := f.items[uid]
		if !ok {
			continue
		}
		it := old
		it.set(c.Op, c.Flags, kw)
		if it != old {
			changed = append(changed, uid)
		}
		f.items[uid] = it
	}
	if !slices.Equal(changed, res.Changed) {
		rt.Fatalf("changed %v, want %v", res.Changed, changed)
	}
}

// set is the model's idea of a flag change; an item has one keyword, or both as "$a b".
func (it *mitem) set(op FlagOp, f Flags, kw string) {
	have := map[string]bool{"$a": it.kw == "$a" || it.kw == "$a b", "b": it.kw == "b" || it.kw == "$a b"}
	switch op {
	case AddFlags:
		it.flags |= f
	case RemoveFlags:
		it.flags &^= f
	case ReplaceFlags:
		it.flags = f
		have["$a"], have["b"] = false, false
	}
	if kw != "" {
		have[kw] = op != RemoveFlags
	}
	switch {
	case have["$a"] && have["b"]:
		it.kw = "$a b"
	case have["$a"]:
		it.kw = "$a"
	case have["b"]:
		it.kw = "b"
	default:
		it.kw = ""
	}
}

func (m *model) expunge(rt *rapid.T) {
	f := m.pick(rt)
	uids := f.some(rt)
	gone, err := m.session(rt).Expunge(m.w.ctx, f.id, uids, true)
	m.w.must(err)
	var want []UID
	for _, uid := range uids {
		if it, ok := f.items[uid]; ok && it.flags&Deleted != 0 {
			want = append(want, uid)
			delete(f.items, uid)
		}
	}
	if !slices.Equal(gone, want) {
		rt.Fatalf("expunged %v, want %v", gone, want)
	}
}

func (m *model) transfer(rt *rapid.T, move bool) {
	from, to := m.pick(rt), m.pick(rt)
	uids := from.some(rt)
	s := m.session(rt)
	do := s.Copy
	if move {
		do = s.Move
	}
	pairs, _, err := do(m.w.ctx, from.id, uids, to.id)
	m.w.must(err)
	uids = slices.DeleteFunc(uids, func(u UID) bool { _, ok := from.items[u]; return !ok })
	for _, uid := range uids {
		it := from.items[uid]
		if len(pairs) == 0 || pairs[0] != (Copied{uid, to.next}) {
			rt.Fatalf("pairs %v, want %d -> %d", pairs, uid, to.next)
		}
		if move {
			delete(from.items, uid)
		} else {
			it.id = 0 // some new one
		}
		to.items[to.next] = it
		to.next++
		pairs = pairs[1:]
	}
}

// fail checks that a transaction that fails at its end leaves nothing behind.
func (m *model) fail(rt *rapid.T) {
	s := m.session(rt)
	err := s.a.update(m.w.ctx, func(t *txn) error {
		f, err := t.viewed(m.folders[0].id)
		if err != nil {
			return err
		}
		if _, err := t.append(f, &Append{Content: m.w.content("never"), Keywords: []string{fmt.Sprint("k", m.n)}}, 0, AllRights); err != nil {
			return err
		}
		for _, r := range f.view.All(0, min(3, f.view.Len())) {
			if err := t.destroy(f, r); err != nil {
				return err
			}
		}
		return fault.New(fault.Conflict, "on purpose")
	})
	m.w.fails(fault.Conflict, err)
}

// compare looks at everything through a session.
func (m *model) compare(rt *rapid.T) {
	s := m.session(rt)
	if c := s.State().Change; c < m.change {
		rt.Fatalf("the change number went down from %d to %d", m.change, c)
	} else {
		m.change = c
	}
	for _, f := range m.folders {
		v, err := s.View(m.w.ctx, f.id)
		m.w.must(err)
		m.compareView(rt, f, v)
		m.compareDiff(rt, m.seen[f.id], v)
		m.seen[f.id] = v
	}
}

func (m *model) compareView(rt *rapid.T, f *mfolder, v *View) {
	if v.Len() != len(f.items) || v.Folder().UIDNext != f.next {
		rt.Fatalf("folder %d: %d rows, want %d; UIDNEXT %d, want %d", f.id, v.Len(), len(f.items), v.Folder().UIDNext, f.next)
	}
	for i, uid := range slices.Sorted(maps.Keys(f.items)) {
		r, it := v.At(i), f.items[uid]
		kw := fmt.Sprint(r.Keywords.Names())
		if r.UID != uid || r.Flags != it.flags || kw != "["+it.kw+"]" || (it.id != 0 && r.ID != it.id) || r.Size != int64(len(it.text)) {
			rt.Fatalf("folder %d: row %+v %s, want UID %d %+v", f.id, r, kw, uid, it)
		}
		if k, ok := v.Find(uid); !ok || k != i {
			rt.Fatalf("Find(%d) = %d %v, want %d", uid, k, ok, i)
		}
	}
	if v.Len() > 0 {
		if r := v.At(v.Len() - 1); m.w.body(r) != f.items[r.UID].text {
			rt.Fatalf("the bytes of UID %d changed", r.UID)
		}
	}
}

// compareDiff plays a Diff on the old rows and looks whether the new ones come out.
func (m *model) compareDiff(rt *rapid.T, old, v *View) {
	d := Compare(old, v)
	var uids []UID
	changed := map[UID]bool{}
	if old != nil {
		for i, r := range old.All(0, old.Len()) {
			if len(d.Removed) > 0 && d.Removed[0] == i {
				d.Removed = d.Removed[1:]
				continue
			}
			uids = append(uids, r.UID)
		}
		for i, r := range v.All(0, v.Len()) {
			if k, ok := old.Find(r.UID); ok && *old.At(k) != *v.At(i) && old.At(k).ModSeq() != r.ModSeq() {
				changed[r.UID] = true
			}
		}
	}
	for _, r := range v.All(d.Added, v.Len()) {
		uids = append(uids, r.UID)
	}
	if !slices.Equal(uids, v.uids(false)) || len(changed) != len(d.Changed) {
		rt.Fatalf("the difference leads to %v, not %v; %d changed, want %d", uids, v.uids(false), len(d.Changed), len(changed))
	}
	for _, i := range d.Changed {
		if !changed[v.At(i).UID] {
			rt.Fatalf("UID %d didn't change", v.At(i).UID)
		}
	}
}
