package main

import (
	"context"
	"fmt"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
)

// groupCmd groups the commands on groups.
type groupCmd struct {
	Add     groupAdd     `cmd:"" help:"Add a group."`
	List    groupList    `cmd:"" help:"List the groups."`
	Set     groupSet     `cmd:"" help:"Change a group, or make it a mailing list."`
	Members groupMembers `cmd:"" help:"Set who is in a group."`
	Remove  groupRemove  `cmd:"" help:"Remove a group."`
}

type groupAdd struct {
	Address     string   `arg:"" help:"The group's address."`
	Members     []string `arg:"" optional:"" help:"Who is in it."`
	Name        string   `help:"What the group is called."`
	List        bool     `help:"Make it a mailing list: mail to it goes out in its own name, and its owners hear of what can't be delivered."`
	Description string   `help:"What the list is about."`
	Owner       []string `help:"Who runs the list; may be repeated. Default: the postmaster." placeholder:"ADDRESS"`
	Posters     string   `help:"Who may write to the list: anyone, members or owners." enum:"anyone,members,owners" default:"anyone"`
}

func (c *groupAdd) Run(ctx context.Context, g *Globals, t terminal) error {
	if !c.List && (c.Description != "" || len(c.Owner) > 0 || c.Posters != "anyone") {
		return fault.New(fault.Invalid, "--description, --owner and --posters are for lists: say --list too")
	}
	return g.change(ctx, t, "added "+c.Address, func(a admin.Admin) error {
		return a.AddGroup(ctx, admin.Group{Address: c.Address, Name: c.Name, Members: c.Members,
			List: c.List, Description: c.Description, Owners: c.Owner, Posters: c.Posters})
	})
}

type groupSet struct {
	Address     string   `arg:"" help:"The group's address."`
	Name        *string  `help:"What the group is called."`
	List        *bool    `negatable:"" help:"Make it a mailing list, or a plain group."`
	Description *string  `help:"What the list is about."`
	Owner       []string `help:"All who are to run the list; may be repeated." placeholder:"ADDRESS" xor:"owner"`
	NoOwners    bool     `help:"Leave the list to the postmaster." xor:"owner"`
	Posters     *string  `help:"Who may write to the list: anyone, members or owners."`
}

func (c *groupSet) Run(ctx context.Context, g *Globals, t terminal) error {
	change := admin.GroupChange{Address: c.Address, Name: c.Name, List: c.List, Description: c.Description, Posters: c.Posters}
	if len(c.Owner) > 0 || c.NoOwners {
		change.Owners = &c.Owner
	}
	return g.change(ctx, t, "changed "+c.Address, func(a admin.Admin) error { return a.SetGroup(ctx, change) })
}

type groupList struct{}

func (*groupList) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.Groups(ctx)
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			rows := [][]string{}
			for _, x := range all {
				rows = append(rows, []string{x.Address, fmt.Sprintf("%q", x.Name), listOf(x), strings.Join(x.Members, " ")})
			}
			table(t, "ADDRESS NAME LIST MEMBERS", rows)
		})
	})
}

// listOf says in short who writes to a list and who runs it.
func listOf(g admin.Group) string {
	switch {
	case !g.List:
		return "no"
	case len(g.Owners) == 0:
		return g.Posters
	}
	return g.Posters + "; run by " + strings.Join(g.Owners, ", ")
}

type groupMembers struct {
	Address string   `arg:"" help:"The group's address."`
	Members []string `arg:"" optional:"" help:"All who are to be in it."`
}

func (c *groupMembers) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, fmt.Sprintf("%s has %d members", c.Address, len(c.Members)), func(a admin.Admin) error {
		return a.SetMembers(ctx, c.Address, c.Members)
	})
}

type groupRemove struct {
	Address string `arg:"" help:"The group's address."`
}

func (c *groupRemove) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, "removed "+c.Address, func(a admin.Admin) error { return a.RemoveGroup(ctx, c.Address) })
}
