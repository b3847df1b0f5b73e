package junk

import (
	"context"
	"errors"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

// waiting are the accounts where something has happened, in the order in which their time comes.
type waiting struct {
	mu    sync.Mutex
	queue []appointment            // guarded by mu
	in    map[ident.AccountID]bool // guarded by mu; those in queue
	wake  chan struct{}            // has room for one
}

type appointment struct {
	id  ident.AccountID
	due time.Time // by the machine's clock
}

// patience is how long an account is left alone after its first act: people move several messages, and think again.
const patience = 5 * time.Second

// Acted says that something has happened in an account from which there may be something to learn. It doesn't wait.
func (s *Service) Acted(id ident.AccountID) {
	w := &s.waiting
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.in[id] {
		return
	}
	if w.in == nil {
		w.in = map[ident.AccountID]bool{}
	}
	w.in[id] = true
	w.queue = append(w.queue, appointment{id, time.Now().Add(patience)})
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// take returns an account whose time has come; 0: none, and then next is when there will be one; zero: nobody waits.
func (w *waiting) take() (id ident.AccountID, next time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		w.queue = nil
		return 0, time.Time{}
	}
	first := w.queue[0]
	if first.due.After(time.Now()) {
		return 0, first.due
	}
	w.queue = w.queue[1:]
	delete(w.in, first.id)
	return first.id, time.Time{}
}

// Run learns until ctx ends: what happened while nobody looked, and then what happens.
func (s *Service) Run(ctx context.Context) {
	s.catchUp(ctx)
	for ctx.Err() == nil {
		id, next := s.waiting.take()
		if id == 0 {
			s.waiting.wait(ctx, next)
			continue
		}
		if err := s.Learn(ctx, id); err != nil && ctx.Err() == nil && !fault.Is(err, fault.NotFound) {
			s.o.Logger.ErrorContext(ctx, "cannot learn what is junk", "account", id, "err", err)
		}
	}
}

func (w *waiting) wait(ctx context.Context, next time.Time) {
	var due <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(time.Until(next))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
	case <-due:
	case <-w.wake:
	}
}

// catchUp looks at all accounts.
func (s *Service) catchUp(ctx context.Context) {
	ids, err := s.o.Store.Accounts(ctx)
	for _, id := range ids {
		if ctx.Err() != nil {
			return
		}
		if e := s.catchUpOne(ctx, id); e != nil && !fault.Is(e, fault.NotFound) {
			err = e
		}
	}
	if err != nil && ctx.Err() == nil {
		s.o.Logger.ErrorContext(ctx, "cannot learn what is junk in all accounts", "err", err)
	}
}

// catchUpOne looks at an account. If that is the first time, what is in its log was there before we were: a version that didn't mark what it
// put into the junk may have put it there.
func (s *Service) catchUpOne(ctx context.Context, id ident.AccountID) error {
	box, err := s.o.Store.Open(ctx, id, ident.System())
	if err != nil {
		return err
	}
	m, err := s.read(ctx, box)
	box.Close()
	if err != nil {
		return err
	}
	return s.learn(ctx, id, m.head.revision == 0)
}

// Tidy learns from what people have read and kept, removes what is old from folders for junk, if that is wanted, and bounds what is remembered. It is to
// be called daily.
func (s *Service) Tidy(ctx context.Context) error {
	ids, err := s.o.Store.Accounts(ctx)
	all := []error{err, s.town.tidy(ctx)}
	for _, id := range ids {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := s.tidyAccount(ctx, id); err != nil && !fault.Is(err, fault.NotFound) {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}
