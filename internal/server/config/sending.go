package config

import (
	"net/netip"

	"postroad/internal/fault"
)

// DNS says whom to ask.
type DNS struct {
	// Servers are recursive resolvers, "127.0.0.1" or "[::1]:5353", asked in this order. None: those of
	// /etc/resolv.conf. One on a loopback address is believed when it says that DNSSEC vouches for an answer, which
	// DANE needs.
	Servers []string `toml:"servers"`
}

// Route says where mail of some senders for some domains goes.
type Route struct {
	Recipient string `toml:"recipient"` // the recipients' domain; ".example.org": all below it; "" or missing: all
	Sender    string `toml:"sender"`    // the sender's domain, likewise; "<>": notifications
	Host      string `toml:"host"`      // who gets the mail: a name or an address; missing: whom the DNS says
	MX        bool   `toml:"mx"`        // host is a domain whose mail hosts are to be looked up
	Port      uint16 `toml:"port"`      // default 25, 24 for lmtp, 465 with tls = "implicit"
	Protocol  string `toml:"protocol"`  // smtp (default) or lmtp
	// TLS is opportunistic (default), none, required (any certificate), verified (a certificate for the
	// host), or implicit (verified, and from the first byte).
	TLS string `toml:"tls"`
	// User, and the file that holds the password on its first line, are how we sign in.
	User         string `toml:"user"`
	PasswordFile string `toml:"password_file"`
}

// Ways to protect the channel of a Route.
const (
	Opportunistic = "opportunistic"
	Required      = "required"
	Verified      = "verified"
)

// Resolvers parses Servers. The port is 53 if none is said.
func (d DNS) Resolvers() ([]netip.AddrPort, error) {
	var all []netip.AddrPort
	for _, s := range d.Servers {
		ap, err := netip.ParseAddrPort(s)
		if a, aerr := netip.ParseAddr(s); aerr == nil {
			ap, err = netip.AddrPortFrom(a, 53), nil
		}
		if err != nil {
			return nil, fault.New(fault.Invalid, "dns server %q: want an address, or address:port", s)
		}
		all = append(all, ap)
	}
	return all, nil
}

func (c *Config) validateSending() error {
	if _, err := c.DNS.Resolvers(); err != nil {
		return err
	}
	for i, r := range c.Route {
		if err := r.validate(); err != nil {
			return fault.New(fault.Invalid, "route %d (to %q): %s", i+1, r.Host, fault.TextOf(err))
		}
	}
	return nil
}

func (r Route) validate() error {
	switch r.TLS {
	case "", Opportunistic, NoTLS, Required, Verified, Implicit:
	default:
		return fault.New(fault.Invalid, "tls %q: want opportunistic, none, required, verified or implicit", r.TLS)
	}
	switch {
	case r.Protocol != "" && r.Protocol != SMTP && r.Protocol != LMTP:
		return fault.New(fault.Invalid, "protocol %q: want smtp or lmtp", r.Protocol)
	case (r.User == "") != (r.PasswordFile == ""):
		return fault.New(fault.Invalid, "user and password_file belong together")
	case r.User != "" && (r.TLS == "" || r.TLS == Opportunistic || r.TLS == NoTLS):
		return fault.New(fault.Invalid, "a password needs tls required, verified or implicit")
	}
	return nil
}
