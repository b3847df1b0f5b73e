package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/service/backup"
)

// backupCmd groups the commands on backups.
type backupCmd struct {
	Take   backupTake   `cmd:"" default:"withargs" help:"Back up the whole store as it is now, while the server runs or not. It is what \"postroad backup FOLDER\" does."`
	List   backupList   `cmd:"" help:"List the runs in a backup."`
	Verify backupVerify `cmd:"" help:"Read a backup and look whether all is there and unchanged. Exit status 3 if not."`
	Prune  backupPrune  `cmd:"" help:"Remove old runs from a backup."`
}

// keepFlags say which runs stay.
type keepFlags struct {
	KeepRuns int `help:"Keep this many of the newest runs." placeholder:"N"`
	KeepDays int `help:"Keep the runs of this many days." placeholder:"N"`
}

func (k keepFlags) given() bool { return k.KeepRuns > 0 || k.KeepDays > 0 }

func (k keepFlags) prune(ctx context.Context, r *backup.Repository) (backup.Pruned, error) {
	return r.Prune(ctx, backup.Keep{Runs: k.KeepRuns, Age: time.Duration(k.KeepDays) * 24 * time.Hour}, time.Now())
}

type backupTake struct {
	Folder string `arg:"" help:"Where backups are kept; it is made if missing. Each run after the first writes what is new." type:"path"`
	keepFlags
}

// taken is the result for --json.
type taken struct {
	backup.Run
	Pruned *backup.Pruned `json:"pruned,omitempty"`
}

func (c *backupTake) Run(ctx context.Context, g *Globals, t terminal) error {
	r, err := backup.Create(c.Folder)
	if err != nil {
		return err
	}
	defer r.Close()
	var done taken
	if done.Run, err = c.take(ctx, g, t, r); err != nil {
		return err
	}
	done.Partitions = nil
	if c.given() {
		pruned, err := c.prune(ctx, r)
		if err != nil {
			return err
		}
		done.Pruned = &pruned
	}
	return g.show(t, done, func() {
		fmt.Fprintf(t.out, "%s: %s in the store, %s read, %s written\n", done.ID, size(done.Bytes, "0"), size(done.Read, "0"), size(done.Added, "0"))
		if done.Pruned != nil {
			tellPruned(t, *done.Pruned)
		}
	})
}

func (c *backupTake) take(ctx context.Context, g *Globals, t terminal, r *backup.Repository) (run backup.Run, err error) {
	err = g.withAdmin(ctx, func(a admin.Admin) error {
		b, ok := a.(admin.Backer)
		if !ok {
			return fault.New(fault.Unsupported, "this server can't be backed up")
		}
		status, err := a.Status(ctx)
		if err != nil {
			return err
		}
		started := time.Now()
		origin, err := b.BeginBackup(ctx)
		if err != nil {
			return err
		}
		shown := &meter{t: t}
		run, err = r.Take(ctx, origin, backup.TakeOptions{Started: started, Hostname: status.Hostname, Version: status.Version, Progress: shown.tell})
		shown.end()
		return errors.Join(err, origin.Close())
	})
	return run, err
}

func tellPruned(t terminal, p backup.Pruned) {
	fmt.Fprintf(t.out, "removed %d runs, freed %s\n", p.Runs, size(p.Freed, "0"))
}

type backupList struct {
	Folder string `arg:"" help:"The folder that the backup is in." type:"existingdir"`
}

func (c *backupList) Run(g *Globals, t terminal) error {
	r, err := backup.Open(c.Folder)
	if err != nil {
		return err
	}
	defer r.Close()
	runs, failed := r.Runs()
	for i := range runs {
		runs[i].Partitions = nil
	}
	if runs == nil {
		runs = []backup.Run{}
	}
	err = g.show(t, runs, func() {
		rows := [][]string{}
		for _, x := range runs {
			rows = append(rows, []string{x.ID, x.Started.Local().Format(time.DateTime), size(x.Bytes, "0"), size(x.Added, "0"), x.Hostname})
		}
		table(t, "RUN STARTED STORE ADDED HOST", rows)
	})
	return errors.Join(err, failed)
}

type backupVerify struct {
	Folder string `arg:"" help:"The folder that the backup is in." type:"existingdir"`
}

func (c *backupVerify) Run(ctx context.Context, g *Globals, t terminal) error {
	r, err := backup.Open(c.Folder)
	if err != nil {
		return err
	}
	defer r.Close()
	shown := &meter{t: t}
	problems, err := r.Verify(ctx, shown.tell)
	shown.end()
	if err != nil {
		return err
	}
	if problems == nil {
		problems = []string{}
	}
	err = g.show(t, problems, func() {
		for _, p := range problems {
			fmt.Fprintln(t.out, p)
		}
		if len(problems) == 0 {
			fmt.Fprintln(t.out, "all is well")
		}
	})
	if err == nil && len(problems) > 0 {
		return errProblems
	}
	return err
}

type backupPrune struct {
	Folder string `arg:"" help:"The folder that the backup is in." type:"existingdir"`
	keepFlags
}

func (c *backupPrune) Run(ctx context.Context, g *Globals, t terminal) error {
	if !c.given() {
		return fault.New(fault.Invalid, "say --keep-runs or --keep-days")
	}
	r, err := backup.Create(c.Folder)
	if err != nil {
		return err
	}
	defer r.Close()
	done, err := c.prune(ctx, r)
	if err != nil {
		return err
	}
	return g.show(t, done, func() { tellPruned(t, done) })
}

// meter tells how far a command on a backup is: on a terminal in one line that changes, elsewhere not at all.
type meter struct {
	t     terminal
	last  time.Time
	shown bool
}

func (m *meter) tell(p backup.Progress) {
	f, ok := m.t.err.(*os.File)
	if !ok || !isTerminal(f) || time.Since(m.last) < 200*time.Millisecond {
		return
	}
	m.last, m.shown = time.Now(), true
	fmt.Fprintf(m.t.err, "\r\x1b[K%d of %d, %s", p.Partitions, p.Of, size(p.Bytes, "0"))
}

func (m *meter) end() {
	if m.shown {
		fmt.Fprint(m.t.err, "\r\x1b[K")
	}
}
