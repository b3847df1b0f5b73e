package main

import (
	"context"
	"fmt"
	"strings"

	"postroad/internal/server/admin"
)

// accountLimits groups the commands on what accounts may send.
type accountLimits struct {
	Show  limitsShow  `cmd:"" help:"Show what an account has sent, and its limits."`
	Held  limitsHeld  `cmd:"" help:"List the accounts from which nothing is taken until their limits are reset."`
	From  limitsFrom  `cmd:"" help:"Say whom an account may name as authors of its mail (From)."`
	Reset limitsReset `cmd:"" help:"Forget what an account has sent, and release it if it is held."`
}

type limitsShow struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *limitsShow) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		u, err := a.AccountLimits(ctx, c.Address)
		if err != nil {
			return err
		}
		return g.show(t, u, func() { printUsage(t, &u) })
	})
}

func printUsage(t terminal, u *admin.AccountUsage) {
	authors := u.Authors
	if u.AuthorsOwn {
		authors += " (a rule of its own)"
	}
	fmt.Fprintf(t.out, "address  %s\nstate    %s\nauthors  %s\n\n", u.Address, holding(u), authors)
	table(t, "WHAT COUNT LIMIT", [][]string{
		usageRow("messages this hour", u.MessagesHour), usageRow("messages in 24 hours", u.MessagesDay),
		usageRow("recipients this hour", u.RecipientsHour), usageRow("recipients in 24 hours", u.RecipientsDay),
		usageRow("new recipients in 24 hours", u.NewRecipientsDay), usageRow("refused recipients in 24 hours", u.RefusedDay),
	})
}

// holding says whether an account is held.
func holding(u *admin.AccountUsage) string {
	if u.Held.IsZero() {
		return "may send"
	}
	return strings.TrimSuffix("held since "+clock(u.Held)+": "+printable(u.Reason), ": ")
}

func usageRow(what string, c admin.Count) []string {
	limit := fmt.Sprint(c.Limit)
	if c.Limit < 0 {
		limit = "none"
	}
	return []string{what, fmt.Sprint(c.Count), limit}
}

type limitsHeld struct{}

func (*limitsHeld) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.HeldAccounts(ctx)
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			if len(all) == 0 {
				fmt.Fprintln(t.out, "nobody")
			}
			for i := range all {
				fmt.Fprintf(t.out, "%s: %s\n", all[i].Address, holding(&all[i]))
			}
		})
	})
}

type limitsFrom struct {
	Address string `arg:"" help:"The account's address."`
	Rule    string `arg:"" help:"any; local: addresses at this server's domains only if they are its own; domain: all in domains where it has an address; own: only its own; default: as the settings say." enum:"any,local,domain,own,default"`
}

func (c *limitsFrom) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, "set whom "+c.Address+" may name as authors: "+c.Rule, func(a admin.Admin) error {
		return a.SetAccountAuthors(ctx, admin.AuthorsChange{Address: c.Address, Rule: c.Rule})
	})
}

type limitsReset struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *limitsReset) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		if err := a.ResetAccountLimits(ctx, c.Address); err != nil {
			return err
		}
		g.say(t, "reset")
		return nil
	})
}
