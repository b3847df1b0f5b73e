package mailbox

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/record"
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
// The run bit says: as the entry before, with UID and item one larger. In records of version 2 two numbers follow it: of how many
// entries that is so, and by how much the item is larger (by 2 mostly: each message takes a number for its content, too).
const (
	runBit     = 0x80
	logVersion = 2
)

// maxLogEntries bounds the entries of one record.
const maxLogEntries = 8192

// logRun is n entries of one kind: each has the change number and UID after those of the one before, and an item larger by step.
type logRun struct {
	Change
	n    int
	step ItemID
}

// appendChange puts a change behind those that a transaction has made.
func appendChange(runs []logRun, c Change) []logRun {
	if len(runs) > 0 && runs[len(runs)-1].extend(&c) {
		return runs
	}
	return append(runs, logRun{Change: c, n: 1})
}

// extend makes c the run's next entry, if it can be.
func (r *logRun) extend(c *Change) bool {
	if c.UID == 0 || c.Op != r.Op || c.Folder != r.Folder || c.UID != r.UID+UID(r.n) {
		return false
	}
	if r.n == 1 && c.Item > r.Item {
		r.step = c.Item - r.Item
	}
	if r.step == 0 || c.Item != r.Item+r.step*ItemID(r.n) {
		return false
	}
	r.n++
	return true
}

// splitLog cuts runs behind their n-th entry.
func splitLog(runs []logRun, n int) (front, rest []logRun) {
	for i, r := range runs {
		if r.n <= n {
			n -= r.n
			continue
		}
		if n == 0 {
			return runs[:i], runs[i:]
		}
		front = append(slices.Clone(runs[:i]), logRun{r.Change, n, r.step})
		r.Seq, r.UID, r.Item, r.n = r.Seq+ModSeq(n), r.UID+UID(n), r.Item+r.step*ItemID(n), r.n-n
		return front, append([]logRun{r}, runs[i+1:]...)
	}
	return runs, nil
}

func entries(runs []logRun) (n int) {
	for i := range runs {
		n += runs[i].n
	}
	return n
}

func (t *txn) writeLog() error {
	for rest := t.log; len(rest) > 0; {
		var front []logRun
		front, rest = splitLog(rest, maxLogEntries)
		last := &front[len(front)-1]
		if err := t.tx.Set(logKey(last.Seq+ModSeq(last.n-1)), encodeLog(front)); err != nil {
			return err
		}
	}
	return nil
}

// encodeLog encodes entries. Their numbers are consecutive.
func encodeLog(runs []logRun) []byte {
	b := append(make([]byte, 0, 24+12*min(len(runs), 64)), logVersion)
	b = binary.AppendUvarint(b, uint64(runs[0].At.Unix()))
	b = binary.AppendUvarint(b, uint64(runs[0].Seq))
	b = binary.AppendUvarint(b, uint64(entries(runs)))
	for i := range runs {
		r := &runs[i]
		b = append(b, byte(r.Op))
		b = binary.AppendUvarint(b, uint64(r.Folder))
		b = binary.AppendUvarint(b, uint64(r.UID))
		b = binary.AppendUvarint(b, uint64(r.Item))
		if r.n > 1 {
			b = binary.AppendUvarint(append(b, byte(r.Op)|runBit), uint64(r.n-1))
			b = binary.AppendUvarint(b, uint64(r.step))
		}
	}
	return b
}

func decodeLog(value []byte, fn func(Change) error) error {
	d := &decoder{record.Decode(value, logVersion)}
	at := time.Unix(int64(d.Uint()), 0).UTC()
	seq := ModSeq(d.Uint())
	left := d.Uint()
	if left > maxLogEntries {
		d.Fail()
	}
	c := Change{At: at}
	for left > 0 {
		n, step := d.logRun(value[0], &c)
		if d.Bad() || n == 0 || n > left {
			d.Fail()
			break
		}
		for left -= n; ; c.UID, c.Item = c.UID+1, c.Item+step {
			c.Seq = seq
			if err := fn(c); err != nil {
				return err
			}
			seq++
			if n--; n == 0 {
				break
			}
		}
	}
	return d.end("change log")
}

// logRun reads the next entry, given the one before, how many entries it stands for, and by how much their items grow.
func (d *decoder) logRun(version byte, c *Change) (n uint64, step ItemID) {
	op := d.Byte()
	c.Op = ChangeOp(op &^ runBit)
	switch {
	case op&runBit == 0:
		c.Folder, c.UID, c.Item = FolderID(d.Uint()), UID(d.Uint()), ItemID(d.Uint())
		return 1, 0
	case version == 1:
		n, step = 1, 1
	default:
		n, step = d.Uint(), ItemID(d.Uint())
	}
	c.UID, c.Item = c.UID+1, c.Item+step
	return n, step
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
		d := record.Decode(p.Value, logVersion)
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
