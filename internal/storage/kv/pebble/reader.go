package pebble

import (
	"errors"
	"io"
	"iter"
	"sync"

	engine "github.com/cockroachdb/pebble/v2"

	"postroad/internal/storage/kv"
)

// source is what can be read: a snapshot, or a batch on top of the store.
type source interface {
	Get(key []byte) ([]byte, io.Closer, error)
	NewIter(o *engine.IterOptions) (*engine.Iterator, error)
}

// reader implements kv.Reader on a source.
type reader struct {
	src     source
	part    kv.Partition
	key     []byte // scratch
	room    []byte // copies of small values
	held    []io.Closer
	cursors []*cursor
}

var readers = sync.Pool{New: func() any { return new(reader) }}

func newReader(src source, p kv.Partition) *reader {
	r := readers.Get().(*reader)
	r.src, r.part = src, p
	return r
}

// end releases all that the reader gave out.
func (r *reader) end() {
	r.release()
	readers.Put(r)
}

func (r *reader) release() {
	for _, c := range r.held {
		_ = c.Close() // unpins a block; can't fail
	}
	for _, c := range r.cursors {
		_ = c.Close() // had its own chance to report
	}
	clear(r.held)
	clear(r.cursors)
	r.held, r.cursors, r.src, r.room = r.held[:0], r.cursors[:0], nil, nil
}

// copyUpTo is how long a value may be to be copied, in bytes. A value that isn't copied keeps the whole block that it
// lies in in memory, and that may be tens of thousands of blocks for a reader that looks at as many small records.
const copyUpTo = 1 << 10

// Get implements kv.Reader. A large value is not copied: it stays pinned in the block cache
// or memtable until the reader ends.
func (r *reader) Get(key []byte) ([]byte, bool, error) {
	if err := checkKey(key); err != nil {
		return nil, false, err
	}
	r.key = appendKey(r.key[:0], r.part, key)
	value, closer, err := r.src.Get(r.key)
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return nil, false, nil
	case err != nil:
		return nil, false, readFault(err)
	}
	if len(value) <= copyUpTo {
		value = r.keep(value)
		return value, true, readFault(closer.Close())
	}
	r.held = append(r.held, closer)
	return value, true, nil
}

// keep copies a value to where it lasts until the reader ends.
func (r *reader) keep(value []byte) []byte {
	if len(value) > cap(r.room)-len(r.room) {
		const least, most = 256, 64 << 10
		r.room = make([]byte, 0, max(len(value), min(max(least, 2*cap(r.room)), most))) // those given out keep the old one
	}
	at := len(r.room)
	r.room = append(r.room, value...)
	return r.room[at:len(r.room):len(r.room)]
}

// Scan implements kv.Reader.
func (r *reader) Scan(rg kv.Range) iter.Seq2[kv.Pair, error] {
	return func(yield func(kv.Pair, error) bool) {
		it, err := r.iterator(rg.Lo, rg.Hi)
		if err != nil {
			yield(kv.Pair{}, err)
			return
		}
		defer it.Close()
		first, next := it.First, it.Next
		if rg.Reverse {
			first, next = it.Last, it.Prev
		}
		for ok := first(); ok; ok = next() {
			p, err := pairAt(it)
			if err != nil {
				yield(kv.Pair{}, err)
				return
			}
			if !yield(p, nil) {
				return
			}
		}
		if err := it.Error(); err != nil {
			yield(kv.Pair{}, readFault(err))
		}
	}
}

// iterator opens an iterator on [lo, hi), which must lie in one area.
func (r *reader) iterator(lo, hi []byte) (*engine.Iterator, error) {
	if err := checkRange(lo, hi); err != nil {
		return nil, err
	}
	area := areaOf(lo)
	r.key = appendBound(r.key[:0], area, r.part, lo)
	n := len(r.key)
	r.key = appendBound(r.key, area, r.part, hi)
	it, err := r.src.NewIter(&engine.IterOptions{LowerBound: r.key[:n:n], UpperBound: r.key[n:]})
	return it, readFault(err)
}

func pairAt(it *engine.Iterator) (kv.Pair, error) {
	v, err := it.ValueAndErr()
	if err != nil {
		return kv.Pair{}, readFault(err)
	}
	return kv.Pair{Key: it.Key()[prefixLen:], Value: v}, nil
}

// Cursor implements kv.Reader.
func (r *reader) Cursor(lo, hi []byte) (kv.Cursor, error) {
	it, err := r.iterator(lo, hi)
	if err != nil {
		return nil, err
	}
	c := &cursor{it: it, area: areaOf(lo), part: r.part}
	r.cursors = append(r.cursors, c)
	return c, nil
}
