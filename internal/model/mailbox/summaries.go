package mailbox

import (
	"bytes"

	"postroad/internal/fault"
	"postroad/internal/format/summary"
	"postroad/internal/storage/kv"
)

// A summary with a long header is stored in three pieces, so that lists of messages are made without reading what nobody asks for: a
// sixth of the bytes for some header fields, half of them for the rest.

// inPieces is the summary in three pieces; the zero Pieces if it stays whole.
func (c *Content) inPieces() *summary.Pieces {
	c.split.Do(func() {
		of := c
		if c.base != nil {
			of = c.base
		}
		if p, ok := of.Summary().SplitIn(c.rooms.lend(), c.front); ok {
			c.pieces = p
		}
	})
	return &c.pieces
}

// putSummary stores a content's summary.
func (t *txn) putSummary(id ContentID, c *Content, p *summary.Pieces) error {
	if p.Brief == nil {
		return t.set(keySummary, uint64(id), c.Summary())
	}
	if err := t.set(keySummary, uint64(id), p.Brief); err != nil {
		return err
	}
	if err := t.set(keyFields, uint64(id), p.Fields); err != nil {
		return err
	}
	return t.set(keyRest, uint64(id), p.Rest)
}

// dropSummary removes a content's summary, and the header if that is apart. A version that knows of no such headers doesn't keep it in the
// records that it writes, so a header is looked for, too.
func (t *txn) dropSummary(id ContentID, c *contentRecord) (err error) {
	apart := c.apart
	if !apart {
		if _, apart, err = t.tx.Get(fieldsKey(id)); err != nil {
			return err
		}
	}
	if err := t.tx.Delete(summaryKey(id)); err != nil || !apart {
		return err
	}
	if err := t.tx.Delete(fieldsKey(id)); err != nil {
		return err
	}
	return t.tx.Delete(restKey(id))
}

// summaries is how a Batch reads summaries.
type summaries struct {
	brief, fields, rest kv.Cursor // nil until they are needed

	from, next ContentID // no fields are apart of the contents from one up to, but without, the other

	header []byte // scratch: of Header
	whole  []byte // scratch: of Summary
}

// Brief is Summary without the header where that is apart, for those who need none: it costs half.
// It is valid until the next call of Brief or Summary.
func (b *Batch) Brief(row *Row) (summary.Record, error) {
	v, _, ok, err := b.seek(&b.sums.brief, keySummary, row.Content)
	if err == nil && !ok {
		err = fault.New(fault.NotFound, "the message is gone")
	}
	return summary.Record(v), err
}

// Summary returns what was learned of a row's message when it arrived. It is valid until
// the next call of Summary or Brief. Rows asked for in ascending order cost a step each. An item that was
// expunged meanwhile gives fault.NotFound. If a header that is apart is damaged, it is as if that were too long: the message itself has it.
func (b *Batch) Summary(row *Row) (summary.Record, error) {
	brief, err := b.Brief(row)
	if err != nil || !brief.Apart() {
		return brief, err
	}
	header, rest, _, err := b.apart(row)
	if err != nil {
		return nil, err
	}
	b.sums.whole = brief.AppendWhole(b.sums.whole[:0], header, rest)
	return b.sums.whole, nil
}

// Header returns the header of a row's message, of which rec is the summary, brief or not. It is nil if the header is longer than
// summary.MaxHeader, or damaged: the message itself has it. It is valid as long as rec, and until the next call of Header or Summary.
func (b *Batch) Header(row *Row, rec summary.Record) ([]byte, error) {
	if !rec.Apart() {
		return rec.Header(), nil
	}
	header, _, _, err := b.apart(row)
	return header, err
}

// HeaderApart returns the header of a row's message if it is apart, and false if it isn't: then it is in the summary, or too long for that, or
// damaged. It is valid until the next call of HeaderApart, Header or Summary.
func (b *Batch) HeaderApart(row *Row) (header []byte, ok bool, err error) {
	header, _, ok, err = b.apart(row)
	return header, ok, err
}

// Fields returns the usual fields of the header of a row's message. It reports false if they aren't apart: then they are in the
// summary. It is valid until the next call of Fields, Header or Summary.
func (b *Batch) Fields(row *Row) (summary.Fields, bool, error) {
	s := &b.sums
	if s.from <= row.Content && row.Content < s.next {
		return nil, false, nil
	}
	v, next, ok, err := b.seek(&s.fields, keyFields, row.Content)
	if err == nil && !ok {
		s.from, s.next = row.Content, next
	}
	return summary.Fields(v), ok, err
}

// apart makes a header of its pieces. It reports false if there are none, or they don't belong together.
func (b *Batch) apart(row *Row) ([]byte, summary.Rest, bool, error) {
	fields, ok, err := b.Fields(row)
	if err != nil || !ok {
		return nil, nil, false, err
	}
	rest, _, _, err := b.seek(&b.sums.rest, keyRest, row.Content)
	if err != nil {
		return nil, nil, false, err
	}
	if b.sums.header, ok = fields.AppendHeader(b.sums.header[:0], rest); !ok {
		return nil, nil, false, nil
	}
	return b.sums.header, rest, true, nil
}

// seek reads a content's record of some kind. If there is none, next is the first content behind it that has one.
func (b *Batch) seek(c *kv.Cursor, kind byte, id ContentID) (value []byte, next ContentID, ok bool, err error) {
	if *c == nil {
		r := all(kind)
		if *c, err = b.r.Cursor(r.Lo, r.Hi); err != nil {
			return nil, 0, false, err
		}
	}
	b.key = append48(append(b.key[:0], kind), uint64(id))
	p, ok, err := (*c).Seek(b.key)
	switch {
	case err != nil:
		return nil, 0, false, err
	case !ok:
		return nil, maxID, false, nil
	case !bytes.Equal(p.Key, b.key):
		return nil, ContentID(read48(p.Key[1:])), false, nil
	}
	return p.Value, id, true, nil
}
