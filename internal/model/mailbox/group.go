package mailbox

// Group is a run of pages, and what can be said of all their rows: a search of a very large folder looks at groups first. Groups are
// immutable; they are made when somebody asks for them, and go from view to view with their shelves.
type Group struct {
	rows       int
	some, each Flags // that some of the rows have, and all
	words      bool  // some have keywords
	dense      bool  // UIDs follow each other without gaps

	oldest, newest int64
	modSeq         ModSeq
	first, last    ContentID
	top, bottom    *Row
}

func newGroup(pages []*Page) *Group {
	p := pages[0]
	g := &Group{each: allFlags, dense: true, oldest: p.oldest, newest: p.newest, first: p.first, last: p.last}
	last := pages[len(pages)-1].rows
	g.top, g.bottom = &p.rows[0], &last[len(last)-1]
	next := p.rows[0].UID
	for _, p := range pages {
		g.rows += len(p.rows)
		for i := range p.flags {
			n := p.flags[i].Count()
			if n > 0 {
				g.some |= 1 << i
			}
			if n < len(p.rows) {
				g.each &^= 1 << i
			}
		}
		g.words = g.words || p.words != Bits{}
		g.dense = g.dense && p.rows[0].UID == next && p.Dense()
		next = p.rows[len(p.rows)-1].UID + 1
		g.oldest, g.newest = min(g.oldest, p.oldest), max(g.newest, p.newest)
		g.first, g.last = min(g.first, p.first), max(g.last, p.last)
		g.modSeq = max(g.modSeq, p.modSeq)
	}
	return g
}

// asGroup is the shelf's group.
func (s *shelf) asGroup() *Group {
	g := s.group.Load()
	if g == nil {
		g = newGroup(s.pages)
		s.group.Store(g)
	}
	return g
}

// GroupIn returns the group that begins with a page, as it is in a newer view of the folder, and the row behind its last. It returns nil if no
// group begins there, or rows of it are gone there; small folders have none.
func (v *View) GroupIn(newer *View, page int) (g *Group, end int) {
	i := page / groupPages
	if page%groupPages != 0 || i >= min(len(v.shelves), len(newer.shelves)) || len(v.shelves) == 1 || len(newer.shelves) == 1 {
		return nil, 0
	}
	to, n := min(page+groupPages, v.Pages()), newer.Pages()
	end = v.start(to)
	if v != newer {
		// UIDs never come between others: as many rows, between the same two, are the same.
		if to > n || v.start(page) != newer.start(page) || end != newer.start(to) ||
			v.At(v.start(page)).UID != newer.At(v.start(page)).UID || v.At(end-1).UID != newer.At(end-1).UID {
			return nil, 0
		}
		if to-page < groupPages && to < n {
			return nil, 0 // it has become longer
		}
	}
	return newer.shelves[i].asGroup(), end
}

// Len is the number of rows.
func (g *Group) Len() int { return g.rows }

// First is the first of the rows.
func (g *Group) First() *Row { return g.top }

// Last is the last of the rows.
func (g *Group) Last() *Row { return g.bottom }

// Some is the flags that some of the rows have.
func (g *Group) Some() Flags { return g.some }

// Each is the flags that all of the rows have.
func (g *Group) Each() Flags { return g.each }

// Keyworded reports whether some of the rows have keywords.
func (g *Group) Keyworded() bool { return g.words }

// Dense reports whether the UIDs of the rows follow each other without gaps.
func (g *Group) Dense() bool { return g.dense }

// Received is the least and the largest time of arrival, in Unix seconds.
func (g *Group) Received() (oldest, newest int64) { return g.oldest, g.newest }

// ModSeq is the largest of the rows'.
func (g *Group) ModSeq() ModSeq { return g.modSeq }
