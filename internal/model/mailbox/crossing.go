package mailbox

import (
	"context"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

// A crossing takes so many messages, or bytes of them, at a time: these are in memory, or in the spool, until they are
// stored. One message may be larger.
const (
	crossingItems = 200
	crossingBytes = 16 << 20
)

// Target is a folder of another account that messages go to.
type Target struct {
	Session *Session // who acts there
	Folder  FolderID
	// Progress, if not nil, is told now and then how many messages have gone. An error ends the work.
	Progress func(done int) error
}

// CopyTo is Copy into a folder of another account. The copies are new messages there, with new bytes, that count against
// the quota of that account. They keep flags and keywords as far as the rights there go, received time and properties. All are
// copied or none, unless the server ends meanwhile: then some copies may remain.
func (s *Session) CopyTo(ctx context.Context, from FolderID, uids []UID, to Target) ([]Copied, uint32, error) {
	if len(uids) > MaxCopy {
		return nil, 0, fault.New(fault.TooLarge, "at most %d messages can be copied at once", MaxCopy)
	}
	x, rows, err := s.cross(ctx, from, uids, to, RightRead)
	if err != nil {
		return nil, 0, err
	}
	for len(rows) > 0 {
		n, part, err := x.batch(ctx, rows)
		x.done = append(x.done, part...)
		if err == nil {
			err = x.progress()
		}
		if err != nil {
			x.takeBack(ctx, x.done)
			return nil, 0, err
		}
		rows = rows[n:]
	}
	return x.done, x.validity, nil
}

// MoveTo is Move into a folder of another account: messages are copied as by CopyTo, and go here when they are durable there.
// Each moves whole or not at all, but for the end of the server in between, which leaves both. They get new IDs. With an error
// those that it returns have moved.
func (s *Session) MoveTo(ctx context.Context, from FolderID, uids []UID, to Target) ([]Copied, uint32, error) {
	x, rows, err := s.cross(ctx, from, uids, to, RightRead|RightTrash|RightExpunge)
	if err != nil {
		return nil, 0, err
	}
	for len(rows) > 0 && err == nil {
		var n int
		if n, err = x.move(ctx, rows); err == nil {
			err = x.progress()
		}
		rows = rows[n:]
	}
	return x.done, x.validity, err
}

// crossing is a CopyTo or MoveTo under way.
type crossing struct {
	from     *Session
	folder   FolderID
	need     Rights // on folder
	to       Target
	validity uint32 // of the target
	done     []Copied
}

// cross checks what can be checked before anything is read, and picks the messages.
func (s *Session) cross(ctx context.Context, from FolderID, uids []UID, to Target, need Rights) (*crossing, []*Row, error) {
	v, err := s.View(ctx, from)
	if err != nil {
		return nil, nil, err
	}
	if _, err := s.visible(from, need); err != nil {
		return nil, nil, err
	}
	if err := to.Session.mayAppend(to.Folder); err != nil {
		return nil, nil, err
	}
	target := to.Session.state().folder(to.Folder)
	if target == nil {
		return nil, nil, fault.New(fault.NotFound, "no such folder")
	}
	if v.folder.Kind != target.Kind {
		return nil, nil, fault.New(fault.Invalid, "the folders are for items of different kinds")
	}
	rows := v.pick(uids)
	bytes := int64(0)
	for _, r := range rows {
		bytes += r.Size
	}
	err = (&txn{next: to.Session.state()}).room(len(rows), bytes)
	return &crossing{from: s, folder: from, need: need, to: to, validity: target.UIDValidity}, rows, err
}

func (x *crossing) progress() error {
	if x.to.Progress == nil {
		return nil
	}
	return x.to.Progress(len(x.done))
}

// batch copies the first of rows, and returns how many it has dealt with. Those that are gone are skipped.
func (x *crossing) batch(ctx context.Context, rows []*Row) (n int, done []Copied, err error) {
	now, err := x.now(ctx)
	if err != nil {
		return 0, nil, err
	}
	var items []Append
	defer func() {
		for i := range items {
			items[i].Content.Close()
		}
	}()
	for bytes := int64(0); n < len(rows) && len(items) < crossingItems && bytes < crossingBytes; n++ {
		_, row := now.Find(rows[n].UID)
		if row == nil {
			continue
		}
		item, err := x.read(ctx, row)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return n, nil, err
		}
		items = append(items, item)
		done = append(done, Copied{From: rows[n].UID})
		bytes += rows[n].Size
	}
	if len(items) == 0 {
		return n, nil, nil
	}
	put, err := x.to.Session.Append(ctx, x.to.Folder, items...)
	if err != nil {
		return n, nil, err
	}
	for i := range put {
		done[i].To, x.validity = put[i].UID, put[i].UIDValidity
	}
	return n, done, nil
}

