package server

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/service/queue"
	"postroad/internal/service/transfer"
)

// openQueue opens the queue, if mail may leave at all.
func (s *Server) openQueue(ctx context.Context) (err error) {
	send := s.world.Send
	if send == nil && s.world.Online {
		if s.internet, err = newInternet(s.config, s.world, s.store.DB, s.observeTLS); err != nil {
			return err
		}
		send = s.internet.Send
	}
	if send == nil {
		return nil
	}
	s.queue, err = queue.Open(ctx, s.store.DB, queue.Options{
		Send: s.countBounces(s.withLocal(send)), Bounce: s.bounce, Host: s.config.Hostname, Now: s.world.Now, Logger: s.log.With("part", "queue"),
		Note: s.store.Trace.Note, Destination: s.destination,
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
