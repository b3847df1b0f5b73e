package mailbox

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/format/record"
	"postroad/internal/storage/kv"
)

// Bag is a property bag: what only one protocol knows of an item. Names are the
// protocols' own, with the protocol in front ("mapi.8233001e").
type Bag struct {
	// Content is what the item's content was when the bag was last written. If the item has
	// another one now, properties that were derived from the content are out of date.
	Content ContentID
	Props   map[string][]byte
}

// MaxBag is how many bytes a bag's names and values may take.
const MaxBag = 512 << 10

func (b Bag) encode() []byte {
	out := binary.AppendUvarint([]byte{recordVersion}, uint64(b.Content))
	out = binary.AppendUvarint(out, uint64(len(b.Props)))
	for _, name := range slices.Sorted(maps.Keys(b.Props)) {
		out = record.AppendString(out, name)
		out = record.AppendString(out, b.Props[name])
	}
	return out
}

func decodeBag(value []byte) (Bag, error) {
	d := decode(value)
	b := Bag{Content: ContentID(d.Uint()), Props: map[string][]byte{}}
	for range d.Count() {
		name := string(d.Bytes())
		b.Props[name] = slices.Clone(d.Bytes())
	}
	return b, d.end("property bag")
}

// merge applies a patch: a nil value removes its name.
func (b *Bag) merge(patch map[string][]byte) error {
	size := 0
	for name, v := range patch {
		if v == nil {
			delete(b.Props, name)
		} else {
			b.Props[name] = v
		}
	}
	for name, v := range b.Props {
		size += len(name) + len(v)
	}
	if size > MaxBag {
		return fault.New(fault.TooLarge, "too many properties")
	}
	return nil
}

func (t *txn) getBag(key []byte) (Bag, error) {
	value, ok, err := t.tx.Get(key)
	if err != nil || !ok {
		return Bag{Props: map[string][]byte{}}, err
	}
	return decodeBag(value)
}

func (t *txn) putBag(id ItemID, b Bag) error {
	t.dirty = true
	if len(b.Props) == 0 {
		return t.tx.Delete(bagKey(id))
	}
	return t.tx.Set(bagKey(id), b.encode())
}

func (t *txn) copyBag(from, to ItemID) error {
	b, err := t.getBag(bagKey(from))
	if err != nil {
		return err
	}
	return t.putBag(to, b)
}

// find returns an item's place, if the session may do rights there.
func (s *Session) find(ctx context.Context, id ItemID, rights Rights) (place, error) {
	var p place
	err := s.a.store.db.View(ctx, partition(s.a.id), func(r kv.Reader) (err error) {
		p, err = placeOf(r, id)
		return err
	})
	if err != nil {
		return place{}, err
	}
	if _, err := s.visible(p.folder, rights); err != nil {
		return place{}, fault.New(fault.NotFound, "no such item")
	}
	return p, nil
}

func placeOf(r kv.Reader, id ItemID) (place, error) {
	value, ok, err := r.Get(itemKey(id))
	if err != nil {
		return place{}, err
	}
	if !ok {
		return place{}, fault.New(fault.NotFound, "no such item")
	}
	return decodePlace(value)
}

// HasBag reports whether properties lie beside the item.
func (r *Row) HasBag() bool { return r.hasBag }

// Bag returns an item's property bag: an empty one if nothing was put into it.
func (s *Session) Bag(ctx context.Context, id ItemID) (Bag, error) {
	if _, err := s.find(ctx, id, RightRead); err != nil {
		return Bag{}, err
	}
	return s.readBag(ctx, bagKey(id))
}

func (s *Session) readBag(ctx context.Context, key []byte) (Bag, error) {
	b := Bag{Props: map[string][]byte{}}
	err := s.a.store.db.View(ctx, partition(s.a.id), func(r kv.Reader) error {
		value, ok, err := r.Get(key)
		if err == nil && ok {
			b, err = decodeBag(value)
		}
		return err
	})
	return b, err
}

