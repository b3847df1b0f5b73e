// Package route decides where mail for a domain goes: to which hosts, at which addresses, in
// which order, and how well the channel to each has to be protected.
//
//	router, err := route.New(route.Options{DNS: resolver, STS: policies, Hostnames: []string{"mx.here.example"}})
//	plan, err := router.Route(ctx, "example.org", "ann@here.example")
//	if err != nil {
//		outcome := route.OutcomeOf(err) // Deferred or Failed, the same for all recipients there
//	}
//	if envelope.RequireTLS {
//		plan, err = plan.RequireTLS()
//	}
//	for _, hop := range plan.Hops { // in the order to try
//		config := hop.TLS.Config(nil, time.Now)
//	}
//
// It follows RFC 5321 §5.1 (MX, or addresses where there is none), RFC 7505 (null MX), RFC 7672 (DANE) and
// RFC 8461 §5 (MTA-STS), unless one of the administrator's Rules says otherwise. It asks the DNS and
// fetches policies; it connects to nobody: package relay does.
//
// # Protection
//
// Where DNSSEC vouches for the hosts of a domain and a host's TLSA records, the host is verified by those (mode
// DANE), and an MTA-STS policy neither replaces nor excuses that (RFC 8461 §2). Where there are no such
// records, an MTA-STS policy in mode enforce has its say: hosts that it doesn't name are left out, the
// others must prove their names (mode Verified); a smart host's own domain is asked for it (RFC 8461 §3.4). All others get opportunistic TLS.
//
// A host whose TLSA records can't be had for now is left out, never tried without them (RFC 7672 §2.1).
package route

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/dns"
	"postroad/internal/service/mtasts"
	"postroad/internal/service/transfer"
)

// Limits of what one plan costs.
const (
	// maxHosts is how many of a domain's hosts are looked up.
	maxHosts = 10
	// maxPerHost is how many addresses of one host are tried, both families taking turns.
	maxPerHost = 4
	// MaxHops is how many addresses a plan has at most.
	MaxHops = 20
)

// Policies finds MTA-STS policies: mtasts.Client.
type Policies interface {
	Find(ctx context.Context, domain string) (mtasts.Found, error)
}

// Families are the kinds of addresses that we can connect to.
type Families uint8

// Kinds of addresses.
const (
	Both Families = iota
	IPv4Only
	IPv6Only
)

// Sources are the addresses that our connections come from, for each family one; the zero Addr leaves it to the system.
type Sources struct{ V4, V6 netip.Addr }

// to is the one to use towards an address.
func (s Sources) to(a netip.Addr) netip.Addr {
	if a.Is4() {
		return s.V4
	}
	return s.V6
}

// or has others stand in where none is set.
func (s Sources) or(others Sources) Sources {
	if !s.V4.IsValid() {
		s.V4 = others.V4
	}
	if !s.V6.IsValid() {
		s.V6 = others.V6
	}
	return s
}

// valid reports whether each is of its family, or unset.
func (s Sources) valid() bool {
	return (!s.V4.IsValid() || s.V4.Is4()) && (!s.V6.IsValid() || s.V6.Is6() && !s.V6.Is4In6())
}

// Options are what a Router is made of. DNS must be set.
type Options struct {
	DNS dns.Resolver
	// STS finds MTA-STS policies. Nil: there are none.
	STS Policies
	// Rules are asked first; the first that matches decides.
	Rules []Rule
	// Hostnames are those that other servers know us by: a domain's hosts that are as good as we are, or worse,
	// get no mail from us (RFC 5321 §5.1).
	Hostnames []string
	// Own reports whether we listen at an address, for the same end. Nil: at none.
	Own func(netip.Addr) bool
	// Loopback permits the DNS to send us to loopback addresses, which are taken for our own otherwise. For tests.
	Loopback bool
	// Families are the addresses to use.
	Families Families
	// Sources are the addresses that connections come from, unless a Rule has others.
	Sources Sources
	// Port is where hosts that the DNS names listen; 25 by default.
	Port uint16
	// Shuffle puts hosts of equal preference in random order, as rand.Shuffle does. Nil: that.
	Shuffle func(n int, swap func(i, j int))
	// Now tells the time for outcomes. Nil: time.Now.
	Now func() time.Time
}

// Router makes plans. It is safe for concurrent use, and keeps nothing: what it asks for has caches of its own.
type Router struct {
	o     Options
	names map[string]bool // our own
	lax   bool            // what domains demand of the channel doesn't count
}

