package admin

import (
	"context"

	"postroad/internal/model/directory"
)

// Domain is one that is served here.
type Domain struct {
	Name string `json:"name"`
	// CatchAll gets the mail for addresses that aren't there; empty: it is refused.
	CatchAll string `json:"catch_all,omitempty"`
	// Delimiters begin a detail in a local part, each of them.
	Delimiters string `json:"delimiters"`
	// Selectors are those of the keys that sign its mail; empty: it leaves unsigned.
	Selectors []string `json:"selectors,omitempty"`
}

// DomainChange changes a domain. What is nil stays as it is.
type DomainChange struct {
	Name       string  `json:"name"`
	CatchAll   *string `json:"catch_all,omitempty"`  // "": none
	Delimiters *string `json:"delimiters,omitempty"` // "": none
}

// Domains implements Admin.
func (d *Direct) Domains(ctx context.Context) ([]Domain, error) {
	return collect(d.dir.Domains(ctx), func(x directory.Domain) (Domain, error) {
		out := Domain{Name: x.Name, CatchAll: x.CatchAll, Delimiters: x.Delimiters}
		keys, err := d.dir.SigningKeys(ctx, x.Name)
		for _, k := range keys {
			out.Selectors = append(out.Selectors, k.Selector)
		}
		return out, err
	})
}

// AddDomain implements Admin. The domain gets DKIM keys, which are to be published and activated.
func (d *Direct) AddDomain(ctx context.Context, name string) error {
	_, err := d.dir.AddSigningDomain(ctx, name)
	return err
}

// SetDomain implements Admin.
func (d *Direct) SetDomain(ctx context.Context, c DomainChange) error {
	return d.dir.SetDomain(ctx, c.Name, directory.DomainChange{CatchAll: c.CatchAll, Delimiters: c.Delimiters})
}

// RemoveDomain implements Admin.
func (d *Direct) RemoveDomain(ctx context.Context, name string) error {
	domain, err := d.dir.Domain(ctx, name)
	if err != nil {
		return err
	}
	if err := d.dir.RemoveDomain(ctx, name); err != nil || d.policies == nil {
		return err
	}
	return d.policies.Forget(ctx, domain.Name, 0)
}

func (c *Client) Domains(ctx context.Context) ([]Domain, error) {
	return call[[]Domain](ctx, c, "domain.list", none{})
}
func (c *Client) AddDomain(ctx context.Context, name string) error {
	return do(ctx, c, "domain.add", nameArg{name})
}
func (c *Client) SetDomain(ctx context.Context, x DomainChange) error {
	return do(ctx, c, "domain.set", x)
}
func (c *Client) RemoveDomain(ctx context.Context, name string) error {
	return do(ctx, c, "domain.remove", nameArg{name})
}
