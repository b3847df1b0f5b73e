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
	folder Folder
	change ModSeq
	pages  []*Page
	starts []int // starts[i]: index of the first row of pages[i]; one more for the end
	// strokes are changes of flags that rows have here, but not yet in the store, oldest first.
	strokes []strokeRef
	use     *use
	groups  groups // none if there are few pages

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
	p := sort.SearchInts(v.starts, i+1) - 1
	return &v.pages[p].rows[i-v.starts[p]]
}

// Find returns the index of the row with the UID, or, with ok false, the
// index it would have.
func (v *View) Find(uid UID) (i int, ok bool) {
	p := v.pageOf(uid)
	if p < 0 {
		return 0, false
	}
	rows := v.pages[p].rows
	k, ok := slices.BinarySearchFunc(rows, uid, func(r Row, u UID) int { return int(int64(r.UID) - int64(u)) })
	return v.starts[p] + k, ok
}

// pageOf is the last page that begins at or before uid, -1 if none does.
func (v *View) pageOf(uid UID) int {
	return sort.Search(len(v.pages), func(i int) bool { return v.pages[i].rows[0].UID > uid }) - 1
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
		p := sort.SearchInts(v.starts, lo+1) - 1
		for i := lo; i < hi; p++ {
			rows := v.pages[p].rows
			for k := i - v.starts[p]; k < len(rows) && i < hi; k++ {
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
	for p, pg := range v.pages {
		if k := pg.All().Less(pg.Flagged(Seen)).Next(0); k < PageRows {
			return v.starts[p] + k
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
	for _, p := range v.pages {
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
	for len(rows) > 0 {
		n := min(len(rows), PageRows)
		v.pages = append(v.pages, newPage(slices.Clip(rows[:n])))
		rows = rows[n:]
	}
	v.index()
	v.inherit(v)
	return v
}

func (v *View) index() {
	v.starts = make([]int, len(v.pages)+1)
	for i, p := range v.pages {
		v.starts[i+1] = v.starts[i] + len(p.rows)
	}
}

// advance returns the view after edits, which are sorted by UID, one a UID.
func (v *View) advance(f Folder, change ModSeq, edits []edit) *View {
	next := &View{folder: f, change: change, strokes: v.strokes, use: v.use}
	if len(edits) == 0 {
		next.pages, next.starts, next.groups = v.pages, v.starts, v.groups
		return next
	}
	next.pages = make([]*Page, 0, len(v.pages)+1)
	done := 0 // pages of v that are dealt with
	for len(edits) > 0 {
		p := max(v.pageOf(edits[0].uid), 0)
		next.pages = append(next.pages, v.pages[done:min(p, len(v.pages))]...)
		n := editsBefore(edits, v, p+1)
		next.pages = appendEdited(next.pages, v, p, edits[:n])
		edits, done = edits[n:], p+1
	}
	next.pages = append(next.pages, v.pages[min(done, len(v.pages)):]...)
	next.index()
	next.inherit(v)
	return next
}

// apart returns the same view with a last page whose array it doesn't share, so that rows which
// are appended to it don't get in the way of those that were appended to v.
func (v *View) apart() *View {
	if len(v.pages) == 0 {
		return v
	}
	last := *v.pages[len(v.pages)-1]
	last.rows = slices.Clip(last.rows)
	pages := append(slices.Clone(v.pages[:len(v.pages)-1]), &last)
	return &View{folder: v.folder, change: v.change, pages: pages, starts: v.starts, strokes: v.strokes, use: v.use}
}

// editsBefore counts the edits whose UID lies before page p begins.
func editsBefore(edits []edit, v *View, p int) int {
	if p >= len(v.pages) {
		return len(edits)
	}
	first := v.pages[p].rows[0].UID
	return sort.Search(len(edits), func(i int) bool { return edits[i].uid >= first })
}

// appendEdited adds what page p of v becomes by edits: none, one or several pages.
func appendEdited(pages []*Page, v *View, p int, edits []edit) []*Page {
	var old *Page
	if p < len(v.pages) {
		old = v.pages[p]
		if onlyAppends(old, edits) {
			return appendRows(pages, old, edits)
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
