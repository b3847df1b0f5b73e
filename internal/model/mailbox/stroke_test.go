package mailbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// fill puts n items into a folder.
func (w *world) fill(to FolderID, n int) []UID {
	w.Helper()
	c := w.content("x")
	items := make([]Append, n)
	for i := range items {
		items[i].Content = c
	}
	done, err := w.me.Append(w.ctx, to, items...)
	w.must(err)
	uids := make([]UID, n)
	for i, d := range done {
		uids[i] = d.UID
	}
	return uids
}

// flag changes flags and returns what came of it.
func (w *world) flag(in FolderID, c FlagChange) FlagResult {
	w.Helper()
	res, err := w.me.SetFlags(w.ctx, in, c)
	w.must(err)
	return res
}

// strokes counts the strokes that the store has.
func (w *world) strokes() (n int) {
	w.Helper()
	w.must(w.db.View(w.ctx, partition(ann), func(r kv.Reader) error {
		for _, err := range r.Scan(all(keyStroke)) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	}))
	return n
}

// sameStored compares a folder's view with one that is read from the store.
func (w *world) sameStored(in FolderID) {
	w.Helper()
	fresh := w.open(NewStore(w.db, w.options()), ann, ident.System())
	defer fresh.Close()
	v, err := fresh.View(w.ctx, in)
	w.must(err)
	if what := differ(w.view(in), v); what != "" {
		w.Fatalf("the store has something else than the view: %s", what)
	}
	w.sameRows(in, v)
}

// sameRows compares a folder's view with its rows as they are found one by one, in several orders: which strokes are read depends on it.
func (w *world) sameRows(in FolderID, v *View) {
	w.Helper()
	var ids []ItemID
	byID := map[ItemID]*Row{}
	for _, r := range v.All(0, v.Len()) {
		ids = append(ids, r.ID)
		byID[r.ID] = r
	}
	random := rand.New(rand.NewPCG(1, uint64(len(ids))))
	for range 3 {
		some := ids[:min(len(ids), 1+random.IntN(200))]
		items, err := w.me.Rows(w.ctx, some)
		w.must(err)
		if len(items) != len(some) {
			w.Fatalf("%d of %d items are found", len(items), len(some))
		}
		for i := range items {
			got, want := items[i].Row, *byID[items[i].Row.ID]
			words := got.Keywords.equal(want.Keywords)
			if got.Keywords = want.Keywords; items[i].Folder != in || !words || got != want {
				w.Fatalf("an item that is looked for is %+v, and in the view %+v", got, want)
			}
		}
		random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	}
}

// TestOneRecordForManyFlags: a change of many items is one small record, and their rows come out right wherever they are read.
func TestOneRecordForManyFlags(t *testing.T) {
	w := newWorld(t)
	in := w.inbox()
	uids := w.fill(in, 2*PageRows)
	for _, tt := range []struct{ items, strokes int }{{fewFlags, 0}, {fewFlags + 1, 1}, {0, 1}} {
		res := w.flag(in, FlagChange{UIDs: uids[:tt.items], Flags: Seen, Keywords: []string{fmt.Sprint("k", tt.items)}})
		if n := w.strokes(); n != tt.strokes || len(res.Changed) != tt.items {
			t.Errorf("%d items: %d strokes, %d changed", tt.items, n, len(res.Changed))
		}
		w.sameStored(in)
	}
	if f := w.view(in).Folder(); f.Unseen != 2*PageRows-fewFlags-1 {
		t.Errorf("%d unseen", f.Unseen)
	}
}