// now is the folder as it is, if the session may still do there what it needs: flags may have changed since the messages were
// picked, and what somebody has just marked must not come unmarked.
func (x *crossing) now(ctx context.Context) (*Finder, error) {
	v, err := x.from.View(ctx, x.folder)
	if err != nil {
		return nil, err
	}
	_, err = x.from.visible(x.folder, x.need)
	return &Finder{View: v}, err
}

// read makes a message's content anew, for the other account.
func (x *crossing) read(ctx context.Context, r *Row) (Append, error) {
	if err := ctx.Err(); err != nil {
		return Append{}, err
	}
	w := x.from.a.store.NewContent()
	if _, err := x.from.Content(r).Section(0, r.Size).WriteTo(w); err != nil {
		w.Discard()
		return Append{}, err
	}
	a := Append{Flags: r.Flags, Keywords: r.Keywords.Names(), Received: r.Received()}
	a.origin = Origin{x.from.a.id, r.Content}
	if x.from.HasOrigins() {
		err := x.from.Read(ctx, func(b *Batch) (err error) {
			a.origin, err = b.Origin(x.from, r)
			return err
		})
		if err != nil {
			w.Discard()
			return Append{}, err
		}
	}
	if r.hasBag {
		b, err := x.from.Bag(ctx, r.ID)
		if err != nil {
			w.Discard()
			return Append{}, err
		}
		if b.Content == r.Content { // else it may speak of another text
			a.Bag = b.Props
		}
	}
	c, err := w.Finish()
	a.Content = c
	return a, err
}

// move copies the first of rows and takes them away here. A message that somebody else has taken away meanwhile hasn't moved,
// and so its copy goes again.
func (x *crossing) move(ctx context.Context, rows []*Row) (n int, err error) {
	n, part, err := x.batch(ctx, rows)
	if err != nil || len(part) == 0 {
		return n, err
	}
	uids := make([]UID, len(part))
	for i, c := range part {
		uids[i] = c.From
	}
	gone, err := x.from.Expunge(ctx, x.folder, uids, false)
	var back []Copied
	for _, c := range part {
		if _, moved := slices.BinarySearch(gone, c.From); moved {
			x.done = append(x.done, c)
		} else {
			back = append(back, c)
		}
	}
	x.takeBack(ctx, back)
	return n, err
}

// takeBack removes copies that must not remain, whatever rights there are.
func (x *crossing) takeBack(ctx context.Context, copies []Copied) {
	if len(copies) == 0 {
		return
	}
	uids := make([]UID, len(copies))
	for i, c := range copies {
		uids[i] = c.To
	}
	ours := &Session{a: x.to.Session.a, who: ident.System()}
	if _, err := ours.Expunge(context.WithoutCancel(ctx), x.to.Folder, uids, false); err != nil {
		ours.a.store.opts.Logger.Error("copies of a COPY or MOVE that failed remain", "account", ours.a.id, "folder", x.to.Folder, "count", len(uids), "error", err)
	}
}

// ReplaceTo is ReplaceInto for a folder of another account: the new message is durable there before the old one goes here.
// It is a new item with the properties that a has, and no others.
func (s *Session) ReplaceTo(ctx context.Context, from FolderID, uid UID, to Target, a Append) (Appended, error) {
	x, rows, err := s.cross(ctx, from, []UID{uid}, Target{Session: to.Session, Folder: to.Folder}, RightRead|RightExpunge)
	if err != nil && !fault.Is(err, fault.OverQuota) { // the old one doesn't go there
		return Appended{}, err
	}
	if len(rows) == 0 {
		return Appended{}, fault.New(fault.NotFound, "no such item")
	}
	put, err := to.Session.Append(ctx, to.Folder, a)
	if err != nil {
		return Appended{}, err
	}
	gone, err := s.Expunge(ctx, from, []UID{uid}, false)
	if err == nil && len(gone) == 0 {
		err = fault.New(fault.NotFound, "no such item")
	}
	if err != nil {
		x.takeBack(ctx, []Copied{{uid, put[0].UID}})
		return Appended{}, err
	}
	return put[0], nil
}
