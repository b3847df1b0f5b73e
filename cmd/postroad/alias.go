package main

import (
	"context"
	"strings"

	"postroad/internal/server/admin"
)

// aliasCmd groups the commands on aliases.
type aliasCmd struct {
	Add    aliasAdd    `cmd:"" help:"Add or change an alias."`
	List   aliasList   `cmd:"" help:"List the aliases."`
	Remove aliasRemove `cmd:"" help:"Remove an alias."`
}

type aliasAdd struct {
	Address string   `arg:"" help:"The alias."`
	Targets []string `arg:"" help:"Where its mail goes."`
}

func (c *aliasAdd) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, c.Address+" leads to "+strings.Join(c.Targets, ", "), func(a admin.Admin) error {
		return a.AddAlias(ctx, admin.Alias{Address: c.Address, Targets: c.Targets})
	})
}

type aliasList struct{}

func (*aliasList) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.Aliases(ctx)
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			rows := [][]string{}
			for _, x := range all {
				rows = append(rows, []string{x.Address, strings.Join(x.Targets, " ")})
			}
			table(t, "ADDRESS TARGETS", rows)
		})
	})
}

type aliasRemove struct {
	Address string `arg:"" help:"The alias's address."`
}

func (c *aliasRemove) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, "removed "+c.Address, func(a admin.Admin) error { return a.RemoveAlias(ctx, c.Address) })
}
