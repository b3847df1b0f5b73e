package imap

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"unicode"
	"unicode/utf8"

	"postroad/internal/format/message"
	"postroad/internal/format/summary"
	"postroad/internal/model/mailbox"
)

// sortKey is a criterion of SORT (RFC 5256 §3). It gives a number or a text.
type sortKey struct {
	name    string
	reverse bool
	record  bool // the stored summary is needed
	number  func(h *hit, rec summary.Record) int64
	text    func(rec summary.Record) string
}

// sortKeys has the criteria, one line each.
var sortKeys = []sortKey{
	{name: "ARRIVAL", number: func(h *hit, _ summary.Record) int64 { sec, _ := h.row.ReceivedUnix(); return sec }},
	{name: "SIZE", number: func(h *hit, _ summary.Record) int64 { return h.row.Size }},
	{name: "RELEVANCY", number: func(h *hit, _ summary.Record) int64 { return -int64(h.score) }}, // RFC 6203 §6: the best first
	{name: "DATE", record: true, number: func(h *hit, rec summary.Record) int64 { return sentDate(h.row, rec) }},
	{name: "SUBJECT", record: true, text: baseSubject},
	{name: "CC", record: true, text: func(rec summary.Record) string { return firstMailbox(rec.Cc()) }},
	{name: "FROM", record: true, text: func(rec summary.Record) string { return firstMailbox(rec.From()) }},
	{name: "TO", record: true, text: func(rec summary.Record) string { return firstMailbox(rec.To()) }},
	{name: "DISPLAYFROM", record: true, text: func(rec summary.Record) string { return firstDisplay(rec.From()) }}, // RFC 5957 §4
	{name: "DISPLAYTO", record: true, text: func(rec summary.Record) string { return firstDisplay(rec.To()) }},
}

// sortCriteria consumes sort-criteria.
func (d *decoder) sortCriteria() (keys []sortKey) {
	d.list(func() {
		name := d.keyword()
		reverse := name == "REVERSE"
		if reverse {
			d.sp()
			name = d.keyword()
		}
		i := slices.IndexFunc(sortKeys, func(k sortKey) bool { return k.name == name })
		if i < 0 || len(keys) >= 20 {
			d.fail("no such sort criterion, or too many")
			return
		}
		k := sortKeys[i]
		k.reverse = reverse
		keys = append(keys, k)
	})
	if d.ok() && len(keys) == 0 {
		d.fail("SORT by what?")
	}
	return keys
}

// sentDate is when a message says it was sent, else when it came (RFC 5256 §2.2).
func sentDate(r *mailbox.Row, rec summary.Record) int64 {
	if t, ok := rec.SentDate(); ok {
		return t.Unix()
	}
	sec, _ := r.ReceivedUnix()
	return sec
}

// baseSubject is a subject as it is compared (RFC 5256 §2.1).
func baseSubject(rec summary.Record) string {
	base, _ := rec.BaseSubject()
	return collated(base)
}

// firstMailbox is the addr-mailbox of the first address; a group's is its name (RFC 9051 §7.5.2).
func firstMailbox(as []message.Address) string {
	if len(as) == 0 {
		return ""
	}
	if as[0].Group == message.GroupStart {
		return collated(as[0].Name)
	}
	return collated(as[0].Mailbox)
}

// firstDisplay is the first address as people see it (RFC 5957 §3).
func firstDisplay(as []message.Address) string {
	if len(as) == 0 {
		return ""
	}
	return collated(cmp.Or(as[0].Name, as[0].Addr()))
}

// maxCompared is how much of a text counts in SORT and THREAD, in bytes: all messages' texts are in memory then.
const maxCompared = 1000

// collated makes texts comparable octet by octet in the order of i;unicode-casemap, which goes by capitals (RFC 5051 §2.3).
func collated(s string) string {
	if len(s) > maxCompared {
		s = s[:maxCompared] // within a character, perhaps: the same place in both of two texts
	}
	b := appendFolded(nil, s)
	for i := 0; i < len(b); i++ {
		if b[i] >= utf8.RuneSelf {
			return string(bytes.Map(unicode.ToTitle, b))
		}
	}
	return string(bytes.ToUpper(b))
}

// column is what one criterion says of all hits.
type column struct {
	numbers []int64
	texts   []string
	sign    int
}

func (c *column) compare(a, b int32) int {
	if c.numbers != nil {
		return c.sign * cmp.Compare(c.numbers[a], c.numbers[b])
	}
	return c.sign * cmp.Compare(c.texts[a], c.texts[b])
}

// columns asks the criteria about each hit.
func (s *session) columns(ctx context.Context, keys []sortKey, hits []hit) ([]column, error) {
	cols := make([]column, len(keys))
	record := false
	for i, k := range keys {
		if cols[i].sign = 1; k.reverse {
			cols[i].sign = -1
		}
		if k.number != nil {
			cols[i].numbers = make([]int64, len(hits))
		} else {
			cols[i].texts = make([]string, len(hits))
		}
		record = record || k.record
	}
	err := s.eachRecord(ctx, hits, record, func(i int, rec summary.Record) {
		for c := range keys {
			if keys[c].number != nil {
				cols[c].numbers[i] = keys[c].number(&hits[i], rec)
			} else {
				cols[c].texts[i] = keys[c].text(rec)
			}
		}
	})
	return cols, err
}

// eachRecord gives the summary of each hit in the selected folder, an empty one if the message is gone or none is needed.
func (s *session) eachRecord(ctx context.Context, hits []hit, needed bool, do func(i int, rec summary.Record)) error {
	for at := 0; at < len(hits); {
		from := at
		c := byRow
		if needed {
			c = byRecord
		}
		err := searchStep(ctx, s.sel.mail, c, func(b *mailbox.Batch) error {
			for at = from; at < min(len(hits), from+searchBatch); at++ {
				var rec summary.Record
				if b != nil {
					var err error
					if rec, err = b.Brief(hits[at].row); err != nil && !isGone(err) {
						return err
					}
				}
				do(at, rec)
			}
			return nil
		})
		if err == nil {
			err = s.progress(at, len(hits))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// order puts what was found into the order asked for.
func (s *session) order(ctx context.Context, q *searching) error {
	if q.thread != nil {
		var err error
		q.threaded, err = s.threads(ctx, q)
		return err
	}
	if q.sort == nil || len(q.hits) == 0 {
		return nil
	}
	cols, err := s.columns(ctx, q.sort, q.hits)
	if err != nil {
		return err
	}
	index := make([]int32, len(q.hits))
	for i := range index {
		index[i] = int32(i)
	}
	slices.SortFunc(index, func(a, b int32) int {
		for c := range cols {
			if n := cols[c].compare(a, b); n != 0 {
				return n
			}
		}
		return cmp.Compare(a, b) // RFC 5256 §3: the mailbox's order
	})
	sorted := make([]hit, len(q.hits))
	for i, k := range index {
		sorted[i] = q.hits[k]
	}
	q.hits = sorted
	q.first, q.last = sorted[0], sorted[len(sorted)-1] // RFC 5267 §3.1
	return nil
}
