package pebble

import (
	engine "github.com/cockroachdb/pebble/v2"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// cursor implements kv.Cursor. The engine's iterator notices itself when the next key is
// near, and steps rather than seeks.
type cursor struct {
	it   *engine.Iterator // nil once closed
	area byte
	part kv.Partition
	key  []byte // scratch
}

// Seek implements kv.Cursor.
func (c *cursor) Seek(key []byte) (kv.Pair, bool, error) {
	if c.it == nil {
		return kv.Pair{}, false, errCursorClosed()
	}
	if len(key) > 0 && areaOf(key) != c.area {
		return kv.Pair{}, false, fault.New(fault.Invalid, "kv: the cursor is in the other area")
	}
	c.key = appendBound(c.key[:0], c.area, c.part, key)
	return c.at(c.it.SeekGE(c.key))
}

// Next implements kv.Cursor.
func (c *cursor) Next() (kv.Pair, bool, error) {
	if c.it == nil {
		return kv.Pair{}, false, errCursorClosed()
	}
	return c.at(c.it.Next())
}

func (c *cursor) at(ok bool) (kv.Pair, bool, error) {
	if !ok {
		return kv.Pair{}, false, readFault(c.it.Error())
	}
	p, err := pairAt(c.it)
	return p, err == nil, err
}

// Close implements kv.Cursor.
func (c *cursor) Close() error {
	if c.it == nil {
		return nil
	}
	err := c.it.Close()
	c.it = nil
	return readFault(err)
}

func errCursorClosed() error { return fault.New(fault.Internal, "kv: use of a closed cursor") }
