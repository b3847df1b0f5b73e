package main

import (
	"context"
	"fmt"

	"postroad/internal/server/admin"
)

type accountRename struct {
	Address string `arg:"" help:"The account's address."`
	To      string `arg:"" help:"The new address, which is the login from now on. It may be of another domain."`
	Drop    bool   `help:"Leave no alias at the old address. Aliases, groups and catch-alls that led there lead to the new one."`
}

func (c *accountRename) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		x, err := a.RenameAccount(ctx, admin.Rename{Address: c.Address, To: c.To, Drop: c.Drop})
		if err != nil {
			return err
		}
		return g.show(t, x, func() { fmt.Fprintf(t.out, "%s is now %s\n", c.Address, x.Address) })
	})
}

type accountRemove struct {
	Address string `arg:"" help:"The account's address."`
	Now     bool   `help:"For good: it can't be brought back."`
	Yes     bool   `short:"y" help:"Don't ask."`
}

func (c *accountRemove) Run(ctx context.Context, g *Globals, t terminal) error {
	question, done := "Remove "+c.Address+"?", "removed "+c.Address+"; \"postroad account restore\" brings it back"
	if c.Now {
		question, done = "Remove "+c.Address+" and all its mail, for good?", "removed "+c.Address+" and its mail"
	}
	if !c.Yes {
		if err := confirm(t, question); err != nil {
			return err
		}
	}
	return g.change(ctx, t, done, func(a admin.Admin) error {
		return a.RemoveAccount(ctx, admin.Removal{Address: c.Address, Now: c.Now})
	})
}

type accountRemoved struct{}

func (*accountRemoved) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.RemovedAccounts(ctx)
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			rows := [][]string{}
			for _, x := range all {
				rows = append(rows, []string{x.Address, fmt.Sprint(x.ID), x.Removed.Local().Format("2006-01-02 15:04"), fmt.Sprint(x.UsedItems), size(x.UsedBytes, "0")})
			}
			table(t, "ADDRESS NUMBER REMOVED MESSAGES BYTES", rows)
		})
	})
}

type accountRestore struct {
	Address string `arg:"" help:"The address that it had."`
	To      string `help:"Another address for it." placeholder:"ADDRESS"`
	Number  uint64 `help:"Which one, if several had that address; else that which was removed last." placeholder:"NUMBER"`
}

func (c *accountRestore) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		x, err := a.BringBackAccount(ctx, admin.Restoral{Address: c.Address, To: c.To, ID: c.Number})
		if err != nil {
			return err
		}
		return g.show(t, x, func() {
			fmt.Fprintf(t.out, "%s is back; groups and aliases that led to it have to be told again\n", x.Address)
		})
	})
}
