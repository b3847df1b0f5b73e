package mailbox

import (
	"context"
	"encoding/binary"
	"time"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// ChangeOp says what happened to an object.
type ChangeOp uint8

// What happens to objects. A move is an ItemMovedOut followed by an ItemMovedIn,
// a rewrite an ItemRewrittenOut followed by an ItemRewritten: the ID lives on.
const (
	ItemAdded ChangeOp = iota + 1
	ItemFlagged
	ItemRemoved
	ItemMovedOut
	ItemMovedIn
	ItemRewrittenOut
	ItemRewritten
	ItemChanged // its property bag
	FolderAdded
	FolderChanged
	FolderRemoved
	AccountChanged // its property bag or limits
)

// Change is an entry of the log. An object that changed again since has a later entry too.
type Change struct {
	Seq    ModSeq
	Op     ChangeOp
	Folder FolderID
	UID    UID    // 0 for changes of folders and the account
	Item   ItemID // likewise
	At     time.Time
}

// Gone reports whether the change took the item from its folder.
func (c *Change) Gone() bool {
	return c.Op == ItemRemoved || c.Op == ItemMovedOut || c.Op == ItemRewrittenOut
}

// A log record holds the entries of consecutive change numbers:
//
//	version, Unix seconds, first number, count, then for each entry
//	op, and, unless op has the run bit: folder, UID, item
//
// The run bit says: as the entry before, with UID and item one larger.
const runBit = 0x80

// maxLogEntries bounds the entries of one record.
const maxLogEntries = 8192

// appendLog encodes entries. Their numbers are consecutive.
func encodeLog(entries []Change) []byte {
	b := append(make([]byte, 0, 24+8*min(len(entries), 64)), recordVersion)
	b = binary.AppendUvarint(b, uint64(entries[0].At.Unix()))
	b = binary.AppendUvarint(b, uint64(entries[0].Seq))
	b = binary.AppendUvarint(b, uint64(len(entries)))
	var last Change
	for _, c := range entries {
		if c.UID != 0 && c.Folder == last.Folder && c.UID == last.UID+1 && c.Item == last.Item+1 {
			b = append(b, byte(c.Op)|runBit)
		} else {
			b = append(b, byte(c.Op))
			b = binary.AppendUvarint(b, uint64(c.Folder))
			b = binary.AppendUvarint(b, uint64(c.UID))
			b = binary.AppendUvarint(b, uint64(c.Item))
		}
		last = c
	}
	return b
}

func decodeLog(value []byte, fn func(Change) error) error {
	d := decode(value)
	at := time.Unix(int64(d.Uint()), 0).UTC()
	seq := ModSeq(d.Uint())
	var c Change
	for range d.Count() {
		op := d.Byte()
		if op&runBit != 0 {
			c.UID, c.Item = c.UID+1, c.Item+1
		} else {
			c.Folder, c.UID, c.Item = FolderID(d.Uint()), UID(d.Uint()), ItemID(d.Uint())
		}
		if d.Bad() {
			break
		}
		c.Seq, c.Op, c.At = seq, ChangeOp(op&^runBit), at
		if err := fn(c); err != nil {
			return err
		}
		seq++
	}
	return d.end("change log")
}

// readLog gives the changes after a number, in order.
func readLog(r kv.Reader, after ModSeq, fn func(Change) error) error {
	for p, err := range r.Scan(kv.Range{Lo: logKey(after + 1), Hi: []byte{keyLog + 1}}) {
		if err != nil {
			return err
		}
		err := decodeLog(p.Value, func(c Change) error {
			if c.Seq <= after {
				return nil
			}
			return fn(c)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Log gives the account's changes after a number, in order, up to the newest that State
// shows. It fails with fault.Conflict if the log doesn't reach back that far: start over then.
// Changes of folders that the identity can't see are left out, and so are those of items that
// it can't read. fn must not wait for the network, nor call the Session.
func (s *Session) Log(ctx context.Context, after ModSeq, fn func(Change) error) error {
	// Rights are those of the published state. Entries from behind it would be judged by
	// folders that it doesn't have yet, and a caller that goes on from the last entry would miss some.
	st := s.state()
	return s.a.store.db.View(ctx, partition(s.a.id), func(r kv.Reader) error {
		h, err := readHead(r)
		if err != nil {
			return err
		}
		if after < h.floor {
			return fault.New(fault.Conflict, "the change log begins at %d", h.floor)
		}
		return readLog(r, after, func(c Change) error {
			if c.Seq > st.head.change || c.Folder != 0 && !s.seesChange(st, c) {
				return nil
			}
			return fn(c)
		})
	})
}

// seesChange: what is gone with its folder can't be judged any more, so only the owner hears of it.
func (s *Session) seesChange(st *state, c Change) bool {
	if s.who.Owns(s.a.id) {
		return true
	}
	need := RightLookup
	if c.UID != 0 {
		need |= RightRead
	}
	n := st.folder(c.Folder)
	return n != nil && s.rightsOn(&n.Folder)&need == need
}

// pruneLog removes log records from before a time.
func (s *Store) pruneLog(t *txn, before time.Time) error {
	last := t.next.head.floor
	for p, err := range t.tx.Scan(kv.Range{Lo: logKey(last + 1), Hi: []byte{keyLog + 1}}) {
		if err != nil {
			return err
		}
		d := decode(p.Value)
		if at := time.Unix(int64(d.Uint()), 0); d.Bad() || !at.Before(before) {
			break
		}
		last = ModSeq(read48(p.Key[1:]))
	}
	if last == t.next.head.floor {
		return nil
	}
	if err := t.tx.DeleteRange(logKey(0), logKey(last+1)); err != nil {
		return err
	}
	t.next.head.floor = last
	t.dirty = true
	return nil
}
