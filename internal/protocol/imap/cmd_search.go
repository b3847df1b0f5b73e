package imap

import (
	"bytes"
	"context"
	"slices"
	"strconv"

	"postroad/internal/fault"
	"postroad/internal/format/charset"
	"postroad/internal/model/mailbox"
)

// searching is a SEARCH command (RFC 9051 §6.4.4) and what it has found.
type searching struct {
	extended bool // answered by ESEARCH (RFC 4731)
	min, max bool
	all      bool
	count    bool
	save     bool // RFC 5182

	charset string
	whole   int  // BODY and TEXT keys so far
	modseq  bool // MODSEQ was among the keys (RFC 7162 §3.1.5)

	numbers    numSet // of the messages found: places plus one
	uids       numSet
	found      int
	first      mailbox.Row // the first and last message found
	last       mailbox.Row
	highest    mailbox.ModSeq // the largest change number of those found
	firstPlace int
	lastPlace  int
}

// search: RFC 9051 §6.4.4.
func (s *session) search(ctx context.Context) (reply, error) {
	q := &searching{}
	d := &s.dec
	d.sp()
	if d.tryKeyword("RETURN") {
		q.extended = true
		d.sp()
		q.returnOptions(d)
		d.sp()
	}
	if d.tryKeyword("CHARSET") {
		d.sp()
		q.charset = string(d.astring())
		d.sp()
	}
	known := q.charset == "" || charset.Known(q.charset)
	key := s.searchKeys(q, d.atEnd)
	if err := d.end(); err != nil {
		return reply{}, err
	}
	if !known {
		if q.save {
			s.saved = nil // RFC 5182 §2.1
		}
		return reply{}, no("BADCHARSET (UTF-8 US-ASCII)", "that character set is not known")
	}
	if q.modseq {
		s.enableCondstore()
	}
	if s.rev2 && !q.extended { // RFC 9051 §6.4.4: as if RETURN (ALL) had been given
		q.extended, q.all = true, true
	}
	err := s.runSearch(ctx, q, key)
	if err != nil {
		if q.save {
			s.saved = nil // RFC 5182 §2.1
		}
		return reply{}, err
	}
	if q.save {
		s.saved = q.toSave()
	}
	s.sendFound(q)
	return reply{text: "searched"}, nil
}

// returnOptions consumes search-return-opts (RFC 9051 §9).
func (q *searching) returnOptions(d *decoder) {
	d.list(func() {
		switch d.keyword() {
		case "MIN":
			q.min = true
		case "MAX":
			q.max = true
		case "ALL":
			q.all = true
		case "COUNT":
			q.count = true
		case "SAVE":
			q.save = true
		default:
			d.fail("no such return option of SEARCH")
		}
	})
	if !q.min && !q.max && !q.count && !q.save {
		q.all = true // RFC 4731 §3.1: () is (ALL)
	}
}

// searchBatch is how many messages are looked at in one snapshot, or with contents how many bytes.
const (
	searchBatch = 1000
	searchBytes = 8 << 20
)

