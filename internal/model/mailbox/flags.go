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
	var last *pending
	for rest := ascending(c.UIDs); ; {
		step := c
		step.UIDs = rest[:min(len(rest), flagStep)]
		rest = rest[len(step.UIDs):]
		p, err := s.submitFlags(ctx, id, &step, &res)
		if err != nil {
			if last != nil {
				_ = last.wait() // that some have changed is for all to see; why not all did is the answer
			}
			return FlagResult{}, err
		}
		if last = p; len(rest) > 0 {
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
	s.a.store.asked.Add(1)
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
	t.settle(f)
	if !f.view.hasAny(c.UIDs) { // then its keywords need no numbers
		return nil
	}
	ids, err := t.changeKeywords(c, have)
	if err != nil {
		return err
	}
	r := reflagging{t: t, f: f, change: c, effect: c.effect(have, ids), res: res}
	r.run(c.UIDs)
	return r.store()
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

// effect is what a change of flags does with any item.
type effect struct {
	clear, set Flags // in this order
	op         FlagOp
	keywords   bool // op is done with ids
	ids        []uint32

	from, to *Keywords // what was rekeyed last: items often share their sets
}

// effect is what a change comes to with someone's rights; ids are its keywords.
func (c *FlagChange) effect(have Rights, ids []uint32) effect {
	may := settable(have)
	e := effect{op: c.Op, ids: ids, keywords: have&RightWrite != 0 && (len(ids) > 0 || c.Op == ReplaceFlags)}
	switch c.Op {
	case AddFlags:
		e.set = c.Flags & may
	case RemoveFlags:
		e.clear = c.Flags & may
	case ReplaceFlags:
		e.clear, e.set = may, c.Flags&may
	}
	return e
}

// rekeyed is what becomes of an item's keywords. The table's sets are a cache: only one goroutine at a time may ask.
func (e *effect) rekeyed(kw *keywordTable, old *Keywords) *Keywords {
	switch {
	case !e.keywords || old == nil && e.op == RemoveFlags:
		return old
	case e.to != nil && e.from == old:
		return e.to
	case e.op == ReplaceFlags || e.op == AddFlags && old == nil:
		e.to = kw.set(e.ids)
	case e.op == AddFlags:
		e.to = kw.set(union(old.ids, e.ids))
	default:
		e.to = kw.set(minus(old.ids, e.ids))
	}
	e.from = old
	return e.to
}

// reflag gives a row other flags, by change n.
func (r *Row) reflag(flags Flags, kw *Keywords, n ModSeq) {
	seen := (r.Flags^flags)&Seen != 0
	if seen {
		r.read = n
	}
	if !seen || r.Flags^flags != Seen || !r.Keywords.equal(kw) {
		r.changed = n
	}
	r.Flags, r.Keywords = flags, kw
}
