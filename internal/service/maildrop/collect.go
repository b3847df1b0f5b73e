package maildrop

import (
	"context"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// Drop is what an account shows to POP3: its policy, and what it has hidden.
type Drop struct {
	Policy Policy
	hidden Marks
	// foreign: items have unique IDs of another server.
	foreign bool
}

// Open reads an account's policy and marks.
func Open(ctx context.Context, s *mailbox.Session) (Drop, error) {
	props, err := s.Props(ctx)
	if err != nil {
		return Drop{}, err
	}
	p, err := policyOf(props)
	if err != nil {
		return Drop{}, err
	}
	hidden, err := readMarks(props[hiddenProp])
	return Drop{p, hidden, props[uniqueIDsProp] != nil}, err
}

// Foreign reports whether messages have unique IDs of another server.
func (d Drop) Foreign() bool { return d.foreign }

// All reports whether every message of the inbox is shown.
func (d Drop) All() bool { return d.Policy.Since.IsZero() && d.hidden.Len() == 0 }

// Shows reports whether a message is shown.
func (d Drop) Shows(r *mailbox.Row) bool {
	if !d.Policy.Since.IsZero() && r.Received().Before(d.Policy.Since) {
		return false
	}
	return !d.hidden.Has(r.ID)
}

// Session is what a POP3 session has done, at its end.
type Session struct {
	Inbox     mailbox.FolderID
	Deleted   []*mailbox.Row // by DELE
	Retrieved []*mailbox.Row // by RETR
}

// End carries out what a session has done (RFC 1939 §6) as the policy says, and returns how many messages have left the
// maildrop.
func (d Drop) End(ctx context.Context, s *mailbox.Session, done Session, now time.Time) (int, error) {
	if d.Policy.MarkSeen && len(done.Retrieved) > 0 {
		if _, err := s.SetFlags(ctx, done.Inbox, mailbox.FlagChange{UIDs: uids(done.Retrieved), Op: mailbox.AddFlags, Flags: mailbox.Seen}); err != nil {
			return 0, err
		}
	}
	if d.Policy.RemoveAfterDays > 0 && len(done.Retrieved) > 0 {
		if err := remember(ctx, s, done.Inbox, retrievedProp, done.Retrieved, now); err != nil {
			return 0, err
		}
	}
	if len(done.Deleted) == 0 {
		return 0, nil
	}
	if d.Policy.OnDelete == Keep {
		return len(done.Deleted), remember(ctx, s, done.Inbox, hiddenProp, done.Deleted, now)
	}
	return d.remove(ctx, s, done.Inbox, uids(done.Deleted))
}

func uids(rows []*mailbox.Row) []mailbox.UID {
	all := make([]mailbox.UID, len(rows))
	for i, r := range rows {
		all[i] = r.UID
	}
	return all
}

// remove takes messages out of the inbox, as DELE does.
func (d Drop) remove(ctx context.Context, s *mailbox.Session, inbox mailbox.FolderID, all []mailbox.UID) (int, error) {
	if d.Policy.OnDelete != Trash {
		gone, err := s.Expunge(ctx, inbox, all, false)
		return len(gone), err
	}
	trash, ok := s.FolderByRole(mailbox.Trash)
	if !ok {
		return 0, fault.New(fault.NotFound, "there is no folder for deleted messages")
	}
	moved, _, err := s.Move(ctx, inbox, all, trash.ID)
	return len(moved), err
}

// remember marks messages, and forgets marks of those that have left the inbox.
func remember(ctx context.Context, s *mailbox.Session, inbox mailbox.FolderID, prop string, rows []*mailbox.Row, now time.Time) error {
	v, err := s.View(ctx, inbox)
	if err != nil {
		return err
	}
	in := make(map[mailbox.ItemID]bool, v.Len())
	for _, r := range v.All(0, v.Len()) {
		in[r.ID] = true
	}
	items := make([]mailbox.ItemID, len(rows))
	for i, r := range rows {
		items[i] = r.ID
	}
	return s.UpdateProps(ctx, func(props map[string][]byte) (map[string][]byte, error) {
		m, err := readMarks(props[prop])
		if err != nil {
			return nil, err
		}
		m.add(items, dayOf(now), in)
		return map[string][]byte{prop: m.bytes()}, nil
	})
}

// Expire removes from an account's inbox what was retrieved so many days ago as its policy says, and returns how many messages
// that were.
func Expire(ctx context.Context, s *mailbox.Session, now time.Time) (int, error) {
	props, err := s.Props(ctx)
	if err != nil || len(props[retrievedProp]) == 0 {
		return 0, err
	}
	p, err := policyOf(props)
	if err != nil || p.RemoveAfterDays == 0 {
		return 0, err
	}
	m, err := readMarks(props[retrievedProp])
	if err != nil {
		return 0, err
	}
	// A message stays for so many whole days at least.
	due := m.until(dayOf(now) - int64(p.RemoveAfterDays) - 1)
	inbox, ok := s.FolderByRole(mailbox.Inbox)
	if len(due) == 0 || !ok {
		return 0, nil
	}
	v, err := s.View(ctx, inbox.ID)
	if err != nil {
		return 0, err
	}
	var all []mailbox.UID
	for _, r := range v.All(0, v.Len()) {
		if due[r.ID] {
			all = append(all, r.UID)
		}
	}
	n := 0
	if len(all) > 0 {
		if n, err = (Drop{Policy: p}).remove(ctx, s, inbox.ID, all); err != nil {
			return n, err
		}
	}
	return n, remember(ctx, s, inbox.ID, retrievedProp, nil, now)
}
