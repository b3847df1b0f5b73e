package config

import (
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/acme"
)

// Certificate names the files of one more certificate, for clients that ask for one of its names. They are read again
// when they change, and on SIGHUP.
type Certificate = TLS

// LetsEncrypt is the authority that is asked unless another one is named.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

// ACME says how certificates are got from an authority (RFC 8555). It is off until its terms are accepted.
type ACME struct {
	// AcceptTerms turns it on: the authority's terms of service are agreed to.
	AcceptTerms bool `toml:"accept_terms"`
	// Directory is the authority's address; default LetsEncrypt.
	Directory string `toml:"directory"`
	// Email is where the authority may write to; empty: nowhere.
	Email string `toml:"email"`
	// Names need certificates besides the hostname and those that our domains need. With Update "*.example.com" stands for all names of
	// one label more; those get none of their own then.
	Names []string `toml:"names"`
	// DomainNames are the names in front of each domain that get certificates once they lead here; default
	// mta-sts, autoconfig, autodiscover. With Update "*" is the domain's wildcard.
	DomainNames []string `toml:"domain_names"`
	// PerDomain has all names of a domain in one certificate. Default: one for each name.
	PerDomain bool `toml:"per_domain"`
	// KeyType is p256 (default), p384, rsa2048 or rsa4096.
	KeyType string `toml:"key_type"`
	// NewKeys makes a new key at each renewal. TLSA records have to follow then.
	NewKeys bool `toml:"new_keys"`
	// Profile is the kind of certificate to ask for, where the authority has several.
	Profile string `toml:"profile"`
	// CAFile has the authorities that Directory's own certificate is verified by; default: the system's.
	CAFile string `toml:"ca_file"`
	// EABKeyID and EABKeyFile bind our account to one that we have with the authority otherwise (RFC 8555 §7.3.4). The
	// file's first line is the key in base64url.
	EABKeyID   string `toml:"eab_key_id"`
	EABKeyFile string `toml:"eab_key_file"`
	// Update has challenges answered in the DNS.
	Update DNSUpdate `toml:"dns"`
}

// DNSUpdate says how to change the zone in which challenges are answered (RFC 2136).
type DNSUpdate struct {
	// Server is the zone's primary, with a port or on 53. Empty: challenges are answered by HTTPS or HTTP.
	Server string `toml:"server"`
	// Zone is where the records go; default: Server is asked.
	Zone string `toml:"zone"`
	// KeyName, KeyAlgorithm (default hmac-sha256) and KeyFile sign the updates (TSIG). The file's first line is the
	// secret in base64.
	KeyName      string `toml:"key_name"`
	KeyAlgorithm string `toml:"key_algorithm"`
	KeyFile      string `toml:"key_file"`
	// TTL of the records; default one minute.
	TTL Duration `toml:"ttl"`
}

// Authority is the address that the settings name, or the default.
func (a ACME) Authority() string {
	if a.Directory == "" {
		return LetsEncrypt
	}
	return a.Directory
}

// Prefixes are the names in front of domains.
func (a ACME) Prefixes() []string {
	if a.DomainNames == nil {
		return []string{"mta-sts", "autoconfig", "autodiscover"}
	}
	return a.DomainNames
}

// Address is Server with its port.
func (d DNSUpdate) Address() string {
	if _, _, err := net.SplitHostPort(d.Server); err == nil {
		return d.Server
	}
	return net.JoinHostPort(strings.Trim(d.Server, "[]"), "53")
}

func (a ACME) validate() error {
	u, err := url.Parse(a.Authority())
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "":
		return fault.New(fault.Invalid, "acme.directory %q: want an address that begins with https://", a.Directory)
	case !acme.KeyType(a.KeyType):
		return fault.New(fault.Invalid, "acme.key_type %q: want p256, p384, rsa2048 or rsa4096", a.KeyType)
	case (a.EABKeyID == "") != (a.EABKeyFile == ""):
		return fault.New(fault.Invalid, "acme needs both eab_key_id and eab_key_file, or none")
	case (a.Update.KeyName == "") != (a.Update.KeyFile == ""):
		return fault.New(fault.Invalid, "acme.dns needs both key_name and key_file, or none")
	case !acme.Algorithm(a.Update.KeyAlgorithm):
		return fault.New(fault.Invalid, "acme.dns.key_algorithm %q: want hmac-sha256, hmac-sha224, hmac-sha384 or hmac-sha512", a.Update.KeyAlgorithm)
	case a.Update.TTL < 0:
		return fault.New(fault.Invalid, "acme.dns.ttl must not be negative")
	}
	if _, err := mail.ParseAddress(a.Email); a.Email != "" && err != nil {
		return fault.New(fault.Invalid, "acme.email %q is no address", a.Email)
	}
	if a.Update.Server == "" && (slices.Contains(a.DomainNames, "*") || slices.ContainsFunc(a.Names, func(n string) bool { return strings.HasPrefix(n, "*.") })) {
		return fault.New(fault.Invalid, "acme: wildcards are got by challenges in the DNS: they need [acme.dns]") // RFC 8555 §7.1.3; CA/Browser Forum
	}
	for _, name := range a.Names {
		name := strings.TrimPrefix(name, "*.")
		if !isHost(name) || !strings.Contains(name, ".") {
			return fault.New(fault.Invalid, "acme.names: %q is not a host's complete name in lower case", name)
		}
	}
	for _, name := range a.DomainNames {
		if !isHost(name) && name != "*" {
			return fault.New(fault.Invalid, "acme.domain_names: %q can't stand in front of a domain", name)
		}
	}
	return nil
}

func (c *Config) validateCertificates() error {
	for _, f := range c.Certificate {
		if f.Cert == "" || f.Key == "" {
			return fault.New(fault.Invalid, "[[certificate]] needs both cert and key")
		}
	}
	if err := c.ACME.validate(); err != nil {
		return err
	}
	if c.ACME.AcceptTerms && c.ACME.Update.Server == "" && !slices.ContainsFunc(c.Listen, func(l Listener) bool { return l.Protocol == HTTP }) {
		return fault.New(fault.Invalid, "[acme] needs a listener for http, on port 443 with TLS or 80 without, where the authority can look; or [acme.dns]")
	}
	return nil
}
