package imap

import (
	"fmt"
	"time"
)

// progress tells a client that waits for long how far its command is (RFC 9585), or that it goes on at all. done and goal
// count messages.
func (s *session) progress(done, goal int) error {
	now := time.Now()
	if s.toldAt.IsZero() {
		s.toldAt = s.begun
	}
	if now.Sub(s.toldAt) < s.lim.Progress || done >= goal {
		return nil
	}
	s.toldAt = now
	s.out.line("* OK [INPROGRESS (\"", string(s.tag), fmt.Sprintf("\" %d %d)] still at it", done, goal))
	return lost(s.out.flush())
}
