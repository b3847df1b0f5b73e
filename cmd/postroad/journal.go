package main

import (
	"context"

	"postroad/internal/server/admin"
)

// journalCmd groups the commands on journals.
type journalCmd struct {
	Add  journalAdd  `cmd:"" help:"Have a copy of all mail of a domain or an account put into a mailbox, here or elsewhere."`
	List journalList `cmd:"" help:"List the journals. They are removed by \"policy remove\"."`
}

type journalAdd struct {
	Address   string `arg:"" help:"Where the reports go: each has one message, unchanged, and all its recipients."`
	For       string `help:"The domain or the account whose mail it is. Default: the whole server." placeholder:"DOMAIN|ADDRESS"`
	Direction string `help:"Mail that comes in, goes out, or both." enum:"in,out,both" default:"both"`
	Strict    bool   `help:"Take no mail while its report can't be delivered. Default: the report waits in the queue."`
}

func (c *journalAdd) Run(ctx context.Context, g *Globals, t terminal) error {
	return addPolicy(ctx, g, t, admin.Policy{Kind: "journal", Scope: c.For, Direction: c.Direction, Pattern: c.Address, Strict: c.Strict})
}

type journalList struct{}

func (*journalList) Run(ctx context.Context, g *Globals, t terminal) error {
	return listPolicies(ctx, g, t, func(p *admin.Policy) bool { return p.Kind == "journal" })
}
