package smtp

import (
	"errors"
	"os"
	"time"
)

// nextLine waits for a line. Replies are sent before it waits (RFC 2920 §3.2 (7)).
func (s *session) nextLine(max int) ([]byte, error) {
	var deadline time.Time
	for {
		line, whole, err := s.in.line(max)
		if whole || err != nil {
			return line, err
		}
		if err := s.flush(); err != nil {
			return nil, err
		}
		if deadline.IsZero() {
			s.in.expectCommand()
			deadline = s.commandDeadline(time.Now())
		}
		if err := s.fillIdle(deadline); err != nil {
			return nil, err
		}
	}
}

// commandDeadline is when the next command line must have come whole.
func (s *session) commandDeadline(now time.Time) time.Time {
	d := now.Add(s.limits.CommandTimeout)
	if s.tx != nil && s.tx.deadline.Before(d) {
		return s.tx.deadline
	}
	return d
}

// fillIdle reads more; a shutdown of the server interrupts it.
func (s *session) fillIdle(deadline time.Time) error {
	if err := s.beginWaiting(deadline); err != nil {
		return err
	}
	err := s.in.fill(s.conn)
	if s.endWaiting() && errors.Is(err, os.ErrDeadlineExceeded) {
		return errShutdown // not the client's fault
	}
	return err
}

// beginWaiting says that the session waits for a command, so that a shutdown may
// interrupt it, and until when.
func (s *session) beginWaiting(deadline time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return errShutdown
	}
	s.waiting = true
	return s.conn.SetReadDeadline(deadline)
}

// endWaiting reports whether the server has begun to shut down.
func (s *session) endWaiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = false
	return s.closing
}

// Cut ends the session by force.
func (s *session) Cut() {
	s.cancel()
	s.raw.Close() //nolint:errcheck // that is the point
}

// Interrupt ends the session, now if it is idle, else after what is under way.
func (s *session) Interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	if s.waiting {
		s.conn.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // a dead connection needs no waking
	}
}
