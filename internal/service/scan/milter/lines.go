package milter

import (
	"container/list"
	"context"
)

// lines are the connections to the filter.
type lines struct {
	open int
	// idle are the talks over which nothing is said at the moment, who was heard last at the end.
	idle list.List
}

// oldest takes the talk that has been quiet for longest from its owner.
func (l *lines) oldest() *talk {
	t := l.idle.Remove(l.idle.Front()).(*talk)
	t.lose(l)
	return t
}

// lose parts a talk, which isn't idle, from its owner.
func (t *talk) lose(l *lines) {
	l.open--
	t.place = nil
	t.owner.talk = nil
}

// take gives a conversation a talk: its own, or a new one. fresh: the filter has just answered over it.
func (s *Scanner) take(ctx context.Context, c *conversation) (t *talk, fresh bool, err error) {
	t, victim := s.own(c)
	if t != nil {
		return t, false, nil
	}
	if victim != nil {
		victim.bye()
	}
	t, err = s.dial(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.lines.open--
		return nil, false, err
	}
	t.owner, c.talk = c, t
	return t, true, nil
}

// own takes a conversation's own talk. If it has none it may have another: then victim, if there is one, must go for that.
func (s *Scanner) own(c *conversation) (t, victim *talk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.lines
	if t = c.talk; t != nil {
		l.idle.Remove(t.place)
		t.place = nil
		return t, nil
	}
	if l.open >= s.o.Connections && l.idle.Len() > 0 { // as many as there may be at once ask at most, so that one is idle
		victim = l.oldest()
	}
	l.open++
	return nil, victim
}

// give puts a talk back after it was used.
func (s *Scanner) give(t *talk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.place = s.lines.idle.PushBack(t)
}

// drop gives up a talk that is of no use any more.
func (s *Scanner) drop(t *talk) {
	s.mu.Lock()
	t.lose(&s.lines)
	s.mu.Unlock()
	t.conn.Close() //nolint:errcheck // it is of no use
}

// leave ends a conversation.
func (s *Scanner) leave(c *conversation) {
	s.mu.Lock()
	t := c.talk
	if t != nil {
		s.lines.idle.Remove(t.place)
		t.lose(&s.lines)
	}
	s.mu.Unlock()
	if t != nil {
		t.bye()
	}
}