// TestStrokesAndOtherChanges: what is written to a row after a stroke has what the stroke did, and isn't undone by it.
func TestStrokesAndOtherChanges(t *testing.T) {
	w := newWorld(t)
	in, to := w.inbox(), w.role(Archive).ID
	uids := w.fill(in, 300)
	w.flag(in, FlagChange{UIDs: uids, Flags: Flagged | Seen})
	w.flag(in, FlagChange{UIDs: uids[5:6], Flags: Flagged, Op: RemoveFlags})
	row := w.view(in).At(7)
	w.must(w.me.SetBag(w.ctx, row.ID, map[string][]byte{"a": {1}}))
	_, _, err := w.me.Move(w.ctx, in, uids[10:20], to)
	w.must(err)
	_, err = w.me.Expunge(w.ctx, in, uids[20:30], false)
	w.must(err)
	w.flag(in, FlagChange{UIDs: uids, Flags: Seen, Op: RemoveFlags})
	w.flag(in, FlagChange{UIDs: uids[6:7], Flags: Answered})
	w.sameStored(in)
	w.sameStored(to)
	v := w.view(in)
	for i, want := range map[int]Flags{5: 0, 6: Flagged | Answered, 7: Flagged} {
		if got := v.At(i).Flags; got != want {
			t.Errorf("row %d has %v, want %v", i, got, want)
		}
	}
	if got := w.view(to).At(0).Flags; got != Flagged|Seen {
		t.Errorf("moved with %v", got)
	}
	w.interfere() // the state is made again from the log
	w.fill(in, 1)
	w.sameStored(in)
}

// TestStrokesAreFolded: however often all flags change, the strokes stay few, and go with their folder.
func TestStrokesAreFolded(t *testing.T) {
	w := newWorld(t)
	f, err := w.me.CreateFolder(w.ctx, NewFolder{Name: "many"})
	w.must(err)
	uids := w.fill(f.ID, 150)
	most := 0
	for i := range 3 * strokesPerRow {
		w.flag(f.ID, FlagChange{UIDs: uids, Flags: Flagged, Op: FlagOp(i % 2)})
		most = max(most, w.strokes())
	}
	if most != strokesPerRow {
		t.Errorf("%d strokes at most, want %d", most, strokesPerRow)
	}
	w.sameStored(f.ID)
	w.check()
	w.flag(f.ID, FlagChange{UIDs: uids, Flags: Seen})
	_, err = w.me.Expunge(w.ctx, f.ID, uids[1:], false)
	w.must(err)
	w.must(w.me.DeleteFolder(w.ctx, f.ID))
	if n := w.strokes(); n != 0 {
		t.Errorf("%d strokes of a folder that is gone", n)
	}
}

// TestFlagsAgainstModel changes flags of many and few at random, and compares what the store has with plain maps.
func TestFlagsAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt)
		in := w.inbox()
		want := map[UID]mitem{}
		for _, uid := range w.fill(in, 250) {
			want[uid] = mitem{}
		}
		for range rapid.IntRange(1, 40).Draw(rt, "changes") {
			lo := rapid.IntRange(1, 250).Draw(rt, "lo")
			c := FlagChange{
				UIDs:  someUIDs(lo, rapid.IntRange(lo, 250).Draw(rt, "hi"), rapid.IntRange(1, 2).Draw(rt, "step")),
				Op:    rapid.SampledFrom([]FlagOp{AddFlags, RemoveFlags, ReplaceFlags}).Draw(rt, "op"),
				Flags: Flags(rapid.IntRange(0, int(allFlags)).Draw(rt, "flags")),
			}
			kw := rapid.SampledFrom([]string{"", "$a", "b"}).Draw(rt, "keyword")
			if kw != "" {
				c.Keywords = []string{kw}
			}
			w.flag(in, c)
			for _, uid := range c.UIDs {
				if it, ok := want[uid]; ok {
					it.set(c.Op, c.Flags, kw)
					want[uid] = it
				}
			}
			if rapid.IntRange(0, 9).Draw(rt, "expunge") == 0 {
				_, err := w.me.Expunge(w.ctx, in, c.UIDs[:1], false)
				w.must(err)
				delete(want, c.UIDs[0])
			}
		}
		v := w.view(in)
		for _, r := range v.All(0, v.Len()) {
			if it := want[r.UID]; r.Flags != it.flags || strings.Join(r.Keywords.Names(), " ") != it.kw {
				rt.Fatalf("UID %d: %v %v, want %v", r.UID, r.Flags, r.Keywords.Names(), it)
			}
		}
		if v.Len() != len(want) {
			rt.Fatalf("%d rows, want %d", v.Len(), len(want))
		}
		w.sameStored(in)
	})
}

