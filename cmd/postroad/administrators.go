package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"postroad/internal/server/admin"
	"postroad/internal/server/config"
)

// adminCmd groups the commands on administrators.
type adminCmd struct {
	Add    adminAdd    `cmd:"" help:"Have an account administer a domain, or the whole server."`
	List   adminList   `cmd:"" help:"List who administers what."`
	Remove adminRemove `cmd:"" help:"Have an account administer that no more."`
}

// duty is who administers what.
type duty struct {
	Address string `arg:"" help:"The account."`
	Domain  string `arg:"" optional:"" help:"The domain; without one, the whole server."`
}

func (d duty) administrator() admin.Administrator {
	return admin.Administrator{Address: d.Address, Domain: d.Domain}
}

func wholeServer(domain string) string {
	if domain == "" {
		return "the whole server"
	}
	return domain
}

type adminAdd struct{ duty }

func (c *adminAdd) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, c.Address+" administers "+wholeServer(c.Domain), func(a admin.Admin) error { return a.Appoint(ctx, c.administrator()) })
}

type adminRemove struct{ duty }

func (c *adminRemove) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, c.Address+" doesn't administer "+wholeServer(c.Domain), func(a admin.Admin) error { return a.Dismiss(ctx, c.administrator()) })
}

type adminList struct{}

func (*adminList) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.Administrators(ctx)
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			rows := [][]string{}
			for _, x := range all {
				rows = append(rows, []string{x.Address, wholeServer(x.Domain)})
			}
			table(t, "ADDRESS ADMINISTERS", rows)
		})
	})
}

// tokenCmd groups the commands on tokens.
type tokenCmd struct {
	Add    tokenAdd    `cmd:"" help:"Make a token. It is shown once."`
	List   tokenList   `cmd:"" help:"List the tokens, without their secrets."`
	Remove tokenRemove `cmd:"" help:"Make a token worthless."`
}

type tokenAdd struct {
	Name    string          `arg:"" help:"What the list calls it."`
	Server  bool            `name:"whole-server" help:"It administers the whole server." xor:"for"`
	Domain  []string        `help:"A domain that it administers." xor:"for" placeholder:"NAME"`
	Expires config.Duration `help:"After how long it is worthless, like 90d; 0: never." default:"0"`
}

func (c *tokenAdd) Run(ctx context.Context, g *Globals, t terminal) error {
	spec := admin.TokenSpec{Name: c.Name, Server: c.Server, Domains: c.Domain}
	if c.Expires > 0 {
		spec.Expires = time.Now().Add(time.Duration(c.Expires))
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		s, err := a.AddToken(ctx, spec)
		if err != nil {
			return err
		}
		return g.show(t, s, func() { fmt.Fprintln(t.out, s.Secret) })
	})
}

type tokenList struct{}

func (*tokenList) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.Tokens(ctx)
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			rows := [][]string{}
			for _, x := range all {
				rows = append(rows, []string{x.Name, wholeServer(strings.Join(x.Domains, " ")), dayOf(x.Created), dayOf(x.Expires), dayOf(x.Used)})
			}
			table(t, "NAME ADMINISTERS MADE EXPIRES USED", rows)
		})
	})
}

func dayOf(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04")
}

type tokenRemove struct {
	Name string `arg:"" help:"What the token is called."`
}

func (c *tokenRemove) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, "removed "+c.Name, func(a admin.Admin) error { return a.RemoveToken(ctx, c.Name) })
}

// domainLimits tells or sets a domain's limits.
type domainLimits struct {
	Name         string       `arg:"" help:"The domain."`
	Accounts     *int64       `help:"How many accounts it may have; 0: any number." placeholder:"N"`
	Quota        *config.Size `help:"What the quotas of its accounts may add up to, like 100G; 0: anything. With it each account needs a quota." placeholder:"SIZE"`
	DefaultQuota *config.Size `help:"The quota of new accounts for which none is given; 0: none." placeholder:"SIZE"`
}

func (c *domainLimits) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		l, err := a.DomainLimits(ctx, c.Name)
		if err != nil {
			return err
		}
		if c.change(&l) {
			if err := a.SetDomainLimits(ctx, l); err != nil {
				return err
			}
		}
		return g.show(t, l, func() {
			fmt.Fprintf(t.out, "accounts       %d of %s\nquotas         %s of %s\ndefault quota  %s\n", l.HasAccounts, unlimited(l.Accounts),
				size(l.HasQuotaBytes, "0"), size(l.QuotaBytes, "any"), size(l.DefaultQuotaBytes, "none"))
		})
	})
}

// change puts what the flags say into l, and reports whether they say anything.
func (c *domainLimits) change(l *admin.DomainLimits) bool {
	if c.Accounts != nil {
		l.Accounts = *c.Accounts
	}
	if c.Quota != nil {
		l.QuotaBytes = int64(*c.Quota)
	}
	if c.DefaultQuota != nil {
		l.DefaultQuotaBytes = int64(*c.DefaultQuota)
	}
	return c.Accounts != nil || c.Quota != nil || c.DefaultQuota != nil
}

func unlimited(n int64) string {
	if n == 0 {
		return "any"
	}
	return fmt.Sprint(n)
}
