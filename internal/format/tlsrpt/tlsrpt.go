// Package tlsrpt writes and reads reports on TLS between mail servers: RFC 8460.
//
//	record, ok := tlsrpt.ParseRecord(texts)        // of _smtp._tls.<domain>: who wants reports
//	file := report.JSON()
//	report, err := tlsrpt.Parse(file)
//
// What a report is sent in is package reportmail's business, what is counted that of package reports.
package tlsrpt

import (
	"encoding/json"
	"net/netip"
	"time"

	"postroad/internal/fault"
)

// Types of policies (RFC 8460 §4.4).
const (
	STS      = "sts"
	TLSA     = "tlsa"
	NoPolicy = "no-policy-found"
)

// Types of failures (RFC 8460 §4.3).
const (
	NoSTARTTLS        = "starttls-not-supported"
	HostMismatch      = "certificate-host-mismatch"
	Expired           = "certificate-expired"
	NotTrusted        = "certificate-not-trusted"
	ValidationFailure = "validation-failure"
	TLSAInvalid       = "tlsa-invalid"
	DNSSECInvalid     = "dnssec-invalid"
	DANERequired      = "dane-required"
	STSFetchError     = "sts-policy-fetch-error"
	STSPolicyInvalid  = "sts-policy-invalid"
	STSWebPKIInvalid  = "sts-webpki-invalid"
)

// What the message with a report has (RFC 8460 §5.3).
const (
	MediaType       = "application/tlsrpt+gzip"
	ReportType      = "tlsrpt"
	HeaderDomain    = "TLS-Report-Domain"
	HeaderSubmitter = "TLS-Report-Submitter"
)

// Limits of Parse. Reports within them are read whole; what is over them is fault.TooLarge.
const (
	MaxBytes    = 8 << 20
	MaxPolicies = 500
	MaxDetails  = 10_000 // of all policies together
	// MaxText is how many bytes of a text are kept; the rest is cut off.
	MaxText = 512
	// maxStrings bounds the strings of a policy: one with the most hosts that MTA-STS policies may have here fits.
	maxStrings = 300
)

// Report is a day's report (RFC 8460 §4.4).
type Report struct {
	Organization string
	// Begin and End are to the second, in UTC.
	Begin, End time.Time
	// Contact is the address of who made it.
	Contact  string
	ID       string
	Policies []Policy
}

// Policy is what sessions under one policy came to.
type Policy struct {
	// Type is STS, TLSA or NoPolicy, or a newer one.
	Type string
	// Strings are the policy's lines or records (§4.5).
	Strings []string
	// Domain is whose policy it is, as A-labels; MX are the host patterns of an STS policy.
	Domain string
	MX     []string
	// Successes and Failures count sessions (§4.2).
	Successes, Failures uint64
	Details             []Failure
}

// Failure is one way to fail, and how often it happened.
type Failure struct {
	// Type is one of those above, or a newer one.
	Type string
	// Sending and Receiving are the two servers' addresses; zero if not told.
	Sending, Receiving netip.Addr
	// Host is the receiving host's MX name, Helo what it called itself.
	Host, Helo string
	Count      uint64
	// Info is a URI with more about it, Reason an error code or message.
	Info, Reason string
}

// The report's form in JSON.
type (
	wireReport struct {
		Organization string       `json:"organization-name"`
		Range        wireRange    `json:"date-range"`
		Contact      string       `json:"contact-info"`
		ID           string       `json:"report-id"`
		Policies     []wirePolicy `json:"policies"`
	}
	wireRange struct {
		Begin time.Time `json:"start-datetime"`
		End   time.Time `json:"end-datetime"`
	}
	wirePolicy struct {
		Policy struct {
			Type    string      `json:"policy-type"`
			Strings wireStrings `json:"policy-string,omitempty"`
			Domain  string      `json:"policy-domain"`
			MX      wireStrings `json:"mx-host,omitempty"`
		} `json:"policy"`
		Summary struct {
			Successes uint64 `json:"total-successful-session-count"`
			Failures  uint64 `json:"total-failure-session-count"`
		} `json:"summary"`
		Details []wireFailure `json:"failure-details,omitempty"`
	}
	wireFailure struct {
		Type      string   `json:"result-type"`
		Sending   wireAddr `json:"sending-mta-ip,omitzero"`
		Host      string   `json:"receiving-mx-hostname,omitempty"`
		Helo      string   `json:"receiving-mx-helo,omitempty"`
		Receiving wireAddr `json:"receiving-ip,omitzero"`
		Count     uint64   `json:"failed-session-count"`
		Info      string   `json:"additional-information,omitempty"`
		Reason    string   `json:"failure-reason-code,omitempty"`
	}
	// wireStrings is an array; where others write a single string, that is read too (as in the RFC's own example).
	wireStrings []string
	// wireAddr is an address; what is none is left out.
	wireAddr struct{ netip.Addr }
)