// SetBag changes properties of an item; a nil value removes one. It needs RightWrite. The bag
// is stamped with the item's content as it is now.
func (s *Session) SetBag(ctx context.Context, id ItemID, patch map[string][]byte) error {
	return s.a.update(ctx, func(t *txn) error {
		p, err := placeOf(t.tx, id)
		if err != nil {
			return err
		}
		f, err := t.viewed(p.folder)
		if err != nil {
			return err
		}
		switch err := s.need(&f.Folder, RightWrite); {
		case fault.Is(err, fault.NotFound):
			return fault.New(fault.NotFound, "no such item") // in the same words as where there is none
		case err != nil:
			return err
		}
		rows := f.view.pick([]UID{p.uid})
		if len(rows) == 0 {
			return fault.New(fault.Corrupt, "item %d is not where its index says", id)
		}
		return t.patchBag(f, rows[0], patch)
	})
}

func (t *txn) patchBag(f *folderEdit, old *Row, patch map[string][]byte) error {
	r := *old
	if err := t.mergeBag(&r, patch); err != nil {
		return err
	}
	r.changed = t.change(ItemChanged, f.ID, r.UID, r.ID)
	f.HighestModSeq = r.changed
	return t.write(f, &r)
}

// mergeBag applies a patch to the bag of a row that is about to be written.
func (t *txn) mergeBag(r *Row, patch map[string][]byte) error {
	if len(patch) == 0 && !r.hasBag {
		return nil
	}
	b, err := t.getBag(bagKey(r.ID))
	if err != nil {
		return err
	}
	if err := b.merge(patch); err != nil {
		return err
	}
	b.Content, r.hasBag = r.Content, len(b.Props) > 0
	return t.putBag(r.ID, b)
}

// bagViews is how many bags are read in one snapshot.
const bagViews = 1000

// BagValues reads one property of many items: those that have it, and whose content is still that which they had when it was written.
func (s *Session) BagValues(ctx context.Context, rows []*Row, name string) (map[ItemID][]byte, error) {
	found := map[ItemID][]byte{}
	for part := range slices.Chunk(rows, bagViews) {
		err := s.a.store.db.View(ctx, partition(s.a.id), func(r kv.Reader) error {
			for _, row := range part {
				if !row.hasBag {
					continue
				}
				value, ok, err := r.Get(bagKey(row.ID))
				if err != nil {
					return err
				}
				if !ok {
					continue // expunged meanwhile
				}
				b, err := decodeBag(value)
				if err != nil {
					return err
				}
				if v, ok := b.Props[name]; ok && b.Content == row.Content {
					found[row.ID] = v
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Props returns the account's own property bag: small settings of protocols.
func (s *Session) Props(ctx context.Context) (map[string][]byte, error) {
	if !s.who.Owns(s.a.id) {
		return map[string][]byte{}, nil
	}
	b, err := s.readBag(ctx, propsKey())
	return b.Props, err
}

// SetProps changes the account's own property bag; a nil value removes a property. Only the owner may.
func (s *Session) SetProps(ctx context.Context, patch map[string][]byte) error {
	return s.UpdateProps(ctx, func(map[string][]byte) (map[string][]byte, error) { return patch, nil })
}

// UpdateProps is SetProps where what is to be changed depends on what there is: nobody else changes it meanwhile. change must
// neither change nor keep what it is given; if it fails or returns nothing, nothing is changed.
func (s *Session) UpdateProps(ctx context.Context, change func(now map[string][]byte) (patch map[string][]byte, err error)) error {
	if !s.who.Owns(s.a.id) {
		return fault.New(fault.Denied, "only the owner can do that")
	}
	return s.a.update(ctx, func(t *txn) error {
		b, err := t.getBag(propsKey())
		if err != nil {
			return err
		}
		patch, err := change(b.Props)
		if err != nil || len(patch) == 0 {
			return err
		}
		if err := b.merge(patch); err != nil {
			return err
		}
		t.change(AccountChanged, 0, 0, 0)
		return t.tx.Set(propsKey(), b.encode())
	})
}
