package server

import (
	"context"
	"io"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/service/delivery"
	"postroad/internal/service/queue"
	"postroad/internal/service/transfer"
)

// openQueue opens the queue, if mail may leave at all.
func (s *Server) openQueue(ctx context.Context) (err error) {
	send := s.world.Send
	if send == nil && s.world.Online {
		if s.internet, err = newInternet(s.config, s.world, s.store.DB); err != nil {
			return err
		}
		send = s.internet.Send
	}
	if send == nil {
		return nil
	}
	s.queue, err = queue.Open(ctx, s.store.DB, queue.Options{
		Send: send, Bounce: s.bounce, Host: s.config.Hostname, Now: s.world.Now, Logger: s.log.With("part", "queue"),
		Note: s.store.Trace.Note,
	})
	s.store.Admin.SetQueue(s.queue)
	return err
}

// Submit hands a message to the queue, as if somebody here had sent it. It is durable when
// Submit returns nil. fault.Unsupported: mail can't leave.
func (s *Server) Submit(ctx context.Context, j transfer.Job) error {
	if s.queue == nil {
		return fault.New(fault.Unsupported, "mail for other servers is refused")
	}
	return s.queue.Submit(ctx, j.Envelope, j.Recipients, j.Content)
}

// outbox is the queue as the delivery agent wants it: none, if mail can't leave.
func (s *Server) outbox() delivery.Queue {
	if s.queue == nil {
		return nil
	}
	return s.queue
}

// runQueue sends what is due, until ctx ends.
func (s *Server) runQueue(ctx context.Context) {
	if s.queue == nil {
		return
	}
	if s.internet != nil {
		defer s.internet.close()
	}
	if err := s.queue.Run(ctx); err != nil && ctx.Err() == nil {
		s.fail(fault.Wrap(fault.Unavailable, err, "the queue has stopped"))
	}
}

// bounce brings a notification to its sender: into a mailbox here, or back into the queue.
func (s *Server) bounce(ctx context.Context, n transfer.Job) error {
	who := ident.System()
	var to []delivery.Recipient
	for _, r := range n.Recipients {
		found, err := s.agent.Recipient(ctx, &who, r.Address)
		if err != nil {
			return s.undeliverable(ctx, n, err)
		}
		to = append(to, found)
	}
	content := s.store.Mailboxes.NewContent()
	defer content.Discard()
	// RFC 5321 §4.4: final delivery notes the reverse-path, which for a notification is the null one.
	all := io.MultiReader(strings.NewReader("Return-Path: <>\r\n"), io.NewSectionReader(n.Content, 0, n.Content.Size()))
	if _, err := io.Copy(content, all); err != nil {
		return err
	}
	c, err := content.Finish()
	if err != nil {
		return err
	}
	defer c.Close()
	for _, err := range s.agent.Deliver(ctx, delivery.Envelope{ID: n.ID, Source: "queue", EightBit: n.EightBit, UTF8: n.UTF8}, to, c) {
		if err != nil {
			return s.undeliverable(ctx, n, err)
		}
	}
	return nil
}

// undeliverable says whether to try a notification again (fault.Exists: it was handed in before): what can't be right later either is
// dropped, since nobody is told of a notification that failed (RFC 5321 §6.1).
func (s *Server) undeliverable(ctx context.Context, n transfer.Job, err error) error {
	if kind := fault.KindOf(err); kind.Retry() || kind == fault.Exists {
		return err
	}
	s.log.WarnContext(ctx, "a notification can't be delivered and is dropped", "id", n.ID, "err", err)
	return nil
}
