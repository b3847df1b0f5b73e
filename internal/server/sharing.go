package server

import (
	"context"
	"fmt"
	"slices"

	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/protocol/imap"
)

// principals are those in the directory whom rights can be given to.
type principals struct{ dir *directory.Directory }

// Find implements imap.Principals: accounts and groups by address, accounts also by an alias.
func (p principals) Find(ctx context.Context, name string) (mailbox.PrincipalKind, uint64, error) {
	account, group, err := p.dir.Principal(ctx, name)
	if group != 0 {
		return mailbox.ToGroup, uint64(group), err
	}
	return mailbox.ToAccount, uint64(account), err
}

// Name implements imap.Principals.
func (p principals) Name(ctx context.Context, kind mailbox.PrincipalKind, id uint64) (string, error) {
	if kind == mailbox.ToGroup {
		g, err := p.dir.GroupByID(ctx, ident.GroupID(id))
		return g.Address, err
	}
	a, err := p.dir.Account(ctx, ident.AccountID(id))
	return a.Address, err
}

// Groups implements imap.Principals.
func (p principals) Groups(ctx context.Context, id ident.AccountID) ([]ident.GroupID, error) {
	who, err := p.dir.Identity(ctx, id)
	return who.Groups, err
}

// Shared implements imap.Principals.
func (p principals) Shared(ctx context.Context, id ident.AccountID) (bool, error) {
	a, err := p.dir.Account(ctx, id)
	return a.Shared, err
}

// quotas lets some accounts set everybody's quota by IMAP; nil if the settings name none.
func (s *Server) quotas() imap.Quotas {
	if len(s.config.Sharing.QuotaAdmins) == 0 {
		return nil
	}
	return &quotas{s}
}

type quotas struct{ s *Server }

// May implements imap.Quotas.
func (q *quotas) May(ctx context.Context, who ident.AccountID) bool {
	return slices.ContainsFunc(q.s.config.Sharing.QuotaAdmins, func(address string) bool {
		a, err := q.s.store.Directory.AccountByAddress(ctx, address)
		return err == nil && a.ID == who
	})
}

// Set implements imap.Quotas. It is an administrator's act, and remembered as one.
func (q *quotas) Set(ctx context.Context, by ident.Identity, id ident.AccountID, bytes int64) error {
	a, err := q.s.store.Directory.Account(ctx, id)
	if err != nil {
		return err
	}
	err = q.s.store.Admin.SetQuota(ctx, a.Address, bytes)
	detail := fmt.Sprintf("address=%s bytes=%d", a.Address, bytes)
	if e := q.s.store.Admin.Act(context.WithoutCancel(ctx), by.Login+" by IMAP", "account.quota", detail, err); e != nil {
		q.s.log.Error("cannot write down what an administrator did", "err", e)
	}
	return err
}

// indexShares puts into the index of shares what was granted before there was one.
func (s *Server) indexShares(ctx context.Context) {
	if err := s.store.Mailboxes.IndexShares(ctx); err != nil && ctx.Err() == nil {
		s.log.Error("cannot make the index of shared mailboxes", "err", err)
	}
}
