package mailbox

import (
	"bytes"
	"encoding/binary"
	"iter"
	"time"

	"postroad/internal/storage/blob"
	"postroad/internal/storage/kv"
)

// content reads a content's record; false: it is gone. Those asked for in ascending order cost a step each, where looking
// up each of many would read filters and indexes of the whole store again and again.
func (b *Batch) content(id ContentID) (contentRecord, bool, error) {
	if b.records != nil && id < b.recordOf { // cursors go forward
		b.records.Close()
		b.records = nil
	}
	if b.records == nil {
		c, err := b.r.Cursor([]byte{keyContent}, []byte{keyContent + 1})
		if err != nil {
			return contentRecord{}, false, err
		}
		b.records = c
	}
	b.recordOf = id
	b.key = append48(append(b.key[:0], keyContent), uint64(id))
	p, ok, err := b.records.Seek(b.key)
	if err != nil || !ok || !bytes.Equal(p.Key, b.key) {
		return contentRecord{}, false, err
	}
	rec, err := decodeContent(p.Value)
	return rec, err == nil, err
}

// AppendContent appends bytes off to off+n of a row's message to dst, as far as they exist.
func (b *Batch) AppendContent(dst []byte, row *Row, off, n int64) ([]byte, error) {
	off = min(max(off, 0), row.Size)
	n = min(max(n, 0), row.Size-off)
	return blob.AppendTo((*bulkReader)(b), dst, blob.ID(row.Content), off, n)
}

// bulkReader looks up the chunks of contents with a cursor: rows asked for in ascending order
// share the blocks that they lie in, and no value stays in memory longer than it is copied.
type bulkReader Batch

// Get gives a value that is valid until the next Get.
func (b *bulkReader) Get(k []byte) ([]byte, bool, error) {
	if b.bulk == nil {
		c, err := b.r.Cursor([]byte{kv.BulkPrefix}, []byte{kv.BulkPrefix + 1})
		if err != nil {
			return nil, false, err
		}
		b.bulk = c
	}
	if bytes.Compare(k, b.last) < 0 { // cursors go forward
		return b.r.Get(k)
	}
	b.last = append(b.last[:0], k...)
	p, ok, err := b.bulk.Seek(k)
	if err != nil || !ok || !bytes.Equal(p.Key, k) {
		return nil, false, err
	}
	return p.Value, true, nil
}

// Scan and Cursor complete kv.Reader.
func (b *bulkReader) Scan(r kv.Range) iter.Seq2[kv.Pair, error] { return b.r.Scan(r) }

// Cursor is that of the snapshot.
func (b *bulkReader) Cursor(lo, hi []byte) (kv.Cursor, error) { return b.r.Cursor(lo, hi) }

func encodeTime(t time.Time) []byte {
	return binary.AppendVarint([]byte{recordVersion}, t.Unix())
}

func decodeTime(value []byte) (time.Time, error) {
	d := decode(value)
	t := time.Unix(d.Int(), 0)
	return t, d.end("time")
}
