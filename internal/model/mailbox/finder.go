package mailbox

import (
	"slices"
	"sort"
)

// Finder finds rows of a view by their UIDs; where these ascend, it costs a step each. The zero value with a View is ready.
// It is not safe for concurrent use.
type Finder struct {
	View *View
	p, k int // page, row in it: where the next is looked for first
}

// At returns row i, as the View's At does.
func (f *Finder) At(i int) *Row {
	if s := f.View.starts; f.p+1 >= len(s) || i < s[f.p] || i >= s[f.p+1] {
		f.p = sort.SearchInts(s, i+1) - 1
	}
	f.k = i - f.View.starts[f.p]
	return &f.View.pages[f.p].rows[f.k]
}

// Find returns the index of the row with the UID, and the row; nil if there is none.
func (f *Finder) Find(uid UID) (int, *Row) {
	v := f.View
	if f.p >= len(v.pages) {
		return 0, nil
	}
	rows := v.pages[f.p].rows
	if f.k < len(rows) && rows[f.k].UID == uid {
		return f.found(f.k)
	}
	if uid < rows[0].UID || uid > rows[len(rows)-1].UID {
		f.p = max(v.pageOf(uid), 0)
		rows = v.pages[f.p].rows
	}
	k, ok := slices.BinarySearchFunc(rows, uid, func(r Row, u UID) int { return int(int64(r.UID) - int64(u)) })
	if !ok {
		return 0, nil
	}
	return f.found(k)
}

func (f *Finder) found(k int) (int, *Row) {
	i, r := f.View.starts[f.p]+k, &f.View.pages[f.p].rows[k]
	if f.k = k + 1; f.k == len(f.View.pages[f.p].rows) && f.p+1 < len(f.View.pages) {
		f.p, f.k = f.p+1, 0
	}
	return i, r
}
