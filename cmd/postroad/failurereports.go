package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"postroad/internal/server/admin"
)

type reportsFailures struct {
	reportFilter
	List bool `help:"List the reports, not the senders."`
}

const noFailureReports = "no failure reports (they come to domains whose _dmarc record has ruf=mailto:dmarc-reports@DOMAIN; few sites send them)"

func (c *reportsFailures) Run(ctx context.Context, g *Globals, t terminal) error {
	q, err := c.query(time.Now())
	if err != nil {
		return err
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.FailureReports(ctx, q)
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			switch {
			case len(all.Reports) == 0:
				fmt.Fprintln(t.out, noFailureReports)
				return
			case c.List:
				printFailureReports(t, all.Reports)
			default:
				printFailureSources(t, all.Sources)
			}
			if all.More {
				fmt.Fprintln(t.out, "... and more: say --limit, or --domain")
			}
		})
	})
}

func printFailureSources(t terminal, all []admin.FailureSource) {
	rows := [][]string{}
	for i := range all {
		s := &all[i]
		rows = append(rows, []string{fmt.Sprint(s.Incidents), printable(s.Domain), orDash(s.IP), orDash(printable(s.Failure)), orDash(printable(s.Delivery)),
			printable(strings.Join(s.Reporters, ", "))})
	}
	table(t, "MESSAGES FROM IP FAILED DONE SEEN-BY", rows)
}

func printFailureReports(t terminal, all []admin.FailureReport) {
	rows := [][]string{}
	for i := range all {
		r := &all[i]
		rows = append(rows, []string{r.Arrived.UTC().Format(time.DateTime), printable(r.Domain), printable(r.Organization), fmt.Sprint(r.Incidents), orDash(r.IP),
			orDash(printable(r.Failure)), orDash(strings.Join(r.NotAligned, ",")), orDash(printable(r.Delivery)), orDash(printable(r.MessageID)), orDash(printable(r.Subject))})
	}
	table(t, "ARRIVED DOMAIN REPORTER MESSAGES IP FAILED NOT-ALIGNED DONE MESSAGE-ID SUBJECT", rows)
}
