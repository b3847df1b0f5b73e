package imap

import (
	"strconv"

	"postroad/internal/model/mailbox"
)

// found is what a search has found, in mailbox order, which is the order of message numbers and UIDs.
type found struct {
	numbers  numSet // places plus one
	uids     numSet
	total    int
	first    hit // the first and last message found, in the order asked for
	last     hit
	highest  mailbox.ModSeq // the largest change number of those found
	listing  bool           // hits are needed: another order than the mailbox's, or a part of it
	counting bool           // only total, first and last are needed
	hits     []hit          // in the order asked for
	threaded []byte         // THREAD: the response's threads
}

// hit is a message found. Rows are shared and immutable.
type hit struct {
	row   *mailbox.Row
	place int
	score uint8 // 1 to 100, how well it matches FUZZY keys
}

// told is what the client calls the message.
func (h *hit) told(byUID bool) uint32 {
	if byUID {
		return uint32(h.row.UID)
	}
	return uint32(h.place + 1)
}

// add notes a message found. They come in mailbox order.
func (f *found) add(at int, r *mailbox.Row, score uint8) {
	h := hit{r, at, score}
	if f.total++; f.total == 1 {
		f.first = h
	}
	f.last = h
	f.highest = max(f.highest, r.ModSeq())
	f.numbers = f.numbers.add(uint32(at + 1))
	f.uids = f.uids.add(uint32(r.UID))
	if f.listing {
		f.hits = append(f.hits, h)
	}
}

// addAll notes messages of a page that begins at a place. They come in mailbox order.
func (f *found) addAll(at int, p *mailbox.Page, which mailbox.Bits) {
	k, last := which.Next(0), which.Last()
	whole := which == p.All() && p.Dense()
	if last < 0 {
		return
	}
	if f.listing || !f.counting && !whole {
		for ; k < mailbox.PageRows; k = which.Next(k + 1) {
			f.add(at+k, p.At(k), 1)
		}
		return
	}
	if f.total == 0 {
		f.first = hit{p.At(k), at + k, 1}
	}
	f.last = hit{p.At(last), at + last, 1}
	f.total += which.Count()
	if !f.counting {
		f.highest = max(f.highest, p.ModSeq())
		f.numbers = f.numbers.addRange(uint32(at+1), uint32(at+p.Len()))
		f.uids = f.uids.addRange(uint32(p.At(0).UID), uint32(p.At(last).UID))
	}
}

// addGroup notes all messages of a group, from a place to before another; false: they have to be noted one by one.
func (f *found) addGroup(from, to int, g *mailbox.Group) bool {
	if f.listing || !f.counting && !g.Dense() {
		return false
	}
	first, last := g.First(), g.Last()
	if f.total == 0 {
		f.first = hit{first, from, 1}
	}
	f.last = hit{last, to - 1, 1}
	f.total += g.Len()
	if !f.counting {
		f.highest = max(f.highest, g.ModSeq())
		f.numbers = f.numbers.addRange(uint32(from+1), uint32(to))
		f.uids = f.uids.addRange(uint32(first.UID), uint32(last.UID))
	}
	return true
}

// ordered is what was found in the order asked for. Only what ascends makes a range (RFC 5267 §3.2).
func (q *searching) ordered() numSet {
	switch {
	case q.sort != nil:
		return setOf(q.hits, q.byUID)
	case q.byUID:
		return q.uids
	}
	return q.numbers
}

func setOf(hits []hit, byUID bool) numSet {
	var set numSet
	for i := range hits {
		set = set.add(hits[i].told(byUID))
	}
	return set
}

// partialRange is the part of a result that PARTIAL asks for (RFC 9394 §4): from the 1st to the 500th, say, or, counted from
// the end, from the last.
type partialRange struct {
	lo, hi  uint32 // lo isn't larger
	fromEnd bool
}

// partialRange consumes partial-range.
func (d *decoder) partialRange() *partialRange {
	p := &partialRange{fromEnd: d.try('-')}
	p.lo = d.nzNumber()
	d.special(':')
	if p.fromEnd {
		d.special('-')
	}
	p.hi = d.nzNumber()
	p.lo, p.hi = min(p.lo, p.hi), max(p.lo, p.hi) // RFC 9394 §4: the other way round is the same
	return p
}

// clip gives the part as indexes from lo to hi-1 of n.
func (p *partialRange) clip(n int) (lo, hi int) {
	lo = int(min(uint64(p.lo)-1, uint64(n)))
	hi = int(min(uint64(p.hi), uint64(n)))
	if p.fromEnd {
		return n - hi, n - lo
	}
	return lo, hi
}

func (p *partialRange) appendTo(b []byte) []byte {
	sign := ""
	if p.fromEnd {
		sign = "-"
	}
	b = appendUint(append(b, sign...), p.lo)
	return appendUint(append(append(b, ':'), sign...), p.hi)
}

