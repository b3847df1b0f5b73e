package pop3

import (
	"context"
	"io"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// maildrop is the INBOX as it was at sign-in, and what is to be deleted of it.
type maildrop struct {
	session *mailbox.Session
	unlock  func()
	view    *mailbox.View

	marked      []bool // by index; nil: none
	marks       int
	markedBytes int64
}

// openMaildrop locks and opens the maildrop of who. fault.InUse if another session has it.
func openMaildrop(ctx context.Context, store *mailbox.Store, who ident.Identity) (*maildrop, error) {
	session, err := store.Open(ctx, who.Account, who)
	if err != nil {
		return nil, err
	}
	unlock, err := session.LockMaildrop()
	if err != nil {
		session.Close()
		return nil, err
	}
	d := &maildrop{session: session, unlock: unlock}
	if d.view, err = inbox(ctx, session); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func inbox(ctx context.Context, s *mailbox.Session) (*mailbox.View, error) {
	f, ok := s.FolderByRole(mailbox.Inbox)
	if !ok {
		return nil, fault.New(fault.Corrupt, "account %d has no INBOX", s.Account())
	}
	return s.View(ctx, f.ID)
}

func (d *maildrop) close() {
	d.unlock()
	d.session.Close()
}

// row returns message n, counted from 1, unless it is marked as deleted.
func (d *maildrop) row(n int) (*mailbox.Row, bool) {
	if n < 1 || n > d.view.Len() || d.isMarked(n-1) {
		return nil, false
	}
	return d.view.At(n - 1), true
}

func (d *maildrop) isMarked(i int) bool { return d.marked != nil && d.marked[i] }

// mark marks message n, counted from 1, as deleted.
func (d *maildrop) mark(n int) {
	if d.marked == nil {
		d.marked = make([]bool, d.view.Len())
	}
	d.marked[n-1] = true
	d.marks++
	d.markedBytes += d.view.At(n - 1).Size
}

func (d *maildrop) unmarkAll() { d.marked, d.marks, d.markedBytes = nil, 0, 0 }

// left is the number of messages that aren't marked, leftBytes their size.
func (d *maildrop) left() int { return d.view.Len() - d.marks }

func (d *maildrop) leftBytes() int64 { return d.view.Folder().Bytes - d.markedBytes }

// expunge deletes what is marked (RFC 1939 §6) and returns how many messages that were.
func (d *maildrop) expunge(ctx context.Context) (int, error) {
	if d.marks == 0 {
		return 0, nil
	}
	uids := make([]mailbox.UID, 0, d.marks)
	for i, row := range d.view.All(0, d.view.Len()) {
		if d.marked[i] {
			uids = append(uids, row.UID)
		}
	}
	gone, err := d.session.Expunge(ctx, d.view.Folder().ID, uids, false)
	return len(gone), err
}

// uniqueID is UIDVALIDITY, item and content, 34 characters at most (RFC 1939 §7, UIDL: 1 to 70).
func (d *maildrop) uniqueID(out *output, row *mailbox.Row) {
	out.hex(uint64(d.view.Folder().UIDValidity))
	out.text(".")
	out.hex(uint64(row.ID))
	out.text(".")
	out.hex(uint64(row.Content))
}

// Portions in which messages are read: the first has room for most headers, for TOP.
const (
	firstPortion = 8 << 10
	morePortion  = 128 << 10
)

// copyTo writes a message to w by portions, each read in a snapshot of its own,
// until w fails.
func (d *maildrop) copyTo(w io.Writer, row *mailbox.Row, first int64) error {
	content := d.session.Content(row)
	for off, n := int64(0), first; off < row.Size; n = morePortion {
		n = min(n, row.Size-off)
		if _, err := content.Section(off, n).WriteTo(w); err != nil {
			return err
		}
		off += n
	}
	return nil
}
