package server

import "context"

// purge gives up accounts that were removed long enough ago, at the start and then now and then.
func (s *Server) purge(ctx context.Context) {
	s.purgeOnce(ctx)
	every(ctx, tidyEvery, func() { s.purgeOnce(ctx) })
}

func (s *Server) purgeOnce(ctx context.Context) {
	n, err := s.store.Admin.Purge(ctx, s.world.Now().Add(-s.config.Accounts.Kept()))
	if err != nil && ctx.Err() == nil {
		s.log.Error("cannot give up all removed accounts", "err", err)
	}
	if n > 0 {
		s.log.Info("gave up removed accounts, with their mail", "count", n)
	}
}
