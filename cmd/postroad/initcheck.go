package main

import (
	"crypto/tls"
	"net/netip"
	"strings"

	"postroad/internal/fault"
)

// examine looks at the answers before anything is made by them, and completes the account's address.
func (c *initCmd) examine() error {
	if c.Account != "" && !strings.Contains(c.Account, "@") && c.Domain != "" {
		c.Account += "@" + c.Domain
	}
	if _, domain, _ := strings.Cut(c.Account, "@"); c.Account != "" && c.Domain != "" && !strings.EqualFold(domain, c.Domain) {
		return fault.New(fault.Invalid, "the account is %s, and the domain to serve %s: the first account must be in the first domain", c.Account, c.Domain)
	}
	if c.ACMEMail != "" && !c.ACME {
		return fault.New(fault.Invalid, "--acme-email needs --acme")
	}
	if c.ACME && !publicName(c.Hostname) {
		return fault.New(fault.Invalid, "--acme: Let's Encrypt gives no certificate for %q: the hostname must be a name in the public DNS, like mail.example.org", c.Hostname)
	}
	if c.Cert != "" && c.Key != "" { // one without the other is refused with the settings
		if _, err := tls.LoadX509KeyPair(c.Cert, c.Key); err != nil {
			return fault.Wrap(fault.Invalid, err, "--cert and --key: they can't be used")
		}
	}
	return nil
}

// publicName reports whether a name may be in the public DNS: it isn't an address, nor one of a single label, nor below a
// domain that is never there (RFC 6761, RFC 6762; .internal by a resolution of ICANN).
func publicName(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	dot := strings.LastIndexByte(host, '.')
	if dot < 0 {
		return false
	}
	switch host[dot+1:] {
	case "localhost", "local", "internal", "invalid", "test", "example":
		return false
	}
	return true
}