func someUIDs(lo, hi, step int) (uids []UID) {
	for uid := lo; uid <= hi; uid += step {
		uids = append(uids, UID(uid))
	}
	return uids
}

// TestPowerCutWhileFlagging cuts the power while the flags of a whole folder change again and again: each change is there whole
// or not at all, and those that were acknowledged are.
func TestPowerCutWhileFlagging(t *testing.T) {
	for cut := 0; cut < strokesPerRow+8; cut += 3 {
		rng := rand.New(rand.NewPCG(uint64(cut), 7))
		fs := vfs.NewCrashableMem()
		store, db := openCrashable(t, fs)
		if err := store.Create(t.Context(), ann, Usage{}); err != nil {
			t.Fatal(err)
		}
		after := flagAndCut(t, store, fs, cut, rng)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		store, db = openCrashable(t, after)
		verifyNumber(t, store, cut)
		db.Close()
	}
}

// flagAndCut sets keywords that spell the number of the change, and returns what the disk has after some.
func flagAndCut(t *testing.T, store *Store, fs *vfs.MemFS, cut int, rng *rand.Rand) *vfs.MemFS {
	w := &world{tb: t, ctx: context.Background(), store: store}
	w.me = w.open(store, ann, ident.System())
	defer w.me.Close()
	uids := w.fill(w.inbox(), 120)
	var after *vfs.MemFS
	for i := range cut + 2 {
		w.flag(w.inbox(), FlagChange{UIDs: uids, Op: ReplaceFlags, Keywords: []string{fmt.Sprint("n", i)}})
		if i == cut {
			after = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
		}
	}
	return after
}

func verifyNumber(t *testing.T, store *Store, cut int) {
	t.Helper()
	if problems, err := store.Check(t.Context(), ann); err != nil || len(problems) > 0 {
		t.Errorf("cut at %d: %v %v", cut, problems, err)
	}
	w := &world{tb: t, ctx: context.Background(), store: store}
	w.me = w.open(store, ann, ident.System())
	defer w.me.Close()
	v := w.view(w.inbox())
	for _, r := range v.All(0, v.Len()) {
		if got := r.Keywords.Names(); !slices.Equal(got, []string{fmt.Sprint("n", cut)}) {
			t.Fatalf("cut at %d: UID %d has %v", cut, r.UID, got)
		}
	}
}

