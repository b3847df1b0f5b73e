package move

import (
	"context"
	"errors"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/imapclient"
)

// fatal is an error that no new connection mends.
type fatal struct{ error }

func (f fatal) Unwrap() error { return f.error }

func (s *imapSource) drop() {
	if s.c != nil {
		s.c.Close()
		s.c = nil
	}
}

// persist runs step, on new connections until one holds.
func (s *imapSource) persist(ctx context.Context, step func(ctx context.Context) error) error {
	for {
		err := s.connect(ctx)
		if err == nil {
			err = step(ctx)
		}
		if f := (fatal{}); errors.As(err, &f) {
			return f.error
		}
		if err == nil || !s.mayMend(err) {
			return err
		}
		s.drop()
		if s.tries++; s.tries >= imapTries {
			return err
		}
		pause := s.pauseAfter(err)
		s.warn("%v; trying again in %v", err, pause)
		if err := s.pause(ctx, pause); err != nil {
			return err
		}
	}
}

// mayMend reports whether an error may be gone with another connection, some time later.
func (s *imapSource) mayMend(err error) bool {
	_, busy := imapclient.IsBusy(err)
	switch {
	case !s.met:
		return false
	case busy:
		return true
	case fault.Is(err, fault.Unauthenticated):
		return s.tries < signInTries
	case fault.Is(err, fault.Denied): // too many connections, for instance: the one that broke may be there still
		return !imapclient.IsRefusal(err)
	}
	return isBreak(err)
}

// isBreak reports whether an error is that of a connection.
func isBreak(err error) bool {
	return fault.Is(err, fault.Unavailable) && !imapclient.IsRefusal(err) && !errors.As(err, &fatal{})
}

// isFinal reports whether err is the refusal of one command, by a server that has nothing against us otherwise.
func isFinal(err error) bool {
	_, busy := imapclient.IsBusy(err)
	return imapclient.IsRefusal(err) && !busy && !fault.Is(err, fault.Unauthenticated)
}

// pauseAfter is how long to wait after an error: longer each time, and as long as the server wants.
func (s *imapSource) pauseAfter(err error) time.Duration {
	wait, _ := imapclient.IsBusy(err)
	return min(max(wait, time.Second<<s.tries), longestPause).Round(time.Second)
}

func (s *imapSource) connect(ctx context.Context) (err error) {
	if ctx.Err() != nil {
		return fault.Wrap(fault.Canceled, ctx.Err(), "interrupted")
	}
	if s.c == nil {
		s.c, err = s.Connect(ctx)
	}
	s.met = s.met || err == nil
	return err
}

func (s *imapSource) pause(ctx context.Context, d time.Duration) error {
	if s.Pause != nil {
		return s.Pause(ctx, d)
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Canceled, ctx.Err(), "interrupted")
	}
}
