package admin

import (
	"context"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/service/oauth"
)

// Grant is what somebody has allowed a program by our OAuth provider.
type Grant struct {
	ID      string    `json:"id"`
	Program string    `json:"program"` // what it calls itself
	Scope   []string  `json:"scope"`
	Created time.Time `json:"created"`
	Used    time.Time `json:"used"` // when it got tokens last
}

// GrantChange names a grant.
type GrantChange struct {
	Address string `json:"address"`
	ID      string `json:"id,omitempty"` // empty: all of the account
}

// GrantAdmin is what an administrator can do about what people have allowed programs. All fail with fault.NotFound if the account
// isn't here, and with fault.Unsupported where the provider is off, or the server is stopped.
type GrantAdmin interface {
	// Grants lists what an account's owner has allowed, oldest first.
	Grants(ctx context.Context, address string) ([]Grant, error)
	// EndGrants takes a grant back, or all, and ends the sessions that it has opened. It returns how many grants there were.
	EndGrants(ctx context.Context, g GrantChange) (EndedGrants, error)
}

// EndedGrants says how many grants were ended.
type EndedGrants struct {
	Grants int `json:"grants"`
}

// SetGrants gives d the provider. Call it before anybody asks.
func (d *Direct) SetGrants(p *oauth.Provider) { d.grants = p }

func (d *Direct) withGrants(ctx context.Context, address string, fn func(*oauth.Provider, ident.AccountID) error) error {
	return d.with(ctx, address, func(id ident.AccountID) error {
		if d.grants == nil {
			return fault.New(fault.Unsupported, "the OAuth provider is off, or the server is stopped")
		}
		return fn(d.grants, id)
	})
}

// Grants implements Admin.
func (d *Direct) Grants(ctx context.Context, address string) ([]Grant, error) {
	list := []Grant{}
	err := d.withGrants(ctx, address, func(p *oauth.Provider, id ident.AccountID) error {
		all, err := p.Grants(ctx, id)
		for _, g := range all {
			list = append(list, Grant{ID: g.ID, Program: g.ClientName, Scope: g.Scope, Created: g.Created, Used: g.Used})
		}
		return err
	})
	return list, err
}

// EndGrants implements Admin.
func (d *Direct) EndGrants(ctx context.Context, g GrantChange) (out EndedGrants, err error) {
	err = d.withGrants(ctx, g.Address, func(p *oauth.Provider, id ident.AccountID) (err error) {
		out.Grants, err = p.EndGrant(ctx, id, g.ID)
		return err
	})
	return out, err
}

func (c *Client) Grants(ctx context.Context, address string) ([]Grant, error) {
	return call[[]Grant](ctx, c, "account.grants", addressArg{address})
}
func (c *Client) EndGrants(ctx context.Context, g GrantChange) (EndedGrants, error) {
	return call[EndedGrants](ctx, c, "account.grants.end", g)
}
