package server

import (
	"context"
	"time"

	"postroad/internal/model/directory"
	"postroad/internal/service/notices"
)

// openNotices makes what tells people what has changed in their accounts.
func (s *Server) openNotices() {
	zone, err := time.LoadLocation(s.config.Sieve.TimeZone) // the settings were checked; "": UTC
	if err != nil {
		zone = time.UTC
	}
	s.notices = notices.New(notices.Options{
		Directory: s.store.Directory, Mailboxes: s.store.Mailboxes, Host: hostOf(s.config), Zone: zone, Now: s.world.Now,
		Changed: func() <-chan struct{} { return s.store.DB.Bell(directory.Partition) }, Logger: s.log.With("part", "notices"),
	})
}

// runNotices tells people, until ctx ends.
func (s *Server) runNotices(ctx context.Context) { s.notices.Run(ctx) }
