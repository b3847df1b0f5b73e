package mailbox

// Diff is what lies between an older and a newer view of one folder.
type Diff struct {
	Removed []int // indexes in the old view, ascending, of rows that are gone
	Changed []int // indexes in the new view, ascending, of rows in both whose ModSeq is newer
	Added   int   // index in the new view of the first row that the old one hasn't; its Len if none
}

// Empty reports whether the views show the same.
func (d Diff) Empty(newer *View) bool {
	return len(d.Removed) == 0 && len(d.Changed) == 0 && d.Added == newer.Len()
}

// Compare tells what lies between two views of the same folder, at a cost
// by the pages that changed. A nil old view is an empty one.
func Compare(older, newer *View) Diff {
	if older == nil {
		return Diff{}
	}
	if older == newer {
		return Diff{Added: newer.Len()}
	}
	d := Diff{Added: newer.Len()}
	o, n := cursor{v: older}, cursor{v: newer}
	for o.more() && n.more() {
		if skipShared(&o, &n) {
			continue
		}
		switch a, b := o.row(), n.row(); {
		case a.UID < b.UID:
			d.Removed = append(d.Removed, o.next())
		case a.UID > b.UID: // can't be: UIDs only grow
			n.next()
		default:
			o.next()
			if i := n.next(); b.ModSeq() > a.ModSeq() {
				d.Changed = append(d.Changed, i)
			}
		}
	}
	for o.more() {
		d.Removed = append(d.Removed, o.next())
	}
	if n.more() {
		d.Added = n.index()
	}
	return d
}

// cursor walks a view's rows.
type cursor struct {
	v    *View
	p, k int // page, row in it
}

func (c *cursor) more() bool { return c.p < c.v.Pages() }
func (c *cursor) row() *Row  { return &c.v.page(c.p).rows[c.k] }
func (c *cursor) index() int { return c.v.start(c.p) + c.k }

func (c *cursor) next() int {
	i := c.index()
	if c.k++; c.k == len(c.v.page(c.p).rows) {
		c.p, c.k = c.p+1, 0
	}
	return i
}

// skipShared passes a shelf or a page that both views have.
func skipShared(a, b *cursor) bool {
	if a.k != 0 || b.k != 0 || a.v.page(a.p) != b.v.page(b.p) {
		return false
	}
	n := 1
	if s := a.v.shelves[a.p/groupPages]; a.p%groupPages == 0 && b.p%groupPages == 0 && s == b.v.shelves[b.p/groupPages] {
		n = len(s.pages)
	}
	a.p += n
	b.p += n
	return true
}
