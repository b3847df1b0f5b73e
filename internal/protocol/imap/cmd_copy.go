package imap

import (
	"context"
	"fmt"
	"slices"

	"postroad/internal/model/mailbox"
)

// copy is COPY: RFC 9051 §6.4.7.
func (s *session) copy(ctx context.Context) (reply, error) {
	code, err := s.transfer(ctx, s.lim.Copy, (*mailbox.Session).Copy, (*mailbox.Session).CopyTo)
	return reply{code, "copied"}, err
}

// move is MOVE: RFC 9051 §6.4.8. The EXPUNGE responses come with the other news, before the completion.
func (s *session) move(ctx context.Context) (reply, error) {
	if s.sel.readOnly {
		return reply{}, no("READ-ONLY", "the mailbox is open for looking only")
	}
	code, err := s.transfer(ctx, 0, (*mailbox.Session).Move, (*mailbox.Session).MoveTo)
	if err != nil || code == "" {
		return reply{text: "nothing to move"}, err
	}
	s.removed = true
	s.remark("OK", code, "moved") // RFC 6851 §4.3: before the EXPUNGEs
	return reply{text: "moved"}, nil
}

// Within an account messages are copied and moved in one way, to another account in another.
type (
	transferFunc func(*mailbox.Session, context.Context, mailbox.FolderID, []mailbox.UID, mailbox.FolderID) ([]mailbox.Copied, uint32, error)
	crossingFunc func(*mailbox.Session, context.Context, mailbox.FolderID, []mailbox.UID, mailbox.Target) ([]mailbox.Copied, uint32, error)
)

// transfer copies or moves, and returns the response code COPYUID (RFC 4315 §3), "" if there was nothing to do. most is how many
// messages there may be, all of which or none are transferred; 0: as many as one command may work on.
func (s *session) transfer(ctx context.Context, most int, within transferFunc, across crossingFunc) (code string, err error) {
	s.dec.sp()
	set := s.messageSet()
	s.dec.sp()
	path := s.mailboxName()
	if err := s.dec.end(); err != nil {
		return "", err
	}
	msgs, err := s.resolve(set)
	if err != nil {
		return "", err
	}
	to, err := s.folder(ctx, path)
	if err != nil {
		return "", tryCreate(err)
	}
	if msgs.empty() {
		return "", nil
	}
	var (
		done     []mailbox.Copied
		validity uint32
	)
	if most == 0 {
		msgs = s.limit(msgs)
	}
	uids := msgs.uids(s.sel.shown)
	if most > 0 && len(uids) > most {
		return "", no(messageLimit(most, uids...), "too many messages to copy at once")
	}
	if to.mail == s.sel.mail {
		done, validity, err = within(s.sel.mail, ctx, s.sel.id, uids, to.ID)
	} else {
		target := mailbox.Target{Session: to.mail, Folder: to.ID, Progress: func(n int) error { return s.progress(n, len(uids)) }}
		done, validity, err = across(s.sel.mail, ctx, s.sel.id, uids, target)
	}
	switch {
	case err != nil:
		return "", tryCreate(err)
	case len(done) == 0 && !s.byUID:
		return "", no("EXPUNGEISSUED", "the messages are gone")
	case len(done) == 0:
		return "", nil
	}
	if s.selected(&to) {
		for _, c := range done {
			s.own = s.own.put(uint32(c.To))
		}
		s.own = s.own.join()
	}
	arrived := make([]mailbox.UID, len(done))
	for i := range done {
		arrived[i] = done[i].To
	}
	s.came(ctx, to.mail, to.ID, "COPY", arrived)
	return copyUID(done, validity), nil
}

// copyUID writes the two sets of UIDs, paired in order.
func copyUID(done []mailbox.Copied, validity uint32) string {
	slices.SortFunc(done, func(a, b mailbox.Copied) int { return cmp32(uint32(a.From), uint32(b.From)) })
	var from, to numSet
	for _, c := range done {
		from, to = from.add(uint32(c.From)), to.add(uint32(c.To))
	}
	b := fmt.Appendf(nil, "COPYUID %d ", validity)
	b = append(from.appendTo(b), ' ')
	return string(to.appendTo(b))
}

// expunge is EXPUNGE and UID EXPUNGE: RFC 9051 §6.4.3, §6.4.9. The EXPUNGE responses come with the other news.
func (s *session) expunge(ctx context.Context) (reply, error) {
	var set sentSet
	if s.byUID {
		s.dec.sp()
		set = s.messageSet()
	}
	if err := s.dec.end(); err != nil {
		return reply{}, err
	}
	if s.sel.readOnly {
		return reply{}, no("READ-ONLY", "the mailbox is open for looking only")
	}
	var uids []mailbox.UID // nil: all
	if s.byUID {
		msgs, err := s.resolve(set)
		if err != nil {
			return reply{}, err
		}
		if uids, err = s.mayGo(ctx, msgs); err != nil {
			return reply{}, err
		}
		if len(uids) == 0 {
			return reply{text: "nothing to expunge"}, nil
		}
	}
	gone, err := s.sel.mail.Expunge(ctx, s.sel.id, uids, true)
	s.removed = len(gone) > 0
	return reply{text: "expunged"}, err
}

// mayGo are the UIDs of messages that UID EXPUNGE is to look at. Where there is a limit those marked for it count (RFC 9738 §3.1).
func (s *session) mayGo(ctx context.Context, msgs messages) ([]mailbox.UID, error) {
	if s.lim.Messages == 0 || msgs.count() <= s.lim.Messages {
		return msgs.uids(s.sel.shown), nil
	}
	now, err := s.fresh(ctx)
	if err != nil {
		return nil, err
	}
	var marked []mailbox.UID
	find := mailbox.Finder{View: now}
	for _, old := range msgs.rows(s.sel.shown) {
		if _, row := find.Find(old.UID); row != nil && row.Flags&mailbox.Deleted != 0 {
			marked = append(marked, row.UID)
		}
	}
	if n := len(marked) - s.lim.Messages; n > 0 {
		marked = marked[n:]
		s.overLimit(marked[0])
	}
	return marked, nil
}
