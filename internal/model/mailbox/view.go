package mailbox

import (
	"iter"
	"slices"
	"sort"
	"sync/atomic"
)

// View is a folder at one change number: its rows in UID order. Views are
// immutable and shared by all sessions; the next one shares the pages that didn't change with the
// last, so a change costs by its own size and not by the folder's.
type View struct {
	folder  Folder
	change  ModSeq
	shelves []*shelf
	starts  []int // starts[i]: index of the first row of shelves[i]; one more for the end
	// strokes are changes of flags that rows have here, but not yet in the store, oldest first.
	strokes []strokeRef
	use     *use

	used atomic.Pointer[[]uint32] // keywords of the rows; nil: nobody has asked
}

// Folder is the folder as of this view. All who may read it share the view, so its Grants
// are not to be shown to those without RightAdmin.
func (v *View) Folder() *Folder { return &v.folder }

// Change is the account's change number at which the view was made; it holds
// until the folder's next change.
func (v *View) Change() ModSeq { return v.change }

// HighestModSeq is the number of the last change in the folder, removals too.
func (v *View) HighestModSeq() ModSeq { return v.folder.HighestModSeq }

// Len is the number of rows.
func (v *View) Len() int { return v.starts[len(v.starts)-1] }

// At returns row i, from 0. It panics if there is none.
func (v *View) At(i int) *Row {
	p := v.pageWith(i)
	return &v.page(p).rows[i-v.start(p)]
}

// From returns row i and those behind it that lie in one piece with it, for those who go through many. It panics if there is none.
func (v *View) From(i int) []Row {
	p := v.pageWith(i)
	return v.page(p).rows[i-v.start(p):]
}

// Find returns the index of the row with the UID, or, with ok false, the
// index it would have.
func (v *View) Find(uid UID) (i int, ok bool) {
	p := v.pageOf(uid)
	if p < 0 {
		return 0, false
	}
	rows := v.page(p).rows
	k, ok := slices.BinarySearchFunc(rows, uid, func(r Row, u UID) int { return int(int64(r.UID) - int64(u)) })
	return v.start(p) + k, ok
}

// hasAny reports whether there is a row with one of the UIDs.
func (v *View) hasAny(uids []UID) bool {
	return slices.ContainsFunc(uids, func(u UID) bool {
		_, ok := v.Find(u)
		return ok
	})
}

// All gives the rows from index lo to hi-1, with their indexes.
func (v *View) All(lo, hi int) iter.Seq2[int, *Row] {
	return func(yield func(int, *Row) bool) {
		if lo >= hi {
			return
		}
		p := v.pageWith(lo)
		for i := lo; i < hi; p++ {
			rows := v.page(p).rows
			for k := i - v.start(p); k < len(rows) && i < hi; k++ {
				if !yield(i, &rows[k]) {
					return
				}
				i++
			}
		}
	}
}

// FirstUnseen is the index of the first row without Seen, -1 if all are seen.
func (v *View) FirstUnseen() int {
	for n, s := range v.shelves {
		if len(v.shelves) > 1 && s.asGroup().Each()&Seen != 0 {
			continue
		}
		for i, p := range s.pages {
			if k := p.All().Less(p.Flagged(Seen)).Next(0); k < PageRows {
				return v.starts[n] + s.starts[i] + k
			}
		}
	}
	return -1
}

