package main

import (
	"context"
	"fmt"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
)

// grantCmd groups the commands on what people have allowed programs.
type grantCmd struct {
	List grantList `cmd:"" help:"List the programs that an account's owner has allowed in (OAuth)."`
	End  grantEnd  `cmd:"" help:"Take one of them back, or all. What is signed in by it is signed out."`
}

type grantList struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *grantList) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.Grants(ctx, c.Address)
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			rows := [][]string{}
			for _, x := range all {
				rows = append(rows, []string{x.ID, minute(x.Created), minute(x.Used), strings.Join(x.Scope, ","), printable(x.Program)})
			}
			table(t, "ID CREATED USED SCOPE PROGRAM", rows)
		})
	})
}

type grantEnd struct {
	Address string `arg:"" help:"The account's address."`
	ID      string `arg:"" optional:"" help:"The grant's ID, as grant list shows it."`
	All     bool   `help:"All of the account."`
}

func (c *grantEnd) Run(ctx context.Context, g *Globals, t terminal) error {
	if (c.ID == "") != c.All {
		return fault.New(fault.Invalid, "say either which grant, or --all")
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		n, err := a.EndGrants(ctx, admin.GrantChange{Address: c.Address, ID: c.ID})
		if err != nil {
			return err
		}
		return g.show(t, n, func() { fmt.Fprintf(t.out, "grants ended: %d\n", n.Grants) })
	})
}
