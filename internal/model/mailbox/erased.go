package mailbox

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/record"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// What is expunged lies in wait for a while (Options.KeepErased), so that it can be brought back: its row under the number of
// the change that removed it, with the content and the property bag. It doesn't count as used. No protocol shows it.

// Erased is an item that was expunged and can be brought back.
type Erased struct {
	ID   ModSeq // the change that removed it
	At   time.Time
	Path []string // of the folder it was in, outermost first
	Row  Row

	folder FolderID
}

func erasedKey(n ModSeq) []byte { return key48(keyErased, uint64(n)) }

func (e *Erased) encode() []byte {
	b := binary.AppendUvarint([]byte{recordVersion}, uint64(e.At.Unix()))
	b = binary.AppendUvarint(b, uint64(e.folder))
	b = binary.AppendUvarint(b, uint64(e.Row.UID))
	b = record.AppendString(b, strings.Join(e.Path, "\x00"))
	return record.AppendString(b, appendRow(nil, &e.Row))
}

func decodeErased(p kv.Pair, kw *keywordTable) (e Erased, err error) {
	d := decode(p.Value)
	e.ID, e.At = ModSeq(read48(p.Key[1:])), time.Unix(int64(d.Uint()), 0).UTC()
	e.folder = FolderID(d.Uint())
	uid := UID(d.Uint())
	e.Path = strings.Split(string(d.Bytes()), "\x00")
	row := d.Bytes()
	if err := d.end("expunged item"); err != nil {
		return e, err
	}
	e.Row, err = decodeRow(uid, row, kw)
	return e, err
}

// erase keeps a row that has been taken from its folder. It is an item no more.
func (t *txn) erase(f *folderEdit, r *Row) error {
	e := Erased{ID: f.HighestModSeq, At: t.now, Path: t.pathOf(&f.Folder), Row: *r, folder: f.ID}
	t.next.head.erased.Items++
	t.next.head.erased.Bytes += r.Size
	return t.tx.Set(erasedKey(e.ID), e.encode())
}

// pathOf is the names of a folder and those above it.
func (t *txn) pathOf(f *Folder) []string {
	path := []string{f.Name}
	for up := f.Parent; up != 0 && len(path) <= MaxDepth; {
		n := t.next.folder(up)
		if n == nil {
			break
		}
		path = append(path, n.Name)
		up = n.Parent
	}
	slices.Reverse(path)
	return path
}

