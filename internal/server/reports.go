package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/format/dmarcxml"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/delivery"
	"postroad/internal/service/inbound"
	"postroad/internal/service/outbound"
	"postroad/internal/service/reports"
	checks "postroad/internal/service/sender"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dmarc"
	"postroad/internal/service/transfer"
)

// openReports makes the part that reports to others, where mail leaves for real, and listens to what they report.
func (s *Server) openReports() {
	o := reports.Options{DB: s.store.DB, Ours: s.reportsAbout, Generator: "Postroad " + s.world.Version, Rand: s.world.Rand, Now: s.world.Now,
		Logger: s.log.With("part", "reports")}
	if s.internet != nil {
		r := s.internet.dns
		o.SendTLS, o.SendDMARC = s.config.Reports.TLS(), s.config.Reports.DMARC()
		s.sendFailures(&o)
		o.DNS, o.Who, o.Mail, o.HTTP = r, s.reporter, s.mailReport, reports.NewTransport(r, s.world.Dial)
		o.Organization = func(ctx context.Context, domain string) (string, error) {
			return dmarc.Organization(ctx, checks.FromDNS(r), domain)
		}
	}
	s.reports = reports.New(o)
	s.store.Admin.SetReports(s.reports)
	s.metrics.reports(s.reports)
}

// runReports counts, sends and forgets reports until ctx ends.
func (s *Server) runReports(ctx context.Context) { s.reports.Run(ctx) }

// observeTLS counts how a connection to another server was protected.
func (s *Server) observeTLS(o outbound.Observation) {
	s.reports.Observe(reports.Session{Domain: o.Domain, Policy: o.Policy, Failure: o.Failure})
}

// reportsAbout tells whether reports about a domain are for us: it is ours, or below one of ours, or our host.
func (s *Server) reportsAbout(ctx context.Context, domain string) (bool, error) {
	name, err := directory.ParseDomain(domain)
	if err != nil {
		return false, nil // whatever it is
	}
	if name == hostOf(s.config) {
		return true, nil
	}
	ours, err := s.domainAbove(ctx, name)
	return ours != "", err
}

// domainAbove is the domain of ours that a name is or lies in; "" if there is none.
func (s *Server) domainAbove(ctx context.Context, name string) (string, error) {
	for ; name != ""; _, name, _ = strings.Cut(name, ".") {
		if ours, err := s.store.Directory.IsLocal(ctx, name); err != nil || ours {
			return name, err
		}
	}
	return "", nil
}

// reporter says in whose name reports are sent.
func (s *Server) reporter(ctx context.Context) (reports.Identity, error) {
	c := &s.config.Reports
	who := reports.Identity{Organization: c.Organization, Contact: c.Contact}
	var err error
	if who.Contact != "" {
		who.Domain = who.Contact[strings.LastIndexByte(who.Contact, '@')+1:]
	} else if who.Domain, err = s.mainDomain(ctx); err != nil {
		return who, err
	} else {
		who.Contact = "postmaster@" + who.Domain
	}
	if who.Organization == "" {
		who.Organization = who.Domain
	}
	keys, err := s.store.Directory.SigningKeys(ctx, who.Domain)
	if err == nil && len(keys) == 0 {
		// RFC 8460 §3, RFC 9990: what isn't signed is ignored. It waits until keys are active, if that isn't for days.
		err = fault.New(fault.NotFound, "%s has no active DKIM keys", who.Domain)
		s.log.DebugContext(ctx, "no reports are sent", "err", err)
	}
	return who, err
}

// mainDomain is the domain that our host is in, or else the first. fault.NotFound: we have none.
func (s *Server) mainDomain(ctx context.Context) (string, error) {
	if name, err := s.domainAbove(ctx, hostOf(s.config)); err != nil || name != "" {
		return name, err
	}
	for d, err := range s.store.Directory.Domains(ctx) {
		return d.Name, err
	}
	return "", fault.New(fault.NotFound, "there is no domain to report for")
}

// mailReport delivers a report: to people here, or to the queue. Those who can't get it, now or ever, are left out; it fails if none can now.
func (s *Server) mailReport(ctx context.Context, m reports.Mail) error {
	who := ident.System()
	var to []delivery.Recipient
	var later error
	for _, address := range m.To {
		found, err := s.agent.Recipient(ctx, delivery.Sender{Who: &who, From: m.From}, address)
		if err != nil {
			s.log.InfoContext(ctx, "a report can't be sent to an address", "address", address, "err", err)
			if fault.KindOf(err).Retry() {
				later = err
			}
			continue
		}
		found.Notify = transfer.NotifyNever // who can't take reports misses none
		to = append(to, found)
	}
	if len(to) == 0 {
		return later
	}
	content := s.store.Mailboxes.NewContent()
	defer content.Discard()
	if _, err := content.Write(m.Text); err != nil {
		return err
	}
	c, err := content.Finish()
	if err != nil {
		return err
	}
	defer c.Close()
	// The same report has the same ID: what is in the queue already isn't queued again after a crash.
	sum := sha256.Sum256([]byte(m.ID + "\x00" + strings.Join(m.To, " ")))
	e := delivery.Envelope{ID: "report-" + hex.EncodeToString(sum[:8]), From: m.From, Who: &who, Source: "reports", Priority: reportPriority}
	for _, err := range s.agent.Deliver(ctx, e, to, c) {
		if err != nil && !fault.Is(err, fault.Exists) && fault.KindOf(err).Retry() {
			later = err
			continue
		}
		return nil
	}
	return later
}