// New makes a Router. It fails with fault.Invalid if a rule or host name can't be right.
func New(o Options) (*Router, error) {
	r := &Router{o: o, names: map[string]bool{}}
	for _, h := range o.Hostnames {
		name, err := dns.ASCII(h)
		if err != nil {
			return nil, err
		}
		r.names[name] = true
	}
	if !o.Sources.valid() {
		return nil, fault.New(fault.Invalid, "route: a source address of the wrong family")
	}
	r.o.Rules = slices.Clone(o.Rules)
	for i := range r.o.Rules {
		if err := r.o.Rules[i].prepare(); err != nil {
			return nil, err
		}
	}
	if r.o.Port == 0 {
		r.o.Port = 25
	}
	if r.o.Shuffle == nil {
		r.o.Shuffle = rand.Shuffle
	}
	if r.o.Now == nil {
		r.o.Now = time.Now
	}
	return r, nil
}

// Lax is the router for messages whose senders would rather have them arrive than be protected: what other domains demand of
// the channel, by DANE or MTA-STS, doesn't count; what a Rule demands does (RFC 8689 §4.2.2).
func (r *Router) Lax() *Router {
	lax := *r
	lax.o.STS, lax.lax = nil, true
	return &lax
}

// Route plans where mail for a domain of recipients, or address literal ("[192.0.2.1]"), goes.
// sender is the reverse-path or its domain; "" for the null path. It fails with a *NoRoute if there is no way, for
// now or for good, and with fault.Canceled if ctx has ended.
func (r *Router) Route(ctx context.Context, domain, sender string) (Plan, error) {
	if strings.HasPrefix(domain, "[") {
		return r.toLiteral(ctx, domain, domainOf(sender))
	}
	name, err := dns.ASCII(domain)
	if err != nil {
		return Plan{}, r.failed("5.1.2", clean(domain)+" can't be a domain")
	}
	if rule := r.rule(name, domainOf(sender)); rule != nil {
		return r.byRule(ctx, name, rule)
	}
	return r.byMX(ctx, name, name, target{port: r.o.Port, policies: r.o.STS, sources: r.o.Sources})
}

// toLiteral plans for an address literal (RFC 5321 §4.1.3).
func (r *Router) toLiteral(ctx context.Context, literal, sender string) (Plan, error) {
	addr, ok := parseLiteral(literal)
	if !ok {
		return Plan{}, r.failed("5.1.2", clean(literal)+" is no address that mail can go to")
	}
	if rule := r.rule(literal, sender); rule != nil {
		return r.byRule(ctx, literal, rule)
	}
	plan := Plan{Domain: literal}
	if r.isOwn(addr) {
		return plan, r.failed("5.4.6", "mail for "+literal+" would come back to us")
	}
	if !r.reachable(addr) {
		return plan, r.failed("5.4.4", "no way leads to "+literal)
	}
	plan.Hops = []Hop{{Host: literal, Addr: netip.AddrPortFrom(addr, r.o.Port), Source: r.o.Sources.to(addr)}}
	return plan, nil
}

// parseLiteral reads "[192.0.2.1]" and "[IPv6:2001:db8::1]".
func parseLiteral(s string) (netip.Addr, bool) {
	s, ok := strings.CutPrefix(s, "[")
	s, ok2 := strings.CutSuffix(s, "]")
	if !ok || !ok2 {
		return netip.Addr{}, false
	}
	six := len(s) > 5 && strings.EqualFold(s[:5], "IPv6:")
	if six {
		s = s[5:]
	}
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" || six != addr.Is6() {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}

// domainOf is the domain of a reverse-path, or the domain itself.
func domainOf(path string) string {
	domain := path[strings.LastIndexByte(path, '@')+1:]
	if name, err := dns.ASCII(domain); err == nil {
		return name
	}
	return strings.ToLower(domain)
}

// isOwn reports whether mail that goes to an address comes back to us.
func (r *Router) isOwn(a netip.Addr) bool {
	return r.o.Own != nil && r.o.Own(a) || !r.o.Loopback && a.IsLoopback()
}

// reachable reports whether an address is one that we can connect to.
func (r *Router) reachable(a netip.Addr) bool {
	switch {
	case a.IsUnspecified(), a.IsMulticast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return false
	case r.o.Families == IPv4Only:
		return a.Is4()
	case r.o.Families == IPv6Only:
		return a.Is6()
	}
	return true
}

func (r *Router) failed(status, text string) error {
	return &NoRoute{transfer.Outcome{Result: transfer.Failed, Status: status, Text: text, HostWide: true, At: r.o.Now()}}
}

func (r *Router) deferred(status, text string) error {
	return &NoRoute{transfer.Outcome{Result: transfer.Deferred, Status: status, Text: text, HostWide: true, At: r.o.Now()}}
}

// gone is the error of a lookup that ctx has ended; nil if ctx goes on.
func gone(ctx context.Context) error {
	return fault.Wrap(fault.Canceled, ctx.Err(), "")
}
