package main

import (
	"cmp"
	"context"
	"fmt"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
)

// postmasterCmd tells or sets who hears what every domain must be able to be told.
type postmasterCmd struct {
	Address string `arg:"" optional:"" help:"An account, alias or group of this server."`
	Oldest  bool   `help:"The oldest account, as it is at first."`
}

func (c *postmasterCmd) Run(ctx context.Context, g *Globals, t terminal) error {
	if c.Address != "" && c.Oldest {
		return fault.New(fault.Invalid, "either an address or --oldest")
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		if c.Address != "" || c.Oldest {
			if err := a.SetPostmaster(ctx, admin.Postmaster{Address: c.Address}); err != nil {
				return err
			}
		}
		p, err := a.Postmaster(ctx)
		if err != nil {
			return err
		}
		return g.show(t, p, func() {
			fmt.Fprintln(t.out, "mail for postmaster and abuse goes to", cmp.Or(p.Address, "the oldest account"))
		})
	})
}
