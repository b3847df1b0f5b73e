package main

import (
	"context"
	"fmt"

	"postroad/internal/server/admin"
)

type accountReindex struct {
	Address []string `arg:"" optional:"" help:"The accounts; none: all."`
}

func (c *accountReindex) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		addresses := c.Address
		if len(addresses) == 0 {
			all, err := a.Accounts(ctx)
			if err != nil {
				return err
			}
			for _, x := range all {
				addresses = append(addresses, x.Address)
			}
		}
		for _, address := range addresses {
			if err := a.Reindex(ctx, address); err != nil {
				return err
			}
			if !g.JSON {
				fmt.Fprintf(t.out, "made the text index of %s anew\n", address)
			}
		}
		return nil
	})
}
