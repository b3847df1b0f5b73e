package imap

import (
	"context"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"

	"postroad/internal/model/mailbox"
)

// Most connections wait most of the time. One that does has a single goroutine, whose stack is as small as can be: so hear stands
// near its bottom, and tells news by functions that have returned when it waits. A change in an account interrupts its reading.

// hearing is what a session listens to while it waits for its client.
type hearing struct {
	until   time.Time        // when the client must have said something
	rung    atomic.Bool      // there may be news
	listens bool             // news are told
	watches [2]mailbox.Watch // on the client's own account, and on that of the selected mailbox
	far     farWatches       // on accounts of others
}

// Ring implements mailbox.Watcher.
func (s *session) Ring() {
	s.rung.Store(true)
	s.interrupt()
}

// hear returns when the client has sent something, or is lost. What it wants to hear unasked is told meanwhile.
func (s *session) hear(ctx context.Context) error {
	if len(s.in.data) > 0 {
		return nil
	}
	s.watch()
	for {
		err := s.ready(ctx)
		if err == nil {
			err = s.in.await()
		}
		if err == nil || !s.woken(err) {
			s.hush()
			return err
		}
	}
}

// tells reports whether news are told now, and whether they may be that messages are gone.
func (s *session) tells() (yes, mayExpunge bool) {
	if s.idling != nil {
		return true, true
	}
	if s.notify == nil || s.notify.selected == nil && len(s.notify.groups) == 0 {
		return false, false
	}
	return true, s.notify.selected != nil && !s.notify.delayed // RFC 5465 §5
}

// woken reports whether the waiting was only interrupted: by Ring, perhaps by one whose news have been told already.
func (s *session) woken(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(s.until) && !s.srv.shuttingDown()
}

// watch begins to listen.
func (s *session) watch() {
	if s.listens, _ = s.tells(); !s.listens {
		return
	}
	s.watches[0] = s.mail.Watch(s)
	if s.sel != nil && s.sel.mail != s.mail {
		s.watches[1] = s.sel.mail.Watch(s)
	}
}

// hush ends listening.
func (s *session) hush() {
	if !s.listens {
		return
	}
	s.listens = false
	s.far.end(s)
	s.watches[0].End()
	s.watches[1].End()
	s.arm(s.until) // the last ring may have come too late
}

// ready tells what is new and sends all that waits, until there is only the client to wait for.
func (s *session) ready(ctx context.Context) error {
	for {
		s.rung.Store(false)
		if err := s.tellUnasked(ctx); err != nil {
			return err
		}
		if err := s.out.flush(); err != nil || !s.listens && !s.in.layered() {
			return err
		}
		err := s.drain()
		s.arm(s.until)
		if err != nil || !s.rung.Load() {
			return err
		}
	}
}

// drain reads what lies in layers upon the connection.
func (s *session) drain() error {
	if !s.in.layered() {
		return nil
	}
	s.interrupt()
	return s.in.drain()
}

// tellUnasked says what is new, if anything is and it may be said.
func (s *session) tellUnasked(ctx context.Context) error {
	if !s.listens {
		return nil
	}
	_, mayExpunge := s.tells()
	s.listenFar(ctx)
	if s.idling == nil {
		s.byUID = false
	}
	if s.sel == nil && s.watching() == nil {
		return nil
	}
	if err := s.news(ctx, mayExpunge); err != nil { // the next ring may find it working again
		s.log.Error("imap: news for a waiting client", "login", s.who.Login, "error", err)
	}
	if s.ended {
		s.out.flush()
		return io.EOF // BYE has been said
	}
	return nil
}
