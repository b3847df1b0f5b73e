package main

import (
	"context"
	"fmt"

	"postroad/internal/server/admin"
	"postroad/internal/service/setup"
)

// doctorCmd looks a running server over.
type doctorCmd struct {
	Strict bool `help:"Exit with status 3 for warnings too."`
}

func (c *doctorCmd) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		found, err := a.Examine(ctx)
		if err != nil {
			return err
		}
		r := admin.DomainReport{Findings: found}
		if err := g.show(t, found, func() { printFindings(t, &r) }); err != nil {
			return err
		}
		return c.verdict(&r)
	})
}

func (c *doctorCmd) verdict(r *admin.DomainReport) error {
	if r.Count(setup.Wrong) > 0 || c.Strict && r.Count(setup.Warn) > 0 {
		return errProblems
	}
	return nil
}

// printFindings shows findings, each with what to do below it.
func printFindings(t terminal, r *admin.DomainReport) {
	for _, f := range r.Findings {
		fmt.Fprintf(t.out, "%-5s  %-11s  %s\n", f.Level, printable(f.Topic), printable(f.Text))
		if f.Fix != "" {
			fmt.Fprintf(t.out, "%20s%s\n", "-> ", printable(f.Fix))
		}
	}
	fmt.Fprintf(t.out, "\n%d wrong, %s, %d ok\n", r.Count(setup.Wrong), count(int64(r.Count(setup.Warn)), "warning"), r.Count(setup.OK))
}
