package imap

import (
	"context"
	"slices"
	"sync"

	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// farWatches are a waiting session's on accounts of others, if its client has asked for what happens there (RFC 5465). They need no
// goroutine.
type farWatches struct {
	on     map[ident.AccountID]mailbox.Watch
	joined bool // it hears of new shares
}

// listenFar listens to the accounts of others that there are now. What has happened in them is looked at afterwards.
func (s *session) listenFar(ctx context.Context) {
	n := s.watching()
	if !n.reaches() {
		s.far.end(s)
		return
	}
	if !s.far.joined {
		s.far.joined = true
		s.srv.shares.join(s)
	}
	ids, err := n.accounts(ctx, s)
	if err != nil { // the next bell may find it working again
		s.log.Error("imap: accounts of others", "login", s.who.Login, "error", err)
		return
	}
	for id, w := range s.far.on {
		if !slices.Contains(ids, id) {
			w.End()
			delete(s.far.on, id)
		}
	}
	for _, id := range ids {
		if _, watched := s.far.on[id]; watched {
			continue
		}
		if mail, err := s.guest(ctx, id); err == nil {
			if s.far.on == nil {
				s.far.on = map[ident.AccountID]mailbox.Watch{}
			}
			s.far.on[id] = mail.Watch(s)
		}
	}
}

// end ends listening.
func (f *farWatches) end(s *session) {
	for _, w := range f.on {
		w.End()
	}
	if f.joined {
		s.srv.shares.leave(s)
	}
	*f = farWatches{}
}

// shareListeners are the sessions that hear when something is shared, or no longer. They have one goroutine together, as long as there are any.
type shareListeners struct {
	mu       sync.Mutex
	sessions map[*session]struct{} // guarded by mu
	stop     chan struct{}         // likewise; ends the goroutine
	done     chan struct{}         // closed when it has ended
}

// join has a session hear. What has been shared before it returns is for the session to look at.
func (l *shareListeners) join(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions == nil {
		l.sessions = map[*session]struct{}{}
		l.stop, l.done = make(chan struct{}), make(chan struct{})
		go l.run(s.srv.store, s.srv.store.SharesBell(), l.stop, l.done)
	}
	l.sessions[s] = struct{}{}
}

// leave ends that. When it returns, the session isn't rung any more, and if it was the last one the goroutine has ended.
func (l *shareListeners) leave(s *session) {
	l.mu.Lock()
	delete(l.sessions, s)
	last, done := len(l.sessions) == 0, l.done
	if last {
		close(l.stop)
		l.sessions = nil
	}
	l.mu.Unlock()
	if last {
		<-done
	}
}

// run rings those who listen whenever the bell does.
func (l *shareListeners) run(store *mailbox.Store, bell <-chan struct{}, stop, done chan struct{}) {
	defer close(done)
	for {
		select {
		case <-stop:
			return
		case <-bell:
		}
		bell = store.SharesBell()
		l.mu.Lock()
		if l.stop == stop {
			for s := range l.sessions {
				s.Ring()
			}
		}
		l.mu.Unlock()
	}
}
