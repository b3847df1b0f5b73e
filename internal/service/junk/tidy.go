package junk

import (
	"context"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

const (
	// keptAfter is how long what was read has to lie in the inbox before it counts as kept.
	keptAfter = 3 * 24 * time.Hour
	// mostKept is how many such messages a day teaches, and firstKept how many at first: what the inbox was full of
	// when the account first said what junk is.
	mostKept  = 20
	firstKept = 100
)

// tidyAccount does for one account what is to be done daily.
func (s *Service) tidyAccount(ctx context.Context, id ident.AccountID) error {
	if err := s.Learn(ctx, id); err != nil {
		return err
	}
	s.learning.Lock()
	defer s.learning.Unlock()
	box, err := s.o.Store.Open(ctx, id, ident.System())
	if err != nil {
		return err
	}
	defer box.Close()
	if err := s.expire(ctx, box); err != nil {
		return err
	}
	m, err := s.read(ctx, box)
	if err != nil {
		return err
	}
	p := s.pupil(box, m)
	if today := dayOf(s.o.Now()); m.head.explicit > 0 && m.head.keptDay < today {
		p.head.keptDay = today
		lessons, err := p.keep(ctx)
		if err == nil {
			err = p.learn(ctx, lessons)
		}
		if err == nil {
			err = p.commit(ctx)
		}
		if err != nil {
			return err
		}
	}
	if m.head.labels > mostLabels {
		return s.forgetLabels(ctx, box)
	}
	return nil
}

// keep finds what was read and left in the inbox.
func (p *pupil) keep(ctx context.Context) ([]lesson, error) {
	inbox, ok := p.box.FolderByRole(mailbox.Inbox)
	if !ok {
		return nil, nil
	}
	v, err := p.box.View(ctx, inbox.ID)
	if err != nil {
		return nil, err
	}
	before := p.s.o.Now().Add(-keptAfter).Unix()
	end := v.Len()
	for end > 0 && receivedAt(v.At(end-1)) > before {
		end--
	}
	most, from := mostKept, 0
	if p.head.keptUID == 0 {
		most = firstKept
	} else if i, ok := v.Find(p.head.keptUID); ok {
		from = i + 1
	} else {
		from = i
	}
	var items []mailbox.ItemAt
	for i := end - 1; i >= from && len(items) < most; i-- {
		if r := v.At(i); r.Flags&mailbox.Seen != 0 && r.Flags&mailbox.Deleted == 0 && !hasAny(r.Keywords, junkWords) {
			items = append(items, mailbox.ItemAt{Folder: inbox.ID, Row: *r})
		}
	}
	if end > 0 {
		p.head.keptUID = max(p.head.keptUID, v.At(end-1).UID)
	}
	return p.unlabelled(ctx, items)
}

func receivedAt(r *mailbox.Row) int64 {
	sec, _ := r.ReceivedUnix()
	return sec
}

// unlabelled makes lessons of those that nothing was learned from.
func (p *pupil) unlabelled(ctx context.Context, items []mailbox.ItemAt) ([]lesson, error) {
	had, err := labelsOf(ctx, p.box, items, nil)
	if err != nil {
		return nil, err
	}
	var all []lesson
	for i, it := range items {
		if had[i].label == unlabelled {
			all = append(all, lesson{item: it, labelled: labelled{labelGood, kept, dayOf(p.s.o.Now())}})
		}
	}
	return all, nil
}

// forgetLabels forgets the oldest labels: their messages are learned, and will hardly be moved again.
func (s *Service) forgetLabels(ctx context.Context, box *mailbox.Session) error {
	var m *mind
	err := box.UpdateSide(ctx, mailbox.JunkSide, func(tx mailbox.SideTx) error {
		for _, kind := range []byte{keyLabel, keyTrained} {
			if err := forgetOldest(tx, kind, mostLabels, func(v []byte) int64 { l, _ := decodeLabelled(v); return l.day }); err != nil {
				return err
			}
		}
		left := uint64(0)
		for _, kind := range []byte{keyLabel, keyTrained} {
			if err := tx.Scan([]byte{kind}, func(_, _ []byte) error { left++; return nil }); err != nil {
				return err
			}
		}
		now, err := readMind(tx.SideReader)
		if err != nil {
			return err
		}
		now.head.labels = left
		now.head.revision++
		m = now
		return tx.Set([]byte{keyHead}, now.head.encode())
	})
	if err == nil {
		s.minds.put(box.Account(), m)
	}
	return err
}

// mostExpired is how many messages are removed from a folder at once.
const mostExpired = 1000

// expire removes what has lain in the folder for junk for long enough. What somebody has flagged stays.
func (s *Service) expire(ctx context.Context, box *mailbox.Session) error {
	f, ok := box.FolderByRole(mailbox.Junk)
	if !ok || s.o.Keep <= 0 || f.Items == 0 {
		return nil
	}
	v, err := box.View(ctx, f.ID)
	if err != nil {
		return err
	}
	before := s.o.Now().Add(-s.o.Keep)
	var old []mailbox.UID
	for _, r := range v.All(0, v.Len()) {
		if r.Saved().Before(before) && r.Flags&mailbox.Flagged == 0 && len(old) < mostExpired {
			old = append(old, r.UID)
		}
	}
	if len(old) == 0 {
		return nil
	}
	_, err = box.Expunge(ctx, f.ID, old, false)
	if err == nil {
		s.o.Logger.InfoContext(ctx, "removed old junk", "account", box.Account(), "messages", len(old))
	}
	if fault.Is(err, fault.NotFound) {
		err = nil
	}
	return err
}
