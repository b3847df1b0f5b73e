package mailbox

import (
	"bytes"

	"postroad/internal/storage/kv"
)

// getter reads records whose keys have a prefix: the first few one by one, and then, if there are more, with a cursor, which costs a step each where
// the keys ascend.
type getter struct {
	r      kv.Reader
	prefix []byte
	few    int // that may still be read one by one
	cursor kv.Cursor
}

func newGetter(r kv.Reader, prefix []byte) getter { return getter{r: r, prefix: prefix, few: 4} }

// get returns a record, valid until the next call.
func (g *getter) get(key []byte) (value []byte, ok bool, err error) {
	if g.few--; g.few >= 0 {
		return g.r.Get(key)
	}
	if g.cursor == nil {
		if g.cursor, err = g.r.Cursor(g.prefix, behind(g.prefix)); err != nil {
			return nil, false, err
		}
	}
	p, ok, err := g.cursor.Seek(key)
	return p.Value, ok && bytes.Equal(p.Key, key), err
}

func (g *getter) close() {
	if g.cursor != nil {
		g.cursor.Close()
	}
}
