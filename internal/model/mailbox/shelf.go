package mailbox

import (
	"iter"
	"slices"
	"sort"
	"sync/atomic"
)

// groupPages is how many pages make a Group.
const groupPages = 64

// shelf is groupPages pages of a view, fewer only in its last, and where their rows begin. Shelves are immutable and shared by successive views, so that
// one changed flag in a very large folder copies neither its rows nor the list of its pages.
type shelf struct {
	pages  []*Page
	starts []int // starts[i]: the first row of pages[i], counted from the shelf's first; one more for the end
	group  atomic.Pointer[Group]
}

func newShelf(pages []*Page) *shelf {
	s := &shelf{pages: pages, starts: make([]int, len(pages)+1)}
	for i, p := range pages {
		s.starts[i+1] = s.starts[i] + len(p.rows)
	}
	return s
}

// changed is the shelf with other pages that have as many rows: a copy, whose pages may be replaced.
func (s *shelf) changed() *shelf {
	return &shelf{pages: slices.Clone(s.pages), starts: s.starts}
}

// shelving puts a view's pages into shelves.
type shelving struct {
	shelves []*shelf
	open    []*Page // of the shelf that isn't full
}

func (b *shelving) add(pages ...*Page) {
	for _, p := range pages {
		if b.open == nil {
			b.open = make([]*Page, 0, groupPages)
		}
		if b.open = append(b.open, p); len(b.open) == groupPages {
			b.cut()
		}
	}
}

func (b *shelving) cut() {
	if len(b.open) > 0 {
		b.shelves, b.open = append(b.shelves, newShelf(b.open)), nil
	}
}

// share adds pages of a view, from one to before another, whole shelves as they are if possible.
func (b *shelving) share(v *View, from, to int) {
	for from < to {
		if n := from / groupPages; len(b.open) == 0 && from%groupPages == 0 && from+groupPages <= to {
			b.shelves = append(b.shelves, v.shelves[n])
			from += groupPages
			continue
		}
		b.add(v.page(from))
		from++
	}
}

// put makes the pages those of a view.
func (b *shelving) put(v *View) {
	b.cut()
	v.shelves, v.starts = b.shelves, make([]int, len(b.shelves)+1)
	for i, s := range b.shelves {
		v.starts[i+1] = v.starts[i] + s.starts[len(s.pages)]
	}
}

// page is page i.
func (v *View) page(i int) *Page { return v.shelves[i/groupPages].pages[i%groupPages] }

// start is at which row page i begins; the number of rows if there are i pages.
func (v *View) start(i int) int {
	n, k := i/groupPages, i%groupPages
	if n == len(v.shelves) {
		return v.starts[n]
	}
	return v.starts[n] + v.shelves[n].starts[k]
}

// allPages gives all pages, with their numbers.
func (v *View) allPages() iter.Seq2[int, *Page] {
	return func(yield func(int, *Page) bool) {
		for n, s := range v.shelves {
			for k, p := range s.pages {
				if !yield(n*groupPages+k, p) {
					return
				}
			}
		}
	}
}

// pageWith is the page that has row i, of those that there are.
func (v *View) pageWith(i int) int {
	n := sort.SearchInts(v.starts, i+1) - 1
	return n*groupPages + sort.SearchInts(v.shelves[n].starts, i-v.starts[n]+1) - 1
}

// pageOf is the last page that begins at or before uid, -1 if none does.
func (v *View) pageOf(uid UID) int {
	n := sort.Search(len(v.shelves), func(i int) bool { return v.shelves[i].pages[0].rows[0].UID > uid }) - 1
	if n < 0 {
		return -1
	}
	pages := v.shelves[n].pages
	return n*groupPages + sort.Search(len(pages), func(i int) bool { return pages[i].rows[0].UID > uid }) - 1
}
