package mailbox

import (
	"math/bits"
	"sort"
)

// PageRows is the most rows in a Page: what one changed flag copies.
const PageRows = 128

// Page is a run of a view's rows, not empty, and what can be said of them without looking at each: a search of a large folder
// looks at pages first. Pages are immutable and shared by successive views.
//
// Pages of successive views may share one array of rows: only the newest view's last page is ever appended to, behind
// what older ones see.
type Page struct {
	rows  []Row
	flags [flagCount]Bits // of each system flag: the rows that have it
	words Bits            // rows that have keywords

	oldest, newest int64 // the least and the largest received, Unix seconds
	modSeq         ModSeq
	first, last    ContentID // the least and the largest
}

const flagCount = 5

// Bits are some rows of a page: row k if bit k%64 of word k/64 is set. The zero value is none.
type Bits [PageRows / 64]uint64

// And is the rows in both.
func (b Bits) And(o Bits) Bits { return Bits{b[0] & o[0], b[1] & o[1]} }

// Or is the rows in one of them.
func (b Bits) Or(o Bits) Bits { return Bits{b[0] | o[0], b[1] | o[1]} }

// Less is the rows that aren't in o.
func (b Bits) Less(o Bits) Bits { return Bits{b[0] &^ o[0], b[1] &^ o[1]} }

// Count is how many rows they are.
func (b Bits) Count() int { return bits.OnesCount64(b[0]) + bits.OnesCount64(b[1]) }

// Next is the first row from k on; PageRows if there is none.
func (b Bits) Next(k int) int {
	for ; k < PageRows; k = (k | 63) + 1 {
		if w := b[k/64] >> (k % 64); w != 0 {
			return k + bits.TrailingZeros64(w)
		}
	}
	return PageRows
}

// Last is the last row; -1 if there is none.
func (b Bits) Last() int {
	if b[1] != 0 {
		return 127 - bits.LeadingZeros64(b[1])
	}
	return 63 - bits.LeadingZeros64(b[0])
}

func (b *Bits) set(k int) { b[k/64] |= 1 << (k % 64) }

// Run is rows lo to hi-1; those beyond a page are left out.
func Run(lo, hi int) Bits { return below(hi).Less(below(lo)) }

// below is the rows before k.
func below(k int) (b Bits) {
	for i := range b {
		switch n := k - 64*i; {
		case n >= 64:
			b[i] = ^uint64(0)
		case n > 0:
			b[i] = 1<<n - 1
		}
	}
	return b
}

func newPage(rows []Row) *Page {
	p := &Page{}
	for i := range rows {
		p.add(&rows[i], i)
	}
	p.rows = rows
	return p
}

// add takes row k into account. It is not put into rows.
func (p *Page) add(r *Row, k int) {
	for i := range p.flags {
		p.flags[i][k/64] |= uint64(r.Flags>>i&1) << (k % 64)
	}
	if r.Keywords != nil {
		p.words.set(k)
	}
	if k == 0 {
		p.oldest, p.newest, p.first, p.last = r.received, r.received, r.Content, r.Content
	}
	p.oldest, p.newest = min(p.oldest, r.received), max(p.newest, r.received)
	p.first, p.last = min(p.first, r.Content), max(p.last, r.Content)
	p.modSeq = max(p.modSeq, r.ModSeq())
}

// Len is the number of rows.
func (p *Page) Len() int { return len(p.rows) }

// At returns row k. It panics if there is none.
func (p *Page) At(k int) *Row { return &p.rows[k] }

// All is all rows.
func (p *Page) All() Bits { return below(len(p.rows)) }

// Flagged is the rows that have a flag, which must be one alone.
func (p *Page) Flagged(f Flags) Bits { return p.flags[bits.TrailingZeros16(uint16(f))] }

// Keyworded is the rows that have keywords.
func (p *Page) Keyworded() Bits { return p.words }

// Dense reports whether the UIDs of the rows follow each other without gaps.
func (p *Page) Dense() bool { return int(p.rows[len(p.rows)-1].UID-p.rows[0].UID) == len(p.rows)-1 }

// UIDs is the rows with UIDs from lo to hi.
func (p *Page) UIDs(lo, hi UID) Bits {
	from := sort.Search(len(p.rows), func(i int) bool { return p.rows[i].UID >= lo })
	to := sort.Search(len(p.rows), func(i int) bool { return p.rows[i].UID > hi })
	return Run(from, to)
}

// Received is the least and the largest time of arrival, in Unix seconds.
func (p *Page) Received() (oldest, newest int64) { return p.oldest, p.newest }

// ModSeq is the largest of the rows'.
func (p *Page) ModSeq() ModSeq { return p.modSeq }

// Pages is the number of a view's pages.
func (v *View) Pages() int {
	n := len(v.shelves)
	if n == 0 {
		return 0
	}
	return (n-1)*groupPages + len(v.shelves[n-1].pages)
}

// PageOf is the page that has row i, from 0, and at which row it begins.
func (v *View) PageOf(i int) (page, start int) {
	p := v.pageWith(i)
	return p, v.start(p)
}

// PageEnd is the row behind the last of a page.
func (v *View) PageEnd(page int) int { return v.start(page + 1) }

// PageIn returns page i as it is in a newer view of the folder; false if rows of it are gone there.
func (v *View) PageIn(newer *View, i int) (*Page, bool) {
	p := v.page(i)
	if v == newer {
		return p, true
	}
	if i >= newer.Pages() || v.start(i) != newer.start(i) {
		return nil, false
	}
	n := newer.page(i)
	if p == n {
		return p, true
	}
	// UIDs never come between others: as many rows, between the same two, are the same.
	k := len(p.rows)
	if len(n.rows) < k || p.rows[0].UID != n.rows[0].UID || p.rows[k-1].UID != n.rows[k-1].UID {
		return nil, false
	}
	if len(n.rows) == k {
		return n, true
	}
	return newPage(n.rows[:k:k]), true
}
