package junk

import (
	"context"
	"crypto/sha256"

	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/junk/features"
)

// Train has an account learn messages that are junk or good, whatever they are; those that it was taught before teach nothing again.
// It returns how many were new.
func (s *Service) Train(ctx context.Context, id ident.AccountID, junk bool, messages ...[]byte) (learned int, err error) {
	s.learning.Lock()
	defer s.learning.Unlock()
	box, err := s.o.Store.Open(ctx, id, ident.System())
	if err != nil {
		return 0, err
	}
	defer box.Close()
	known, err := s.read(ctx, box)
	if err != nil {
		return 0, err
	}
	p := s.pupil(box, known)
	today := dayOf(s.o.Now())
	for _, raw := range messages {
		m, err := s.parse(raw)
		if err != nil {
			return 0, err
		}
		sum := sha256.Sum256(raw)
		key := trainedKey(sum[:])
		had, err := p.had(ctx, key)
		if err != nil {
			return 0, err
		}
		if had == labelOf(junk) {
			continue
		}
		p.head.explicit++
		seen, l := s.see(m), labelled{labelOf(junk), trained, today}
		if err := p.teach(ctx, seen.set, string(key), l, had); err != nil {
			return 0, err
		}
		p.opine(seen.author, l, had)
		learned++
	}
	return learned, p.commitNow(ctx)
}

// had is the label that a message was trained with.
func (p *pupil) had(ctx context.Context, key []byte) (l label, err error) {
	if now, ok := p.labels[string(key)]; ok {
		return now.label, nil
	}
	err = p.box.ReadSide(ctx, mailbox.JunkSide, func(r mailbox.SideReader) error {
		value, ok, err := r.Get(key)
		if err == nil && ok {
			had, _ := decodeLabelled(value)
			l = had.label
		}
		return err
	})
	return l, err
}

// TrainAll has the server learn messages, for all accounts. Nothing keeps it from learning the same twice.
func (s *Service) TrainAll(ctx context.Context, junk bool, messages ...[]byte) error {
	s.learning.Lock()
	defer s.learning.Unlock()
	sets := make([]features.Set, 0, len(messages))
	for _, raw := range messages {
		m, err := s.parse(raw)
		if err != nil {
			return err
		}
		sets = append(sets, s.see(m).set)
	}
	return s.town.train(ctx, sets, labelOf(junk))
}

// Forget forgets all that an account has learned and whom it knows, and takes its votes back. What happened until now teaches nothing again.
func (s *Service) Forget(ctx context.Context, id ident.AccountID) error {
	s.learning.Lock()
	defer s.learning.Unlock()
	box, err := s.o.Store.Open(ctx, id, ident.System())
	if err != nil {
		return err
	}
	defer box.Close()
	if err := s.town.forget(ctx, id); err != nil {
		return err
	}
	upTo := box.State().Change
	return s.setHead(ctx, box, func(tx mailbox.SideTx, h *head) error {
		*h = head{revision: h.revision, seen: max(h.seen, upTo), off: h.off}
		return tx.DeleteAll(nil)
	})
}

// SetOff says whether an account's mail is to be judged.
func (s *Service) SetOff(ctx context.Context, id ident.AccountID, off bool) error {
	s.learning.Lock()
	defer s.learning.Unlock()
	box, err := s.o.Store.Open(ctx, id, ident.System())
	if err != nil {
		return err
	}
	defer box.Close()
	return s.setHead(ctx, box, func(_ mailbox.SideTx, h *head) error { h.off = off; return nil })
}

// setHead changes an account's head, durably, and remembers what is there then.
func (s *Service) setHead(ctx context.Context, box *mailbox.Session, change func(mailbox.SideTx, *head) error) error {
	var m *mind
	err := box.UpdateSide(ctx, mailbox.JunkSide, func(tx mailbox.SideTx) error {
		now, err := readMind(tx.SideReader)
		if err != nil {
			return err
		}
		h := now.head
		if err := change(tx, &h); err != nil {
			return err
		}
		h.revision++
		if err := tx.Set([]byte{keyHead}, h.encode()); err != nil {
			return err
		}
		m, err = readMind(tx.SideReader)
		return err
	})
	if err == nil {
		s.minds.put(box.Account(), m)
	}
	return err
}

// Knowledge tells what an account has learned.
type Knowledge struct {
	Off        bool
	Junk, Good int // messages learned
	Labels     int // of which it is known what they are
	Known      int // addresses that it has written to
	Bytes      int // of what it has learned
}

// Knowledge tells what an account has learned.
func (s *Service) Knowledge(ctx context.Context, box *mailbox.Session) (k Knowledge, err error) {
	m, err := s.mind(ctx, box)
	if err != nil {
		return k, err
	}
	k = Knowledge{Off: m.head.off, Labels: int(m.head.labels), Known: len(m.known)}
	if m.delta != nil {
		k.Junk, k.Good = m.delta.Learned()
		k.Bytes = len(m.delta.Encode(nil))
	}
	return k, nil
}

// Shared tells what the server's accounts have taught it together: messages learned, and senders whose standing counts.
func (s *Service) Shared() (junk, good, senders int) {
	junk, good = s.town.delta().Learned()
	s.town.mu.RLock()
	defer s.town.mu.RUnlock()
	return junk, good, len(s.town.standings)
}
