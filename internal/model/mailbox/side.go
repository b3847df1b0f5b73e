package mailbox

import (
	"bytes"
	"context"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// A Side names a service whose own records lie beside an account's mail: they are backed up, restored and removed with it, and
// a service that notes in one transaction what it did and how far it read the log does nothing twice. No protocol shows them,
// they take no change number and ring no bell. What is in them is the service's business.
type Side byte

// The services that have records.
const (
	JunkSide Side = 'j' // what the account holds for junk
)

// A SideReader reads a service's records, valid as kv.Reader says.
type SideReader struct {
	r    kv.Reader
	side Side
}

// A SideTx reads and writes them.
type SideTx struct {
	SideReader
	t *txn
}

func sideKey(s Side, key []byte) []byte {
	return append(append(make([]byte, 0, 2+len(key)), keySide, byte(s)), key...)
}

// Get returns a record; ok is false if there is none.
func (r SideReader) Get(key []byte) (value []byte, ok bool, err error) {
	return r.r.Get(sideKey(r.side, key))
}

// GetAll gives fn the records that there are of n keys, with the keys' numbers; nil keys are left out. Many whose keys ascend cost less than Get for
// each.
func (r SideReader) GetAll(n int, key func(i int) []byte, fn func(i int, value []byte) error) error {
	g := newGetter(r.r, sideKey(r.side, nil))
	defer g.close()
	for i := range n {
		k := key(i)
		if k == nil {
			continue
		}
		v, ok, err := g.get(sideKey(r.side, k))
		if err == nil && ok {
			err = fn(i, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Scan gives fn the records whose keys begin with prefix, in order; the keys without what says whose they are.
func (r SideReader) Scan(prefix []byte, fn func(key, value []byte) error) error {
	lo := sideKey(r.side, prefix)
	for p, err := range r.r.Scan(kv.Range{Lo: lo, Hi: behind(lo)}) {
		if err == nil {
			err = fn(p.Key[2:], p.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// behind is the first key behind those that begin with a prefix whose first byte isn't the last there is.
func behind(prefix []byte) []byte {
	hi := bytes.Clone(prefix)
	for hi[len(hi)-1] == 0xFF {
		hi = hi[:len(hi)-1]
	}
	hi[len(hi)-1]++
	return hi
}

// Set writes a record.
func (tx SideTx) Set(key, value []byte) error {
	tx.t.dirty = true
	return tx.t.tx.Set(sideKey(tx.side, key), value)
}

// Delete removes one.
func (tx SideTx) Delete(key []byte) error {
	tx.t.dirty = true
	return tx.t.tx.Delete(sideKey(tx.side, key))
}

// DeleteAll removes those whose keys begin with prefix.
func (tx SideTx) DeleteAll(prefix []byte) error {
	tx.t.dirty = true
	lo := sideKey(tx.side, prefix)
	return tx.t.tx.DeleteRange(lo, behind(lo))
}

// ReadSide runs fn on a service's records, in a snapshot. Only the owner may.
func (s *Session) ReadSide(ctx context.Context, side Side, fn func(SideReader) error) error {
	if !s.who.Owns(s.a.id) {
		return errOwners()
	}
	return s.a.store.db.View(ctx, partition(s.a.id), func(r kv.Reader) error { return fn(SideReader{r, side}) })
}

// UpdateSide runs fn as a transaction on a service's records, and returns when it is durable. Only the owner may.
func (s *Session) UpdateSide(ctx context.Context, side Side, fn func(SideTx) error) error {
	if !s.who.Owns(s.a.id) {
		return errOwners()
	}
	return s.a.update(ctx, func(t *txn) error { return fn(SideTx{SideReader{t.tx, side}, t}) })
}

// NoteSide is UpdateSide without a sync: a later commit makes it durable, and a crash may take it back, as a whole.
func (s *Session) NoteSide(ctx context.Context, side Side, fn func(SideTx) error) error {
	if !s.who.Owns(s.a.id) {
		return errOwners()
	}
	return s.a.lazily(ctx, func(t *txn) error { return fn(SideTx{SideReader{t.tx, side}, t}) })
}

func errOwners() error { return fault.New(fault.Denied, "only the owner can do that") }

// An ItemAt is an item, and where it is.
type ItemAt struct {
	Folder FolderID
	Row    Row
}

// Rows finds items wherever they are, in the order of ids; those that are gone, or that the identity can't read, are left out. It reads
// their rows from the store: for a few of large folders that nobody shows.
func (s *Session) Rows(ctx context.Context, ids []ItemID) ([]ItemAt, error) {
	found := make([]ItemAt, 0, len(ids))
	err := s.a.store.db.View(ctx, partition(s.a.id), func(r kv.Reader) error {
		f := rowFinder{r: r, strokes: map[FolderID]*lateStrokes{}, items: newGetter(r, []byte{keyItem}), rows: newGetter(r, []byte{keyRow})}
		defer f.items.close()
		defer f.rows.close()
		var err error
		if f.kw, err = readKeywords(r); err != nil {
			return err
		}
		for _, id := range ids {
			p, err := f.find(id)
			switch {
			case fault.Is(err, fault.NotFound):
				continue
			case err != nil:
				return err
			}
			if s.Rights(p.Folder)&(RightLookup|RightRead) == RightLookup|RightRead {
				found = append(found, p)
			}
		}
		return nil
	})
	return found, err
}

// rowFinder reads single rows.
type rowFinder struct {
	r       kv.Reader
	items   getter
	rows    getter
	kw      *keywordTable
	strokes map[FolderID]*lateStrokes
}

func (f *rowFinder) find(id ItemID) (ItemAt, error) {
	value, ok, err := f.items.get(itemKey(id))
	if err == nil && !ok {
		err = fault.New(fault.NotFound, "no such item")
	}
	if err != nil {
		return ItemAt{}, err
	}
	at, err := decodePlace(value)
	if err != nil {
		return ItemAt{}, err
	}
	value, ok, err = f.rows.get(rowKey(at.folder, at.uid))
	if err == nil && !ok {
		err = fault.New(fault.Corrupt, "item %d is not where its index says", id)
	}
	if err != nil {
		return ItemAt{}, err
	}
	row, err := decodeRow(at.uid, value, f.kw)
	if err != nil {
		return ItemAt{}, err
	}
	strokes := f.strokes[at.folder]
	if strokes == nil {
		strokes = &lateStrokes{}
		f.strokes[at.folder] = strokes
	}
	if err := strokes.back(f.r, f.kw, at.folder, row.ModSeq()); err != nil {
		return ItemAt{}, err
	}
	strokes.list.apply(&row, f.kw)
	return ItemAt{at.folder, row}, nil
}

// noteAct remembers that something happened in which a person may have had a hand: anything but that messages have come to a folder
// where they come by themselves.
func (t *txn) noteAct(op ChangeOp, folder FolderID) {
	if op == ItemAdded {
		if n := t.next.folder(folder); n == nil || n.Role != Junk && n.Role != Sent {
			return
		}
	}
	t.next.acted = t.next.head.change
}

// tellActs tells whoever wants to know.
func (s *Store) tellActs(id ident.AccountID, old, now *state) {
	if s.opts.Acted != nil && old != nil && old.acted != now.acted {
		s.opts.Acted(id)
	}
}
