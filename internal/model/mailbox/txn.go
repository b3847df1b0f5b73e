package mailbox

import (
	"errors"
	"slices"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/fault/spoil"
	"postroad/internal/storage/blob"
	"postroad/internal/storage/kv"
)

// txn is a transaction on an account: it makes the next state from the base,
// and writes to the kv what makes it last.
type txn struct {
	a     *account
	tx    kv.Tx
	next  *state
	now   time.Time
	dirty bool

	folders edits
	log     []logRun
	key     []byte // scratch
	val     []byte // scratch

	ownsKeywords bool // next's keyword table isn't the base's any more

	gathers  bool // records of items and contents wait in gathered
	gathered [gatheredKinds][]kv.Pair
	slab     []byte // see lasting
	rows     []Row  // see newRow

	firstFolder folderEdit // room for most transactions' only one
	firstRow    [1]Row
}

// txns are those that have ended.
var txns = sync.Pool{New: func() any { return new(txn) }}

// newTxn begins a transaction. Whoever has ended it may leave it to others; nobody may hold it, or one of its folders or rows, then.
func newTxn(a *account, tx kv.Tx, base *state) *txn {
	next := *base
	t := txns.Get().(*txn)
	t.a, t.tx, t.next, t.now = a, tx, &next, a.store.now()
	t.rows = t.firstRow[:]
	return t
}

// keptScratch is how large each kind of scratch may be to be used again, in bytes.
const keptScratch = 4 << 10

// keptRuns is how much room for the log is kept.
const keptRuns = 16

// leave lets other transactions use the room of this one.
func (t *txn) leave() {
	log := t.log[:0]
	if cap(log) > keptRuns {
		log = nil
	}
	*t = txn{key: emptied(t.key), val: emptied(t.val), slab: emptied(t.slab), log: log}
	txns.Put(t)
}

// emptied is scratch that can be used again; nil if it is too large.
func emptied(b []byte) []byte {
	if cap(b) > keptScratch {
		return nil
	}
	spoil.Bytes(b)
	return b[:0]
}

// finish writes what the transaction has collected and returns the next state.
func (t *txn) finish() (*state, error) {
	t.next.gen = t.tx.Generation()
	if len(t.folders.all) > 0 {
		t.next.folders = slices.Clone(t.next.folders)
	}
	for _, f := range t.folders.all {
		if err := t.finishFolder(f.ID, f); err != nil {
			return nil, err
		}
	}
	if !t.dirty {
		return t.next, nil
	}
	if err := t.boundErased(); err != nil {
		return nil, err
	}
	t.next.gen++
	if err := t.writeLog(); err != nil {
		return nil, err
	}
	t.val = t.next.head.appendTo(t.val[:0])
	return t.next, t.tx.Set(headKey(), t.val)
}

func (t *txn) finishFolder(id FolderID, f *folderEdit) error {
	if f.removed {
		t.next.remove(id)
		return errors.Join(t.dropStrokes(f), t.tx.Delete(folderKey(id)))
	}
	if !f.touched {
		t.next.put(&node{Folder: f.Folder, view: f.view})
		return nil
	}
	n := &node{Folder: f.Folder}
	if f.view != nil {
		n.view = f.view.advance(f.Folder, t.next.head.change, sortEdits(f.edits))
	}
	t.next.put(n)
	t.val = f.Folder.appendTo(t.val[:0])
	return t.tx.Set(folderKey(id), t.val)
}

// change takes the next change number for an object and notes it in the log.
func (t *txn) change(op ChangeOp, folder FolderID, uid UID, item ItemID) ModSeq {
	t.dirty = true
	t.next.head.change++
	if uid == 0 {
		t.next.shaped = t.next.head.change
	}
	t.noteAct(op, folder)
	t.log = appendChange(t.log, Change{Seq: t.next.head.change, Op: op, Folder: folder, UID: uid, Item: item, At: t.now})
	return t.next.head.change
}

// newID takes the account's next number.
func (t *txn) newID() uint64 {
	t.dirty = true
	t.next.head.lastID++
	return t.next.head.lastID
}

// folder returns a folder for editing.
func (t *txn) folder(id FolderID) (*folderEdit, error) {
	had := t.folders.of(id)
	if had != nil && !had.removed {
		return had, nil
	}
	n := t.next.folder(id)
	if n == nil || had != nil {
		return nil, fault.New(fault.NotFound, "no such folder")
	}
	f := &t.firstFolder
	if len(t.folders.all) > 0 {
		f = new(folderEdit)
	}
	f.Folder, f.view = n.Folder, n.view
	t.folders.add(f)
	return f, nil
}

