package main

import (
	"context"
	"fmt"

	"postroad/internal/server/admin"
	"postroad/internal/service/move"
)

// exportCmd takes mail out into files.
type exportCmd struct {
	Address string `arg:"" help:"The account."`
	Path    string `arg:"" help:"A folder: a new one, an empty one, or one that an export of this account began." type:"path"`
	Format  string `help:"maildir, or mbox: a file for each folder." enum:"maildir,mbox" default:"maildir"`
}

func (c *exportCmd) Run(ctx context.Context, g *Globals, t terminal) error {
	ctx, cancel := context.WithCancel(ctx) // ends a stream that isn't read
	defer cancel()
	return g.withMover(ctx, func(m admin.Mover) error {
		from, err := m.Export(ctx, admin.ExportQuery{Address: c.Address})
		if err != nil {
			return err
		}
		shown := &progress{t: t, verb: "wrote"}
		result, err := move.Write(ctx, c.Path, move.Format(c.Format), c.Address, shown.watch(from))
		shown.end()
		if err != nil {
			return err
		}
		return g.show(t, result, func() {
			fmt.Fprintf(t.out, "%d messages are new (%s), %d were there, in %d folders\n",
				result.Added, size(result.Bytes, "0"), result.Present, result.Folders)
			tellKeywords(t, result)
		})
	})
}
