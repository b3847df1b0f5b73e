package imap

import (
	"cmp"
	"context"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// stir is a folder whose messages have changed.
type stir struct {
	key folderKey
	now mailbox.Folder
}

// glance tells what has happened, if it has happened to messages alone, as nearly always: that costs nothing for the folders that are
// as they were. done is false if there is more to look for; then nothing was told.
func (n *notifying) glance(ctx context.Context, s *session) (done bool, err error) {
	ids, err := n.accounts(ctx, s)
	if err != nil || len(ids)+1 != len(n.marks) || !slices.Equal(n.groupsThen, s.who.Groups) {
		return false, err
	}
	marks := slices.Clone(n.marks)
	var stirs []stir
	for i := range marks {
		mail := s.mail
		if i > 0 {
			if ids[i-1] != marks[i].account {
				return false, nil
			}
			mail, err = s.guest(ctx, ids[i-1])
			if fault.Is(err, fault.NotFound) && marks[i].change == 0 {
				continue // it still isn't there
			}
			if err != nil || marks[i].change == 0 {
				return false, nil
			}
		}
		is, ok := mail.Stirred(marks[i].change)
		if !ok {
			return false, nil
		}
		for _, f := range is.Folders {
			stirs = append(stirs, stir{folderKey{marks[i].account, f.ID}, f})
		}
		marks[i].change = is.Change
	}
	n.marks = marks
	return true, n.tellStirs(ctx, s, stirs)
}

// tellStirs tells of folders whose messages have changed, in their order.
func (n *notifying) tellStirs(ctx context.Context, s *session, stirs []stir) error {
	slices.SortFunc(stirs, func(a, b stir) int { return cmp.Compare(n.known[a.key].place, n.known[b.key].place) })
	for _, st := range stirs {
		w, known := n.known[st.key]
		if !known {
			continue // beyond what is told of
		}
		was := w.Folder
		st.now.Subscribed = was.Subscribed // of those of others it says what the client has subscribed to
		w.Folder = st.now
		if w.foreign {
			mail, err := s.guest(ctx, st.key.account)
			if err != nil {
				return err
			}
			w.mail = mail
		}
		n.known[st.key] = w
		if err := n.tellMessages(ctx, s, &was, &w.placed); err != nil {
			return err
		}
		s.out.sized()
	}
	return nil
}

// tellMessages tells how a folder's messages are now, unless it is the selected one.
func (n *notifying) tellMessages(ctx context.Context, s *session, was *mailbox.Folder, now *placed) error {
	if s.selected(&now.box) || now.rights()&mailbox.RightRead == 0 {
		return nil
	}
	e := n.on(now)
	if items := e.status(was, &now.Folder, s.condstore); len(items) > 0 {
		return s.tellStatus(ctx, now, items...)
	}
	return nil
}