// viewed returns a folder for editing whose view is loaded.
func (t *txn) viewed(id FolderID) (*folderEdit, error) {
	f, err := t.folder(id)
	if err != nil || f.view != nil {
		return f, err
	}
	f.view, err = loadView(t.tx, t.next, f.Folder)
	return f, err
}

// count adds a row to the folder's and the account's sums, or takes it away with n = -1.
func (t *txn) count(f *folderEdit, r *Row, n int) {
	f.Items += n
	f.Bytes += int64(n) * r.Size
	if r.Flags&Seen == 0 {
		f.Unseen += n
	}
	if r.Flags&Deleted != 0 {
		f.Deleted += n
		f.DeletedBytes += int64(n) * r.Size
	}
	t.next.head.used.Items += int64(n)
	t.next.head.used.Bytes += int64(n) * r.Size
}

// insert puts a row at the folder's end: it gives the UID and the change number.
func (t *txn) insert(f *folderEdit, r *Row, op ChangeOp) error {
	if f.UIDNext == 0 { // 2^32-1 were given
		return fault.New(fault.TooLarge, "the folder's UIDs are used up")
	}
	r.UID = f.UIDNext
	f.UIDNext++
	n := t.change(op, f.ID, r.UID, r.ID)
	r.created, r.changed, r.read, r.saved = n, n, n, t.now.Unix()
	f.HighestModSeq = n
	t.count(f, r, 1)
	if err := t.set(keyItem, uint64(r.ID), place{f.ID, r.UID}.appendTo(t.lasting(placeMost))); err != nil {
		return err
	}
	return t.write(f, r)
}

// gatheredKinds is how many kinds of records gather.
const gatheredKinds = 8

// gatheredKind is the place of a kind of records among those that an append writes, in the order of their keys; -1: none of them.
func gatheredKind(kind byte) int {
	switch kind {
	case keyContent:
		return 0
	case keyRow:
		return 1
	case keySummary:
		return 2
	case keyFields:
		return 3
	case keyTail:
		return 4
	case keyItem:
		return 5
	case keyRest:
		return 6
	case keyText:
		return 7
	}
	return -1
}

// gather lets set leave what it is given to setGathered, if so many items come that it is worth while. The transaction must not look at
// the items any more.
func (t *txn) gather(items int) {
	if items < 2 {
		return
	}
	t.gathers = true
	pairs := make([]kv.Pair, gatheredKinds*items)
	for i := range t.gathered {
		t.gathered[i], pairs = pairs[:0:items], pairs[items:]
	}
	t.slab = make([]byte, 0, items*slabOfItem)
	t.rows = make([]Row, items)
}

// newRow returns room for a row of a new item.
func (t *txn) newRow() *Row {
	if len(t.rows) == 0 {
		return new(Row)
	}
	r := &t.rows[0]
	t.rows = t.rows[1:]
	return r
}

// slabOfItem is about how many bytes keys and small values of an item have.
const slabOfItem = 160

// lasting returns room for n bytes that nobody else uses.
func (t *txn) lasting(n int) []byte {
	if cap(t.slab)-len(t.slab) < n {
		t.slab = make([]byte, 0, max(n, 2*slabOfItem))
	}
	at := len(t.slab)
	t.slab = t.slab[:at+n]
	return t.slab[at : at : at+n]
}

// set writes a record of the kind and number, or leaves it to setGathered. The value may not be changed any more.
func (t *txn) set(kind byte, n uint64, value []byte) error {
	return t.setKey(append48(append(t.lasting(7), kind), n), value)
}

// setKey is set for other keys.
func (t *txn) setKey(key, value []byte) error {
	if t.gathers {
		if i := gatheredKind(key[0]); i >= 0 {
			t.gathered[i] = append(t.gathered[i], kv.Pair{Key: key, Value: value})
			return nil
		}
	}
	return t.tx.Set(key, value)
}

// setGathered writes what set has left, by kinds: many records cost the store less so, for nearly each is put beside the one before.
func (t *txn) setGathered() error {
	for _, pairs := range t.gathered {
		for _, p := range pairs {
			if err := t.tx.Put(p.Key, p.Value); err != nil {
				return err
			}
		}
	}
	t.gathers, t.gathered = false, [gatheredKinds][]kv.Pair{}
	return nil
}

