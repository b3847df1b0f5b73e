package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
)

// reportsCmd groups the commands on reports of other sites.
type reportsCmd struct {
	TLS      reportsTLS      `cmd:"" name:"tls" help:"Show how other servers fared with TLS when they brought mail here."`
	DMARC    reportsDMARC    `cmd:"" name:"dmarc" help:"Show who sends in the name of our domains, by what other sites have seen, and what passed."`
	Failures reportsFailures `cmd:"" help:"Show single messages in the name of our domains that other sites could not authenticate."`
	Send     reportsSend     `cmd:"" help:"Send now what other sites are to be told of the days that are over."`
}

// reportFilter is how commands say which reports they are about.
type reportFilter struct {
	Domain string          `help:"About DOMAIN, and what is below it." placeholder:"DOMAIN"`
	Since  config.Duration `help:"Of the last TIME, like 24h or 30d." default:"7d" placeholder:"TIME"`
	Limit  int             `help:"Most lines." default:"100"`
}

func (f *reportFilter) query(now time.Time) (admin.ReportQuery, error) {
	if f.Since <= 0 {
		return admin.ReportQuery{}, fault.New(fault.Invalid, "--since says how long ago, which is above 0")
	}
	return admin.ReportQuery{Domain: strings.ToLower(f.Domain), Since: now.Add(-time.Duration(f.Since)).UTC(), Limit: f.Limit}, nil
}

type reportsTLS struct{ reportFilter }

func (c *reportsTLS) Run(ctx context.Context, g *Globals, t terminal) error {
	q, err := c.query(time.Now())
	if err != nil {
		return err
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.TLSReports(ctx, q)
		if err != nil {
			return err
		}
		return g.show(t, all, func() { printTLSReports(t, all) })
	})
}

const noReports = "no reports (are _smtp._tls and _dmarc records published that ask for them? see \"postroad domain check\")"

func printTLSReports(t terminal, all []admin.TLSReport) {
	if len(all) == 0 {
		fmt.Fprintln(t.out, noReports)
		return
	}
	rows := [][]string{}
	for i := range all {
		r := &all[i]
		for k := range r.Policies {
			p := &r.Policies[k]
			rows = append(rows, []string{r.Begin.UTC().Format(time.DateOnly), printable(p.Domain), printable(r.Organization), printable(p.Type),
				fmt.Sprint(p.Successes), fmt.Sprint(p.Failures), failures(p.Details)})
		}
	}
	table(t, "DAY DOMAIN REPORTER POLICY SESSIONS FAILED WHY", rows)
}

// failures names the ways to fail, a few of them.
func failures(all []admin.TLSFailure) string {
	const most = 3
	if len(all) == 0 {
		return "-"
	}
	var words []string
	for i := range all[:min(len(all), most)] {
		f := &all[i]
		w := fmt.Sprintf("%d %s", f.Sessions, f.Type)
		if f.Host != "" {
			w += " at " + f.Host
		}
		if f.Reason != "" {
			w += " (" + f.Reason + ")"
		}
		words = append(words, printable(w))
	}
	if len(all) > most {
		words = append(words, "...")
	}
	return strings.Join(words, ", ")
}

type reportsDMARC struct {
	reportFilter
	List bool `help:"List the reports, not the senders."`
}

func (c *reportsDMARC) Run(ctx context.Context, g *Globals, t terminal) error {
	q, err := c.query(time.Now())
	if err != nil {
		return err
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.DMARCReports(ctx, q)
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			switch {
			case len(all.Reports) == 0:
				fmt.Fprintln(t.out, noReports)
			case c.List:
				printDMARCReports(t, all.Reports)
			default:
				printSources(t, &all)
			}
		})
	})
}

func printSources(t terminal, all *admin.DMARCReports) {
	rows := [][]string{}
	for i := range all.Sources {
		s := &all.Sources[i]
		rows = append(rows, []string{fmt.Sprint(s.Messages), printable(s.Domain), s.IP, verdict(s), printable(s.DKIM), printable(s.SPF), printable(s.Disposition),
			orDash(printable(strings.Join(s.Signers, " "))), orDash(printable(s.Sender)), printable(strings.Join(s.Reporters, ", "))})
	}
	table(t, "MESSAGES FROM IP DMARC DKIM SPF DONE SIGNED-BY SENDER SEEN-BY", rows)
	if all.More {
		fmt.Fprintln(t.out, "... and more: say --limit, or --domain")
	}
}

// verdict is what DMARC makes of a source: one aligned identifier is enough.
func verdict(s *admin.DMARCSource) string {
	if s.DKIM == "pass" || s.SPF == "pass" {
		return "pass"
	}
	return "FAIL"
}

func printDMARCReports(t terminal, all []admin.DMARCReport) {
	rows := [][]string{}
	for i := range all {
		r := &all[i]
		rows = append(rows, []string{r.Begin.UTC().Format(time.DateOnly), printable(r.Domain), printable(r.Organization), orDash(printable(r.VouchedBy)),
			fmt.Sprint(r.Messages), fmt.Sprint(r.Passed), printable(r.Policy), printable(r.ID)})
	}
	table(t, "DAY DOMAIN REPORTER VOUCHED-BY MESSAGES PASSED POLICY ID", rows)
}

type reportsSend struct{}

func (c *reportsSend) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		n, err := a.SendReports(ctx)
		if err != nil {
			return err
		}
		return g.show(t, n, func() { fmt.Fprintf(t.out, "sent: %s\n", count(int64(n.Sent), "report")) })
	})
}
