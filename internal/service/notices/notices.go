// Package notices tells people what has changed about who can get into their accounts: passwords, second steps, passkeys, programs that
// were let in. If it wasn't them, they hear of it.
//
// The directory remembers what has happened in the transaction in which it does; a Service puts it into the INBOX, as a message that never
// leaves this server. No filter sees it, nor the check for junk, and a full mailbox takes it: whoever has got into an account would see to
// it otherwise that its owner doesn't hear of it.
package notices

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

const (
	// Gather is how long the first change waits for others that are told with it.
	Gather = time.Minute
	// Pause is how long after a message an account gets no other one.
	Pause = 10 * time.Minute
	// retry is how long after a failure it is tried again.
	retry = 5 * time.Minute
	// maxPauses bounds how many accounts' last messages are remembered.
	maxPauses = 10_000
)

// Options are what a Service is made of. All but Logger are required.
type Options struct {
	Directory *directory.Directory
	Mailboxes *mailbox.Store
	// Host is the name by which people know this server.
	Host string
	// Zone is that of the times in messages.
	Zone *time.Location
	Now  func() time.Time
	// Changed rings when there may be new notices: kv.DB's Bell of the directory.
	Changed func() <-chan struct{}
	Logger  *slog.Logger // nil: nothing is logged
}

// Service tells people. It is safe for concurrent use.
type Service struct {
	o Options

	telling sync.Mutex                    // one at a time
	told    map[ident.AccountID]time.Time // when an account last got a message; guarded by telling
}

// New makes a Service.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{o: o, told: map[ident.AccountID]time.Time{}}
}

// Run tells people, until ctx ends. What waits then is told after the next start.
func (s *Service) Run(ctx context.Context) {
	for ctx.Err() == nil {
		bell := s.o.Changed()
		next, err := s.Tell(ctx)
		if err != nil && ctx.Err() == nil {
			s.o.Logger.ErrorContext(ctx, "people can't be told what has changed in their accounts", "err", err)
		}
		s.wait(ctx, bell, next)
	}
}

// wait returns at a time (the zero time: never), when the bell rings, or at the end of ctx.
func (s *Service) wait(ctx context.Context, bell <-chan struct{}, next time.Time) {
	var due <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(max(next.Sub(s.o.Now()), time.Second))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
	case <-bell:
	case <-due:
	}
}

// Tell tells people what is due, and when something will be next; the zero time if nothing waits.
func (s *Service) Tell(ctx context.Context) (next time.Time, err error) {
	s.telling.Lock()
	defer s.telling.Unlock()
	now := s.o.Now() // before the list is read: what comes while it is belongs to the same message
	list, err := s.o.Directory.Notices(ctx)
	if err != nil {
		return now.Add(retry), err
	}
	s.forget()
	for _, n := range list {
		at := s.due(&n)
		if !at.After(now) {
			e := s.tell(ctx, &n)
			if e == nil {
				continue
			}
			at, err = s.o.Now().Add(retry), e
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next, err
}

// due is when an account is told.
func (s *Service) due(n *directory.Notices) time.Time {
	at := n.List[0].At.Add(Gather)
	if last, ok := s.told[n.Account]; ok && at.Before(last.Add(Pause)) {
		return last.Add(Pause)
	}
	return at
}

// forget lets go of pauses that are over.
func (s *Service) forget() {
	for id, at := range s.told {
		if s.o.Now().Sub(at) >= Pause || len(s.told) > maxPauses {
			delete(s.told, id)
		}
	}
}

// tell puts a message into an account's INBOX. If we die between that and the directory's forgetting, it comes once more.
func (s *Service) tell(ctx context.Context, n *directory.Notices) error {
	acc, err := s.o.Directory.Account(ctx, n.Account)
	if fault.Is(err, fault.NotFound) { // it was removed; should it come back, its owner is told then
		return nil
	}
	if err != nil {
		return err
	}
	language, err := s.o.Directory.Language(ctx, n.Account)
	if err != nil {
		return err
	}
	if err := s.put(ctx, n.Account, s.compose(&acc, language, n.List)); err != nil {
		return err
	}
	s.told[n.Account] = s.o.Now()
	s.o.Logger.InfoContext(ctx, "somebody was told what has changed in their account", "account", uint64(n.Account), "changes", len(n.List))
	return s.o.Directory.Told(ctx, *n)
}

func (s *Service) put(ctx context.Context, id ident.AccountID, text []byte) error {
	box, err := s.o.Mailboxes.Open(ctx, id, ident.System())
	if err != nil {
		return err
	}
	defer box.Close()
	inbox, ok := box.FolderByRole(mailbox.Inbox)
	if !ok {
		return fault.Wrap(fault.Corrupt, fault.New(fault.Corrupt, "account %d has no INBOX", id), "")
	}
	w := s.o.Mailboxes.NewContent()
	if _, err := w.Write(text); err != nil {
		w.Discard()
		return err
	}
	content, err := w.Finish()
	if err != nil {
		return err
	}
	defer content.Close()
	_, err = box.Append(ctx, inbox.ID, mailbox.Append{Content: content, Exempt: true})
	return err
}
