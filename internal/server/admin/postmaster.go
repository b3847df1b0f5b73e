package admin

import "context"

// Postmaster is who reads mail for postmaster@ and abuse@ of the domains in which nobody has these addresses (RFC 5321 §4.5.1, RFC 2142).
type Postmaster struct {
	// Address is an account, alias or group of this server. "": the oldest account.
	Address string `json:"address"`
}

// Postmaster implements Admin.
func (d *Direct) Postmaster(ctx context.Context) (Postmaster, error) {
	a, err := d.dir.Postmaster(ctx)
	return Postmaster{a}, err
}

// SetPostmaster implements Admin.
func (d *Direct) SetPostmaster(ctx context.Context, p Postmaster) error {
	return d.dir.SetPostmaster(ctx, p.Address)
}

// Postmaster implements Admin.
func (c *Client) Postmaster(ctx context.Context) (Postmaster, error) {
	return call[Postmaster](ctx, c, "postmaster.show", none{})
}

// SetPostmaster implements Admin.
func (c *Client) SetPostmaster(ctx context.Context, p Postmaster) error {
	return do(ctx, c, "postmaster.set", p)
}
