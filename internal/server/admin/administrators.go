package admin

import (
	"context"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
)

// Administrator is somebody who administers a domain.
type Administrator struct {
	Address string `json:"address"`
	Domain  string `json:"domain"` // empty: the whole server
}

// TokenSpec is what a token is for.
type TokenSpec struct {
	Name    string    `json:"name"`
	Server  bool      `json:"server,omitempty"`  // it administers the whole server
	Domains []string  `json:"domains,omitempty"` // those that it administers
	Expires time.Time `json:"expires,omitzero"`  // zero: never
}

// APIToken admits a program to this API.
type APIToken struct {
	TokenSpec
	Created time.Time `json:"created"`
	Used    time.Time `json:"used,omitzero"` // to the hour; zero: never
}

// TokenSecret is what the program has to show. It can't be shown again.
type TokenSecret struct {
	Secret string `json:"secret"`
}

// DomainLimits are how much a domain may have, and has. 0: no limit.
type DomainLimits struct {
	Domain string `json:"domain"`
	// Accounts is how many it may have.
	Accounts int64 `json:"accounts"`
	// QuotaBytes is what the quotas of its accounts may add up to. With it each account needs a quota.
	QuotaBytes int64 `json:"quota_bytes"`
	// DefaultQuotaBytes is the quota of new accounts for which none is given.
	DefaultQuotaBytes int64 `json:"default_quota_bytes"`
	// HasAccounts and HasQuotaBytes are what there is now; they are not read when limits are set.
	HasAccounts   int64 `json:"has_accounts"`
	HasQuotaBytes int64 `json:"has_quota_bytes"`
}

// Delegator shares the administrator's work out. Its operations are for administrators of the whole server, but for DomainLimits.
type Delegator interface {
	// Administrators lists who administers a domain, or the whole server.
	Administrators(ctx context.Context) ([]Administrator, error)
	// Appoint makes an account an administrator. It signs in to this API with its address and password (HTTP Basic).
	Appoint(ctx context.Context, a Administrator) error
	// Dismiss takes that back.
	Dismiss(ctx context.Context, a Administrator) error

	// Tokens lists the tokens that admit programs to this API.
	Tokens(ctx context.Context) ([]APIToken, error)
	// AddToken makes a token. Its secret is in the answer, and nowhere else.
	AddToken(ctx context.Context, t TokenSpec) (TokenSecret, error)
	// RemoveToken makes a token worthless.
	RemoveToken(ctx context.Context, name string) error

	// DomainLimits tells how much a domain may have, and has.
	DomainLimits(ctx context.Context, domain string) (DomainLimits, error)
	// SetDomainLimits changes how much a domain may have. What is there already stays.
	SetDomainLimits(ctx context.Context, l DomainLimits) error

	// Postmaster tells who reads mail for postmaster@ and abuse@ where nobody has these addresses.
	Postmaster(ctx context.Context) (Postmaster, error)
	// SetPostmaster says who does. Errors: fault.NotFound if there is no such address here.
	SetPostmaster(ctx context.Context, p Postmaster) error
}

// Administrators implements Admin.
func (d *Direct) Administrators(ctx context.Context) ([]Administrator, error) {
	return collect(d.dir.Administrators(ctx), func(x directory.Duty) (Administrator, error) {
		a, err := d.dir.Account(ctx, x.Account)
		return Administrator{a.Address, x.Domain}, err
	})
}

// Appoint implements Admin.
func (d *Direct) Appoint(ctx context.Context, x Administrator) error {
	a, err := d.dir.AccountByAddress(ctx, x.Address)
	if err != nil {
		return err
	}
	return d.dir.Appoint(ctx, a.ID, x.Domain)
}

// Dismiss implements Admin.
func (d *Direct) Dismiss(ctx context.Context, x Administrator) error {
	a, err := d.dir.AccountByAddress(ctx, x.Address)
	if err != nil {
		return err
	}
	return d.dir.Dismiss(ctx, a.ID, x.Domain)
}

// Tokens implements Admin.
func (d *Direct) Tokens(ctx context.Context) ([]APIToken, error) {
	return collect(d.dir.Tokens(ctx), func(t directory.Token) (APIToken, error) {
		return APIToken{TokenSpec{t.Name, t.Duties.Server, t.Duties.Domains, t.Expires}, t.Created, t.Used}, nil
	})
}

// AddToken implements Admin.
func (d *Direct) AddToken(ctx context.Context, t TokenSpec) (TokenSecret, error) {
	if t.Server && len(t.Domains) > 0 {
		return TokenSecret{}, fault.New(fault.Invalid, "a token is for the whole server, or for domains")
	}
	secret, err := d.dir.AddToken(ctx, directory.Token{Name: t.Name, Expires: t.Expires,
		Duties: directory.Duties{Server: t.Server, Domains: t.Domains}})
	return TokenSecret{secret}, err
}

// RemoveToken implements Admin.
func (d *Direct) RemoveToken(ctx context.Context, name string) error {
	return d.dir.RemoveToken(ctx, name)
}

// DomainLimits implements Admin.
func (d *Direct) DomainLimits(ctx context.Context, domain string) (DomainLimits, error) {
	l, u, err := d.dir.DomainLimits(ctx, domain)
	return DomainLimits{domain, l.Accounts, l.QuotaBytes, l.DefaultQuotaBytes, u.Accounts, u.QuotaBytes}, err
}

// SetDomainLimits implements Admin.
func (d *Direct) SetDomainLimits(ctx context.Context, l DomainLimits) error {
	return d.dir.SetDomainLimits(ctx, l.Domain, directory.DomainLimits{Accounts: l.Accounts, QuotaBytes: l.QuotaBytes,
		DefaultQuotaBytes: l.DefaultQuotaBytes})
}

// Administrators implements Admin.
func (c *Client) Administrators(ctx context.Context) ([]Administrator, error) {
	return call[[]Administrator](ctx, c, "admin.list", none{})
}

// Appoint implements Admin.
func (c *Client) Appoint(ctx context.Context, a Administrator) error {
	return do(ctx, c, "admin.add", a)
}

// Dismiss implements Admin.
func (c *Client) Dismiss(ctx context.Context, a Administrator) error {
	return do(ctx, c, "admin.remove", a)
}

// Tokens implements Admin.
func (c *Client) Tokens(ctx context.Context) ([]APIToken, error) {
	return call[[]APIToken](ctx, c, "token.list", none{})
}

// AddToken implements Admin.
func (c *Client) AddToken(ctx context.Context, t TokenSpec) (TokenSecret, error) {
	return call[TokenSecret](ctx, c, "token.add", t)
}

// RemoveToken implements Admin.
func (c *Client) RemoveToken(ctx context.Context, name string) error {
	return do(ctx, c, "token.remove", nameArg{name})
}

// DomainLimits implements Admin.
func (c *Client) DomainLimits(ctx context.Context, domain string) (DomainLimits, error) {
	return call[DomainLimits](ctx, c, "domain.limits", domainArg{domain})
}

// SetDomainLimits implements Admin.
func (c *Client) SetDomainLimits(ctx context.Context, l DomainLimits) error {
	return do(ctx, c, "domain.limits.set", l)
}