// TestStrokeRecords: damaged records are found out, and sparse ones come back as they were.
func TestStrokeRecords(t *testing.T) {
	kw := newKeywordTable()
	kw.add("a")
	s := &stroke{effect: effect{set: Seen, clear: Draft, op: ReplaceFlags, keywords: true, ids: []uint32{0}}}
	seq := ModSeq(7)
	for uid := UID(1); uid < 1000; uid += 3 {
		s.runs = append(s.runs, uidRun{uid, uid + uid%2, seq})
		seq += 1 + ModSeq(uid%2)
	}
	s.runs = append(s.runs, uidRun{1<<32 - 2, 1<<32 - 1, seq})
	b := s.encode()
	got, err := decodeStroke(b, kw)
	if err != nil || !slices.Equal(got.runs, s.runs) || got.set != Seen || got.clear != Draft || got.op != ReplaceFlags || !got.keywords || !slices.Equal(got.ids, s.ids) {
		t.Errorf("%+v, %v", got, err)
	}
	for n := range len(b) {
		if _, err := decodeStroke(b[:n], kw); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	for name, b := range map[string][]byte{
		"no runs":          {1, 0, 0, 0, 0, 1, 0},
		"no such op":       {1, 0, 0, 4, 0, 1, 1, 1, 0},
		"no such keyword":  {1, 0, 0, 1, 1, 9, 1, 1, 1, 0},
		"UID 0":            {1, 0, 0, 0, 0, 1, 1, 0, 0},
		"UID too large":    {1, 0, 0, 0, 0, 1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1},
		"more than is":     {1, 0, 0, 0, 0, 1, 100, 1, 0},
		"number over all":  {1, 0, 0, 0, 0, 1, 1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"of another world": {9, 0, 0, 0, 0, 1, 1, 1, 0},
	} {
		if _, err := decodeStroke(b, kw); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecodeStroke(f *testing.F) {
	f.Add((&stroke{effect: effect{set: Seen}, runs: []uidRun{{1, 9, 3}, {11, 11, 12}}}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		kw := newKeywordTable()
		kw.add("a")
		s, err := decodeStroke(b, kw)
		if err != nil {
			return
		}
		again, err := decodeStroke(s.encode(), kw)
		if err != nil || !slices.Equal(s.runs, again.runs) {
			t.Fatalf("%+v became %+v, %v", s, again, err)
		}
		r := Row{UID: s.runs[0].lo}
		s.apply(&r, kw)
	})
}

// TestCheckFindsLostStrokes: strokes that belong to nothing, or say what can't be.
func TestCheckFindsLostStrokes(t *testing.T) {
	w := newWorld(t)
	in := w.inbox()
	uids := w.fill(in, 120)
	w.flag(in, FlagChange{UIDs: uids, Flags: Seen})
	first := w.view(in).strokes[0].first
	s := &stroke{effect: effect{set: Flagged}, runs: []uidRun{{1, 5, first + 1000}}}
	for name, c := range map[string]struct {
		damage func(kv.Tx) error
		want   string
	}{
		"lost":    {func(tx kv.Tx) error { return tx.Delete(strokeKey(in, first)) }, "unseen"},
		"damaged": {func(tx kv.Tx) error { return tx.Set(strokeKey(in, first), []byte{1, 1}) }, "stroke record is damaged"},
		"beyond":  {func(tx kv.Tx) error { return tx.Set(strokeKey(in, first+1000), s.encode()) }, "are beyond the folder's"},
		"orphan":  {func(tx kv.Tx) error { return tx.Set(strokeKey(999, 5), s.encode()) }, "there is no such folder"},
	} {
		problems, err := w.damagedOf(ann, c.damage)
		if all := strings.Join(problems, "\n"); err != nil || !strings.Contains(all, c.want) {
			t.Errorf("%s: no word of %q in %q, %v", name, c.want, all, err)
		}
	}
}

// TestOldLogRecords: records of version 1, in which each entry of a run stands by itself, are read as they are.
func TestOldLogRecords(t *testing.T) {
	old := []byte{1, 100, 5, 4, byte(ItemAdded), 3, 7, 9, byte(ItemAdded) | runBit, byte(ItemFlagged) | runBit, byte(ItemRemoved), 3, 1, 1}
	at := time.Unix(100, 0).UTC()
	want := []Change{
		{5, ItemAdded, 3, 7, 9, at}, {6, ItemAdded, 3, 8, 10, at}, {7, ItemFlagged, 3, 9, 11, at}, {8, ItemRemoved, 3, 1, 1, at},
	}
	var got []Change
	err := decodeLog(old, func(c Change) error { got = append(got, c); return nil })
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestLogRuns: entries come back as they were, however they run.
func TestLogRuns(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var want, got []Change
		var runs []logRun
		at := time.Unix(100, 0).UTC()
		c := Change{Seq: 1, Op: ItemAdded, Folder: 2, UID: 1, Item: 1, At: at}
		for range rapid.IntRange(1, 60).Draw(rt, "n") {
			want, runs = append(want, c), appendChange(runs, c)
			c.Seq++
			c.UID += UID(rapid.SampledFrom([]int{1, 1, 1, 1, 2}).Draw(rt, "uid"))
			c.Item += ItemID(rapid.SampledFrom([]int{2, 2, 2, 2, 1}).Draw(rt, "item"))
			c.Op = rapid.SampledFrom([]ChangeOp{ItemAdded, ItemAdded, ItemAdded, ItemFlagged}).Draw(rt, "op")
		}
		if n := entries(runs); n != len(want) {
			rt.Fatalf("%d entries, want %d", n, len(want))
		}
		for rest := runs; len(rest) > 0; {
			var front []logRun
			front, rest = splitLog(rest, rapid.IntRange(1, 70).Draw(rt, "cut"))
			if err := decodeLog(encodeLog(front), func(c Change) error { got = append(got, c); return nil }); err != nil {
				rt.Fatal(err)
			}
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("%+v\nwant %+v", got, want)
		}
	})
}

// TestLogBounds: a record can't claim more entries than one has.
func TestLogBounds(t *testing.T) {
	for _, b := range [][]byte{
		{2, 1, 1, 2, byte(ItemAdded), 1, 1, 1, byte(ItemAdded) | runBit, 2, 1},
		{2, 1, 1, 2, byte(ItemAdded), 1, 1, 1, byte(ItemAdded) | runBit, 0, 1},
		{2, 1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, byte(ItemAdded), 1, 1, 1, byte(ItemAdded) | runBit, 0xff, 0xff, 0xff, 0x0f, 1},
	} {
		n := 0
		if err := decodeLog(b, func(Change) error { n++; return nil }); !fault.Is(err, fault.Corrupt) || n > 1 {
			t.Errorf("%v: %d entries, %v", b, n, err)
		}
	}
}

// TestStrokesOfLargeFolder: rows get the strokes that are for them, in whatever order they are read.
func TestStrokesOfLargeFolder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const rows = 4 * nearRows
		var list strokeList
		for at := ModSeq(1); at < 40*rows; at += rows {
			lo := UID(rapid.IntRange(1, rows).Draw(rt, "lo"))
			hi := min(lo+UID(rapid.IntRange(0, 2*nearRows).Draw(rt, "more")), rows)
			e := effect{set: Flags(rapid.IntRange(0, int(allFlags)).Draw(rt, "set")), clear: Flags(rapid.IntRange(0, int(allFlags)).Draw(rt, "clear"))}
			list.all = append(list.all, &stroke{effect: e, runs: []uidRun{{lo, hi, at}}})
		}
		for range 300 {
			uid := UID(rapid.IntRange(1, rows).Draw(rt, "uid"))
			got, want := Row{UID: uid}, Row{UID: uid}
			list.apply(&got, nil)
			for _, s := range list.all {
				s.apply(&want, nil)
			}
			if got != want {
				rt.Fatalf("UID %d: %v, want %v", uid, got, want)
			}
		}
	})
}

// TestManyStrokes: a large folder, whose flags change step by step, is written as seldom as a small one.
func TestManyStrokes(t *testing.T) {
	for _, tt := range []struct {
		rows, changes int
		many          bool
	}{
		{150, strokesPerRow, false}, {150, strokesPerRow + 1, true},
		{1_000_000, strokesPerRow, false}, {1_000_000, strokesPerRow + 1, true},
		{0, 1, true},
	} {
		v := &View{starts: []int{0, tt.rows}}
		for range tt.changes {
			for left := max(tt.rows, 1); left > 0; left -= flagStep {
				v.strokes = append(v.strokes, strokeRef{n: min(left, flagStep)})
			}
		}
		if v.manyStrokes() != tt.many {
			t.Errorf("%d strokes of %d rows are many: %v", len(v.strokes), tt.rows, !tt.many)
		}
	}
	v := &View{starts: []int{0, 300_000}, strokes: make([]strokeRef, maxStrokes+300_000*strokesPerRow/flagStep+1)}
	if !v.manyStrokes() {
		t.Errorf("%d strokes aren't many", len(v.strokes))
	}
}
