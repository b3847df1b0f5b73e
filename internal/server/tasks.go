package server

import (
	"context"
	"time"
)

// How often the tasks beside the listeners look.
const (
	certsEvery = time.Minute
	tidyEvery  = 6 * time.Hour
	trimEvery  = time.Minute
	// scriptsEvery is for the administrator's filter scripts.
	scriptsEvery = time.Minute
	// policiesEvery: RFC 8461 §10.2 wants MTA-STS policies looked at daily.
	policiesEvery = 24 * time.Hour
)

// tasks are all that runs beside the listeners, each until its context ends.
func (s *Server) tasks() []func(context.Context) {
	return []func(context.Context){
		s.runTrace,
		s.runReports,
		s.runQueue,
		s.refreshPolicies,
		s.repair,
		s.watchCerts,
		s.getCerts,
		s.keepKeys,
		s.index,
		s.tidy,
		s.trim,
		s.tidyGuard,
		s.tidyQuarantine,
		s.engine.Run,
		s.watchClients,
		s.runAudit,
		s.runNotices,
		s.tidyGrants,
		s.purge,
		s.store.outside.Run,
		s.runFetch,
		s.watchRules,
		s.store.Junk.Run,
		s.tidyJunk,
	}
}

// repair makes the mailboxes that a crash kept from being made.
func (s *Server) repair(ctx context.Context) {
	made, err := s.store.Admin.Repair(ctx)
	if err != nil && ctx.Err() == nil {
		s.log.Error("cannot repair accounts", "err", err)
	}
	if made > 0 {
		s.log.Warn("made mailboxes of accounts that had none", "count", made)
	}
	s.indexShares(ctx)
}

// index keeps the text indexes of mailboxes up to date.
func (s *Server) index(ctx context.Context) { s.store.Mailboxes.RunIndexer(ctx) }

// tidy removes from mailboxes, now and then, what has no further use.
func (s *Server) tidy(ctx context.Context) {
	every(ctx, tidyEvery, func() {
		ids, err := s.store.Mailboxes.Accounts(ctx)
		for _, id := range ids {
			if ctx.Err() != nil {
				return
			}
			if e := s.store.Mailboxes.Tidy(ctx, id); e != nil {
				err = e
			}
			if e := s.expireMaildrop(ctx, id); e != nil {
				err = e
			}
		}
		if e := s.store.Mailboxes.SweepShares(ctx); e != nil {
			err = e
		}
		if err != nil && ctx.Err() == nil {
			s.log.Error("cannot tidy all mailboxes", "err", err)
		}
	})
}

// trim bounds what mailboxes keep in memory.
func (s *Server) trim(ctx context.Context) {
	every(ctx, trimEvery, func() {
		if err := s.store.Mailboxes.Trim(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("cannot trim the memory of mailboxes", "err", err)
		}
	})
}

// refreshPolicies renews the MTA-STS policies of other domains before they expire.
func (s *Server) refreshPolicies(ctx context.Context) {
	if s.internet == nil {
		return
	}
	every(ctx, policiesEvery, func() {
		if err := s.internet.policies.Refresh(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("cannot renew MTA-STS policies", "err", err)
		}
	})
}

// every runs fn at each interval until ctx ends.
func every(ctx context.Context, interval time.Duration, fn func()) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			fn()
		}
	}
}

// firstThenEvery runs fn after a while, and then at each interval, until ctx ends.
func firstThenEvery(ctx context.Context, first, interval time.Duration, fn func()) {
	t := time.NewTimer(first)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return
	case <-t.C:
		fn()
	}
	every(ctx, interval, fn)
}