// UnmarshalJSON implements json.Unmarshaler.
func (s *wireStrings) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*s = make(wireStrings, 1)
		return json.Unmarshal(b, &(*s)[0])
	}
	return json.Unmarshal(b, (*[]string)(s))
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *wireAddr) UnmarshalText(b []byte) error {
	a.Addr = netip.Addr{}
	if got, err := netip.ParseAddr(string(b)); err == nil && got.Zone() == "" {
		a.Addr = got.Unmap()
	}
	return nil
}

// JSON is the report's file.
func (r *Report) JSON() []byte {
	w := wireReport{Organization: r.Organization, Range: wireRange{r.Begin.UTC(), r.End.UTC()}, Contact: r.Contact, ID: r.ID,
		Policies: []wirePolicy{}}
	for i := range r.Policies {
		w.Policies = append(w.Policies, r.Policies[i].wire())
	}
	b, err := json.MarshalIndent(&w, "", "  ")
	if err != nil { // a year beyond 9999, which no caller has
		return nil
	}
	return append(b, '\n')
}

func (p *Policy) wire() (w wirePolicy) {
	w.Policy.Type, w.Policy.Strings, w.Policy.Domain, w.Policy.MX = p.Type, p.Strings, p.Domain, p.MX
	w.Summary.Successes, w.Summary.Failures = p.Successes, p.Failures
	for i := range p.Details {
		f := &p.Details[i]
		w.Details = append(w.Details, wireFailure{f.Type, wireAddr{f.Sending}, f.Host, f.Helo, wireAddr{f.Receiving}, f.Count, f.Info, f.Reason})
	}
	return w
}

// Parse reads a report's file. Unknown members are passed over (§3). Errors: fault.Invalid, fault.TooLarge.
func Parse(b []byte) (*Report, error) {
	if len(b) > MaxBytes {
		return nil, fault.New(fault.TooLarge, "a TLS report has at most %d bytes", MaxBytes)
	}
	var w wireReport
	if err := json.Unmarshal(b, &w); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the TLS report can't be read")
	}
	r := &Report{Organization: cut(w.Organization), Begin: second(w.Range.Begin), End: second(w.Range.End), Contact: cut(w.Contact), ID: cut(w.ID)}
	if len(w.Policies) > MaxPolicies {
		return nil, fault.New(fault.TooLarge, "a TLS report has at most %d policies", MaxPolicies)
	}
	details := 0
	for i := range w.Policies {
		if details += len(w.Policies[i].Details); details > MaxDetails {
			return nil, fault.New(fault.TooLarge, "a TLS report has at most %d details", MaxDetails)
		}
		r.Policies = append(r.Policies, w.Policies[i].policy())
	}
	if r.ID == "" || r.Begin.IsZero() || r.End.Before(r.Begin) || len(r.Policies) == 0 {
		return nil, fault.New(fault.Invalid, "the TLS report lacks its identifier, its time or its policies")
	}
	return r, nil
}

func (w *wirePolicy) policy() Policy {
	p := Policy{Type: cut(w.Policy.Type), Strings: cutAll(w.Policy.Strings), Domain: cut(w.Policy.Domain), MX: cutAll(w.Policy.MX),
		Successes: w.Summary.Successes, Failures: w.Summary.Failures}
	for i := range w.Details {
		f := &w.Details[i]
		p.Details = append(p.Details, Failure{Type: cut(f.Type), Sending: f.Sending.Addr, Receiving: f.Receiving.Addr,
			Host: cut(f.Host), Helo: cut(f.Helo), Count: f.Count, Info: cut(f.Info), Reason: cut(f.Reason)})
	}
	return p
}

// second is a time as reports have it: to the second.
func second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
