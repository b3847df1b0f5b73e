package admin

import (
	"context"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/service/provision"
)

// SourceStatus is a directory outside that accounts are kept in, and what came of reading it last.
type SourceStatus struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind"` // ldap or sql
	Domains []string `json:"domains"`
	// At is when it was read last, since the server started; zero: not yet.
	At time.Time `json:"at,omitzero"`
	// Error is why it could not be read.
	Error string `json:"error,omitempty"`
	provision.Report
}

// Sources are the directories outside that the settings name.
type Sources interface {
	Sources() []SourceStatus
	SyncSource(ctx context.Context, name string) (SourceStatus, error)
}

// SetSources gives d the directories outside. Call it before anybody asks.
func (d *Direct) SetSources(s Sources) { d.sources = s }

// SourceAdmin is what can be done about directories outside.
type SourceAdmin interface {
	// AccountSources lists the directories outside that accounts are kept in.
	AccountSources(ctx context.Context) ([]SourceStatus, error)
	// SyncSource reads one now, and makes accounts what it says.
	SyncSource(ctx context.Context, name string) (SourceStatus, error)
	// UnlinkAccount makes an account that is kept outside one of our own, without a password. If its entry stays, the next reading reports a conflict.
	UnlinkAccount(ctx context.Context, address string) error
}

// AccountSources implements Admin.
func (d *Direct) AccountSources(context.Context) ([]SourceStatus, error) {
	if d.sources == nil {
		return []SourceStatus{}, nil
	}
	return d.sources.Sources(), nil
}

// SyncSource implements Admin.
func (d *Direct) SyncSource(ctx context.Context, name string) (SourceStatus, error) {
	if d.sources == nil {
		return SourceStatus{}, fault.New(fault.NotFound, "the settings have no directory %q", name)
	}
	return d.sources.SyncSource(ctx, name)
}

// UnlinkAccount implements Admin.
func (d *Direct) UnlinkAccount(ctx context.Context, address string) error {
	return d.with(ctx, address, func(id ident.AccountID) error {
		if err := d.dir.UnlinkAccount(ctx, id); err != nil {
			return err
		}
		d.endStale(ctx, id)
		return nil
	})
}

// AddLinked implements provision.Accounts.
func (d *Direct) AddLinked(ctx context.Context, n directory.NewAccount) (directory.Account, error) {
	d.accounts.Lock()
	defer d.accounts.Unlock()
	a, err := d.dir.AddAccount(ctx, n)
	if err != nil {
		return a, err
	}
	return a, d.store.Create(ctx, a.ID, usageOf(a))
}

// GiveRoom implements provision.Accounts.
func (d *Direct) GiveRoom(ctx context.Context, id ident.AccountID, bytes int64) error {
	if err := d.dir.SetQuota(ctx, id, bytes); err != nil {
		return err
	}
	a, err := d.dir.Account(ctx, id)
	if err != nil {
		return err
	}
	return d.store.SetLimit(ctx, id, usageOf(a))
}

// Barred implements provision.Accounts.
func (d *Direct) Barred(ctx context.Context, id ident.AccountID) { d.endStale(ctx, id) }

// AccountSources implements Admin.
func (c *Client) AccountSources(ctx context.Context) ([]SourceStatus, error) {
	return call[[]SourceStatus](ctx, c, "source.list", none{})
}

// SyncSource implements Admin.
func (c *Client) SyncSource(ctx context.Context, name string) (SourceStatus, error) {
	return call[SourceStatus](ctx, c, "source.sync", nameArg{name})
}

// UnlinkAccount implements Admin.
func (c *Client) UnlinkAccount(ctx context.Context, address string) error {
	return do(ctx, c, "account.unlink", addressArg{address})
}
