package mailbox

import "slices"

// Finder finds rows of a view by their UIDs; where these ascend, it costs a step each. The zero value with a View is ready.
// It is not safe for concurrent use.
type Finder struct {
	View *View
	p, k int // page, row in it: where the next is looked for first
}

// At returns row i, as the View's At does.
func (f *Finder) At(i int) *Row {
	v := f.View
	if f.p >= v.Pages() || i < v.start(f.p) || i >= v.start(f.p+1) {
		f.p = v.pageWith(i)
	}
	f.k = i - v.start(f.p)
	return &v.page(f.p).rows[f.k]
}

// Find returns the index of the row with the UID, and the row; nil if there is none.
func (f *Finder) Find(uid UID) (int, *Row) {
	v := f.View
	if f.p >= v.Pages() {
		return 0, nil
	}
	rows := v.page(f.p).rows
	if f.k < len(rows) && rows[f.k].UID == uid {
		return f.found(f.k)
	}
	if uid < rows[0].UID || uid > rows[len(rows)-1].UID {
		f.p = max(v.pageOf(uid), 0)
		rows = v.page(f.p).rows
	}
	k, ok := slices.BinarySearchFunc(rows, uid, func(r Row, u UID) int { return int(int64(r.UID) - int64(u)) })
	if !ok {
		return 0, nil
	}
	return f.found(k)
}

func (f *Finder) found(k int) (int, *Row) {
	rows := f.View.page(f.p).rows
	i, r := f.View.start(f.p)+k, &rows[k]
	if f.k = k + 1; f.k == len(rows) && f.p+1 < f.View.Pages() {
		f.p, f.k = f.p+1, 0
	}
	return i, r
}
