package main

import (
	"context"
	"fmt"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/service/setup"
)

// lookFlags say how to look at a domain.
type lookFlags struct {
	PublicIP []string `name:"public-ip" help:"The server's addresses as others see them, if this machine doesn't show them." placeholder:"ADDRESS"`
	Offline  bool     `help:"Connect to no other servers: check asks the DNS only, add and records ask nobody."`
}

// domainRecords tells what to publish.
type domainRecords struct {
	Domain string `arg:"" help:"The domain."`
	lookFlags
	Zone bool `help:"As a part of a zone file, ready to be pasted."`
}

func (c *domainRecords) Run(ctx context.Context, g *Globals, t terminal) error {
	if c.Zone && g.JSON {
		return fault.New(fault.Invalid, "say --zone or --json, not both")
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		records, err := a.DomainRecords(ctx, admin.RecordsQuery{Domain: c.Domain, PublicIPs: c.PublicIP, Offline: c.Offline})
		if err != nil {
			return err
		}
		if c.Zone {
			return setup.WriteZone(t.out, c.Domain, records)
		}
		return g.show(t, records, func() { printRecords(t, c.Domain, records) })
	})
}

// needs are the parts of the list, in order.
var needs = []struct {
	need    setup.Need
	heading string
}{
	{setup.Needed, "NEEDED: without these mail doesn't come, or isn't believed"},
	{setup.Recommended, "RECOMMENDED: these make mail safer, and people's lives easier"},
	{setup.Optional, "OPTIONAL: nothing is lost without these"},
}

// printRecords shows records with their reasons. Values stand alone on their lines, to be copied.
func printRecords(t terminal, domain string, records []admin.DomainRecord) {
	fmt.Fprintf(t.out, "Publish these records where the DNS of %s is looked after. To see how far you are: postroad domain check %s\n", printable(domain), printable(domain))
	if !hasAddress(records) {
		fmt.Fprintln(t.out, "\nThe server's address isn't known here: say --public-ip ADDRESS, and its records are in the list too.")
	}
	for _, n := range needs {
		heading := n.heading
		for i := range records {
			if r := &records[i]; r.Need == n.need {
				if heading != "" {
					fmt.Fprintf(t.out, "\n%s\n", heading)
					heading = ""
				}
				printRecord(t, r)
			}
		}
	}
}

func printRecord(t terminal, r *admin.DomainRecord) {
	fmt.Fprintf(t.out, "\n  %s  %s\n  %s\n", printable(r.Name), r.Type, printable(r.Value))
	why := r.Why
	if r.Elsewhere {
		why += " It is not in the domain's own zone."
	}
	for _, line := range wrap(printable(why), 90) {
		fmt.Fprintln(t.out, "      "+line)
	}
}

func hasAddress(records []admin.DomainRecord) bool {
	for i := range records {
		if records[i].Type == "A" || records[i].Type == "AAAA" {
			return true
		}
	}
	return false
}

// wrap breaks a text into lines of at most width characters, as far as its words are not longer.
func wrap(s string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(s) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// domainCheck compares what is with what should be.
type domainCheck struct {
	Domain string `arg:"" help:"The domain."`
	lookFlags
	Probe     string   `help:"See whether mail can leave by connecting to a mail host of DOMAIN, in place of a large one's." placeholder:"DOMAIN"`
	Blocklist []string `help:"Ask these block lists instead of the usual ones; \"none\" for no list." placeholder:"ZONE"`
	Strict    bool     `help:"Exit with status 3 for warnings too."`
}

func (c *domainCheck) query() admin.CheckQuery {
	q := admin.CheckQuery{RecordsQuery: admin.RecordsQuery{Domain: c.Domain, PublicIPs: c.PublicIP, Offline: c.Offline}, Probe: c.Probe, Blocklists: c.Blocklist}
	if len(q.Blocklists) == 1 && q.Blocklists[0] == "none" {
		q.Blocklists = []string{}
	}
	return q
}

func (c *domainCheck) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		report, err := a.CheckDomain(ctx, c.query())
		if err != nil {
			return err
		}
		if err := g.show(t, report, func() { printReport(t, &report) }); err != nil {
			return err
		}
		if report.Count(setup.Wrong) > 0 || c.Strict && report.Count(setup.Warn) > 0 {
			return errProblems
		}
		return nil
	})
}

// printReport shows what was found about a domain.
func printReport(t terminal, r *admin.DomainReport) {
	at := strings.Join(r.Addresses, ", ")
	if at == "" {
		at = "address unknown"
	}
	fmt.Fprintf(t.out, "%s at %s (%s)\n\n", printable(r.Domain), printable(r.Hostname), printable(at))
	printFindings(t, r)
}
