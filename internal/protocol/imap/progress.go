package imap

import (
	"bytes"
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
	tag := `"` + string(s.tag) + `"`
	if bytes.IndexByte(s.tag, ']') >= 0 { // it would end the response code
		tag = "NIL"
	}
	s.remark("OK", fmt.Sprintf("INPROGRESS (%s %d %d)", tag, done, goal), "still at it")
	return lost(s.out.flush())
}
