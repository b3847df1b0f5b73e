package main

import (
	"context"
	"fmt"
	"strings"

	"postroad/internal/server/admin"
	"postroad/internal/server/config"
)

// policyCmd groups the commands on administrators' policies.
type policyCmd struct {
	List   policyList   `cmd:"" help:"List the policies."`
	Add    policyAdd    `cmd:"" help:"Refuse mail, set it aside, or let it in: by its sender, its network, the files in it."`
	Size   policySize   `cmd:"" help:"Bound how large messages may be."`
	Remove policyRemove `cmd:"" help:"Remove policies, of any kind."`
}

// scopeFlag says for whom a policy is.
type scopeFlag struct {
	For string `help:"The domain that it is for. Default: the whole server." placeholder:"DOMAIN"`
}

type policyAdd struct {
	scopeFlag
	Kind      string `arg:"" help:"What it is about: sender, network, file or type." enum:"sender,network,file,type"`
	Pattern   string `arg:"" help:"An address, or a domain with all below it; a network such as 192.0.2.0/24; the ending of files' names, such as exe; a media type such as video/*."`
	Action    string `help:"What becomes of the mail: reject, quarantine, junk or allow." enum:"reject,quarantine,junk,allow" default:"reject" short:"a"`
	Text      string `help:"What the refusal says, in ASCII." placeholder:"TEXT"`
	Direction string `help:"Of files and types: mail that comes in, goes out, or both." enum:"in,out,both" default:"in"`
}

func (c *policyAdd) Run(ctx context.Context, g *Globals, t terminal) error {
	return addPolicy(ctx, g, t, admin.Policy{Kind: c.Kind, Scope: c.For, Pattern: c.Pattern, Action: c.Action, Text: c.Text, Direction: c.Direction})
}

// addPolicy adds a policy, and tells its number.
func addPolicy(ctx context.Context, g *Globals, t terminal, p admin.Policy) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		added, err := a.AddPolicy(ctx, p)
		if err != nil {
			return err
		}
		return g.show(t, added, func() { fmt.Fprintf(t.out, "added %s %d\n", kindWord(added.Kind), added.ID) })
	})
}

// kindWord is what a policy of a kind is called where it is changed.
func kindWord(kind string) string {
	if kind == "journal" || kind == "disclaimer" {
		return kind
	}
	return "policy"
}

type policySize struct {
	Size      config.Size `arg:"" help:"The largest message: 20MB, ..."`
	For       string      `help:"The domain or the account that it is for. Default: the whole server." placeholder:"DOMAIN|ADDRESS"`
	Direction string      `help:"Mail that comes in, goes out, or both." enum:"in,out,both" default:"both"`
}

func (c *policySize) Run(ctx context.Context, g *Globals, t terminal) error {
	return addPolicy(ctx, g, t, admin.Policy{Kind: "size", Scope: c.For, Direction: c.Direction, MaxBytes: int64(c.Size)})
}

type policyList struct {
	For string `help:"Only those of a domain or an account." placeholder:"DOMAIN|ADDRESS"`
}

func (c *policyList) Run(ctx context.Context, g *Globals, t terminal) error {
	return listPolicies(ctx, g, t, func(p *admin.Policy) bool { return c.For == "" || strings.EqualFold(c.For, p.Scope) })
}

// listPolicies shows those that are wanted.
func listPolicies(ctx context.Context, g *Globals, t terminal, wanted func(*admin.Policy) bool) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.Policies(ctx)
		if err != nil {
			return err
		}
		some, rows := []admin.Policy{}, [][]string{}
		for _, p := range all {
			if wanted(&p) {
				some = append(some, p)
				rows = append(rows, policyRow(&p))
			}
		}
		return g.show(t, some, func() { table(t, "ID KIND FOR MAIL WHAT THEN", rows) })
	})
}

func policyRow(p *admin.Policy) []string {
	scope, what, then := p.Scope, printable(p.Pattern), p.Action
	if scope == "" {
		scope = "(all)"
	}
	switch p.Kind {
	case "size":
		what, then = "over "+size(p.MaxBytes, "0"), "reject"
	case "disclaimer":
		what, then = fmt.Sprintf("%.30q", strings.TrimSpace(p.Text)), "append"
	case "journal":
		then = "queue"
		if p.Strict {
			then = "strict"
		}
	default:
		if p.Text != "" {
			then += fmt.Sprintf(" %q", p.Text)
		}
	}
	return []string{fmt.Sprint(p.ID), p.Kind, scope, p.Direction, what, then}
}

type policyRemove struct {
	IDs []uint64 `arg:"" name:"id" help:"Their numbers, as list shows them."`
}

func (c *policyRemove) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.Policies(ctx)
		if err != nil {
			return err
		}
		for _, id := range c.IDs {
			which, word := admin.PolicyID{ID: id}, "policy"
			for _, p := range all {
				if p.ID == id {
					which.Scope, word = p.Scope, kindWord(p.Kind)
				}
			}
			if err := a.RemovePolicy(ctx, which); err != nil {
				return err
			}
			g.say(t, "removed %s %d", word, id)
		}
		return nil
	})
}
