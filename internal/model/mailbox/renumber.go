package mailbox

import (
	"context"
	"math"

	"postroad/internal/model/ident"
)

// A mailbox that was backed up has gone on since: clients have seen UIDs, change numbers and IDs that are behind those of the backup.
// Were they given again after it is restored, to other messages, clients would show what they know of the old ones: new mail would never be
// seen (RFC 9051 §2.3.1.1, RFC 7162 §3.1). So a restored mailbox goes on well behind them. These are the numbers left out.
const (
	uidsLeftOut    = 1 << 20
	changesLeftOut = 1 << 32
	idsLeftOut     = 1 << 32
)

// Renumber makes a mailbox that was restored safe for clients that have seen it when it was newer: it leaves out the numbers that may have been
// given since. What is there keeps its UIDs and IDs, but counts as changed, so that clients learn of flags as they are; the change log begins anew.
func (s *Store) Renumber(ctx context.Context, id ident.AccountID) error {
	a := s.acquire(id)
	defer s.release(a)
	return a.update(ctx, (*txn).renumber)
}

func (t *txn) renumber() error {
	h := &t.next.head
	if h.lastID > maxID-2*idsLeftOut || h.change > maxID-2*changesLeftOut {
		return nil // tens of thousands of restores have used them up
	}
	if err := t.tx.DeleteRange(logKey(0), logKey(h.change+1)); err != nil {
		return err
	}
	h.lastID += idsLeftOut
	h.change += changesLeftOut
	h.floor = h.change
	for _, n := range t.next.folders {
		if err := t.renumberFolder(n.ID); err != nil {
			return err
		}
	}
	return nil
}

func (t *txn) renumberFolder(id FolderID) error {
	f, err := t.viewed(id)
	if err != nil {
		return err
	}
	t.changeFolder(f)
	if f.UIDNext != 0 && f.UIDNext < math.MaxUint32-2*uidsLeftOut {
		f.UIDNext += uidsLeftOut
	}
	if f.view.Len() > 0 {
		err = t.touchAll(f)
	}
	f.view = nil // there may be many folders, that nobody looks at
	return err
}

// touchAll gives all items new change numbers: by a stroke that changes no flag.
func (t *txn) touchAll(f *folderEdit) error {
	old, s := f.view, &stroke{}
	rows := make([]Row, 0, old.Len())
	for _, r := range old.All(0, old.Len()) {
		row := *r
		n := t.change(ItemFlagged, f.ID, row.UID, row.ID)
		row.reflag(row.Flags, row.Keywords, n)
		rows = append(rows, row)
		f.HighestModSeq = n
		if i := len(s.runs) - 1; i >= 0 && s.runs[i].hi+1 == row.UID {
			s.runs[i].hi = row.UID
		} else {
			s.runs = append(s.runs, uidRun{row.UID, row.UID, n})
		}
	}
	f.view = newView(f.Folder, t.next.head.change, rows)
	f.view.strokes = old.strokes
	return t.addStroke(f, s)
}
