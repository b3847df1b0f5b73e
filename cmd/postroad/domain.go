package main

import (
	"context"
	"fmt"

	"postroad/internal/server/admin"
)

// domainCmd groups the commands on domains.
type domainCmd struct {
	Add    domainAdd    `cmd:"" help:"Serve a domain."`
	List   domainList   `cmd:"" help:"List the domains."`
	Remove domainRemove `cmd:"" help:"Serve a domain no more; it must have no addresses."`

	Records domainRecords `cmd:"" help:"Tell which DNS records a domain needs, and why."`
	Check   domainCheck   `cmd:"" help:"Compare the DNS, and what else mail depends on, with what should be. Exit status 3 if something is wrong."`
}

type domainAdd struct {
	Name string `arg:""`
}

func (c *domainAdd) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, "serving "+c.Name, func(a admin.Admin) error { return a.AddDomain(ctx, c.Name) })
}

type domainList struct{}

func (*domainList) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.Domains(ctx)
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			for _, d := range all {
				fmt.Fprintln(t.out, d.Name)
			}
		})
	})
}

type domainRemove struct {
	Name string `arg:""`
}

func (c *domainRemove) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, "removed "+c.Name, func(a admin.Admin) error { return a.RemoveDomain(ctx, c.Name) })
}
