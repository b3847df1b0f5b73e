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
}

// TLS reports whether reports on TLS are sent.
func (r Reports) TLS() bool { return r.SendTLS == nil || *r.SendTLS }

// DMARC reports whether DMARC's reports are sent.
func (r Reports) DMARC() bool { return r.SendDMARC == nil || *r.SendDMARC }

func (r Reports) validate() error {
	local, domain, _ := strings.Cut(r.Contact, "@")
	if r.Contact != "" && (local == "" || !isHost(domain) || strings.ContainsAny(local, " \t\r\n<>\"\\,;:")) {
		return fault.New(fault.Invalid, "reports.contact %q is not an address, with its domain in lower case", r.Contact)
	}
	if len(r.Organization) > 200 || strings.ContainsAny(r.Organization, "\r\n") {
		return fault.New(fault.Invalid, "reports.organization: at most 200 bytes, and one line")
	}
	return nil
}
