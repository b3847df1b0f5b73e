package mailbox

import (
	"context"

	"postroad/internal/fault"
)

// Copied pairs an item's UID in the source with that in the target.
type Copied struct{ From, To UID }

// MaxCopy is how many items one Copy may name: all of them are one transaction, in memory until it is written.
const MaxCopy = 100_000

// Copy copies items into another folder of the account, or the same, all or none; UIDs that aren't
// there are skipped. It returns the pairs and the target's UIDVALIDITY. The copies are
// new items that share the bytes; they keep flags, keywords, received time and property bag.
// It needs RightRead here and RightInsert there, and fails with fault.TooLarge beyond MaxCopy.
func (s *Session) Copy(ctx context.Context, from FolderID, uids []UID, to FolderID) ([]Copied, uint32, error) {
	if len(uids) > MaxCopy {
		return nil, 0, fault.New(fault.TooLarge, "at most %d messages can be copied at once", MaxCopy)
	}
	return s.transfer(ctx, from, uids, to, RightRead, (*txn).copyItem)
}

// Move moves items into another folder of the account; UIDs that aren't
// there are skipped. Each item moves whole or not at all (RFC 6851 §3.3), all have moved when Move returns no error, and
// with one those that it returns. Items keep their IDs and get new UIDs, also within one folder. It needs RightRead,
// RightTrash and RightExpunge here (RFC 6851 §4) and RightInsert there.
func (s *Session) Move(ctx context.Context, from FolderID, uids []UID, to FolderID) ([]Copied, uint32, error) {
	var done []Copied
	for {
		n := min(len(uids), expungeStep)
		some, validity, err := s.transfer(ctx, from, uids[:n], to, RightRead|RightTrash|RightExpunge, (*txn).moveItem)
		done = append(done, some...)
		if uids = uids[n:]; err != nil || len(uids) == 0 {
			return done, validity, err
		}
	}
}

type transferFunc func(t *txn, from, to *folderEdit, r *Row, may Rights) (UID, error)

func (s *Session) transfer(ctx context.Context, from FolderID, uids []UID, to FolderID, need Rights, one transferFunc) ([]Copied, uint32, error) {
	var (
		done     []Copied
		validity uint32
	)
	err := s.a.update(ctx, func(t *txn) error {
		src, dst, err := s.openTransfer(t, from, to, need)
		if err != nil {
			return err
		}
		done, validity = nil, dst.UIDValidity
		for _, r := range src.view.pick(uids) {
			uid, err := one(t, src, dst, r, s.rightsOn(&dst.Folder))
			if err != nil {
				return err
			}
			done = append(done, Copied{r.UID, uid})
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	return done, validity, nil
}

func (s *Session) openTransfer(t *txn, from, to FolderID, need Rights) (src, dst *folderEdit, err error) {
	if src, err = t.viewed(from); err != nil {
		return nil, nil, err
	}
	if err = s.need(&src.Folder, need); err != nil {
		return nil, nil, err
	}
	if dst, err = t.folder(to); err != nil {
		return nil, nil, err
	}
	if err = s.need(&dst.Folder, RightInsert); err != nil {
		return nil, nil, err
	}
	if src.Kind != dst.Kind {
		return nil, nil, fault.New(fault.Invalid, "the folders are for items of different kinds")
	}
	return src, dst, nil
}

func (t *txn) copyItem(_, to *folderEdit, r *Row, may Rights) (UID, error) {
	if err := t.room(1, r.Size); err != nil {
		return 0, err
	}
	c := *r
	c.ID = ItemID(t.newID())
	limitFlags(&c, may)
	if err := t.retain(c.Content); err != nil {
		return 0, err
	}
	if c.hasBag {
		if err := t.copyBag(r.ID, c.ID); err != nil {
			return 0, err
		}
	}
	err := t.insert(to, &c, ItemAdded)
	return c.UID, err
}

func (t *txn) moveItem(from, to *folderEdit, r *Row, may Rights) (UID, error) {
	if err := t.take(from, r, ItemMovedOut); err != nil {
		return 0, err
	}
	m := *r
	limitFlags(&m, may)
	err := t.insert(to, &m, ItemMovedIn)
	return m.UID, err
}

// limitFlags drops the flags that may not be set in the target (RFC 4314 §4).
func limitFlags(r *Row, may Rights) {
	r.Flags &= settable(may)
	if may&RightWrite == 0 {
		r.Keywords = nil
	}
}

// Replace gives an item new content, and with it a new UID, since an IMAP message
// can't change; the item keeps its ID and property bag. It is how drafts are rewritten (and RFC
// 8508 REPLACE). It needs RightRead, RightInsert and RightExpunge.
func (s *Session) Replace(ctx context.Context, id FolderID, uid UID, a Append) (Appended, error) {
	return s.ReplaceInto(ctx, id, uid, id, a)
}

// ReplaceInto is Replace, where the item goes to another folder on the way, as a draft that is sent does. It needs RightRead
// and RightExpunge here and RightInsert there.
func (s *Session) ReplaceInto(ctx context.Context, from FolderID, uid UID, to FolderID, a Append) (Appended, error) {
	if err := s.mayAppend(to); err != nil {
		return Appended{}, err
	}
	staged, err := s.stageAll(ctx, []Append{a})
	if err != nil {
		return Appended{}, err
	}
	var done Appended
	err = s.a.update(ctx, func(t *txn) error {
		src, dst, err := s.openTransfer(t, from, to, RightRead|RightExpunge)
		if err != nil {
			return err
		}
		rows := src.view.pick([]UID{uid})
		if len(rows) == 0 {
			return fault.New(fault.NotFound, "no such item")
		}
		done, err = t.replace(src, dst, rows[0], &a, staged[0], s.rightsOn(&dst.Folder))
		return err
	})
	if err != nil {
		s.a.unstage(ctx, staged)
		return Appended{}, err
	}
	return done, nil
}

func (t *txn) replace(from, to *folderEdit, old *Row, a *Append, staged ContentID, rights Rights) (Appended, error) {
	if err := t.take(from, old, ItemRewrittenOut); err != nil {
		return Appended{}, err
	}
	if err := t.release(old.Content); err != nil {
		return Appended{}, err
	}
	if err := t.roomFor([]Append{*a}); err != nil {
		return Appended{}, err
	}
	r := &Row{ID: old.ID, Kind: old.Kind, Size: a.Content.Size(), hasBag: old.hasBag, bare: a.Content.extra > 0}
	r.setReceived(a.Received, t.now)
	if err := t.setInitial(r, a, rights); err != nil {
		return Appended{}, err
	}
	var err error
	if r.Content, err = t.store(a.Content, staged); err != nil {
		return Appended{}, err
	}
	if len(a.Bag) > 0 {
		if err := t.mergeBag(r, a.Bag); err != nil {
			return Appended{}, err
		}
	}
	err = t.insert(to, r, ItemRewritten)
	return Appended{r.ID, r.UID, r.ModSeq(), to.UIDValidity}, err
}
