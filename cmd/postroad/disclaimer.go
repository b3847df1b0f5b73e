package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
)

// disclaimerCmd groups the commands on disclaimers.
type disclaimerCmd struct {
	Set    disclaimerSet    `cmd:"" help:"Have a text written below all mail that a domain's people send elsewhere."`
	Show   disclaimerShow   `cmd:"" help:"Show a domain's disclaimer."`
	List   disclaimerList   `cmd:"" help:"List the disclaimers."`
	Remove disclaimerRemove `cmd:"" help:"Remove a domain's disclaimer."`
}

type disclaimerSet struct {
	Domain string `arg:"" help:"The domain."`
	Text   string `help:"A file with the text." required:"" type:"existingfile" placeholder:"FILE"`
	HTML   string `name:"html" help:"A file with the text for HTML mail: a piece of a page. Default: made of the text." type:"existingfile" placeholder:"FILE"`
}

func (c *disclaimerSet) Run(ctx context.Context, g *Globals, t terminal) error {
	text, err := os.ReadFile(c.Text)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "cannot read the text")
	}
	p := admin.Policy{Kind: "disclaimer", Scope: c.Domain, Text: string(text)}
	if c.HTML != "" {
		page, err := os.ReadFile(c.HTML)
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "cannot read the HTML")
		}
		p.HTML = string(page)
	}
	return g.change(ctx, t, "set the disclaimer of "+c.Domain, func(a admin.Admin) error {
		old, err := disclaimerOf(ctx, a, c.Domain)
		if fault.Is(err, fault.NotFound) {
			_, err = a.AddPolicy(ctx, p)
			return err
		}
		if err == nil {
			err = a.RemovePolicy(ctx, admin.PolicyID{ID: old.ID, Scope: old.Scope})
		}
		if err != nil {
			return err
		}
		if _, err = a.AddPolicy(ctx, p); err != nil {
			_, again := a.AddPolicy(ctx, old) // a text that is refused changes nothing
			return errors.Join(err, again)
		}
		return nil
	})
}

// disclaimerOf finds a domain's disclaimer.
func disclaimerOf(ctx context.Context, a admin.Admin, domain string) (admin.Policy, error) {
	all, err := a.Policies(ctx)
	for _, p := range all {
		if p.Kind == "disclaimer" && strings.EqualFold(p.Scope, domain) {
			return p, nil
		}
	}
	if err == nil {
		err = fault.New(fault.NotFound, "%s has no disclaimer", domain)
	}
	return admin.Policy{}, err
}

type disclaimerShow struct {
	Domain string `arg:"" help:"The domain."`
}

func (c *disclaimerShow) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		p, err := disclaimerOf(ctx, a, c.Domain)
		if err != nil {
			return err
		}
		return g.show(t, p, func() {
			fmt.Fprintln(t.out, printableLines(strings.ReplaceAll(p.Text, "\t", "    "))) // an administrator of the domain has written it
			if p.HTML != "" {
				fmt.Fprintf(t.out, "\nIn HTML:\n%s\n", printableLines(strings.ReplaceAll(p.HTML, "\t", "    ")))
			}
		})
	})
}

type disclaimerList struct{}

func (*disclaimerList) Run(ctx context.Context, g *Globals, t terminal) error {
	return listPolicies(ctx, g, t, func(p *admin.Policy) bool { return p.Kind == "disclaimer" })
}

type disclaimerRemove struct {
	Domain string `arg:"" help:"The domain."`
}

func (c *disclaimerRemove) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, "removed the disclaimer of "+c.Domain, func(a admin.Admin) error {
		p, err := disclaimerOf(ctx, a, c.Domain)
		if err != nil {
			return err
		}
		return a.RemovePolicy(ctx, admin.PolicyID{ID: p.ID, Scope: p.Scope})
	})
}
