package main

import (
	"context"
	"fmt"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
)

// domainCmd groups the commands on domains.
type domainCmd struct {
	Add    domainAdd    `cmd:"" help:"Serve a domain, with keys that sign its mail; tells which DNS records it needs."`
	List   domainList   `cmd:"" help:"List the domains."`
	Set    domainSet    `cmd:"" help:"Say who gets mail for unknown addresses, and what begins a detail."`
	Remove domainRemove `cmd:"" help:"Serve a domain no more; it must have no addresses. Its keys are removed for good."`

	Limits  domainLimits  `cmd:"" help:"Tell or set how many accounts a domain may have, and how much room."`
	Keys    domainKeys    `cmd:"" help:"The DKIM keys that sign a domain's mail."`
	Records domainRecords `cmd:"" help:"Tell which DNS records a domain needs, and why."`
	Check   domainCheck   `cmd:"" help:"Compare the DNS, and what else mail depends on, with what should be. Exit status 3 if something is wrong."`
}

type domainAdd struct {
	Name string `arg:"" help:"The domain: what stands behind the @, example.org."`
	lookFlags
}

// Run adds the domain, which makes its keys, and tells what to publish.
func (c *domainAdd) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		if err := a.AddDomain(ctx, c.Name); err != nil {
			return err
		}
		g.say(t, "serving %s", c.Name)
		records, err := a.DomainRecords(ctx, admin.RecordsQuery{Domain: c.Name, PublicIPs: c.PublicIP, Offline: c.Offline})
		if err != nil { // the domain is there all the same
			g.say(t, "What to publish in the DNS is told by: postroad domain records %s", c.Name)
			return nil
		}
		return g.show(t, records, func() { printRecords(t, c.Name, records) })
	})
}

type domainList struct{}

func (*domainList) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.Domains(ctx)
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			rows := [][]string{}
			for _, d := range all {
				rows = append(rows, []string{d.Name, orNone(strings.Join(d.Selectors, " ")), orNone(d.Delimiters), orNone(d.CatchAll)})
			}
			table(t, "DOMAIN SIGNED-BY DELIMITERS CATCH-ALL", rows)
		})
	})
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

type domainSet struct {
	Name       string  `arg:"" help:"The domain."`
	CatchAll   *string `help:"Who gets the mail for addresses that aren't there; \"none\": it is refused." placeholder:"ADDRESS"`
	Delimiters *string `help:"Characters of +-_=#~ that begin a detail: with \"+\" mail for ann+shop@ is ann's; \"none\": there are no details." placeholder:"CHARS"`
}

func (c *domainSet) Run(ctx context.Context, g *Globals, t terminal) error {
	if c.CatchAll == nil && c.Delimiters == nil {
		return fault.New(fault.Invalid, "say what to set: --catch-all or --delimiters")
	}
	for _, flag := range []*string{c.CatchAll, c.Delimiters} {
		if flag != nil && *flag == "none" {
			*flag = ""
		}
	}
	return g.change(ctx, t, "changed "+c.Name, func(a admin.Admin) error {
		return a.SetDomain(ctx, admin.DomainChange{Name: c.Name, CatchAll: c.CatchAll, Delimiters: c.Delimiters})
	})
}

type domainRemove struct {
	Name string `arg:"" help:"The domain."`
}

func (c *domainRemove) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, "removed "+c.Name, func(a admin.Admin) error { return a.RemoveDomain(ctx, c.Name) })
}

// domainKeys groups the commands on keys.
type domainKeys struct {
	List     keysList     `cmd:"" help:"List a domain's keys."`
	Rotate   keysRotate   `cmd:"" help:"Make new keys. They sign once their records are in the DNS."`
	Activate keysActivate `cmd:"" help:"Have pending keys sign now, in place of those that do."`
	Retire   keyRetire    `cmd:"" help:"Have a key sign no more. Its record should stay published for a week."`
	Remove   keyRemove    `cmd:"" help:"Remove a key that doesn't sign, for good."`
}

type keysList struct {
	Domain string `arg:"" help:"The domain."`
}

func (c *keysList) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		keys, err := a.Keys(ctx, c.Domain)
		if err != nil {
			return err
		}
		return g.show(t, keys, func() {
			rows := [][]string{}
			for _, k := range keys {
				rows = append(rows, []string{k.Selector, k.Algorithm, k.State, k.Changed.Local().Format("2006-01-02 15:04"), k.Created.Local().Format("2006-01-02 15:04")})
			}
			table(t, "SELECTOR ALGORITHM STATE SINCE MADE", rows)
		})
	})
}

type keysRotate struct {
	Domain string `arg:"" help:"The domain."`
}

func (c *keysRotate) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		keys, err := a.RotateKeys(ctx, c.Domain)
		if err != nil {
			return err
		}
		return g.show(t, keys, func() {
			fmt.Fprintf(t.out, "Publish these TXT records, and leave the old ones. The new keys sign once the server sees them in the DNS, or by: postroad domain keys activate %s\n", c.Domain)
			for _, k := range keys {
				fmt.Fprintf(t.out, "\n  %s  TXT\n  %s\n", k.Name, k.Record)
			}
		})
	})
}

type keysActivate struct {
	Domain    string   `arg:"" help:"The domain."`
	Selectors []string `arg:"" optional:"" help:"The keys; all that are pending, if none is named."`
	Unchecked bool     `help:"Don't look whether the DNS has their records. If it doesn't, what they sign can't be verified."`
}

func (c *keysActivate) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		selectors, err := c.selectors(ctx, a)
		if err != nil {
			return err
		}
		for _, s := range selectors {
			if err := a.ActivateKey(ctx, admin.KeyChange{Domain: c.Domain, Selector: s, Unchecked: c.Unchecked}); err != nil {
				return err
			}
			g.say(t, "%s signs for %s", s, c.Domain)
		}
		return nil
	})
}

// selectors are those that were named, or all that are pending.
func (c *keysActivate) selectors(ctx context.Context, a admin.Admin) ([]string, error) {
	if len(c.Selectors) > 0 {
		return c.Selectors, nil
	}
	keys, err := a.Keys(ctx, c.Domain)
	if err != nil {
		return nil, err
	}
	var pending []string
	for _, k := range keys {
		if k.State == "pending" {
			pending = append(pending, k.Selector)
		}
	}
	if len(pending) == 0 {
		return nil, fault.New(fault.NotFound, "no key of %s is pending; \"postroad domain keys rotate\" makes new ones", c.Domain)
	}
	return pending, nil
}

// oneKey names a key.
type oneKey struct {
	Domain   string `arg:"" help:"The domain."`
	Selector string `arg:"" help:"The key's selector, as \"domain keys list\" shows it."`
}

func (k oneKey) change() admin.KeyChange {
	return admin.KeyChange{Domain: k.Domain, Selector: k.Selector}
}

type keyRetire struct{ oneKey }

func (c *keyRetire) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, c.Selector+" signs no more", func(a admin.Admin) error { return a.RetireKey(ctx, c.change()) })
}

type keyRemove struct{ oneKey }

func (c *keyRemove) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, "removed "+c.Selector, func(a admin.Admin) error { return a.RemoveKey(ctx, c.change()) })
}