// keywords returns the numbers of the keywords that rows have, ascending.
func (v *View) keywords() []uint32 {
	if ids := v.used.Load(); ids != nil {
		return *ids
	}
	sets := map[*Keywords]bool{}
	for _, p := range v.allPages() {
		for k := p.words.Next(0); k < PageRows; k = p.words.Next(k + 1) {
			sets[p.rows[k].Keywords] = true
		}
	}
	var ids []uint32
	for k := range sets {
		ids = append(ids, k.ids...)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	v.used.Store(&ids)
	return ids
}

// edit is one row's change in a view: put there, or removed if row is nil.
type edit struct {
	uid UID
	row *Row
}

// newView makes a view from scratch.
func newView(f Folder, change ModSeq, rows []Row) *View {
	v := &View{folder: f, change: change, use: &use{}}
	var b shelving
	for len(rows) > 0 {
		n := min(len(rows), PageRows)
		b.add(newPage(slices.Clip(rows[:n])))
		rows = rows[n:]
	}
	b.put(v)
	return v
}

// advance returns the view after edits, which are sorted by UID, one a UID.
func (v *View) advance(f Folder, change ModSeq, edits []edit) *View {
	next := &View{folder: f, change: change, strokes: v.strokes, use: v.use}
	if len(edits) == 0 {
		next.shelves, next.starts = v.shelves, v.starts
		return next
	}
	b := shelving{shelves: make([]*shelf, 0, len(v.shelves)+1)}
	done, pages := 0, v.Pages() // pages of v that are dealt with
	for len(edits) > 0 {
		p := max(v.pageOf(edits[0].uid), 0)
		b.share(v, done, min(p, pages))
		n := editsBefore(edits, v, p+1)
		b.add(edited(v, p, edits[:n])...)
		edits, done = edits[n:], p+1
	}
	b.share(v, done, pages)
	b.put(next)
	return next
}

// apart returns the same view with a last page whose array it doesn't share, so that rows which
// are appended to it don't get in the way of those that were appended to v.
func (v *View) apart() *View {
	n := len(v.shelves) - 1
	if n < 0 {
		return v
	}
	s := v.shelves[n].changed()
	last := *s.pages[len(s.pages)-1]
	last.rows = slices.Clip(last.rows)
	s.pages[len(s.pages)-1] = &last
	shelves := append(slices.Clone(v.shelves[:n]), s)
	return &View{folder: v.folder, change: v.change, shelves: shelves, starts: v.starts, strokes: v.strokes, use: v.use}
}

// editsBefore counts the edits whose UID lies before page p begins.
func editsBefore(edits []edit, v *View, p int) int {
	if p >= v.Pages() {
		return len(edits)
	}
	first := v.page(p).rows[0].UID
	return sort.Search(len(edits), func(i int) bool { return edits[i].uid >= first })
}

// edited is what page p of v becomes by edits: none, one or several pages.
func edited(v *View, p int, edits []edit) (pages []*Page) {
	var old *Page
	if p < v.Pages() {
		old = v.page(p)
		if onlyAppends(old, edits) {
			return appendRows(nil, old, edits)
		}
	}
	rows := mergeRows(old, edits)
	for len(rows) > 0 {
		n := min(len(rows), PageRows)
		pages = append(pages, newPage(slices.Clip(rows[:n])))
		rows = rows[n:]
	}
	return pages
}

func onlyAppends(old *Page, edits []edit) bool {
	return edits[0].row != nil && edits[0].uid > old.rows[len(old.rows)-1].UID
}

// appendRows fills old's array behind what its views see, then new pages.
func appendRows(pages []*Page, old *Page, edits []edit) []*Page {
	first := *old
	cur := &first
	for _, e := range edits {
		if e.row == nil {
			continue
		}
		if len(cur.rows) == PageRows {
			pages = append(pages, cur)
			cur = &Page{}
		}
		cur.add(e.row, len(cur.rows))
		cur.rows = append(cur.rows, *e.row)
	}
	return append(pages, cur)
}

func mergeRows(old *Page, edits []edit) []Row {
	var had []Row
	if old != nil {
		had = old.rows
	}
	rows := make([]Row, 0, len(had)+len(edits))
	for _, e := range edits {
		for len(had) > 0 && had[0].UID < e.uid {
			rows, had = append(rows, had[0]), had[1:]
		}
		if len(had) > 0 && had[0].UID == e.uid {
			had = had[1:]
		}
		if e.row != nil {
			rows = append(rows, *e.row)
		}
	}
	return append(rows, had...)
}

// sortEdits sorts edits by UID; of several for one UID the last stays.
func sortEdits(edits []edit) []edit {
	slices.SortStableFunc(edits, func(a, b edit) int { return int(int64(a.uid) - int64(b.uid)) })
	out := edits[:0]
	for i, e := range edits {
		if i+1 < len(edits) && edits[i+1].uid == e.uid {
			continue
		}
		out = append(out, e)
	}
	return out
}
