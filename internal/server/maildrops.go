package server

import (
	"context"

	"postroad/internal/model/ident"
	"postroad/internal/service/maildrop"
)

// expireMaildrop removes from an account's inbox what was collected by POP3 so long ago as its policy says.
func (s *Server) expireMaildrop(ctx context.Context, id ident.AccountID) error {
	session, err := s.store.Mailboxes.Open(ctx, id, ident.System())
	if err != nil {
		return err
	}
	defer session.Close()
	n, err := maildrop.Expire(ctx, session, s.world.Now())
	if n > 0 {
		s.log.InfoContext(ctx, "removed what was collected by POP3 long ago", "account", id, "messages", n)
	}
	return err
}
