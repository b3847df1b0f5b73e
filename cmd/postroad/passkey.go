package main

import (
	"context"
	"strings"

	"postroad/internal/server/admin"
)

// passkeyCmd groups the commands on passkeys, which people make on their own pages.
type passkeyCmd struct {
	List   passkeyList   `cmd:"" help:"List an account's passkeys, and when each was used."`
	Remove passkeyRemove `cmd:"" help:"Remove a passkey. Browsers that are signed in by it are signed out."`
}

type passkeyList struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *passkeyList) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.Passkeys(ctx, c.Address)
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			rows := [][]string{}
			for i := range all {
				rows = append(rows, passkeyRow(&all[i]))
			}
			table(t, "NAME CREATED USED SYNCED REACHED", rows)
		})
	})
}

func passkeyRow(x *admin.Passkey) []string {
	used, synced := "never", "no"
	if !x.Used.IsZero() {
		used = minute(x.Used)
	}
	if x.BackedUp {
		synced = "yes"
	}
	return []string{printable(x.Name), minute(x.Created), used, synced, strings.Join(x.Reached, ",")}
}

type passkeyRemove struct {
	Address string `arg:"" help:"The account's address."`
	Name    string `arg:"" help:"The passkey's name."`
}

func (c *passkeyRemove) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, "removed "+c.Name, func(a admin.Admin) error {
		return a.RemovePasskey(ctx, admin.PasskeyName{Address: c.Address, Name: c.Name})
	})
}
