package server

import (
	"strings"

	"postroad/internal/format/arf"
	"postroad/internal/service/inbound"
	"postroad/internal/service/reports"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dmarc"
)

// sendFailures has failure reports sent (RFC 9991), if the settings say so.
func (s *Server) sendFailures(o *reports.Options) {
	c := &s.config.Reports
	o.SendFailures, o.FailuresPerDay = c.SendFailure, c.FailuresPerDay
	if c.Redact() {
		o.Redact = arf.NewRedactor(s.store.Directory.Secret("failure reports"))
	}
}

// onFailure is who hears of messages that fail; nil: nobody.
func (s *Server) onFailure() func(inbound.Failed) {
	if !s.config.Reports.SendFailure {
		return nil
	}
	return func(f inbound.Failed) { s.reports.Failed(s.failed(&f)) }
}

// failed says what failed in the words of reports.
func (s *Server) failed(f *inbound.Failed) *reports.Failed {
	out := &reports.Failed{PolicyDomain: f.PolicyDomain, RUF: f.Record.RUF, To: f.To, Header: f.Header, Feedback: arf.Feedback{
		Arrival: f.At, Results: f.Results, Delivery: deliveryResult(f.Disposition), MailFrom: f.MailFrom, Source: f.SourceIP, Reporter: s.config.Hostname, Domain: f.Author,
		DKIMDomain: f.Signature.Domain, DKIMIdentity: f.Signature.Identity, DKIMSelector: f.Signature.Selector}}
	r := &out.Feedback
	if !f.DKIMAligned {
		r.NotAligned = append(r.NotAligned, "dkim")
	}
	if !f.SPFAligned {
		r.NotAligned = append(r.NotAligned, "spf")
		if f.SPF.Result != authres.None && f.SPF.Result != authres.Pass {
			r.SPFDomain = f.SPF.Domain
		}
	}
	for _, w := range []struct {
		wanted bool
		what   string
	}{{f.WantsDMARC, arf.DMARC}, {f.WantsSignature, arf.Signature}, {f.WantsSPF, arf.SPF}} {
		if w.wanted {
			out.Wanted = append(out.Wanted, w.what)
		}
	}
	r.Domain = strings.ToLower(r.Domain)
	return out
}

// deliveryResult is what became of a message (RFC 6591).
func deliveryResult(p dmarc.Policy) string {
	switch p {
	case dmarc.Reject:
		return arf.Rejected
	case dmarc.Quarantine:
		return arf.Spam
	}
	return arf.Delivered
}
