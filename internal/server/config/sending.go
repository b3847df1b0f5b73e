package config

import (
	"net/netip"
	"slices"
	"strings"

	"postroad/internal/fault"
)

// DNS says whom to ask.
type DNS struct {
	// Servers are recursive resolvers, "127.0.0.1", "[::1]:5353" or "tls://192.0.2.53#dns.example.org" (RFC 7858; the
	// name is that of its certificate, which without one has to be for the address), asked in this order. None:
	// those of /etc/resolv.conf. One on a loopback address or over TLS is believed when it says that DNSSEC vouches for an
	// answer, which DANE needs; if it doesn't answer, only others of that kind are asked.
	Servers []string `toml:"servers"`
}

// Sending says how we connect to other servers.
type Sending struct {
	// Bind are addresses of this machine that connections come from, at most one for each family. None: the system chooses.
	Bind []string `toml:"bind"`
	// Names are how we introduce ourselves on connections from an address, if not by the hostname: each
	// has to lead to that address in the DNS, and back.
	Names map[string]string `toml:"names"`
	// Family is "ipv4" or "ipv6" if the other is not to be used.
	Family string `toml:"family"`
	// From is whom people who have signed in may name as authors: any, local (the default: at domains of this server only their own
	// addresses), domain (any address in a domain where they have one) or own. Accounts may have a rule of their own.
	From string `toml:"from"`
}

// Families of addresses.
const (
	IPv4 = "ipv4"
	IPv6 = "ipv6"
)

// Name is how we introduce ourselves on connections from an address.
func (s Sending) Name(from netip.Addr, hostname string) string {
	for text, name := range s.Names {
		if a, err := netip.ParseAddr(text); err == nil && a == from {
			return name
		}
	}
	return hostname
}

// Hostnames are all names that other servers know us by.
func (s Sending) Hostnames(hostname string) []string {
	all := []string{hostname}
	for _, name := range s.Names {
		all = append(all, name)
	}
	slices.Sort(all[1:])
	return slices.Compact(all)
}

func (s Sending) validate() error {
	if err := validBind(s.Bind); err != nil {
		return err
	}
	for text, name := range s.Names {
		if _, err := netip.ParseAddr(text); err != nil {
			return fault.New(fault.Invalid, "sending.names: %q is no address", text)
		}
		if !strings.Contains(name, ".") || strings.ContainsFunc(name, notInNames) {
			return fault.New(fault.Invalid, "sending.names: %q is no full host name", name)
		}
	}
	if s.Family != "" && s.Family != IPv4 && s.Family != IPv6 {
		return fault.New(fault.Invalid, "sending.family %q: want ipv4 or ipv6, or nothing for both", s.Family)
	}
	if s.From != "" && !slices.Contains([]string{"any", "local", "domain", "own"}, s.From) {
		return fault.New(fault.Invalid, "sending.from %q: want any, local, domain or own", s.From)
	}
	return nil
}

func notInNames(r rune) bool {
	return r != '.' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// validBind: addresses of this machine, at most one for each family.
func validBind(bind []string) error {
	seen := map[bool]bool{}
	for _, text := range bind {
		a, err := netip.ParseAddr(text)
		if err != nil || a.IsUnspecified() || a.IsMulticast() || a.Is4In6() {
			return fault.New(fault.Invalid, "bind %q: want an address of this machine", text)
		}
		if seen[a.Is4()] {
			return fault.New(fault.Invalid, "bind %q: want at most one address for each family", text)
		}
		seen[a.Is4()] = true
	}
	return nil
}

// Route says where mail of some senders for some domains goes.
type Route struct {
	Recipient string `toml:"recipient"` // the recipients' domain; ".example.org": all below it; "" or missing: all
	Sender    string `toml:"sender"`    // the sender's domain, likewise; "<>": notifications
	Host      string `toml:"host"`      // who gets the mail: a name, an address, or unix:/path; missing: whom the DNS says
	MX        bool   `toml:"mx"`        // host is a domain whose mail hosts are to be looked up
	Port      uint16 `toml:"port"`      // default 25, 24 for lmtp, 465 with tls = "implicit"
	Protocol  string `toml:"protocol"`  // smtp (default) or lmtp
	// TLS is opportunistic (default), none, required (any certificate), verified (a certificate for the
	// host), or implicit (verified, and from the first byte).
	TLS string `toml:"tls"`
	// Bind are addresses of this machine to connect from, instead of sending.bind.
	Bind []string `toml:"bind"`
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

// Resolver is a recursive resolver.
type Resolver struct {
	Addr netip.AddrPort
	TLS  bool
	// Name is that of its certificate, or its address; "" without TLS.
	Name string
}

// Resolvers parses Servers. The port is 53 if none is said, 853 with TLS.
func (d DNS) Resolvers() ([]Resolver, error) {
	var all []Resolver
	for _, s := range d.Servers {
		r, ok := resolver(s)
		if !ok {
			return nil, fault.New(fault.Invalid, "dns server %q: want an address, address:port, or tls://address#name", s)
		}
		all = append(all, r)
	}
	return all, nil
}

func resolver(s string) (r Resolver, ok bool) {
	port := uint16(53)
	s, r.TLS = strings.CutPrefix(s, "tls://")
	if r.TLS {
		port = 853
		var named bool
		if s, r.Name, named = strings.Cut(s, "#"); named && (r.Name == "" || strings.ContainsFunc(r.Name, notInNames)) {
			return r, false
		}
	}
	var err error
	if r.Addr, err = netip.ParseAddrPort(s); err != nil {
		a, aerr := netip.ParseAddr(strings.Trim(s, "[]"))
		r.Addr, err = netip.AddrPortFrom(a, port), aerr
	}
	if r.TLS && r.Name == "" {
		r.Name = r.Addr.Addr().WithZone("").String()
	}
	return r, err == nil
}

func (c *Config) validateSending() error {
	if _, err := c.DNS.Resolvers(); err != nil {
		return err
	}
	if err := c.Sending.validate(); err != nil {
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
	if err := validBind(r.Bind); err != nil {
		return err
	}
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
