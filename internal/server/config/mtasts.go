package config

import (
	"maps"
	"slices"
	"strings"

	"postroad/internal/fault"
)

// MTASTS says which policies we serve for our domains (RFC 8461): whether others must use TLS for mail to us.
type MTASTS struct {
	// Mode is testing (default), enforce or none.
	Mode string `toml:"mode"`
	// Domains have other modes than Mode.
	Domains map[string]string `toml:"domains"`
	// MX are hosts that take mail besides this one: "mx2.example.net", "*.example.net".
	MX []string `toml:"mx"`
}

// Modes of an MTA-STS policy.
const (
	Testing = "testing"
	Enforce = "enforce"
	Off     = "none"
)

// ModeOf is the mode of a domain, given in lower-case A-labels.
func (m MTASTS) ModeOf(domain string) string {
	mode := m.Mode
	if own, ok := m.Domains[domain]; ok {
		mode = own
	}
	if mode == "" {
		return Testing
	}
	return mode
}

func (m MTASTS) validate() error {
	modes := append(slices.Collect(maps.Values(m.Domains)), m.Mode)
	for _, mode := range modes {
		if mode != "" && mode != Testing && mode != Enforce && mode != Off {
			return fault.New(fault.Invalid, "mta_sts mode %q: want testing, enforce or none", mode)
		}
	}
	for _, host := range m.MX {
		if !isHost(strings.TrimPrefix(host, "*.")) {
			return fault.New(fault.Invalid, "mta_sts.mx: %q is not a host's name", host)
		}
	}
	for domain := range m.Domains {
		if !isHost(domain) {
			return fault.New(fault.Invalid, "mta_sts.domains: %q is not a domain in lower case", domain)
		}
	}
	return nil
}

// isHost takes names of letters, digits and hyphens, in lower case.
func isHost(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return len(s) <= 253
}
