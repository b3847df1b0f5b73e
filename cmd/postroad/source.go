package main

import (
	"context"
	"fmt"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
)

// sourceCmd groups the commands on directories outside.
type sourceCmd struct {
	List sourceList `cmd:"" help:"List the directories, with what came of reading them last."`
	Sync sourceSync `cmd:"" help:"Read a directory now, and make accounts what it says."`
}

type sourceList struct{}

func (*sourceList) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.AccountSources(ctx)
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			rows := [][]string{}
			for _, s := range all {
				state := s.Error
				if state == "" {
					state = fmt.Sprintf("%d entries, %d groups, %s", s.Entries, s.Groups, count(int64(len(s.Problems)), "problem"))
				}
				rows = append(rows, []string{s.Name, s.Kind, strings.Join(s.Domains, " "), dayOf(s.At), state})
			}
			table(t, "NAME KIND DOMAINS READ RESULT", rows)
		})
	})
}

type sourceSync struct {
	Name string `arg:"" help:"The directory's name in the setting file."`
}

func (c *sourceSync) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		s, err := a.SyncSource(ctx, c.Name)
		if err != nil {
			return err
		}
		if err := g.show(t, s, func() { printSync(t, &s) }); err != nil {
			return err
		}
		switch {
		case s.Error != "":
			return fault.New(fault.Unavailable, "%s", s.Error)
		case len(s.Problems) > 0:
			return errProblems
		}
		return nil
	})
}

func printSync(t terminal, s *admin.SourceStatus) {
	fmt.Fprintf(t.out, "%d entries, %d groups: %d added, %d changed, %d disabled, %d removed; %d of domains that aren't served here\n",
		s.Entries, s.Groups, s.Added, s.Changed, s.Disabled, s.Removed, s.Skipped)
	for _, p := range s.Problems {
		fmt.Fprintln(t.out, printable(p))
	}
}

type accountUnlink struct {
	Address string `arg:"" help:"The account's address."`
}

func (c *accountUnlink) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, c.Address+" is kept here now; give it a password", func(a admin.Admin) error { return a.UnlinkAccount(ctx, c.Address) })
}
