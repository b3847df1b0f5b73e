package mailbox

import (
	"slices"
	"sync/atomic"
)

// groupPages is how many pages make a Group.
const groupPages = 64

// Group is a run of pages, and what can be said of all their rows: a search of a very large folder looks at groups first. Groups are
// immutable; they are made when somebody asks for them, and go from view to view as long as their pages do.
type Group struct {
	rows       int
	some, each Flags // that some of the rows have, and all
	words      bool  // some have keywords
	dense      bool  // UIDs follow each other without gaps

	oldest, newest int64
	modSeq         ModSeq
	first, last    ContentID
}

// groups are a view's groups, as far as they have been asked for.
type groups []atomic.Pointer[Group]

func newGroup(pages []*Page) *Group {
	p := pages[0]
	g := &Group{each: allFlags, dense: true, oldest: p.oldest, newest: p.newest, first: p.first, last: p.last}
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

// inherit takes over the groups of the view before whose pages are the same.
func (v *View) inherit(before *View) {
	if len(v.pages) <= groupPages {
		return
	}
	v.groups = make(groups, (len(v.pages)+groupPages-1)/groupPages)
	for i := range min(len(v.groups), len(before.groups)) {
		if g := before.groups[i].Load(); g != nil && slices.Equal(v.groupOf(i), before.groupOf(i)) {
			v.groups[i].Store(g)
		}
	}
}

// groupOf is the pages of group i.
func (v *View) groupOf(i int) []*Page {
	return v.pages[i*groupPages : min((i+1)*groupPages, len(v.pages))]
}

// GroupIn returns the group that begins with a page, as it is in a newer view of the folder, and the row behind its last. It returns nil if no
// group begins there, or rows of it are gone there; small folders have none.
func (v *View) GroupIn(newer *View, page int) (g *Group, end int) {
	i := page / groupPages
	if page%groupPages != 0 || i >= len(v.groups) || i >= len(newer.groups) {
		return nil, 0
	}
	to := min(page+groupPages, len(v.pages))
	end = v.starts[to]
	if v != newer {
		// UIDs never come between others: as many rows, between the same two, are the same.
		if to > len(newer.pages) || v.starts[page] != newer.starts[page] || end != newer.starts[to] ||
			v.At(v.starts[page]).UID != newer.At(v.starts[page]).UID || v.At(end-1).UID != newer.At(end-1).UID {
			return nil, 0
		}
		if to-page < groupPages && to < len(newer.pages) {
			return nil, 0 // it has become longer
		}
	}
	if g = newer.groups[i].Load(); g == nil {
		g = newGroup(newer.groupOf(i))
		newer.groups[i].Store(g)
	}
	return g, end
}

// Len is the number of rows.
func (g *Group) Len() int { return g.rows }

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
