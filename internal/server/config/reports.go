package config

import (
	"strings"

	"postroad/internal/fault"
)

// Reports say which reports are sent to other sites, and in whose name.
type Reports struct {
	// Organization is told to people who read the reports; default: the contact's domain.
	Organization string `toml:"organization"`
	// Contact is the address that reports come from: one of a domain of ours, whose DKIM keys sign them. Default: the
	// postmaster of the domain that the hostname is in, or of the first domain.
	Contact string `toml:"contact"`
	// SendTLS: other domains are told how their TLS did, if they ask for it (RFC 8460). Default: true.
	SendTLS *bool `toml:"send_tls"`
	// SendDMARC: they are told who sends in their name, if they ask for it (RFC 9990). Default: true.
	SendDMARC *bool `toml:"send_dmarc"`
	// SendFailure: they are told at once of single messages in their name that fail, if they ask for it (RFC 9991): with the message's header.
	// Default: false.
	SendFailure bool `toml:"send_failure"`
	// FailureRedact takes the names of people out of these headers, and fields that may say too much (RFC 6590). Default: true.
	FailureRedact *bool `toml:"failure_redact"`
	// FailuresPerDay is how many of these reports go to one address in a day. Default: 100.
	FailuresPerDay int `toml:"failures_per_day"`
}

// TLS reports whether reports on TLS are sent.
func (r Reports) TLS() bool { return r.SendTLS == nil || *r.SendTLS }

// DMARC reports whether DMARC's reports are sent.
func (r Reports) DMARC() bool { return r.SendDMARC == nil || *r.SendDMARC }

// Redact reports whether the headers in failure reports are redacted.
func (r Reports) Redact() bool { return r.FailureRedact == nil || *r.FailureRedact }

func (r Reports) validate() error {
	if r.FailuresPerDay < 0 || r.FailuresPerDay > 10_000 {
		return fault.New(fault.Invalid, "reports.failures_per_day is a number up to 10000")
	}
	local, domain, _ := strings.Cut(r.Contact, "@")
	if r.Contact != "" && (local == "" || !isHost(domain) || strings.ContainsAny(local, " \t\r\n<>\"\\,;:")) {
		return fault.New(fault.Invalid, "reports.contact %q is not an address, with its domain in lower case", r.Contact)
	}
	if len(r.Organization) > 200 || strings.ContainsAny(r.Organization, "\r\n") {
		return fault.New(fault.Invalid, "reports.organization: at most 200 bytes, and one line")
	}
	return nil
}
