package main

import (
	"context"
	"fmt"
	"strings"

	"postroad/internal/server/admin"
)

// groupCmd groups the commands on groups.
type groupCmd struct {
	Add     groupAdd     `cmd:"" help:"Add a group."`
	List    groupList    `cmd:"" help:"List the groups."`
	Members groupMembers `cmd:"" help:"Set who is in a group."`
	Remove  groupRemove  `cmd:"" help:"Remove a group."`
}

type groupAdd struct {
	Address string   `arg:"" help:"The group's address."`
	Members []string `arg:"" optional:"" help:"Who is in it."`
	Name    string   `help:"What the group is called."`
}

func (c *groupAdd) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, "added "+c.Address, func(a admin.Admin) error {
		return a.AddGroup(ctx, admin.Group{Address: c.Address, Name: c.Name, Members: c.Members})
	})
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
				rows = append(rows, []string{x.Address, fmt.Sprintf("%q", x.Name), strings.Join(x.Members, " ")})
			}
			table(t, "ADDRESS NAME MEMBERS", rows)
		})
	})
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
	Address string `arg:""`
}

func (c *groupRemove) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, "removed "+c.Address, func(a admin.Admin) error { return a.RemoveGroup(ctx, c.Address) })
}
