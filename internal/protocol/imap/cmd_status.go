package imap

import (
	"context"
	"strconv"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// statusItem is what STATUS can tell of a folder.
type statusItem struct {
	name   string
	append func(s *session, ctx context.Context, dst []byte, f *box) ([]byte, error)
}

// statusTable has the items of STATUS, one line each.
var statusTable = []statusItem{
	{"MESSAGES", statusNumber(func(f *mailbox.Folder) uint64 { return uint64(f.Items) })},
	{"UIDNEXT", statusNumber(func(f *mailbox.Folder) uint64 { return uint64(f.UIDNext) })},
	{"UIDVALIDITY", statusNumber(func(f *mailbox.Folder) uint64 { return uint64(f.UIDValidity) })},
	{"UNSEEN", statusNumber(func(f *mailbox.Folder) uint64 { return uint64(f.Unseen) })},
	{"DELETED", statusNumber(func(f *mailbox.Folder) uint64 { return uint64(f.Deleted) })},              // RFC 9051 §6.3.11
	{"SIZE", statusNumber(func(f *mailbox.Folder) uint64 { return uint64(f.Bytes) })},                   // RFC 8438
	{"DELETED-STORAGE", statusNumber(func(f *mailbox.Folder) uint64 { return uint64(f.DeletedBytes) })}, // RFC 9208 §4.1.4
	{"HIGHESTMODSEQ", statusModSeq},    // RFC 7162 §3.1.7
	{"RECENT", statusRecent},           // RFC 3501 §6.3.10
	{"MAILBOXID", statusMailboxID},     // RFC 8474 §4.3
	{"APPENDLIMIT", statusAppendLimit}, // RFC 7889 §3
}

func statusNumber(get func(*mailbox.Folder) uint64) func(*session, context.Context, []byte, *box) ([]byte, error) {
	return func(_ *session, _ context.Context, dst []byte, f *box) ([]byte, error) {
		return strconv.AppendUint(dst, get(&f.Folder), 10), nil
	}
}

func statusModSeq(s *session, _ context.Context, dst []byte, f *box) ([]byte, error) {
	s.enableCondstore()
	return appendUint(dst, f.HighestModSeq), nil
}

// statusRecent counts what the next session to select the folder will see as \Recent.
func statusRecent(s *session, ctx context.Context, dst []byte, f *box) ([]byte, error) {
	if s.rev2 {
		return append(dst, '0'), nil
	}
	uid, _, err := unclaimed(ctx, f.mail, &f.Folder)
	if err != nil || uid >= f.UIDNext {
		return append(dst, '0'), err
	}
	v, err := f.mail.View(ctx, f.ID)
	if err != nil {
		return dst, err
	}
	first, _ := v.Find(uid)
	return strconv.AppendInt(dst, int64(v.Len()-first), 10), nil
}

func statusMailboxID(s *session, _ context.Context, dst []byte, f *box) ([]byte, error) {
	return append(append(append(dst, '('), s.folderID(f.mail, f.ID)...), ')'), nil
}

func statusAppendLimit(s *session, _ context.Context, dst []byte, _ *box) ([]byte, error) {
	return strconv.AppendInt(dst, s.lim.Message, 10), nil
}

// status: RFC 9051 §6.3.11.
func (s *session) status(ctx context.Context) (reply, error) {
	s.dec.sp()
	path := s.mailboxName()
	s.dec.sp()
	items := s.dec.statusItems()
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	f, err := s.folder(ctx, path)
	if err != nil {
		return reply{}, err
	}
	if f.rights()&mailbox.RightRead == 0 {
		return reply{}, fault.New(fault.Denied, "you have no right to read that mailbox")
	}
	return reply{text: "status told"}, s.sendStatus(ctx, path, &f, items)
}

// statusItems consumes a list of items.
func (d *decoder) statusItems() (items []statusItem) {
	d.list(func() {
		name := d.keyword()
		for _, it := range statusTable {
			if it.name == name && len(items) < 100 {
				items = append(items, it)
				return
			}
		}
		d.fail("no such STATUS item")
	})
	if d.ok() && len(items) == 0 {
		d.fail("STATUS of what?")
	}
	return items
}

// sendStatus sends a STATUS response.
func (s *session) sendStatus(ctx context.Context, path string, f *box, items []statusItem) error {
	b := s.appendName(append([]byte(nil), "* STATUS "...), path)
	b = append(b, " ("...)
	for i, it := range items {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(append(b, it.name...), ' ')
		var err error
		if b, err = it.append(s, ctx, b, f); err != nil {
			return err
		}
	}
	s.out.set(append(append(s.out.buf(), b...), ")\r\n"...))
	return nil
}
