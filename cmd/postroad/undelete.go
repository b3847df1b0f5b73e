package main

import (
	"context"
	"fmt"
	"time"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
)

// accountUndelete brings back what somebody has expunged.
type accountUndelete struct {
	Address string        `arg:"" help:"The account's address."`
	ID      []uint64      `arg:"" optional:"" help:"Messages, as --list shows them."`
	List    bool          `help:"List what can be brought back, and change nothing."`
	Since   time.Duration `help:"Only what was expunged in this time, like 2h." placeholder:"TIME"`
	Folder  string        `help:"Only what was in this folder, like Work/2024." placeholder:"FOLDER"`
	All     bool          `help:"All that can be brought back."`
}

func (c *accountUndelete) Run(ctx context.Context, g *Globals, t terminal) error {
	if !c.List && !c.All && len(c.ID) == 0 && c.Since == 0 && c.Folder == "" {
		return fault.New(fault.Invalid, "say --list, or what is to come back: numbers, --since, --folder or --all")
	}
	q := admin.ExpungedQuery{Address: c.Address, Folder: c.Folder, IDs: c.ID}
	if c.Since > 0 {
		q.Since = time.Now().Add(-c.Since)
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		if c.List {
			return c.list(ctx, g, t, a, q)
		}
		done, err := a.Undelete(ctx, q)
		if err != nil {
			return err
		}
		return g.show(t, done, func() { fmt.Fprintf(t.out, "%d messages came back\n", done.Messages) })
	})
}

func (c *accountUndelete) list(ctx context.Context, g *Globals, t terminal, a admin.Admin, q admin.ExpungedQuery) error {
	all, err := a.Expunged(ctx, q)
	if err != nil {
		return err
	}
	return g.show(t, all, func() {
		rows := [][]string{}
		for _, m := range all {
			rows = append(rows, []string{fmt.Sprint(m.ID), when(m.Expunged), printable(m.Folder), size(m.Size, "0"), printable(m.From), fmt.Sprintf("%.60s", printable(m.Subject))})
		}
		table(t, "ID EXPUNGED FOLDER SIZE FROM SUBJECT", rows)
	})
}