// forgetErased removes for good what was expunged, oldest first, as long as enough says so, and at most so many. It returns how many.
func (t *txn) forgetErased(most int, enough func(e *Erased) bool) (int, error) {
	var old []Erased
	for p, err := range t.tx.Scan(all(keyErased)) {
		if err != nil {
			return 0, err
		}
		e, err := decodeErased(p, t.next.kw)
		if err != nil {
			return 0, err
		}
		if len(old) == most || enough(&e) {
			break
		}
		old = append(old, e)
	}
	for i := range old {
		if err := t.dropErased(&old[i]); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}

func (t *txn) dropErased(e *Erased) error {
	if e.Row.hasBag {
		if err := t.tx.Delete(bagKey(e.Row.ID)); err != nil {
			return err
		}
	}
	if err := t.release(e.Row.Content); err != nil {
		return err
	}
	return t.takeErased(e)
}

// takeErased removes the record alone.
func (t *txn) takeErased(e *Erased) error {
	t.dirty = true
	t.next.head.erased.Items--
	t.next.head.erased.Bytes -= e.Row.Size
	return t.tx.Delete(erasedKey(e.ID))
}

// boundErased keeps what was expunged below the account's limits: else who appends and expunges, again and again,
// would fill the disk. It is called when the transaction has expunged something.
func (t *txn) boundErased() error {
	h := &t.next.head
	bytes, items := h.erased.Bytes-h.limit.Bytes, h.erased.Items-h.limit.Items
	if h.limit.Bytes == 0 {
		bytes = 0
	}
	if h.limit.Items == 0 {
		items = 0
	}
	if bytes <= 0 && items <= 0 {
		return nil
	}
	_, err := t.forgetErased(expungeStep, func(e *Erased) bool {
		done := bytes <= 0 && items <= 0
		bytes, items = bytes-e.Row.Size, items-1
		return done
	})
	return err
}

// erasedStep bounds what one transaction removes for good.
const erasedStep = 2000

// tidyErased removes for good what was expunged before the time that the options say.
func (s *Store) tidyErased(ctx context.Context, id ident.AccountID) error {
	a := s.acquire(id)
	defer s.release(a)
	before := s.now().Add(-s.opts.KeepErased)
	for {
		n := 0
		err := a.update(ctx, func(t *txn) (err error) {
			n, err = t.forgetErased(erasedStep, func(e *Erased) bool { return !e.At.Before(before) })
			return err
		})
		if err != nil || n < erasedStep {
			return err
		}
	}
}

// Erased gives what was expunged and can be brought back, oldest first. Only the owner sees it. fn must not call the Session.
func (s *Session) Erased(ctx context.Context, fn func(*Erased) error) error {
	if !s.who.Owns(s.a.id) {
		return fault.New(fault.Denied, "only the owner can do that")
	}
	return s.a.store.db.View(ctx, partition(s.a.id), func(r kv.Reader) error {
		st, err := readState(r)
		if err != nil {
			return err
		}
		for p, err := range r.Scan(all(keyErased)) {
			if err != nil {
				return err
			}
			e, err := decodeErased(p, st.kw)
			if err == nil {
				err = fn(&e)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// uneraseStep bounds the items that one transaction brings back.
const uneraseStep = 500

// Unerase brings back items that were expunged, each into its folder; if that is gone, into one at its path, which is made if
// needed. They are new items, with new IDs and UIDs, all else as it was but for Deleted. It returns how many came: what can't be brought back any
// more is left out. Only the owner may. Errors: fault.OverQuota; what came before stays.
func (s *Session) Unerase(ctx context.Context, all ...Erased) (n int, err error) {
	if !s.who.Owns(s.a.id) {
		return 0, fault.New(fault.Denied, "only the owner can do that")
	}
	for len(all) > 0 {
		some := all[:min(len(all), uneraseStep)]
		came, err := s.uneraseSome(ctx, some)
		if n += came; err != nil {
			return n, err
		}
		all = all[len(some):]
	}
	return n, nil
}

func (s *Session) uneraseSome(ctx context.Context, some []Erased) (n int, err error) {
	to := make([]FolderID, len(some))
	for i := range some {
		if to[i], err = s.folderFor(ctx, &some[i]); err != nil {
			return 0, err
		}
	}
	err = s.a.update(ctx, func(t *txn) error {
		n = 0
		for i := range some {
			key := erasedKey(some[i].ID)
			value, ok, err := t.tx.Get(key)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			e, err := decodeErased(kv.Pair{Key: key, Value: value}, t.next.kw)
			if err == nil {
				err = t.unerase(&e, to[i])
			}
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (t *txn) unerase(e *Erased, to FolderID) error {
	f, err := t.folder(to)
	if err != nil {
		return err
	}
	if err := t.room(1, e.Row.Size); err != nil {
		return err
	}
	r := e.Row
	r.ID = ItemID(t.newID())
	r.Flags &^= Deleted
	if r.hasBag {
		if err := t.copyBag(e.Row.ID, r.ID); err != nil {
			return err
		}
		if err := t.tx.Delete(bagKey(e.Row.ID)); err != nil {
			return err
		}
	}
	if err := t.takeErased(e); err != nil {
		return err
	}
	return t.insert(f, &r, ItemAdded)
}

// folderFor finds or makes the folder that an item comes back to.
func (s *Session) folderFor(ctx context.Context, e *Erased) (FolderID, error) {
	if f, err := s.Folder(e.folder); err == nil {
		return f.ID, nil
	}
	at := FolderID(0)
	for _, name := range e.Path {
		f, ok := s.Child(at, name)
		if !ok {
			var err error
			if f, err = s.CreateFolder(ctx, NewFolder{Name: name, Parent: at, Kind: e.Row.Kind, Subscribed: true}); err != nil {
				return 0, err
			}
		}
		at = f.ID
	}
	return at, nil
}

// erased checks what was expunged; it must come before bags and contents.
func (c *checker) erased() error {
	var sum Usage
	for p, err := range c.r.Scan(all(keyErased)) {
		if err != nil {
			return err
		}
		e, err := decodeErased(p, c.s.kw)
		if err != nil {
			c.say("expunged item %d: %v", read48(p.Key[1:]), err)
			continue
		}
		sum.Items++
		sum.Bytes += e.Row.Size
		if at, here := c.items[e.Row.ID]; here || e.ID > c.s.head.change {
			c.say("item %d was expunged by change %d, and is at %v", e.Row.ID, e.ID, at)
		}
		c.contents[e.Row.Content]++
		c.sizes[e.Row.Content] = e.Row.Size
		if e.Row.bare {
			c.bare[e.Row.Content] = true
		}
		if e.Row.hasBag {
			c.bags[e.Row.ID] = true
		}
	}
	if sum != c.s.head.erased {
		c.say("the account says that it keeps %+v of what was expunged, there is %+v", c.s.head.erased, sum)
	}
	return nil
}
