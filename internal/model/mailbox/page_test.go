package mailbox

import (
	"testing"

	"pgregory.net/rapid"
)

// TestBits compares sets of rows with plain ones.
func TestBits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		lo, hi := rapid.IntRange(-3, PageRows+3).Draw(rt, "lo"), rapid.IntRange(-3, PageRows+3).Draw(rt, "hi")
		a, b := Run(lo, hi), Run(rapid.IntRange(0, PageRows).Draw(rt, "lo"), PageRows)
		n, last := 0, -1
		for k := range PageRows {
			in := k >= lo && k < hi
			if has(a, k) != in || has(a.And(b), k) != (in && has(b, k)) || has(a.Or(b), k) != (in || has(b, k)) || has(a.Less(b), k) != (in && !has(b, k)) {
				rt.Fatalf("row %d of %d to %d, and %v", k, lo, hi, b)
			}
			if in {
				n, last = n+1, k
				if got := a.Next(max(lo, 0)); got != max(lo, 0) {
					rt.Fatalf("first %d", got)
				}
			}
		}
		if a.Count() != n || a.Last() != last || n == 0 && a.Next(0) != PageRows {
			rt.Fatalf("%d to %d: %d rows, last %d, next %d", lo, hi, a.Count(), a.Last(), a.Next(0))
		}
	})
}

func has(b Bits, k int) bool { return b[k/64]>>(k%64)&1 == 1 }

// TestPagesOfNewerViews: a page of an older view is found in a newer one as long as none of its rows are gone.
func TestPagesOfNewerViews(t *testing.T) {
	w := newWorld(t)
	in := w.inbox()
	uids := w.fill(in, 2*PageRows+10)
	old := w.view(in)
	same := func(want ...bool) {
		t.Helper()
		v := w.view(in)
		for i := range old.Pages() {
			p, ok := old.PageIn(v, i)
			if ok != want[i] {
				t.Errorf("page %d: %v", i, ok)
			}
			if !ok {
				continue
			}
			for k := range p.Len() {
				if p.At(k).UID != old.page(i).At(k).UID {
					t.Errorf("page %d: row %d is another", i, k)
				}
			}
			if p.Len() != old.page(i).Len() || p.Flagged(Flagged).Last() >= old.page(i).Len() {
				t.Errorf("page %d has %d rows, flags %v", i, p.Len(), p.Flagged(Flagged))
			}
		}
	}
	same(true, true, true)
	w.flag(in, FlagChange{UIDs: uids[:200], Flags: Seen})
	w.fill(in, 20)
	w.flag(in, FlagChange{UIDs: w.view(in).uids(false), Flags: Flagged})
	same(true, true, true)
	for page, uid := range []UID{uids[2*PageRows+4], uids[PageRows], uids[5]} {
		_, err := w.me.Expunge(w.ctx, in, []UID{uid}, false)
		w.must(err)
		same(page < 2, page < 1, false)
	}
}
