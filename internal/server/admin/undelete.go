package admin

import (
	"context"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/message"
	"postroad/internal/model/mailbox"
)

// UndeleteAdmin brings back messages that people have expunged. All fail with fault.NotFound if there is no such account.
type UndeleteAdmin interface {
	// Expunged lists messages that can be brought back, oldest first.
	Expunged(ctx context.Context, q ExpungedQuery) ([]ExpungedMessage, error)
	// Undelete brings messages back, into their folders. Errors: fault.OverQuota; what came before stays.
	Undelete(ctx context.Context, q ExpungedQuery) (Undeleted, error)
}

// ExpungedQuery says which messages are meant: those that all of it is true of.
type ExpungedQuery struct {
	Address string    `json:"address"`
	Since   time.Time `json:"since,omitzero"`   // expunged then or later
	Folder  string    `json:"folder,omitempty"` // they were in, like Work/2024; those below it aren't meant
	IDs     []uint64  `json:"ids,omitempty"`    // of Expunged
	Limit   int       `json:"limit,omitempty"`  // how many are listed, the newest; 0: 1,000
}

// ExpungedMessage is one that can be brought back.
type ExpungedMessage struct {
	ID       uint64    `json:"id"`
	Expunged time.Time `json:"expunged"`
	Folder   string    `json:"folder"`
	Received time.Time `json:"received"`
	Size     int64     `json:"size"`
	From     string    `json:"from,omitempty"`
	Subject  string    `json:"subject,omitempty"`
}

// Undeleted is what came back.
type Undeleted struct {
	Messages int `json:"messages"`
}

// maxExpunged is how many messages are listed, if nothing else is said.
const maxExpunged = 1000

// expunged collects what a query means.
func (q *ExpungedQuery) collect(ctx context.Context, s *mailbox.Session) ([]mailbox.Erased, error) {
	wanted := map[uint64]bool{}
	for _, id := range q.IDs {
		wanted[id] = true
	}
	var all []mailbox.Erased
	err := s.Erased(ctx, func(e *mailbox.Erased) error {
		switch folder := strings.Join(e.Path, "/"); {
		case len(q.IDs) > 0 && !wanted[uint64(e.ID)], e.At.Before(q.Since),
			q.Folder != "" && !strings.EqualFold(folder, strings.Trim(q.Folder, "/")):
			return nil
		}
		all = append(all, *e)
		return nil
	})
	return all, err
}

// Expunged implements Admin.
func (d *Direct) Expunged(ctx context.Context, q ExpungedQuery) ([]ExpungedMessage, error) {
	if q.Limit < 0 {
		return nil, fault.New(fault.Invalid, "the limit is negative")
	}
	if q.Limit == 0 {
		q.Limit = maxExpunged
	}
	list := []ExpungedMessage{}
	err := d.withMailbox(ctx, q.Address, func(s *mailbox.Session) error {
		all, err := q.collect(ctx, s)
		if err != nil {
			return err
		}
		all = all[max(0, len(all)-q.Limit):]
		return s.Read(ctx, func(b *mailbox.Batch) error {
			for i := range all {
				list = append(list, describeExpunged(b, &all[i]))
			}
			return nil
		})
	})
	return list, err
}

func describeExpunged(b *mailbox.Batch, e *mailbox.Erased) ExpungedMessage {
	m := ExpungedMessage{ID: uint64(e.ID), Expunged: e.At, Folder: strings.Join(e.Path, "/"), Received: e.Row.Received(), Size: e.Row.Size}
	if sum, err := b.Brief(&e.Row); err == nil { // else it has just been brought back, or forgotten
		m.Subject = sum.Subject()
		if from := sum.From(); len(from) > 0 {
			m.From = addressOf(from[0])
		}
	}
	return m
}

func addressOf(a message.Address) string {
	if a.Host == "" {
		return a.Mailbox
	}
	return a.Mailbox + "@" + a.Host
}

// Undelete implements Admin.
func (d *Direct) Undelete(ctx context.Context, q ExpungedQuery) (out Undeleted, err error) {
	err = d.withMailbox(ctx, q.Address, func(s *mailbox.Session) error {
		all, err := q.collect(ctx, s)
		if err != nil {
			return err
		}
		out.Messages, err = s.Unerase(ctx, all...)
		return err
	})
	return out, err
}

// Expunged implements Admin.
func (c *Client) Expunged(ctx context.Context, q ExpungedQuery) ([]ExpungedMessage, error) {
	return call[[]ExpungedMessage](ctx, c, "account.expunged", q)
}

// Undelete implements Admin.
func (c *Client) Undelete(ctx context.Context, q ExpungedQuery) (Undeleted, error) {
	return call[Undeleted](ctx, c, "account.undelete", q)
}
