package admin

import (
	"context"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/reports"
)

// ReportAdmin shows the reports that other sites have sent us, and sends ours.
type ReportAdmin interface {
	// TLSReports lists what other servers say of TLS with ours, newest first (RFC 8460).
	TLSReports(ctx context.Context, q ReportQuery) ([]TLSReport, error)
	// DMARCReports tells who sent in the name of our domains, by what other sites say (RFC 9990).
	DMARCReports(ctx context.Context, q ReportQuery) (DMARCReports, error)
	// FailureReports tells of single messages in the name of our domains that other sites could not authenticate (RFC 9991).
	FailureReports(ctx context.Context, q ReportQuery) (FailureReports, error)
	// SendReports sends now what would be sent in the next hours: reports for the days that are over. Errors:
	// fault.Unsupported if the server is stopped, or doesn't send reports.
	SendReports(ctx context.Context) (SentReports, error)
}

// ReportQuery chooses reports that were received.
type ReportQuery struct {
	Domain string    `json:"domain,omitempty"` // of ours; what is below it too. Empty: all
	Since  time.Time `json:"since,omitzero"`   // what reports tell of ended at this time or later
	Limit  int       `json:"limit,omitempty"`  // most lines; 0 means 1,000
}

// ReportHead is what all reports have.
type ReportHead struct {
	Received     time.Time `json:"received"`
	Organization string    `json:"organization"`
	Contact      string    `json:"contact,omitempty"`
	ID           string    `json:"id"`
	// VouchedBy is the domain that signed it; "" if the sender wasn't checked.
	VouchedBy string    `json:"vouched_by,omitempty"`
	Begin     time.Time `json:"begin"`
	End       time.Time `json:"end"`
}

// TLSReport is what one site says of TLS with our servers.
type TLSReport struct {
	ReportHead
	Policies []TLSPolicy `json:"policies"`
}

// TLSPolicy is what sessions under one of our policies came to.
type TLSPolicy struct {
	Domain string `json:"domain"`
	// Type is sts, tlsa or no-policy-found; Policy its lines or records.
	Type      string       `json:"type"`
	Policy    []string     `json:"policy,omitempty"`
	Successes uint64       `json:"successes"`
	Failures  uint64       `json:"failures"`
	Details   []TLSFailure `json:"details,omitempty"`
}

// TLSFailure is a way to fail, and how often it happened.
type TLSFailure struct {
	Type        string `json:"type"` // RFC 8460 §4.3
	Sessions    uint64 `json:"sessions"`
	SendingIP   string `json:"sending_ip,omitempty"`
	Host        string `json:"host,omitempty"`
	HostIP      string `json:"host_ip,omitempty"`
	Reason      string `json:"reason,omitempty"`
	Information string `json:"information,omitempty"`
}

// DMARCReports is who sent in our name, and the reports that say so.
type DMARCReports struct {
	Sources []DMARCSource `json:"sources"` // by messages, most first
	Reports []DMARCReport `json:"reports"` // newest first
	More    bool          `json:"more"`    // there are more sources than the limit
}

// DMARCSource is an address from which mail in our name came, with one set of results.
type DMARCSource struct {
	Domain   string `json:"domain"` // in From
	IP       string `json:"ip"`
	Messages uint64 `json:"messages"`
	// DKIM and SPF are pass if the one that passed belongs to the domain; Disposition is what the receivers did.
	DKIM        string   `json:"dkim"`
	SPF         string   `json:"spf"`
	Disposition string   `json:"disposition"`
	Signers     []string `json:"signers,omitempty"` // "example.org (pass)"
	Sender      string   `json:"sender,omitempty"`  // the reverse-path's domain
	Reporters   []string `json:"reporters"`         // a few of them
	Reports     int      `json:"reports"`
}

// DMARCReport is one site's report in short.
type DMARCReport struct {
	ReportHead
	Domain   string `json:"domain"`
	Policy   string `json:"policy"` // as they saw it: none, quarantine, reject
	Messages uint64 `json:"messages"`
	Passed   uint64 `json:"passed"`
}

// SentReports says how many reports left.
type SentReports struct {
	Sent int `json:"sent"`
}

