package mailbox

import "slices"

// reflagging changes flags of items in a folder: page by page, in copies of those that the view has.
type reflagging struct {
	t      *txn
	f      *folderEdit
	change *FlagChange
	effect effect
	res    *FlagResult

	shelves []*shelf // the next view's; nil: as they were
	rows    []Row    // those of the page at hand; nil: as they were
	runs    []uidRun
	n       int // items that changed
}

// run changes items by their UIDs, which are ascending.
func (g *reflagging) run(uids []UID) {
	g.res.Changed = slices.Grow(g.res.Changed, min(len(uids), g.f.view.Len()))
	v := g.f.view
	for len(uids) > 0 && len(v.shelves) > 0 {
		p := max(v.pageOf(uids[0]), 0)
		rows := v.page(p).rows
		n, found := slices.BinarySearch(uids, rows[len(rows)-1].UID)
		if found {
			n++
		}
		if n == 0 { // between this page's rows and the next one's
			n = 1
		} else {
			g.page(p, uids[:n])
		}
		uids = uids[n:]
	}
}

// page changes rows of page p.
func (g *reflagging) page(p int, uids []UID) {
	old := g.f.view.page(p).rows
	k := 0
	if len(uids) == 1 {
		k, _ = slices.BinarySearchFunc(old, uids[0], func(r Row, u UID) int { return int(int64(r.UID) - int64(u)) })
	}
	for _, uid := range uids {
		for k < len(old) && old[k].UID < uid {
			k++
		}
		if k < len(old) && old[k].UID == uid {
			g.row(old, k)
		}
	}
	if g.rows == nil {
		return
	}
	if g.shelves == nil {
		g.shelves = slices.Clone(g.f.view.shelves)
	}
	n := p / groupPages
	if g.shelves[n] == g.f.view.shelves[n] {
		g.shelves[n] = g.shelves[n].changed()
	}
	g.shelves[n].pages[p%groupPages], g.rows = newPage(g.rows), nil
}

// row changes row k of a page, if that changes anything.
func (g *reflagging) row(old []Row, k int) {
	r := &old[k]
	if since := g.change.UnchangedSince; since != nil && r.ModSeq() > *since {
		g.res.Failed = append(g.res.Failed, r.UID)
		return
	}
	flags, kw := r.Flags&^g.effect.clear|g.effect.set, g.effect.rekeyed(g.t.next.kw, r.Keywords)
	if flags == r.Flags && kw.equal(r.Keywords) {
		return
	}
	if g.rows == nil {
		g.rows = slices.Clone(old)
	}
	n := g.t.change(ItemFlagged, g.f.ID, r.UID, r.ID)
	g.note(r.UID, n)
	g.t.count(g.f, r, -1)
	g.rows[k].reflag(flags, kw, n)
	g.t.count(g.f, &g.rows[k], 1)
}

// note puts an item behind those that changed.
func (g *reflagging) note(uid UID, n ModSeq) {
	g.n++
	if i := len(g.runs) - 1; i >= 0 && g.runs[i].hi+1 == uid {
		g.runs[i].hi = uid
	} else {
		g.runs = append(g.runs, uidRun{uid, uid, n})
	}
	g.res.Changed = append(g.res.Changed, uid)
	g.f.HighestModSeq = n
}

// store makes the changes those of the folder: in its rows if they are few, else as one stroke.
func (g *reflagging) store() error {
	if g.n == 0 {
		return nil
	}
	f, v := g.f, g.f.view
	f.touched = true
	f.view = &View{folder: f.Folder, change: g.t.next.head.change, shelves: g.shelves, starts: v.starts, strokes: v.strokes, use: v.use}
	if g.n > fewFlags {
		return g.t.addStroke(f, &stroke{effect: g.effect, runs: g.runs})
	}
	for _, run := range g.runs {
		i, _ := f.view.Find(run.lo)
		for _, r := range f.view.All(i, i+int(run.hi-run.lo)+1) {
			if err := g.t.put(f, r); err != nil {
				return err
			}
		}
	}
	return nil
}
