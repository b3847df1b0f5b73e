package pop3

import (
	"context"
	"io"
	"iter"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	policy "postroad/internal/service/maildrop"
)

// maildrop is the INBOX as it was at sign-in, as far as the account's policy shows it, and what is to be deleted of it.
type maildrop struct {
	session *mailbox.Session
	unlock  func()
	view    *mailbox.View
	policy  policy.Drop

	shown []int32       // indexes in the view of the messages, in order; nil: all of them
	extra map[int]int64 // of messages, from 0: what line ends add to their size; see mailbox.LineOctets
	bytes int64         // sizes of all, line ends included

	marked      []bool // by message, from 0; nil: none
	marks       int
	markedBytes int64
	retrieved   map[int]bool // messages that were sent whole, if anybody wants to know

	foreign map[mailbox.ItemID]string // unique IDs from elsewhere; nil: not read yet, or none
}

// openMaildrop locks and opens the maildrop of who. fault.InUse if another session has it, fault.Unsupported if the account's policy
// says that POP3 isn't for it.
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
	if err := d.open(ctx); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *maildrop) open(ctx context.Context) (err error) {
	if d.policy, err = policy.Open(ctx, d.session); err != nil {
		return err
	}
	if d.policy.Policy.Disabled {
		return fault.New(fault.Unsupported, "POP3 is not enabled for this account")
	}
	if d.view, err = inbox(ctx, d.session); err != nil {
		return err
	}
	if d.policy.Policy.RemoveAfterDays > 0 || d.policy.Policy.MarkSeen {
		d.retrieved = map[int]bool{}
	}
	if !d.policy.All() {
		d.choose()
	}
	return d.measure(ctx)
}

// choose picks the messages that the policy shows.
func (d *maildrop) choose() {
	d.shown = make([]int32, 0, d.view.Len())
	for i, row := range d.view.All(0, d.view.Len()) {
		if d.policy.Shows(row) {
			d.shown = append(d.shown, int32(i))
		}
	}
}

// measure sums up what the messages take on the wire (RFC 1939 §11).
func (d *maildrop) measure(ctx context.Context) error {
	var bare []*mailbox.Row
	var at []int
	d.bytes = 0
	for n, row := range d.all() {
		d.bytes += row.Size
		if row.BareLines() {
			bare, at = append(bare, row), append(at, n)
		}
	}
	if len(bare) == 0 {
		return nil
	}
	extra, err := d.session.LineOctets(ctx, bare)
	d.extra = make(map[int]int64, len(bare))
	for i, n := range at {
		d.extra[n] = extra[i]
		d.bytes += extra[i]
	}
	return err
}

// all gives the messages with their numbers, from 0.
func (d *maildrop) all() iter.Seq2[int, *mailbox.Row] {
	if d.shown == nil {
		return d.view.All(0, d.view.Len())
	}
	return func(yield func(int, *mailbox.Row) bool) {
		for n, i := range d.shown {
			if !yield(n, d.view.At(int(i))) {
				return
			}
		}
	}
}

// length is the number of messages, marked or not.
func (d *maildrop) length() int {
	if d.shown == nil {
		return d.view.Len()
	}
	return len(d.shown)
}

// at is message n, counted from 0.
func (d *maildrop) at(n int) *mailbox.Row {
	if d.shown == nil {
		return d.view.At(n)
	}
	return d.view.At(int(d.shown[n]))
}

// size is what message n, counted from 0, takes on the wire, but for dots that are doubled.
func (d *maildrop) size(n int, row *mailbox.Row) int64 { return row.Size + d.extra[n] }

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
	if n < 1 || n > d.length() || d.isMarked(n-1) {
		return nil, false
	}
	return d.at(n - 1), true
}

func (d *maildrop) isMarked(i int) bool { return d.marked != nil && d.marked[i] }

// mark marks message n, counted from 1, as deleted.
func (d *maildrop) mark(n int) {
	if d.marked == nil {
		d.marked = make([]bool, d.length())
	}
	d.marked[n-1] = true
	d.marks++
	d.markedBytes += d.size(n-1, d.at(n-1))
}

func (d *maildrop) unmarkAll() { d.marked, d.marks, d.markedBytes = nil, 0, 0 }

// noteRetrieved remembers that message n, counted from 1, was sent whole.
func (d *maildrop) noteRetrieved(n int) {
	if d.retrieved != nil {
		d.retrieved[n-1] = true
	}
}

// left is the number of messages that aren't marked, leftBytes their size.
func (d *maildrop) left() int { return d.length() - d.marks }

func (d *maildrop) leftBytes() int64 { return d.bytes - d.markedBytes }

// end carries out what the session wanted (RFC 1939 §6), as the policy says, and returns how many messages have left the maildrop.
func (d *maildrop) end(ctx context.Context, now time.Time) (int, error) {
	if d.marks == 0 && len(d.retrieved) == 0 {
		return 0, nil
	}
	done := policy.Session{Inbox: d.view.Folder().ID}
	for i, row := range d.all() {
		if d.isMarked(i) {
			done.Deleted = append(done.Deleted, row)
		}
		if d.retrieved[i] {
			done.Retrieved = append(done.Retrieved, row)
		}
	}
	return d.policy.End(ctx, d.session, done, now)
}

// readUniqueIDs reads those that messages have from elsewhere, once.
func (d *maildrop) readUniqueIDs(ctx context.Context) (err error) {
	if d.foreign != nil {
		return nil
	}
	rows := make([]*mailbox.Row, 0, d.length())
	for _, row := range d.all() {
		rows = append(rows, row)
	}
	d.foreign, err = d.policy.UniqueIDs(ctx, d.session, rows)
	return err
}

// uniqueID is what the message has from elsewhere; else UIDVALIDITY, item and content, 34 characters at most (RFC 1939 §7, UIDL:
// 1 to 70).
func (d *maildrop) uniqueID(out *output, row *mailbox.Row) {
	if id, ok := d.foreign[row.ID]; ok {
		out.text(id)
		return
	}
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
