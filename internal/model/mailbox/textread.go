package mailbox

import (
	"bytes"

	"postroad/internal/format/fulltext"
	"postroad/internal/format/message"
	"postroad/internal/format/summary"
	"postroad/internal/storage/kv"
)

// The zones of a message, as they are indexed and searched.

// bodyText is what people read. Like the others it is valid until the next call.
func (b *Batch) bodyText(row *Row) ([]byte, error) {
	t, err := b.textOfRow(row)
	return t.body, err
}

// partsText is the headers of the message's parts.
func (b *Batch) partsText(row *Row) ([]byte, error) {
	t, err := b.textOfRow(row)
	return t.parts, err
}

// maxHeaderText is how much of a message's header can be searched, in bytes.
const maxHeaderText = 1 << 20

// headerText is the message's own header.
func (b *Batch) headerText(row *Row) ([]byte, error) {
	_, header, err := b.header(row)
	if err != nil {
		return nil, err
	}
	b.folded = AppendHeaderField(b.folded[:0], header, "")
	return b.folded, nil
}

// header reads a message's summary and its own header.
func (b *Batch) header(row *Row) (summary.Record, []byte, error) {
	rec, err := b.Brief(row)
	if err != nil {
		return nil, nil, err
	}
	header, err := b.Header(row, rec)
	if err != nil {
		return nil, nil, err
	}
	if root, ok := rec.Root(); ok && header == nil {
		n := min(root.Header.Size, maxHeaderText)
		if header, err = b.AppendContent(nil, row, root.Header.Offset, n); err != nil {
			return nil, nil, err
		}
	}
	b.read += int64(len(header))
	return rec, header, nil
}

// textOfRow reads what is stored of a message's text.
func (b *Batch) textOfRow(row *Row) (text, error) {
	if b.textOf == row.Content && row.Content != 0 {
		return b.text, nil
	}
	b.textOf = 0
	known, err := b.hasTexts()
	if err != nil || !known {
		if err == nil {
			_, err = b.takeOut(row)
		}
		return b.text, err
	}
	if b.text, err = b.storedText(row.Content); err == nil {
		b.textOf = row.Content
	}
	return b.text, err
}

// hasTexts reports whether the account's messages have their texts stored: not those from before that was done.
func (b *Batch) hasTexts() (bool, error) {
	if !b.asked {
		_, _, ok, err := readManifest(b.r)
		if err != nil {
			return false, err
		}
		b.asked, b.known = true, ok
	}
	return b.known, nil
}

// maxExtract is how much of a message is looked at to take its text out.
const maxExtract = 64 << 20

// takeOut takes the text out of a message that has none stored, and remembers it as that of the row. It returns what is to be packed
// to store it, valid until the next call.
func (b *Batch) takeOut(row *Row) ([]byte, error) {
	b.textOf = 0
	all, err := b.extract(row)
	if err != nil {
		return nil, err
	}
	if b.text, err = split(all); err == nil {
		b.textOf = row.Content
	}
	return all, err
}

// missText notes that a search had to take out the text of a content in the tail.
func (b *Batch) missText() {
	if b.of != nil && !b.missed {
		b.missed = true
		b.of.store.indexing.ask(b.of.id, wish{texts: true})
	}
}

// extract makes a message's text from its bytes; see textRoom.fold.
func (b *Batch) extract(row *Row) ([]byte, error) {
	all, err := b.toExtract(row)
	if err != nil {
		return nil, err
	}
	return b.roomForText().fold(message.Parse(all), bytes.NewReader(all)), nil
}

// toExtract is as much of a message as is looked at to take its text out.
func (b *Batch) toExtract(row *Row) ([]byte, error) {
	b.read += row.Size
	m := b.roomForText()
	all, err := b.AppendContent(m.msg[:0], row, 0, min(row.Size, maxExtract))
	if m.msg = all; cap(all) > roomKept {
		m.msg = nil
	}
	return all, err
}

// textRecords makes what is stored of a message's text from its bytes.
func (b *Batch) textRecords(row *Row) ([][]byte, error) {
	all, err := b.toExtract(row)
	if err != nil {
		return nil, err
	}
	parsed := message.Parse(all)
	if at := placeIn(parsed, all); at.n > 0 {
		return [][]byte{at.appendTo(nil)}, nil
	}
	m := b.roomForText()
	return m.pack(m.fold(parsed, bytes.NewReader(all))), nil
}

// roomForText is the batch's memory for taking out texts.
func (b *Batch) roomForText() *textRoom {
	if b.taking == nil {
		b.taking = textRooms.Get().(*textRoom)
	}
	return b.taking
}

// storedText reads the records of a text. Contents that are asked for in ascending order cost a step each.
func (b *Batch) storedText(id ContentID) (text, error) {
	c, err := b.textCursor()
	if err != nil {
		return text{}, err
	}
	want := key48(keyText, uint64(id))
	b.room = b.room[:0]
	p, ok, err := c.Seek(want)
	for ; ok && err == nil && bytes.HasPrefix(p.Key, want); p, ok, err = c.Next() {
		if at, there, err := decodePlaceOfText(p.Value); there || err != nil {
			if err != nil {
				return text{}, err
			}
			return b.textAt(id, at)
		}
		b.read += int64(len(p.Value))
		if b.room, err = appendChunk(b.room, p.Value); err != nil {
			return text{}, err
		}
	}
	if err != nil {
		return text{}, err
	}
	return split(b.room)
}

// BytesRead counts what the batch has read for searches in text, in bytes: a batch should not read on and on.
func (b *Batch) BytesRead() int64 { return b.read }

func (b *Batch) textCursor() (kv.Cursor, error) {
	if b.texts == nil {
		c, err := b.r.Cursor([]byte{keyText}, []byte{keyText + 1})
		if err != nil {
			return nil, err
		}
		b.texts = c
	}
	return b.texts, nil
}

// holds reports whether a message's text has what a query looks for, in one of the zones.
func (b *Batch) holds(row *Row, q *fulltext.Query, z fulltext.Zones) (bool, error) {
	if z&fulltext.Body != 0 {
		if t, err := b.bodyText(row); err != nil || q.In(t) {
			return err == nil, err
		}
	}
	if z&fulltext.Header == 0 {
		return false, nil
	}
	if t, err := b.partsText(row); err != nil || q.In(t) {
		return err == nil, err
	}
	t, err := b.headerText(row)
	return err == nil && q.In(t), err
}
