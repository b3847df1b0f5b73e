package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/server"
	"postroad/internal/server/admin"
	"postroad/internal/service/backup"
)

// restoreCmd brings back what was backed up.
type restoreCmd struct {
	Backup  string `arg:"" help:"The folder of the backup." type:"existingdir"`
	Run_    string `name:"run" help:"The run, as \"backup list\" shows it; the newest if not given." placeholder:"RUN"`
	Account string `help:"Restore this account alone, also into a running server. If it is gone it is made, as it was. If it is there, what is missing in it comes back." placeholder:"ADDRESS"`
	Into    string `help:"With --account: restore it into this account." placeholder:"ADDRESS"`
	Under   string `help:"With --account: put what comes back below this folder." placeholder:"FOLDER"`
}

func (c *restoreCmd) Run(ctx context.Context, g *Globals, t terminal) error {
	if c.Account == "" && c.Into+c.Under != "" {
		return fault.New(fault.Invalid, "--into and --under go with --account")
	}
	r, err := backup.Open(c.Backup)
	if err != nil {
		return err
	}
	defer r.Close()
	run, err := r.Run(c.Run_)
	if err != nil {
		return err
	}
	if c.Account != "" {
		return c.account(ctx, g, t, r, run)
	}
	return c.all(ctx, g, t, r, run)
}

// all restores the whole store, and checks it.
func (c *restoreCmd) all(ctx context.Context, g *Globals, t terminal, r *backup.Repository, run backup.Run) error {
	if g.Server != "" {
		return fault.New(fault.Invalid, "the whole store is restored where its data folder is; --server goes with --account")
	}
	set, err := g.settings()
	if err != nil {
		return err
	}
	if answers(filepath.Join(set.Data, server.SocketName)) {
		return fault.New(fault.InUse, "a server runs on %s: stop it, and move its store away", set.Data)
	}
	shown := &meter{t: t}
	err = server.RestoreStore(ctx, set.Data, r, run, shown.tell)
	shown.end()
	if err != nil {
		return err
	}
	g.say(t, "restored %s: %s, equal to the backup", run.ID, size(run.Bytes, "0"))
	return (&checkCmd{}).Run(ctx, g, t)
}

// account restores one account.
func (c *restoreCmd) account(ctx context.Context, g *Globals, t terminal, r *backup.Repository, run backup.Run) error {
	dir, err := os.MkdirTemp("", "postroad-restore")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	found, err := server.FindBackedUp(ctx, r, run, c.Account, dir)
	if err != nil {
		return err
	}
	if c.Into == "" {
		c.Into = found.Address
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		_, err := a.Account(ctx, c.Into)
		switch {
		case err == nil:
			return c.bringBack(ctx, g, t, a, found)
		case fault.Is(err, fault.NotFound) && c.Under == "":
			return c.remake(ctx, g, t, a, found)
		}
		return err
	})
}

// remake makes an account that is gone.
func (c *restoreCmd) remake(ctx context.Context, g *Globals, t terminal, a admin.Admin, found *server.BackedUp) error {
	to, ok := a.(admin.Restorer)
	if !ok {
		return fault.New(fault.Unsupported, "this server can't restore accounts")
	}
	found.Address = c.Into
	made, err := to.RestoreAccount(ctx, found.AccountCopy, found.Pairs)
	if err != nil {
		return err
	}
	return g.show(t, made, func() {
		fmt.Fprintf(t.out, "%s is there again, with %d messages (%s)\n", made.Address, made.UsedItems, size(made.UsedBytes, "0"))
		for _, line := range returned(made) {
			fmt.Fprintln(t.out, "  "+printable(line))
		}
	})
}

// returned says what has come back beside the mail, and what hasn't.
func returned(made admin.Restored) (lines []string) {
	for n, what := range map[string]int{"app passwords": made.AppPasswords, "passkeys": made.Passkeys, "external accounts that are fetched from": made.Fetched} {
		if what > 0 {
			lines = append(lines, fmt.Sprintf("%s: %d", n, what))
		}
	}
	if made.TwoStep {
		lines = append(lines, "two-step verification is on")
	}
	for _, w := range made.Ways {
		lines = append(lines, map[string]string{directory.WayAlias: "alias ", directory.WayMember: "member of ", directory.WayOwner: "owner of ",
			directory.WayCatchAll: "catch-all of "}[w.Kind]+w.From)
	}
	slices.Sort(lines)
	for _, s := range made.Left {
		lines = append(lines, "not brought back: "+s)
	}
	return lines
}

// bringBack adds what is missing to an account that is there.
func (c *restoreCmd) bringBack(ctx context.Context, g *Globals, t terminal, a admin.Admin, found *server.BackedUp) error {
	m, ok := a.(admin.Mover)
	if !ok {
		return errors.New("this server can't move mailboxes")
	}
	shown := &progress{t: t, verb: "compared"}
	result, err := m.Import(ctx, admin.ImportQuery{Address: c.Into, Under: folderPath(c.Under), BringBack: true}, shown.watch(found.Mail))
	shown.end()
	if err != nil {
		return err
	}
	return g.show(t, result, func() {
		fmt.Fprintf(t.out, "%d messages came back (%s), %d were there\n", result.Added, size(result.Bytes, "0"), result.Present)
		tellKeywords(t, result)
	})
}