// settle makes the edits so far part of the view.
func (t *txn) settle(f *folderEdit) {
	if len(f.edits) > 0 {
		f.view, f.edits = f.view.advance(f.Folder, t.next.head.change, sortEdits(f.edits)), nil
	}
}

// write stores a row as it is now.
func (t *txn) write(f *folderEdit, r *Row) error {
	f.touched = true
	f.edits = append(f.edits, edit{r.UID, r})
	return t.put(f, r)
}

// put stores a row whose place in the view has been seen to.
func (t *txn) put(f *folderEdit, r *Row) error {
	t.key = appendRowKey(t.key[:0], f.ID, r.UID)
	t.val = appendRow(t.val[:0], r)
	if !t.gathers {
		return t.tx.Set(t.key, t.val)
	}
	return t.setKey(append(t.lasting(len(t.key)), t.key...), append(t.lasting(len(t.val)), t.val...))
}

// take removes a row from its folder, but not what belongs to the item.
func (t *txn) take(f *folderEdit, r *Row, op ChangeOp) error {
	f.HighestModSeq = t.change(op, f.ID, r.UID, r.ID)
	t.count(f, r, -1)
	f.touched = true
	f.edits = append(f.edits, edit{uid: r.UID})
	t.key = appendRowKey(t.key[:0], f.ID, r.UID)
	return t.tx.Delete(t.key)
}

// destroy removes an item, and all that belongs to it unless that is kept for a while.
func (t *txn) destroy(f *folderEdit, r *Row) error {
	if err := t.take(f, r, ItemRemoved); err != nil {
		return err
	}
	if err := t.tx.Delete(itemKey(r.ID)); err != nil {
		return err
	}
	if t.a.store.opts.KeepErased > 0 {
		return t.erase(f, r)
	}
	if r.hasBag {
		if err := t.tx.Delete(bagKey(r.ID)); err != nil {
			return err
		}
	}
	return t.release(r.Content)
}

// retain adds a reference to a content.
func (t *txn) retain(id ContentID) error {
	c, err := t.content(id)
	if err != nil {
		return err
	}
	c.refs++
	return t.tx.Set(contentKey(id), c.encode())
}

// release takes a reference away, and the content with the last one.
func (t *txn) release(id ContentID) error {
	c, err := t.content(id)
	if err != nil {
		return err
	}
	if c.refs--; c.refs > 0 {
		return t.tx.Set(contentKey(id), c.encode())
	}
	if err := t.tx.Delete(contentKey(id)); err != nil {
		return err
	}
	if err := t.dropSummary(id, &c); err != nil {
		return err
	}
	if err := t.dropOrigin(id); err != nil {
		return err
	}
	for i := range c.texts {
		if err := t.tx.Delete(textKey(id, i)); err != nil {
			return err
		}
	}
	return blob.DeleteSized(t.tx, blob.ID(id), c.size)
}

func (t *txn) content(id ContentID) (contentRecord, error) {
	value, ok, err := t.tx.Get(contentKey(id))
	if err != nil {
		return contentRecord{}, err
	}
	if !ok {
		return contentRecord{}, fault.New(fault.Corrupt, "content %d is missing", id)
	}
	c, err := decodeContent(value)
	if err == nil && c.refs == 0 {
		err = fault.New(fault.Corrupt, "content %d has no references", id)
	}
	return c, err
}

// keywords returns the numbers of names, ascending, giving numbers to new ones.
func (t *txn) keywords(names []string) ([]uint32, error) {
	var ids []uint32
	for _, name := range names {
		if !validKeyword(name) {
			return nil, fault.New(fault.Invalid, "a keyword has a character that is not allowed, or is too long")
		}
		id, ok := t.next.kw.number(name)
		if !ok {
			id = t.ownKeywords().add(name)
			if err := t.tx.Set(keywordKey(id), []byte(name)); err != nil {
				return nil, err
			}
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// ownKeywords returns the keyword table for adding to it: the base's, copied once.
func (t *txn) ownKeywords() *keywordTable {
	t.dirty = true
	if !t.ownsKeywords {
		t.next.kw, t.ownsKeywords = t.next.kw.clone(), true
	}
	return t.next.kw
}

// room fails if n more items of so many bytes in all are over the account's limit.
func (t *txn) room(items int, bytes int64) error {
	h := &t.next.head
	if h.limit.Bytes > 0 && h.used.Bytes+bytes > h.limit.Bytes || h.limit.Items > 0 && h.used.Items+int64(items) > h.limit.Items {
		return fault.New(fault.OverQuota, "the mailbox is full")
	}
	return nil
}
