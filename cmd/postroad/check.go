package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"postroad/internal/server/admin"
)

type checkCmd struct{}

func (*checkCmd) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		problems, err := a.Check(ctx)
		if err != nil {
			return err
		}
		err = g.show(t, problems, func() {
			for _, p := range problems {
				fmt.Fprintf(t.out, "%s: %s\n", orDirectory(p.Account), p.Text)
			}
			if len(problems) == 0 {
				fmt.Fprintln(t.out, "all is well")
			}
		})
		if err == nil && len(problems) > 0 {
			return errProblems
		}
		return err
	})
}

func orDirectory(account string) string {
	if account == "" {
		return "directory"
	}
	return account
}

type statusCmd struct{}

func (*statusCmd) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		s, err := a.Status(ctx)
		if err != nil {
			return err
		}
		return g.show(t, s, func() {
			state := "stopped"
			if !s.Started.IsZero() {
				state = "running since " + s.Started.Local().Format(time.DateTime)
			}
			fmt.Fprintf(t.out, "%s: %s, version %s\n", s.Hostname, state, s.Version)
			if len(s.Listen) > 0 {
				fmt.Fprintln(t.out, "listening:\n  "+strings.Join(s.Listen, "\n  "))
			}
		})
	})
}
