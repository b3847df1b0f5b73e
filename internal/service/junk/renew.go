package junk

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
)

// mostRenewed is how many messages are read again when a version came that learns more of a message than the one before: those labelled last.
const mostRenewed = 2000

// renewAccount has an account learn what a version before this one learned less of. What it knew is of use until then, and so it is for
// messages that are gone.
func (s *Service) renewAccount(ctx context.Context, box *mailbox.Session, m *mind) (*mind, error) {
	if !m.delta.Old() {
		return m, nil
	}
	p := s.pupil(box, m)
	if err := p.renew(ctx); err != nil {
		return nil, err
	}
	return s.read(ctx, box)
}

func (p *pupil) renew(ctx context.Context) error {
	labels, err := contentLabels(ctx, p.box)
	if err != nil {
		return err
	}
	lessons, err := p.still(ctx, labels)
	if err != nil {
		return err
	}
	d, err := p.writable(ctx)
	if err != nil {
		return err
	}
	learned := 0
	for i := range lessons {
		switch err := p.again(ctx, &lessons[i]); {
		case err == nil:
			learned++
		case fault.Is(err, fault.NotFound), fault.Is(err, fault.Corrupt):
		default:
			return err
		}
	}
	d.Renew()
	p.s.o.Logger.InfoContext(ctx, "learned again what an earlier version knew about junk", "account", p.box.Account(), "labels", len(labels), "messages", learned)
	return p.commit(ctx)
}

// contentLabels reads the labels of all messages that were delivered.
func contentLabels(ctx context.Context, box *mailbox.Session) (map[mailbox.ContentID]labelled, error) {
	labels := map[mailbox.ContentID]labelled{}
	err := box.ReadSide(ctx, mailbox.JunkSide, func(r mailbox.SideReader) error {
		return r.Scan([]byte{keyLabel}, func(key, value []byte) error {
			if l, ok := decodeLabelled(value); ok && len(key) == 7 {
				labels[mailbox.ContentID(binary.BigEndian.Uint64(append([]byte{0, 0}, key[1:]...)))] = l
			}
			return nil
		})
	})
	return labels, err
}

// still finds the messages that have labels and are there still, in the order in which they were labelled, mostRenewed at most.
func (p *pupil) still(ctx context.Context, labels map[mailbox.ContentID]labelled) ([]lesson, error) {
	var all []lesson
	found := map[mailbox.ContentID]bool{}
	for _, f := range p.box.Folders() {
		if f.Items == 0 || len(labels) == 0 {
			continue
		}
		v, err := p.box.View(ctx, f.ID)
		if fault.Is(err, fault.NotFound) {
			continue // deleted just now, or it holds no messages
		}
		if err != nil {
			return nil, err
		}
		for _, r := range v.All(0, v.Len()) {
			if l, ok := labels[r.Content]; ok && !found[r.Content] {
				found[r.Content] = true
				all = append(all, lesson{item: mailbox.ItemAt{Folder: f.ID, Row: *r}, labelled: l})
			}
		}
	}
	slices.SortFunc(all, func(a, b lesson) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.item.Row.Content, b.item.Row.Content))
	})
	return all[max(0, len(all)-mostRenewed):], nil
}

// again learns a message again. Its senders were voted on when it was learned first.
func (p *pupil) again(ctx context.Context, l *lesson) (err error) {
	defer recovered(&err)
	m, err := p.s.stored(ctx, p.box, &l.item.Row)
	if err != nil {
		return err
	}
	p.delta.Recount(p.s.base, p.s.see(*m).set, l.label == labelJunk, p.s.town.delta())
	return nil
}
