package mailbox

import (
	"context"
	"time"

	"postroad/internal/fault"
)

// Append is an item to be put into a folder.
type Append struct {
	Content  *Content
	Flags    Flags
	Keywords []string
	Received time.Time // zero: now
	// Bag holds properties that lie beside the item from the start.
	Bag map[string][]byte
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
	p    *pending
	done []Appended
}

// Wait returns when the items are durable.
func (p *Pending) Wait() ([]Appended, error) {
	defer p.p.a.store.release(p.p.a)
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
// and then wait for all, at the cost of one sync. The caller must call Wait once.
func (s *Session) SubmitAppend(ctx context.Context, to FolderID, items ...Append) (*Pending, error) {
	staged, err := s.stageAll(ctx, to, items)
	if err != nil {
		return nil, err
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
		for i := range items {
			if out.done[i], err = t.append(f, &items[i], staged[i], s.rightsOn(&f.Folder)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.a.store.retain(s.a)
	return out, nil
}

// retain adds a use to an account that is in use.
func (s *Store) retain(a *account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.refs++
}

// stageAll stores the bytes of large items ahead, if there is room for them.
func (s *Session) stageAll(ctx context.Context, to FolderID, items []Append) ([]ContentID, error) {
	n, err := s.visible(to, RightInsert)
	if err != nil {
		return nil, err
	}
	st := s.state()
	if err := (&txn{next: st}).roomFor(items); err != nil {
		return nil, err
	}
	if n.Kind != Mail && n.Kind != Notes {
		return nil, fault.New(fault.Invalid, "the folder is not for messages")
	}
	ids := make([]ContentID, len(items))
	for i := range items {
		if ids[i], err = s.a.stage(ctx, items[i].Content); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

func (t *txn) roomFor(items []Append) error {
	var bytes int64
	for i := range items {
		bytes += items[i].Content.Size()
	}
	return t.room(len(items), bytes)
}

func (t *txn) append(f *folderEdit, a *Append, staged ContentID, rights Rights) (Appended, error) {
	r := &Row{ID: ItemID(t.newID()), Kind: f.Kind, Size: a.Content.Size()}
	r.setReceived(a.Received, t.now)
	if err := t.setInitial(r, a, rights); err != nil {
		return Appended{}, err
	}
	var err error
	if r.Content, err = t.store(a.Content, staged); err != nil {
		return Appended{}, err
	}
	if len(a.Bag) > 0 {
		r.hasBag = true
		if err := t.putBag(r.ID, Bag{Content: r.Content, Props: a.Bag}); err != nil {
			return Appended{}, err
		}
	}
	err = t.insert(f, r, ItemAdded)
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