// runSearch looks at every message of the client's view.
func (s *session) runSearch(ctx context.Context, q *searching, key criterion) error {
	fresh, err := s.fresh(ctx)
	if err != nil {
		return err
	}
	m := &matching{s: s, now: s.srv.now().Unix()}
	shown, n := s.sel.shown, s.sel.shown.Len()
	for at := 0; at < n; {
		step := func(b *mailbox.Batch) error {
			m.begin(b)
			for end := min(n, at+searchBatch); at < end && m.read < searchBytes; at++ {
				row := shown.At(at)
				if fresh != shown {
					i, ok := fresh.Find(row.UID)
					if !ok {
						continue
					}
					row = fresh.At(i)
				}
				hit, err := m.matches(&key, at, row)
				if err != nil {
					return err
				}
				if hit {
					q.add(at, row)
				}
			}
			return nil
		}
		if key.cost == byRow {
			err = step(nil)
		} else {
			err = s.mail.Read(ctx, step)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// matches is match, where a message that was expunged meanwhile doesn't.
func (m *matching) matches(key *criterion, at int, row *mailbox.Row) (bool, error) {
	hit, err := key.match(m, at, row)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return hit, err
}

// add notes a message found. They come in order.
func (q *searching) add(at int, r *mailbox.Row) {
	if q.found++; q.found == 1 {
		q.first, q.firstPlace = *r, at
	}
	q.last, q.lastPlace = *r, at
	q.highest = max(q.highest, r.ModSeq())
	q.numbers = q.numbers.add(uint32(at + 1))
	q.uids = q.uids.add(uint32(r.UID))
}

// toSave is what "$" will stand for (RFC 5182 §2.1).
func (q *searching) toSave() numSet {
	if q.found == 0 || q.all || q.count || !q.min && !q.max {
		return q.uids
	}
	var set numSet
	if q.min {
		set = set.add(uint32(q.first.UID))
	}
	if q.max && (!q.min || q.found > 1) {
		set = set.add(uint32(q.last.UID))
	}
	return set
}

// sendFound sends what was asked for.
func (s *session) sendFound(q *searching) {
	if q.extended {
		if q.all || q.min || q.max || q.count { // RFC 5182 §2.2: SAVE alone has no answer
			s.out.set(s.appendESearch(s.out.buf(), q))
		}
		return
	}
	b := append(s.out.buf(), "* SEARCH"...)
	set := q.numbers
	if s.byUID {
		set = q.uids
	}
	for _, r := range set {
		for n := uint64(r.lo); n <= uint64(r.hi); n++ {
			b = strconv.AppendUint(append(b, ' '), n, 10)
		}
	}
	if q.modseq && q.found > 0 { // RFC 7162 §3.1.5
		b = append(appendUint(append(b, " (MODSEQ "...), q.highest), ')')
	}
	s.out.set(append(b, crlf...))
}

// appendESearch: RFC 9051 §7.3.4.
func (s *session) appendESearch(b []byte, q *searching) []byte {
	b = append(append(b, "* ESEARCH (TAG "...), '"')
	b = append(append(b, s.tag...), '"', ')')
	set, first, last := q.numbers, uint32(q.firstPlace+1), uint32(q.lastPlace+1)
	if s.byUID {
		b = append(b, " UID"...)
		set, first, last = q.uids, uint32(q.first.UID), uint32(q.last.UID)
	}
	if q.found > 0 && q.min {
		b = appendUint(append(b, " MIN "...), first)
	}
	if q.found > 0 && q.max {
		b = appendUint(append(b, " MAX "...), last)
	}
	if q.found > 0 && q.all {
		b = set.appendTo(append(b, " ALL "...))
	}
	if q.count {
		b = strconv.AppendInt(append(b, " COUNT "...), int64(q.found), 10)
	}
	if q.found > 0 && q.modseq {
		b = appendUint(append(b, " MODSEQ "...), q.highestTold())
	}
	return append(b, crlf...)
}

// highestTold is the largest change number of the messages that are told of (RFC 7162 §3.1.10).
func (q *searching) highestTold() mailbox.ModSeq {
	switch {
	case q.all || q.count || !q.min && !q.max:
		return q.highest
	case q.min && q.max:
		return max(q.first.ModSeq(), q.last.ModSeq())
	case q.min:
		return q.first.ModSeq()
	}
	return q.last.ModSeq()
}

// maxWholeKeys is how many keys of a SEARCH may look for text in whole messages: each goes through all of it again.
const maxWholeKeys = 200

// wholeText is text for such a key.
func (q *searching) wholeText(d *decoder) string {
	if q.whole++; q.whole > maxWholeKeys && d.ok() {
		d.err = &limitError{"LIMIT", "too many texts to look for in whole messages"}
	}
	return string(q.text(d))
}

// text consumes a string to be searched for and returns it folded, as searches compare it.
func (q *searching) text(d *decoder) []byte {
	raw := d.astring()
	text := string(raw)
	if q.charset != "" {
		text, _ = charset.Decode(q.charset, bytes.Clone(raw))
	}
	return slices.Clip(appendFolded(nil, text))
}
