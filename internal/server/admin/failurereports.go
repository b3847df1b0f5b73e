package admin

import (
	"context"
	"net/netip"
	"time"

	"postroad/internal/service/reports"
)

// FailureReports are what other sites say of single messages in our name.
type FailureReports struct {
	Sources []FailureSource `json:"sources"` // by incidents, most first
	Reports []FailureReport `json:"reports"` // newest first
	More    bool            `json:"more"`    // there is more of either than the limit
}

// FailureSource is a way in which messages from one address failed.
type FailureSource struct {
	Domain string `json:"domain"` // in From
	IP     string `json:"ip,omitempty"`
	// Failure is what failed: dmarc, signature, spf, or what else others call it. Delivery is what became of the message:
	// delivered, spam, policy, reject, other; "" if it isn't told.
	Failure   string   `json:"failure"`
	Delivery  string   `json:"delivery,omitempty"`
	Incidents uint64   `json:"incidents"` // messages
	Reports   int      `json:"reports"`
	Reporters []string `json:"reporters"` // a few of them
}

// FailureReport is a report on one message, or some alike.
type FailureReport struct {
	Received     time.Time `json:"received"`
	Organization string    `json:"organization"`
	Contact      string    `json:"contact,omitempty"`
	ID           string    `json:"id,omitempty"`
	// VouchedBy is the domain that signed it; "" if the sender wasn't checked.
	VouchedBy string    `json:"vouched_by,omitempty"`
	Arrived   time.Time `json:"arrived"` // the message
	Domain    string    `json:"domain"`
	IP        string    `json:"ip,omitempty"`
	Failure   string    `json:"failure"`
	Delivery  string    `json:"delivery,omitempty"`
	Incidents uint64    `json:"incidents"`
	// NotAligned are the mechanisms that didn't authenticate Domain: dkim, spf.
	NotAligned   []string `json:"not_aligned,omitempty"`
	Results      string   `json:"results,omitempty"` // as in Authentication-Results
	DKIMDomain   string   `json:"dkim_domain,omitempty"`
	DKIMSelector string   `json:"dkim_selector,omitempty"`
	SPFRecord    string   `json:"spf_record,omitempty"`
	MailFrom     string   `json:"mail_from,omitempty"`
	// From, Subject and MessageID are the message's, as far as the report has them. Header is its header.
	From      string `json:"from,omitempty"`
	Subject   string `json:"subject,omitempty"`
	MessageID string `json:"message_id,omitempty"`
	Header    string `json:"header,omitempty"`
}

// FailureReports implements Admin.
func (d *Direct) FailureReports(ctx context.Context, q ReportQuery) (FailureReports, error) {
	f, err := q.filter()
	if err != nil {
		return FailureReports{}, err
	}
	sum, err := d.reportStore().FailureReports(ctx, f)
	out := FailureReports{Sources: make([]FailureSource, len(sum.Sources)), Reports: make([]FailureReport, len(sum.Reports)), More: sum.More}
	for i, s := range sum.Sources {
		out.Sources[i] = FailureSource{Domain: s.Domain, IP: address(s.IP), Failure: s.Failure, Delivery: s.Delivery, Incidents: s.Incidents, Reports: s.Reports, Reporters: s.Reporters}
	}
	for i := range sum.Reports {
		out.Reports[i] = failureReportOf(&sum.Reports[i])
	}
	return out, err
}

func failureReportOf(r *reports.FailureReport) FailureReport {
	return FailureReport{
		Received: r.Received, Organization: r.Organization, Contact: r.Contact, ID: r.ID, VouchedBy: r.By, Arrived: r.Begin, Domain: r.Domain, IP: address(r.Source),
		Failure: r.Failure, Delivery: r.Delivery, Incidents: r.Incidents, NotAligned: r.NotAligned, Results: r.Results, DKIMDomain: r.DKIMDomain,
		DKIMSelector: r.DKIMSelector, SPFRecord: r.SPFRecord, MailFrom: r.MailFrom, From: r.From, Subject: r.Subject, MessageID: r.MessageID, Header: r.Header,
	}
}

// address is an address in words; "" for none.
func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// FailureReports implements Admin.
func (c *Client) FailureReports(ctx context.Context, q ReportQuery) (FailureReports, error) {
	return call[FailureReports](ctx, c, "reports.failures", q)
}