// SetReports gives the service that the server runs. Without it Direct shows what is stored, and sends nothing. Call it before
// anybody asks.
func (d *Direct) SetReports(s *reports.Service) { d.reports = s }

// reportStore is the service, or one that only reads.
func (d *Direct) reportStore() *reports.Service {
	if d.reports != nil {
		return d.reports
	}
	return reports.New(reports.Options{DB: d.db})
}

func (q *ReportQuery) filter() (reports.Filter, error) {
	return reports.Filter{Domain: q.Domain, Since: q.Since, Limit: q.Limit}, checkLimit(q.Limit)
}

// TLSReports implements Admin.
func (d *Direct) TLSReports(ctx context.Context, q ReportQuery) ([]TLSReport, error) {
	f, err := q.filter()
	if err != nil {
		return nil, err
	}
	all, err := d.reportStore().TLSReports(ctx, f)
	list := make([]TLSReport, len(all))
	for i := range all {
		list[i] = tlsReportOf(&all[i])
	}
	return list, err
}

// DMARCReports implements Admin.
func (d *Direct) DMARCReports(ctx context.Context, q ReportQuery) (DMARCReports, error) {
	f, err := q.filter()
	if err != nil {
		return DMARCReports{}, err
	}
	sum, err := d.reportStore().DMARCReports(ctx, f)
	out := DMARCReports{Sources: make([]DMARCSource, len(sum.Sources)), Reports: make([]DMARCReport, len(sum.Reports)), More: sum.More}
	for i, s := range sum.Sources {
		out.Sources[i] = DMARCSource{Domain: s.Domain, IP: s.IP.String(), Messages: s.Count, DKIM: s.DKIM, SPF: s.SPF, Disposition: s.Disposition,
			Signers: s.Signers, Sender: s.Sender, Reporters: s.Reporters, Reports: s.Reports}
	}
	for i, r := range sum.Reports {
		out.Reports[i] = DMARCReport{headOf(&r.Head), r.Policy.Domain, r.Policy.P, r.Messages, r.Passed}
	}
	return out, err
}

// SendReports implements Admin.
func (d *Direct) SendReports(ctx context.Context) (SentReports, error) {
	if d.reports == nil {
		return SentReports{}, fault.New(fault.Unsupported, "a server that is stopped sends no reports")
	}
	n, err := d.reports.Send(ctx, true)
	return SentReports{n}, err
}

func headOf(h *reports.Head) ReportHead {
	return ReportHead{Received: h.Received, Organization: h.Organization, Contact: h.Contact, ID: h.ID, VouchedBy: h.By, Begin: h.Begin, End: h.End}
}

func tlsReportOf(r *reports.TLSReport) TLSReport {
	out := TLSReport{ReportHead: headOf(&r.Head)}
	for i := range r.Policies {
		p := &r.Policies[i]
		one := TLSPolicy{Domain: p.Domain, Type: p.Type, Policy: p.Strings, Successes: p.Successes, Failures: p.Failures}
		for k := range p.Details {
			f := &p.Details[k]
			detail := TLSFailure{Type: f.Type, Sessions: f.Count, Host: f.Host, Reason: f.Reason, Information: f.Info}
			if f.Sending.IsValid() {
				detail.SendingIP = f.Sending.String()
			}
			if f.Receiving.IsValid() {
				detail.HostIP = f.Receiving.String()
			}
			one.Details = append(one.Details, detail)
		}
		out.Policies = append(out.Policies, one)
	}
	return out
}

// TLSReports implements Admin.
func (c *Client) TLSReports(ctx context.Context, q ReportQuery) ([]TLSReport, error) {
	return call[[]TLSReport](ctx, c, "reports.tls", q)
}

// DMARCReports implements Admin.
func (c *Client) DMARCReports(ctx context.Context, q ReportQuery) (DMARCReports, error) {
	return call[DMARCReports](ctx, c, "reports.dmarc", q)
}

// SendReports implements Admin.
func (c *Client) SendReports(ctx context.Context) (SentReports, error) {
	return call[SentReports](ctx, c, "reports.send", none{})
}
