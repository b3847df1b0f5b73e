package imap

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// replace is REPLACE and UID REPLACE (RFC 8508): a message is appended, and another goes, in one step.
func (s *session) replace(ctx context.Context) (reply, error) {
	d := &s.dec
	d.sp()
	n := d.seqNumber()
	d.sp()
	path := s.mailboxName()
	if d.err != nil {
		return reply{}, d.err
	}
	old, err := s.replaced(n)
	if err != nil {
		return reply{}, err
	}
	f, err := s.target(ctx, path)
	if err != nil {
		return reply{}, err
	}
	a := &appending{s: s, to: f.mail}
	if f.mail == s.sel.mail {
		a.freed = mailbox.Usage{Bytes: old.Size, Items: 1}
	}
	item, err := a.message(ctx)
	if err != nil {
		return reply{}, err
	}
	defer item.Content.Close()
	if err := d.end(); err != nil {
		return reply{}, err
	}
	done, err := s.replaceBy(ctx, old.UID, &f, item)
	if err != nil {
		return reply{}, s.replaceFailed(err, old.UID)
	}
	// RFC 8508 §4.3: before the EXPUNGE
	s.remark("OK", appendUID([]mailbox.Appended{done}), "replacement stored")
	s.removed = true
	if s.selected(&f) {
		s.own = numSet{}.add(uint32(done.UID))
	}
	s.came(ctx, f.mail, f.ID, "APPEND", []mailbox.UID{done.UID})
	return reply{text: "replaced"}, nil
}

// replaceBy puts a message into a folder, and takes one of the selected folder away.
func (s *session) replaceBy(ctx context.Context, old mailbox.UID, to *box, item mailbox.Append) (mailbox.Appended, error) {
	if to.mail == s.sel.mail {
		return to.mail.ReplaceInto(ctx, s.sel.id, old, to.ID, item)
	}
	return s.sel.mail.ReplaceTo(ctx, s.sel.id, old, mailbox.Target{Session: to.mail, Folder: to.ID}, item)
}

// replaced is the message to be replaced, by number or UID; 0 is "*".
func (s *session) replaced(n uint32) (*mailbox.Row, error) {
	v := s.sel.shown
	switch {
	case s.sel.readOnly:
		return nil, no("READ-ONLY", "the mailbox is open for looking only")
	case s.sel.mail.Rights(s.sel.id)&mailbox.RightTrash == 0: // RFC 8508 §4.1
		return nil, fault.New(fault.Denied, "you have no right to remove messages here")
	}
	msgs, err := s.resolve(sentSet{set: numSet{{n, n}}})
	if err != nil {
		return nil, err
	}
	for _, row := range msgs.rows(v) {
		return row, nil
	}
	return nil, no("NONEXISTENT", "no such message")
}

// replaceFailed tells a message that is gone from a folder that is gone.
func (s *session) replaceFailed(err error, uid mailbox.UID) error {
	if v, e := s.sel.mail.View(context.Background(), s.sel.id); e == nil && fault.Is(err, fault.NotFound) {
		if _, there := v.Find(uid); !there {
			return no("EXPUNGEISSUED", "the message is gone")
		}
	}
	return tooBig(tryCreate(err))
}
