package route

import (
	"context"
	"net/netip"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/dns"
)

// Rule is a static route: where mail of some senders for some domains goes, whatever
// the DNS says. Rules are asked in order; the first that matches decides.
//
//	{Recipient: "lab.example.org", Host: "10.0.0.7", Protocol: route.LMTP}      a store of another kind
//	{Recipient: "list.example.org", Host: "unix:/run/lists", Protocol: route.LMTP}
//	{Sender: "shop.example", Host: "smtp.provider.example", Port: 587, TLS: route.Verified, Credentials: "provider"}
//	{Recipient: ".example.org"}                                                 the DNS decides, no later rule
//	{Host: "relay.example.org"}                                                 a smart host for all the rest
type Rule struct {
	// Recipient is the recipients' domain: "example.org", ".example.org" for all below it, "" for all.
	Recipient string
	// Sender is the domain of the reverse-path, likewise; "<>" is the null path. "" is for all, the null path included.
	Sender string
	// Host gets the mail: a name, an IP address with or without brackets, or "unix:" and a socket's path. "": where the DNS says.
	Host string
	// MX: Host is a domain whose hosts are to be found in the DNS.
	MX bool
	// Port is where Host listens. By default 25, 24 for LMTP, 465 with ImplicitTLS.
	Port     uint16
	Protocol Protocol
	// TLS is how the channel is protected; with DANE, only verified by TLSA records. In mode
	// Opportunistic TLSA records are obeyed too where there are any (RFC 7672 §2.2.2).
	TLS Mode
	// ImplicitTLS: TLS begins with the connection. TLS must be Required, Verified or DANE.
	ImplicitTLS bool
	// Credentials refers to those to sign in with; what it means is the caller's business.
	Credentials string
	// Sources are the addresses to connect from; where one is unset, that of the Options counts.
	Sources Sources

	socket string // of Host
}

// prepare brings the rule into normal form.
func (rule *Rule) prepare() (err error) {
	if rule.Recipient, err = pattern(rule.Recipient); err != nil {
		return err
	}
	if rule.Sender != "<>" {
		if rule.Sender, err = pattern(rule.Sender); err != nil {
			return err
		}
	}
	if rule.ImplicitTLS && (rule.TLS == Opportunistic || rule.TLS == None) {
		return fault.New(fault.Invalid, "route: TLS from the start can't be optional")
	}
	if !rule.Sources.valid() {
		return fault.New(fault.Invalid, "route: a source address of the wrong family")
	}
	if rule.Host == "" {
		if rule.MX || rule.Port != 0 || rule.Protocol != SMTP || rule.TLS != Opportunistic || rule.Credentials != "" || rule.Sources != (Sources{}) {
			return fault.New(fault.Invalid, "route: a rule without host can't say how to reach it")
		}
		return nil
	}
	if path, ok := strings.CutPrefix(rule.Host, "unix:"); ok {
		return rule.prepareSocket(path)
	}
	if rule.Port == 0 {
		rule.Port = rule.defaultPort()
	}
	if rule.Protocol == LMTP && rule.Port == 25 { // RFC 2033 §1: "MUST NOT"
		return fault.New(fault.Invalid, "route: port 25 is for SMTP, not for LMTP")
	}
	return rule.prepareHost()
}

// prepareSocket: who may connect there is for the file system to say, and there is no name to verify.
func (rule *Rule) prepareSocket(path string) error {
	switch {
	case !strings.HasPrefix(path, "/"):
		return fault.New(fault.Invalid, "route: a socket needs a path from the root on")
	case rule.MX || rule.Port != 0 || rule.ImplicitTLS || rule.TLS == Verified || rule.TLS == DANE || rule.Sources != (Sources{}):
		return fault.New(fault.Invalid, "route: a socket has no port, MX, source address or name to verify")
	case rule.TLS == Opportunistic:
		rule.TLS = None // nobody listens in on it
	}
	rule.socket, rule.Host = path, "localhost"
	return nil
}

func (rule *Rule) prepareHost() (err error) {
	if addr, err := netip.ParseAddr(strings.Trim(rule.Host, "[]")); err == nil {
		rule.Host = literal(addr.Unmap())
	}
	if _, ok := parseLiteral(rule.Host); ok {
		if rule.MX {
			return fault.New(fault.Invalid, "route: an address has no MX")
		}
		return nil
	}
	rule.Host, err = dns.ASCII(rule.Host)
	return err
}

func (rule *Rule) defaultPort() uint16 {
	switch {
	case rule.Protocol == LMTP:
		return 24
	case rule.ImplicitTLS:
		return 465
	}
	return 25
}

// pattern is a domain, or "." and a domain, as they are compared.
func pattern(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	name, below := strings.CutPrefix(s, ".")
	name, err := dns.ASCII(name)
	if below {
		name = "." + name
	}
	return name, err
}

func literal(a netip.Addr) string {
	if a.Is6() {
		return "[IPv6:" + a.String() + "]"
	}
	return "[" + a.String() + "]"
}

// rule finds the first rule for mail of a sender's domain to a recipient's; nil if there is none, or it leaves it to the DNS.
func (r *Router) rule(recipient, sender string) *Rule {
	for i := range r.o.Rules {
		rule := &r.o.Rules[i]
		if !matches(rule.Recipient, recipient) || rule.Sender == "<>" && sender != "" || rule.Sender != "<>" && !matches(rule.Sender, sender) {
			continue
		}
		if rule.Host == "" {
			return nil
		}
		return rule
	}
	return nil
}

func matches(pattern, domain string) bool {
	return pattern == "" || pattern == domain || pattern[0] == '.' && strings.HasSuffix(domain, pattern)
}

// byRule plans as the rule says.
func (r *Router) byRule(ctx context.Context, domain string, rule *Rule) (Plan, error) {
	t := target{port: rule.Port, rule: rule, sources: rule.Sources.or(r.o.Sources)}
	if rule.Protocol == SMTP && (rule.TLS == Opportunistic || rule.TLS == Required) {
		t.policies = r.o.STS // RFC 8461 §3.4
	}
	if rule.MX {
		return r.byMX(ctx, domain, rule.Host, t)
	}
	plan := Plan{Domain: domain, Ruled: true}
	if rule.socket != "" {
		plan.Hops = []Hop{{Host: rule.Host, Socket: rule.socket, Protocol: rule.Protocol, TLS: Policy{Mode: rule.TLS, Names: []string{rule.Host}}, Credentials: rule.Credentials}}
		return plan, nil
	}
	if addr, ok := parseLiteral(rule.Host); ok {
		if rule.TLS == DANE {
			return plan, r.failed("5.4.4", "an address has no TLSA records")
		}
		p := Policy{Mode: rule.TLS, Names: []string{addr.String()}, Implicit: rule.ImplicitTLS}
		plan.Hops = []Hop{t.hop(rule.Host, addr, p, false, 0)}
		return plan, nil
	}
	plan.Next = rule.Host
	found := r.look(ctx, []candidate{{host: rule.Host, certain: true}}, t)
	if err := r.findSTS(ctx, &plan, found, t); err != nil {
		return plan, err
	}
	return r.finish(plan, found, gone(ctx))
}
