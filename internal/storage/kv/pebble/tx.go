package pebble

import (
	engine "github.com/cockroachdb/pebble/v2"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// tx implements kv.Tx: a reader whose source is a batch on top of the store.
type tx struct {
	reader
	lsm   *engine.DB
	gen   uint64
	batch *engine.Batch
	apart *engine.Batch // what was Put; nil: nothing
	size  int           // bytes written
	err   error         // the first refused write: it fails the transaction
}

func newTx(db *DB, p *partition) *tx {
	b := db.lsm.NewIndexedBatch()
	return &tx{reader: reader{src: b, part: p.id}, lsm: db.lsm, gen: p.gen, batch: b}
}

// takeBatch passes the writes on to the caller; nil if there are none.
func (t *tx) takeBatch() (*engine.Batch, error) {
	if t.err != nil {
		return nil, t.err
	}
	b := &t.batch
	if t.apart != nil {
		if err := t.apart.Apply(t.batch, nil); err != nil {
			return nil, writeFault(err)
		}
		b = &t.apart
	}
	taken := *b
	if taken.Empty() {
		return nil, nil
	}
	*b = nil
	return taken, nil
}

// end releases what the body has read, and its writes unless they were taken.
func (t *tx) end() {
	t.release()
	for _, b := range [...]*engine.Batch{t.batch, t.apart} {
		if b != nil {
			_ = b.Close() // never committed: nothing to fail
		}
	}
	t.batch, t.apart = nil, nil
}

// Generation implements kv.Tx.
func (t *tx) Generation() uint64 { return t.gen }

// Set implements kv.Tx.
func (t *tx) Set(key, value []byte) error { return t.setIn(t.batch, key, value) }

// Put implements kv.Tx: a batch without an index takes it.
func (t *tx) Put(key, value []byte) error {
	if t.apart == nil {
		t.apart = t.lsm.NewBatch()
	}
	return t.setIn(t.apart, key, value)
}

func (t *tx) setIn(b *engine.Batch, key, value []byte) error {
	if err := t.admit(checkKey(key), len(key)+len(value)); err != nil {
		return err
	}
	if len(value) > kv.MaxValue {
		return t.refuse(fault.New(fault.TooLarge, "kv: value of %d bytes, at most %d are allowed", len(value), kv.MaxValue))
	}
	op := b.SetDeferred(prefixLen+len(key), len(value))
	appendKey(op.Key[:0], t.part, key)
	copy(op.Value, value)
	return t.refuse(op.Finish())
}

// Delete implements kv.Tx.
func (t *tx) Delete(key []byte) error {
	if err := t.admit(checkKey(key), len(key)); err != nil {
		return err
	}
	op := t.batch.DeleteDeferred(prefixLen + len(key))
	appendKey(op.Key[:0], t.part, key)
	return t.refuse(op.Finish())
}

// DeleteRange implements kv.Tx.
func (t *tx) DeleteRange(lo, hi []byte) error {
	if err := t.admit(checkRange(lo, hi), len(lo)+len(hi)); err != nil {
		return err
	}
	area := areaOf(lo)
	op := t.batch.DeleteRangeDeferred(prefixLen+len(lo), prefixLen+len(hi))
	appendBound(op.Key[:0], area, t.part, lo)
	appendBound(op.Value[:0], area, t.part, hi)
	return t.refuse(op.Finish())
}

// admit counts a write that passed its check against the transaction's limit.
func (t *tx) admit(err error, size int) error {
	if err == nil {
		if t.size += size; t.size > kv.MaxBatch {
			err = fault.New(fault.TooLarge, "kv: the transaction writes more than %d bytes", kv.MaxBatch)
		}
	}
	return t.refuse(err)
}

// refuse remembers the first error: a transaction without one of its writes must not
// commit.
func (t *tx) refuse(err error) error {
	if t.err == nil {
		t.err = err
	}
	return err
}