// reportPriority is below people's mail (RFC 6710).
const reportPriority = -4

// reportReader takes the mail for the addresses that reports about us come to.
type reportReader struct{ *reports.Service }

// Takes implements delivery.Handler.
func (reportReader) Takes(local string) bool { return reports.Takes(local) }

// Take implements delivery.Handler.
func (r reportReader) Take(ctx context.Context, e *delivery.Envelope, c *mailbox.Content) error {
	a := reports.Arrived{ID: e.ID, Content: c}
	if e.Who != nil && !e.Who.System {
		a.Checked = true // who has signed in here is still nobody who reports
	}
	if e.Verdict != nil {
		a.Checked = true
		found, err := authres.Parse(e.Verdict.Results)
		if err == nil {
			vouching(&a, found.Methods)
		}
	}
	return r.Service.Take(ctx, &a)
}

// vouching notes who vouches for a message, as the checks have found.
func vouching(a *reports.Arrived, methods []authres.Method) {
	for _, m := range methods {
		if m.Result != authres.Pass {
			continue
		}
		for _, p := range m.Props {
			switch {
			case m.Name == "dkim" && p.Type == "header" && p.Name == "d" && !checks.Partial(&m): // RFC 8460 §3: without l
				a.Signers = append(a.Signers, p.Value)
			case m.Name == "dmarc" && p.Type == "header" && p.Name == "from":
				a.Author = p.Value
			}
		}
	}
}

// countEvaluated counts a message for the report to the domain that it claims to come from.
func (s *Server) countEvaluated(e inbound.Evaluated) {
	if len(e.Record.RUA) > 0 {
		s.reports.Evaluated(evaluated(&e))
	}
}

// evaluated says what DMARC made of a message in the words of reports (RFC 9990).
func evaluated(e *inbound.Evaluated) *reports.Evaluated {
	r := &e.Record
	out := &reports.Evaluated{RUA: r.RUA, Limits: r.RUALimits, Policy: dmarcxml.Policy{
		Domain: e.PolicyDomain, P: string(r.Policy), SP: string(r.Subdomains), NP: string(r.NonExistent), FO: r.FailureOptions,
		DKIM: alignment(r.StrictDKIM), SPF: alignment(r.StrictSPF), Discovery: "treewalk", Testing: yesNo(r.Testing)}}
	row := dmarcxml.Record{IP: e.SourceIP, HeaderFrom: e.Author, EnvelopeFrom: e.Sender, Disposition: string(e.Disposition),
		DKIM: passFail(e.DKIMAligned), SPF: passFail(e.SPFAligned)}
	if e.Status == authres.Pass && e.Policy != "" && e.Policy != dmarc.None {
		row.Disposition = "pass"
	}
	for _, o := range e.Overrides {
		row.Reasons = append(row.Reasons, dmarcxml.Reason{Type: string(o.Type), Comment: o.Comment})
	}
	if e.Status == authres.TempError && len(row.Reasons) == 0 {
		row.Reasons = []dmarcxml.Reason{{Type: string(inbound.OtherOverride), Comment: "the DNS had no answer"}}
	}
	for _, d := range e.DKIM {
		row.Signatures = append(row.Signatures, dmarcxml.Signature{Domain: d.Domain, Selector: d.Selector, Result: string(d.Result), Human: d.Reason})
	}
	if e.SPF.Domain != "" {
		row.Sender = dmarcxml.Sender{Domain: e.SPF.Domain, Scope: "mfrom", Result: string(e.SPF.Result), Human: e.SPF.Reason}
	}
	out.Record = row
	return out
}

func alignment(strict bool) string {
	if strict {
		return "s"
	}
	return "r"
}

func passFail(pass bool) string {
	if pass {
		return "pass"
	}
	return "fail"
}

func yesNo(yes bool) string {
	if yes {
		return "y"
	}
	return "n"
}

// reports shows what became of reports.
func (m *metrics) reports(r *reports.Service) {
	count := func(name, help string, value func(reports.Stats) uint64) {
		m.counter("postroad_reports_"+name+"_total", help, func() float64 { return float64(value(r.Stats())) })
	}
	count("sent", "Reports on TLS and DMARC sent to other sites.", func(s reports.Stats) uint64 { return s.Sent })
	count("failed", "Reports that could not be sent for a day and were dropped.", func(s reports.Stats) uint64 { return s.Failed })
	count("failures_sent", "Reports on single messages that failed DMARC sent to other sites.", func(s reports.Stats) uint64 { return s.FailuresSent })
	count("failures_told", "Messages in the name of our domains that other sites have sent failure reports on.", func(s reports.Stats) uint64 { return s.FailuresReceived })
	count("received", "Reports of other sites that were kept.", func(s reports.Stats) uint64 { return s.Received })
	count("ignored", "Messages for the addresses of reports that held none that could be read, believed or kept.", func(s reports.Stats) uint64 { return s.Ignored })
	count("uncounted", "Sessions and messages not counted for reports because of limits.", func(s reports.Stats) uint64 { return s.Dropped })
	count("tls_sessions", "Sessions with our servers that received reports on TLS tell of.", func(s reports.Stats) uint64 { return s.TLSSessions })
	count("tls_failures", "Of them, those that failed.", func(s reports.Stats) uint64 { return s.TLSFailures })
	count("dmarc_messages", "Messages in the name of our domains that received DMARC reports tell of.", func(s reports.Stats) uint64 { return s.DMARCMessages })
	count("dmarc_failures", "Of them, those that failed DMARC.", func(s reports.Stats) uint64 { return s.DMARCFailures })
}
