package mailbox

import (
	"context"
	"slices"

	"postroad/internal/fault"
)

// FlagOp says what a FlagChange does with its flags.
type FlagOp uint8

// What a FlagChange does.
const (
	AddFlags FlagOp = iota
	RemoveFlags
	ReplaceFlags
)

// FlagChange changes flags and keywords of items in one folder.
type FlagChange struct {
	UIDs     []UID // those that aren't there are skipped
	Op       FlagOp
	Flags    Flags
	Keywords []string
	// UnchangedSince, if not nil, leaves alone items changed after it (RFC 7162 §3.1.3).
	UnchangedSince *ModSeq
}

// FlagResult tells what became of a FlagChange.
type FlagResult struct {
	Changed []UID // whose flags are different now
	Failed  []UID // changed after UnchangedSince, so left alone
	View    *View // a durable view that has the change
}

// flagStep bounds the items that one transaction flags: it is in memory until it is written, and others of the account
// wait for it.
const flagStep = 20_000

// SetFlags changes flags. It needs the right for each flag (RFC 4314 §4): those that the identity
// may not change are left alone, and if that is all, the answer is fault.Denied.
// Items that have the flags already don't change, and take no change number. With an error, some of more than
// 20,000 items may have changed.
func (s *Session) SetFlags(ctx context.Context, id FolderID, c FlagChange) (FlagResult, error) {
	var res FlagResult
	for rest := ascending(c.UIDs); ; {
		step := c
		step.UIDs = rest[:min(len(rest), flagStep)]
		rest = rest[len(step.UIDs):]
		p, err := s.submitFlags(ctx, id, &step, &res)
		if err != nil {
			return FlagResult{}, err
		}
		if len(rest) > 0 {
			continue // what comes later is durable later
		}
		if err := p.wait(); err != nil {
			return FlagResult{}, err
		}
		res.View = p.next.folder(id).view
		return res, nil
	}
}

// submitFlags runs one step and adds what became of it to res.
func (s *Session) submitFlags(ctx context.Context, id FolderID, c *FlagChange, res *FlagResult) (*pending, error) {
	before := *res
	return s.a.submit(ctx, func(t *txn) error {
		*res = before
		f, err := t.viewed(id)
		if err != nil {
			return err
		}
		may, err := s.mayFlag(&f.Folder, c)
		if err != nil {
			return err
		}
		return t.setFlags(f, c, may, res)
	})
}

// mayFlag returns the flags that the session may change, and whether keywords are among them.
func (s *Session) mayFlag(f *Folder, c *FlagChange) (Rights, error) {
	if err := s.need(f, RightLookup|RightRead); err != nil {
		return 0, err
	}
	have := s.rightsOn(f)
	may := c.Flags&settable(have) != 0 || len(c.Keywords) > 0 && have&RightWrite != 0
	if c.Op == ReplaceFlags || c.Flags == 0 && len(c.Keywords) == 0 {
		may = settable(have) != 0
	}
	if may {
		return have, nil
	}
	return 0, fault.New(fault.Denied, "you have no right to change these flags")
}

func (t *txn) setFlags(f *folderEdit, c *FlagChange, have Rights, res *FlagResult) error {
	rows := f.view.pick(c.UIDs)
	if len(rows) == 0 { // then its keywords need no numbers
		return nil
	}
	ids, err := t.changeKeywords(c, have)
	if err != nil {
		return err
	}
	for _, old := range rows {
		if c.UnchangedSince != nil && old.ModSeq() > *c.UnchangedSince {
			res.Failed = append(res.Failed, old.UID)
			continue
		}
		next := t.flagged(old, c, settable(have), have&RightWrite != 0, ids)
		if next == nil {
			continue
		}
		if err := t.flag(f, old, next); err != nil {
			return err
		}
		res.Changed = append(res.Changed, old.UID)
	}
	return nil
}

// changeKeywords returns the numbers of the change's keywords. Removing an unknown keyword
// doesn't make it known.
func (t *txn) changeKeywords(c *FlagChange, have Rights) ([]uint32, error) {
	if have&RightWrite == 0 {
		return nil, nil
	}
	if c.Op == RemoveFlags {
		known := slices.DeleteFunc(slices.Clone(c.Keywords), func(n string) bool {
			_, ok := t.next.kw.number(n)
			return !ok
		})
		return t.keywords(known)
	}
	return t.keywords(c.Keywords)
}

// flagged returns the row with its flags changed, nil if that changes nothing.
func (t *txn) flagged(old *Row, c *FlagChange, may Flags, keywords bool, ids []uint32) *Row {
	next := *old
	switch c.Op {
	case AddFlags:
		next.Flags |= c.Flags & may
	case RemoveFlags:
		next.Flags &^= c.Flags & may
	case ReplaceFlags:
		next.Flags = old.Flags&^may | c.Flags&may
	}
	if keywords {
		next.Keywords = t.rekeyed(old.Keywords, c.Op, ids)
	}
	if next.Flags == old.Flags && next.Keywords.equal(old.Keywords) {
		return nil
	}
	return &next
}

func (t *txn) rekeyed(old *Keywords, op FlagOp, ids []uint32) *Keywords {
	switch {
	case op == ReplaceFlags:
		return t.next.kw.set(ids)
	case len(ids) == 0 || old == nil && op == RemoveFlags:
		return old
	case op == AddFlags && old == nil:
		return t.next.kw.set(ids)
	case op == AddFlags:
		return t.next.kw.set(union(old.ids, ids))
	}
	return t.next.kw.set(minus(old.ids, ids))
}

// flag writes a row whose flags have changed from old.
func (t *txn) flag(f *folderEdit, old, next *Row) error {
	n := t.change(ItemFlagged, f.ID, next.UID, next.ID)
	if old.Flags^next.Flags == Seen && old.Keywords.equal(next.Keywords) {
		next.read = n
	} else {
		next.changed = n
		if (old.Flags^next.Flags)&Seen != 0 {
			next.read = n
		}
	}
	f.HighestModSeq = n
	t.count(f, old, -1)
	t.count(f, next, 1)
	return t.write(f, next)
}
