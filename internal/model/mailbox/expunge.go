package mailbox

import (
	"context"
	"slices"
)

// expungeStep bounds the items that one transaction removes or moves: others of the account wait for it.
const expungeStep = 20_000

// Expunge removes items for good and returns their UIDs, ascending. With nil uids it
// looks at all items, with onlyDeleted it leaves alone those without Deleted (RFC 9051 §6.4.3).
// It needs RightExpunge. Each item goes whole or not at all; all are gone when Expunge returns nil,
// and with an error those it returns.
func (s *Session) Expunge(ctx context.Context, id FolderID, uids []UID, onlyDeleted bool) ([]UID, error) {
	if uids == nil {
		v, err := s.View(ctx, id)
		if err != nil {
			return nil, err
		}
		uids = v.uids(onlyDeleted)
		if len(uids) == 0 {
			return nil, s.mayExpunge(id)
		}
	}
	var gone []UID
	for {
		n := min(len(uids), expungeStep)
		part, err := s.expungeSome(ctx, id, uids[:n], onlyDeleted)
		gone = append(gone, part...)
		if uids = uids[n:]; err != nil || len(uids) == 0 {
			return gone, err
		}
	}
}

func (s *Session) mayExpunge(id FolderID) error {
	_, err := s.visible(id, RightExpunge)
	return err
}

// uids lists the UIDs of a view's rows.
func (v *View) uids(onlyDeleted bool) []UID {
	var out []UID
	for _, p := range v.allPages() {
		which := p.All()
		if onlyDeleted {
			which = p.Flagged(Deleted)
		}
		for k := which.Next(0); k < PageRows; k = which.Next(k + 1) {
			out = append(out, p.rows[k].UID)
		}
	}
	return out
}

func (s *Session) expungeSome(ctx context.Context, id FolderID, uids []UID, onlyDeleted bool) ([]UID, error) {
	var gone []UID
	err := s.a.update(ctx, func(t *txn) error {
		gone = nil
		f, err := t.viewed(id)
		if err != nil {
			return err
		}
		if err := s.need(&f.Folder, RightExpunge); err != nil {
			return err
		}
		for _, r := range f.view.pick(uids) {
			if onlyDeleted && r.Flags&Deleted == 0 {
				continue
			}
			if err := t.destroy(f, r); err != nil {
				return err
			}
			gone = append(gone, r.UID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// pick returns the rows with the given UIDs, as far as they exist, ascending and each once.
func (v *View) pick(uids []UID) []*Row {
	uids = ascending(uids)
	rows := make([]*Row, 0, min(len(uids), v.Len()))
	for _, uid := range uids {
		if i, ok := v.Find(uid); ok {
			rows = append(rows, v.At(i))
		}
	}
	return rows
}

// ascending returns uids in order, each once: a row that is dealt with twice would be counted twice.
func ascending(uids []UID) []UID {
	for i := range uids {
		if i > 0 && uids[i] <= uids[i-1] {
			sorted := slices.Sorted(slices.Values(uids))
			return slices.Compact(sorted)
		}
	}
	return uids
}
