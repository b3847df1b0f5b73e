package route

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"postroad/internal/fault"
	"postroad/internal/service/dane"
	"postroad/internal/service/dns"
)

// lookups is how many hosts are looked up at a time.
const lookups = 4

// labels of policies.
const (
	labelDANE = "DANE"
	labelSTS  = "MTA-STS"
)

var (
	errPolicy = errors.New("the domain's policy leaves the host out")
	errDANE   = errors.New("no usable TLSA records")
)

// looked is a host with what the DNS says of it.
type looked struct {
	candidate
	all    []netip.Addr // its addresses, also those that aren't used
	hops   []Hop
	policy Policy
	// err is why the host is left out, why the same in words; nil if it isn't.
	err error
	why string
	// tlsa: err is about its TLSA records.
	tlsa bool
}

// look looks the hosts up, several at a time. The result has their order.
func (r *Router) look(ctx context.Context, hosts []candidate, t target) []looked {
	found := make([]looked, len(hosts))
	var all sync.WaitGroup
	slots := make(chan struct{}, lookups)
	for i, c := range hosts {
		slots <- struct{}{}
		all.Go(func() {
			found[i] = r.lookAt(ctx, c, t)
			<-slots
		})
	}
	all.Wait()
	return found
}

// lookAt finds a host's addresses, and its TLSA records where they count.
func (r *Router) lookAt(ctx context.Context, c candidate, t target) looked {
	l := looked{candidate: c}
	ip, err := r.o.DNS.LookupIP(ctx, c.host)
	if err != nil {
		l.err, l.why = err, because(err)
		if fault.Is(err, fault.Invalid) {
			l.why = "not a host name"
		}
		return l
	}
	for _, a := range ip.Records {
		l.all = append(l.all, a.Unmap()) // an AAAA record may hide an IPv4 address
	}
	l.policy, err = r.policy(ctx, c, ip, t)
	switch {
	case err == errDANE:
		l.err, l.why = err, "TLSA records are demanded, and there are none"
		return l
	case err != nil:
		l.err, l.why, l.tlsa = err, "its TLSA records can't be had: "+because(err), true
		return l
	}
	for _, a := range r.order(l.all) {
		l.hops = append(l.hops, t.hop(c.host, a, l.policy, ip.Secure, c.preference))
	}
	if len(l.hops) == 0 {
		l.err, l.why = fault.New(fault.NotFound, "no address"), "it has no address that we can reach"
	}
	return l
}

// order puts addresses in the order to try: both families in turns, IPv6 first, so that one
// family that doesn't work costs little. Within a family the DNS's order stays (RFC 5321 §5.1).
func (r *Router) order(all []netip.Addr) (ordered []netip.Addr) {
	var six, four []netip.Addr
	for _, a := range all {
		switch {
		case !r.reachable(a) || slices.Contains(six, a) || slices.Contains(four, a):
		case a.Is6():
			six = append(six, a)
		default:
			four = append(four, a)
		}
	}
	for i := range max(len(six), len(four)) {
		if i < len(six) {
			ordered = append(ordered, six[i])
		}
		if i < len(four) {
			ordered = append(ordered, four[i])
		}
	}
	return ordered[:min(len(ordered), maxPerHost)]
}

// policy decides on a host by the rule and its TLSA records. It fails if those can't be had for now.
func (r *Router) policy(ctx context.Context, c candidate, ip dns.Answer[netip.Addr], t target) (Policy, error) {
	p := Policy{Names: append([]string{c.host}, c.also...)}
	if t.rule != nil {
		p.Mode, p.Implicit = t.rule.TLS, t.rule.ImplicitTLS
	}
	must := p.Mode == DANE
	if p.Mode != Opportunistic && !must || r.lax && !must {
		p.Names = []string{c.host}
		return p, nil
	}
	records, base, err := r.tlsa(ctx, c, ip, t.port)
	usable := dane.Usable(records)
	switch {
	case err != nil:
		return p, err
	case must && len(usable) == 0:
		return p, errDANE
	case len(usable) > 0:
		p.Mode, p.TLSA, p.Label = DANE, usable, labelDANE
		p.Names = slices.Compact(append([]string{base}, p.Names...))
		return p, nil
	case len(records) > 0:
		// RFC 7672 §2.2: there are records, so there is TLS; none says how to know the host.
		p.Mode, p.Unusable = Required, records
	}
	p.Names = []string{c.host}
	return p, nil
}

// tlsa finds a host's TLSA records, as far as DNSSEC vouches for all that leads to them (RFC 7672
// §2.2.2), and the base domain that has them. There may be none without that being an error.
func (r *Router) tlsa(ctx context.Context, c candidate, ip dns.Answer[netip.Addr], port uint16) ([]dns.TLSA, string, error) {
	bases, err := r.bases(ctx, c, ip)
	for _, base := range bases {
		var a dns.Answer[dns.TLSA]
		a, err = r.o.DNS.LookupTLSA(ctx, "_"+strconv.Itoa(int(port))+"._tcp."+base)
		if err == nil && a.Secure {
			return a.Records, base, nil
		}
		if err != nil && !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Invalid) {
			return nil, "", err
		}
		err = nil
	}
	return nil, "", err
}

// bases are the names at which TLSA records are looked for, best first. Where a host's addresses
// aren't signed there is no use in asking, and some name servers don't even answer.
func (r *Router) bases(ctx context.Context, c candidate, ip dns.Answer[netip.Addr]) ([]string, error) {
	switch {
	case !c.certain:
		return nil, nil
	case ip.Secure && ip.Name == c.host:
		return []string{c.host}, nil
	case ip.Secure:
		return []string{ip.Name, c.host}, nil
	case ip.Name == c.host:
		return nil, nil
	}
	// An alias that leads out of what is signed: the alias itself may be signed.
	alias, err := r.o.DNS.LookupCNAME(ctx, c.host)
	switch {
	case err == nil && alias.Secure:
		return []string{c.host}, nil
	case err == nil, fault.Is(err, fault.NotFound), fault.Is(err, fault.Invalid):
		return nil, nil
	}
	return nil, err
}
