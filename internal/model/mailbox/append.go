package mailbox

import (
	"context"
	"slices"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/storage/blob"
)

// Append is an item to be put into a folder.
type Append struct {
	Content  *Content
	Flags    Flags
	Keywords []string
	Received time.Time // zero: now
	// Bag holds properties that lie beside the item from the start, at most MaxBag bytes. With
	// Replace they change those that are there, as with SetBag.
	Bag map[string][]byte
	// Exempt: a full mailbox takes it too, as what its owner must be told. It counts like any other.
	Exempt bool
	// Arrived: it has come by itself, whatever folder it goes to: if that is the one for junk, Options.Acted doesn't hear of it.
	Arrived bool

	origin Origin // of a copy from another account
}

// Appended tells where an item went.
type Appended struct {
	ID          ItemID
	UID         UID
	ModSeq      ModSeq
	UIDValidity uint32
}

// Pending is an append whose outcome isn't known yet.
type Pending struct {
	p       *pending
	done    []Appended
	release sync.Once
}

// Wait returns when the items are durable. Calls after the first give the same.
func (p *Pending) Wait() ([]Appended, error) {
	defer p.release.Do(func() { p.p.a.store.release(p.p.a) })
	if err := p.p.wait(); err != nil {
		return nil, err
	}
	return p.done, nil
}

// Append puts items into a folder, all or none, and returns when they are durable.
// It needs RightInsert; flags and keywords that the identity may not set are left out (RFC 4314 §4).
func (s *Session) Append(ctx context.Context, to FolderID, items ...Append) ([]Appended, error) {
	p, err := s.SubmitAppend(ctx, to, items...)
	if err != nil {
		return nil, err
	}
	return p.Wait()
}

// SubmitAppend is Append in two steps: one goroutine can append to many accounts
// and then wait for all, at the cost of one sync. The caller must call Wait.
func (s *Session) SubmitAppend(ctx context.Context, to FolderID, items ...Append) (*Pending, error) {
	if err := s.mayAppend(to); err != nil {
		return nil, err
	}
	// Not to store for nothing what there is no room for.
	if err := (&txn{next: s.state()}).roomFor(items); err != nil {
		return nil, err
	}
	staged, err := s.stageAll(ctx, items)
	if err != nil {
		return nil, err
	}
	weight := len(items)
	for i := range items {
		c := items[i].Content
		c.Prepare() // takes time, which others need not wait for
		if !c.textNow() {
			weight += bareWeight
		}
	}
	out := &Pending{done: make([]Appended, len(items))}
	out.p, err = s.a.submit(ctx, func(t *txn) error {
		f, err := t.folder(to)
		if err != nil {
			return err
		}
		if err := s.need(&f.Folder, RightInsert); err != nil {
			return err
		}
		if err := t.roomFor(items); err != nil {
			return err
		}
		t.gather(len(items))
		f.edits = slices.Grow(f.edits, len(items))
		for i := range items {
			if out.done[i], err = t.append(f, &items[i], staged[i], s.rightsOn(&f.Folder)); err != nil {
				return err
			}
		}
		return t.setGathered()
	})
	if err != nil {
		s.a.unstage(ctx, staged)
		return nil, err
	}
	s.a.store.retain(s.a)
	s.a.grown(weight)
	return out, nil
}

// retain adds a use to an account that is in use.
func (s *Store) retain(a *account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.refs++
}

// mayAppend checks that messages may be put into a folder.
func (s *Session) mayAppend(to FolderID) error {
	n, err := s.visible(to, RightInsert)
	if err == nil && n.Kind != Mail && n.Kind != Notes {
		err = fault.New(fault.Invalid, "the folder is not for messages")
	}
	return err
}

// maxInline is how many bytes of messages a transaction writes itself.
const maxInline = 16 << 20

// stageAll stores ahead the bytes of items that are large, or that are many together.
func (s *Session) stageAll(ctx context.Context, items []Append) ([]ContentID, error) {
	ids := make([]ContentID, len(items))
	inline := int64(0)
	for i := range items {
		c := items[i].Content
		if c.Size() <= blob.MaxPut && inline+c.Size() <= maxInline {
			inline += c.Size()
			continue
		}
		var err error
		if ids[i], err = s.a.stage(ctx, c); err != nil {
			s.a.unstage(ctx, ids)
			return nil, err
		}
	}
	return ids, nil
}

func (t *txn) roomFor(items []Append) error {
	var bytes int64
	n := 0
	for i := range items {
		if !items[i].Exempt {
			bytes += items[i].Content.Size()
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return t.room(n, bytes)
}

func (t *txn) append(f *folderEdit, a *Append, staged ContentID, rights Rights) (Appended, error) {
	r := t.newRow()
	*r = Row{ID: ItemID(t.newID()), Kind: f.Kind, Size: a.Content.Size(), bare: a.Content.extra > 0}
	r.setReceived(a.Received, t.now)
	if err := t.setInitial(r, a, rights); err != nil {
		return Appended{}, err
	}
	var err error
	if r.Content, err = t.store(a.Content, staged); err != nil {
		return Appended{}, err
	}
	if err := t.setOrigin(r.Content, a.origin); err != nil {
		return Appended{}, err
	}
	if err := t.mergeBag(r, a.Bag); err != nil {
		return Appended{}, err
	}
	acted := t.next.acted
	err = t.insert(f, r, ItemAdded)
	if a.Arrived && f.Role == Junk {
		t.next.acted = acted
	}
	return Appended{r.ID, r.UID, r.ModSeq(), f.UIDValidity}, err
}

func (r *Row) setReceived(at, now time.Time) {
	if at.IsZero() {
		at = now
	}
	_, offset := at.Zone()
	r.received, r.zone = at.Unix(), int16(offset/60)
}

// setInitial gives a new item its flags, as far as the rights go.
func (t *txn) setInitial(r *Row, a *Append, rights Rights) error {
	r.Flags = a.Flags & settable(rights)
	if rights&RightWrite == 0 {
		return nil
	}
	ids, err := t.keywords(a.Keywords)
	r.Keywords = t.next.kw.set(ids)
	return err
}

// settable is the flags that rights allow to change (RFC 4314 §4).
func settable(r Rights) Flags {
	var f Flags
	if r&RightSeen != 0 {
		f |= Seen
	}
	if r&RightTrash != 0 {
		f |= Deleted
	}
	if r&RightWrite != 0 {
		f |= Answered | Flagged | Draft
	}
	return f
}