// part is the hits that PARTIAL asks for.
func (q *searching) part() []hit {
	lo, hi := q.partial.clip(len(q.hits))
	return q.hits[lo:hi]
}

// toSave is what "$" will stand for (RFC 5182 §2.1, RFC 9394 §3.2).
func (q *searching) toSave() numSet {
	if q.total == 0 || q.all || q.count || !q.min && !q.max && q.partial == nil {
		return q.uids
	}
	var set numSet
	if q.partial != nil {
		set = append(set, setOf(q.part(), true)...)
	}
	if q.min {
		set = append(set, numRange{q.first.told(true), q.first.told(true)})
	}
	if q.max {
		set = append(set, numRange{q.last.told(true), q.last.told(true)})
	}
	return set.join()
}

// sendFound sends what was asked for. where is put behind the tag, for searches in mailboxes that are named.
func (s *session) sendFound(q *searching, where []byte) {
	switch {
	case q.thread != nil:
		s.out.set(append(append(append(s.out.buf(), "* THREAD"...), q.threaded...), crlf...))
	case q.extended:
		if q.all || q.min || q.max || q.count || q.partial != nil || q.relevancy || q.update { // RFC 5182 §2.2: SAVE alone has no answer
			s.out.set(s.appendESearch(s.out.buf(), q, where))
		}
	case q.sort != nil:
		s.sendNumbers("* SORT", q)
	default:
		s.sendNumbers("* SEARCH", q)
	}
}

// sendNumbers sends a response that lists numbers one by one.
func (s *session) sendNumbers(what string, q *searching) {
	b := append(s.out.buf(), what...)
	for _, r := range q.ordered() {
		for n := uint64(r.lo); n <= uint64(r.hi); n++ {
			b = strconv.AppendUint(append(b, ' '), n, 10)
		}
	}
	if q.modseq && q.total > 0 { // RFC 7162 §3.1.5, §3.1.6
		b = append(appendUint(append(b, " (MODSEQ "...), q.highest), ')')
	}
	s.out.set(append(b, crlf...))
}

// appendESearch: RFC 9051 §7.3.4.
func (s *session) appendESearch(b []byte, q *searching, where []byte) []byte {
	b = s.appendTag(append(b, "* ESEARCH ("...), s.tag)
	b = append(append(b, where...), ')')
	if q.byUID {
		b = append(b, " UID"...)
	}
	if q.total > 0 && q.min {
		b = appendUint(append(b, " MIN "...), q.first.told(q.byUID))
	}
	if q.total > 0 && q.max {
		b = appendUint(append(b, " MAX "...), q.last.told(q.byUID))
	}
	if q.total > 0 && q.all {
		b = q.ordered().appendTo(append(b, " ALL "...))
	}
	if q.partial != nil {
		b = q.appendPartial(b)
	}
	if q.count {
		b = strconv.AppendInt(append(b, " COUNT "...), int64(q.total), 10)
	}
	if q.relevancy {
		b = q.appendRelevancy(b)
	}
	if q.total > 0 && q.modseq {
		b = appendUint(append(b, " MODSEQ "...), q.highestTold())
	}
	return append(b, crlf...)
}

// appendTag writes a search-correlator's "TAG".
func (s *session) appendTag(b []byte, tag []byte) []byte {
	return append(append(append(b, `TAG "`...), tag...), '"')
}

// appendPartial: RFC 9394 §4.
func (q *searching) appendPartial(b []byte) []byte {
	b = append(q.partial.appendTo(append(b, " PARTIAL ("...)), ' ')
	if part := q.part(); len(part) > 0 {
		b = setOf(part, q.byUID).appendTo(b)
	} else {
		b = append(b, "NIL"...)
	}
	return append(b, ')')
}

// appendRelevancy writes the scores of the messages that are told, in their order (RFC 6203 §4).
func (q *searching) appendRelevancy(b []byte) []byte {
	hits := q.hits
	if q.partial != nil {
		hits = q.part()
	}
	b = append(b, " RELEVANCY ("...)
	for i, h := range hits {
		if i > 0 {
			b = append(b, ' ')
		}
		b = appendUint(b, uint32(h.score))
	}
	return append(b, ')')
}

// highestTold is the largest change number of the messages that are told of (RFC 7162 §3.1.10).
func (q *searching) highestTold() (n mailbox.ModSeq) {
	if q.all || q.count || !q.min && !q.max && q.partial == nil {
		return q.highest
	}
	if q.min {
		n = q.first.row.ModSeq()
	}
	if q.max {
		n = max(n, q.last.row.ModSeq())
	}
	if q.partial != nil {
		for _, h := range q.part() {
			n = max(n, h.row.ModSeq())
		}
	}
	return n
}
