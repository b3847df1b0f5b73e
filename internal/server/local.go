package server

import (
	"context"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/delivery"
	"postroad/internal/service/queue"
	"postroad/internal/service/transfer"
)

// longestHold is how long a message may ask to be held (FUTURERELEASE, RFC 4865).
const longestHold = 90 * 24 * time.Hour

// sender makes one attempt for a job of the queue.
type sender func(ctx context.Context, job transfer.Job) []transfer.Outcome

// withLocal delivers what is for people here, and leaves the rest to send: mail for our own domains never goes out, whatever
// the DNS says of them.
func (s *Server) withLocal(send sender) sender {
	return func(ctx context.Context, job transfer.Job) []transfer.Outcome {
		outs := make([]transfer.Outcome, len(job.Recipients))
		var here, there []int
		for i := range job.Recipients {
			ours, err := s.agent.Local(ctx, job.Recipients[i].Address)
			switch {
			case err != nil:
				outs[i] = transfer.Outcome{Result: transfer.Deferred, Status: "4.3.0", Text: "internal error", At: s.world.Now()}
				s.log.ErrorContext(ctx, "cannot tell whether a domain is ours", "id", job.ID, "err", err)
			case ours:
				here = append(here, i)
			default:
				there = append(there, i)
			}
		}
		part(ctx, job, there, send, outs)
		part(ctx, job, here, s.agent.Attempt, outs)
		return outs
	}
}

// part makes an attempt for some of a job's recipients.
func part(ctx context.Context, job transfer.Job, which []int, try sender, outs []transfer.Outcome) {
	if len(which) == 0 {
		return
	}
	some := job
	if len(which) < len(job.Recipients) {
		some.Recipients = make([]transfer.Recipient, len(which))
		for k, i := range which {
			some.Recipients[k] = job.Recipients[i]
		}
	}
	for k, o := range try(ctx, some) {
		if k < len(which) {
			outs[which[k]] = o
		}
	}
}

// outbox is the queue as the delivery agent wants it.
type outbox struct{ *queue.Queue }

// Begin hands a message in.
func (o outbox) Begin(ctx context.Context, s delivery.Submission) (delivery.Pending, error) {
	p, err := o.Queue.Begin(ctx, queue.Submission{Job: s.Job, HoldUntil: s.HoldUntil})
	if err != nil {
		return nil, err // not a nil *queue.Pending
	}
	return p, nil
}

// outbox is none if mail can't leave.
func (s *Server) outbox() delivery.Queue {
	if s.queue == nil {
		return nil
	}
	return outbox{s.queue}
}

// hold is how long messages may be held: the queue does it.
func (s *Server) hold() time.Duration {
	if s.queue == nil {
		return 0
	}
	return longestHold
}

// bounce brings a notification to its sender: into a mailbox here, or back into the queue.
func (s *Server) bounce(ctx context.Context, n transfer.Job) error {
	if err := s.agent.Notify(ctx, n); err != nil {
		return s.undeliverable(ctx, n, err)
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
