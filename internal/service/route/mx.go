package route

import (
	"context"
	"net/netip"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/service/dns"
	"postroad/internal/service/mtasts"
	"postroad/internal/service/transfer"
)

// target is what all hosts of a plan have in common.
type target struct {
	port     uint16
	rule     *Rule    // nil: the DNS alone decides
	policies Policies // nil: MTA-STS has no say
	sources  Sources
}

// hop makes one for an address of a host.
func (t target) hop(host string, addr netip.Addr, p Policy, secure bool, preference uint16) Hop {
	h := Hop{Host: host, Addr: netip.AddrPortFrom(addr, t.port), TLS: p, Secure: secure, Preference: preference}
	h.Source = t.sources.to(addr)
	if t.rule != nil {
		h.Protocol, h.Credentials = t.rule.Protocol, t.rule.Credentials
	}
	return h
}

// candidate is a host that may take the mail.
type candidate struct {
	host       string
	preference uint16
	// certain: DNSSEC or the administrator vouches that this is the host: DANE applies.
	certain bool
	// also are further names that the host may prove to have (RFC 7672 §3.2.2).
	also []string
}

// byMX plans by the MX records of next, which is the domain itself or what a rule puts in its place (RFC 5321 §5.1).
func (r *Router) byMX(ctx context.Context, domain, next string, t target) (Plan, error) {
	plan := Plan{Domain: domain, Next: next}
	hosts, secure, err := r.hosts(ctx, next)
	if err != nil {
		return plan, err
	}
	plan.MXSecure = secure
	hosts, looped := r.withoutLoop(hosts, func(c candidate) bool { return r.names[c.host] })
	r.shuffle(hosts)
	found := r.look(ctx, hosts[:min(len(hosts), maxHosts)], t)
	if err := gone(ctx); err != nil {
		return plan, err
	}
	found, looped2 := r.withoutLoops(found)
	if len(found) == 0 && (looped || looped2) {
		return plan, r.failed("5.4.6", "mail for "+domain+" would come back to us")
	}
	if err := r.findSTS(ctx, &plan, found, t); err != nil {
		return plan, err
	}
	return r.finish(plan, found, gone(ctx))
}

// findSTS has the MTA-STS policy of the domain that the mail goes to next decide on the hosts, where DANE doesn't.
func (r *Router) findSTS(ctx context.Context, plan *Plan, found []looked, t target) (err error) {
	if t.policies == nil || !slices.ContainsFunc(found, func(l looked) bool { return l.err == nil && l.policy.Label != labelDANE }) {
		return nil
	}
	if plan.STS, err = t.policies.Find(ctx, plan.Next); err != nil {
		if err := gone(ctx); err != nil {
			return err
		}
		return r.deferred("4.3.0", "it isn't known for now whether "+plan.Next+" has a security policy")
	}
	applySTS(found, plan.STS.Policy)
	return nil
}

// hosts finds the hosts that take mail for a domain, best first. secure tells whether DNSSEC vouches for them.
func (r *Router) hosts(ctx context.Context, domain string) (hosts []candidate, secure bool, err error) {
	a, err := r.o.DNS.LookupMX(ctx, domain)
	if err != nil {
		return r.withoutMX(ctx, domain, err)
	}
	if len(a.Records) == 1 && a.Records[0].Host == "." { // RFC 7505 §3
		e := r.failed("5.1.10", domain+" accepts no mail").(*NoRoute)
		e.Outcome.Code = 556
		return nil, false, e
	}
	for _, mx := range a.Records {
		c := candidate{host: mx.Host, preference: mx.Preference, certain: a.Secure, also: []string{domain}}
		if a.Name != domain {
			c.also = append(c.also, a.Name)
		}
		hosts = append(hosts, c)
	}
	return hosts, a.Secure, nil
}

// withoutMX: a domain without MX takes mail at its own addresses, if it exists.
func (r *Router) withoutMX(ctx context.Context, domain string, err error) ([]candidate, bool, error) {
	switch {
	case ctx.Err() != nil:
		return nil, false, gone(ctx)
	case fault.Is(err, fault.Unavailable):
		return nil, false, r.deferred("4.4.3", "the MX records of "+domain+" can't be had: "+because(err))
	case dns.ReasonOf(err) == dns.NoRecord && fault.Is(err, fault.NotFound):
		secure := dns.SecureOf(err)
		return []candidate{{host: domain, certain: secure}}, secure, nil
	case fault.Is(err, fault.NotFound):
		return nil, false, r.failed("5.1.2", "the domain "+domain+" doesn't exist")
	}
	return nil, false, r.deferred("4.4.3", "the MX records of "+domain+" can't be had: "+clean(fault.TextOf(err)))
}

// shuffle puts hosts of equal preference in random order; the order of preferences stays.
func (r *Router) shuffle(hosts []candidate) {
	for first := 0; first < len(hosts); {
		end := first + 1
		for end < len(hosts) && hosts[end].preference == hosts[first].preference {
			end++
		}
		equal := hosts[first:end]
		r.o.Shuffle(len(equal), func(i, j int) { equal[i], equal[j] = equal[j], equal[i] })
		first = end
	}
}

// withoutLoop leaves out the hosts that are no better than we are, if we are among them (RFC 5321 §5.1).
func (r *Router) withoutLoop(hosts []candidate, own func(candidate) bool) (better []candidate, looped bool) {
	for i, c := range hosts { // best first
		if !own(c) {
			continue
		}
		for i > 0 && hosts[i-1].preference == c.preference {
			i--
		}
		return hosts[:i], true
	}
	return hosts, false
}

// withoutLoops does the same once addresses are known.
func (r *Router) withoutLoops(found []looked) (better []looked, looped bool) {
	for _, l := range found {
		if slices.ContainsFunc(l.all, r.isOwn) {
			worse := slices.IndexFunc(found, func(o looked) bool { return o.preference >= l.preference })
			return found[:worse], true
		}
	}
	return found, false
}

// applySTS has an MTA-STS policy decide on the hosts that DANE doesn't decide on (RFC 8461 §5).
func applySTS(found []looked, p mtasts.Policy) {
	if p.Mode != mtasts.Enforce {
		return
	}
	for i := range found {
		l := &found[i]
		switch {
		case l.err != nil || l.policy.Label == labelDANE:
		case p.Match(l.host):
			l.policy.Mode, l.policy.Label = Verified, labelSTS
			l.policy.Names = []string{l.host} // RFC 8461 §4.2: the MX host's own name
		default:
			l.err, l.why = errPolicy, "not a host that the MTA-STS policy names"
		}
	}
}

// obstacle tells what it is about TLS that leaves the host out, if it is that.
func (l *looked) obstacle() Obstacle {
	switch {
	case l.err == errPolicy:
		return NotInPolicy
	case l.err == errDANE:
		return NoTLSA
	case l.err != nil && l.tlsa:
		return TLSAUnknown
	}
	return NoObstacle
}

// finish makes the hops, or says why there are none.
func (r *Router) finish(plan Plan, found []looked, gone error) (Plan, error) {
	if gone != nil {
		return plan, gone
	}
	for _, l := range found {
		if l.err != nil {
			plan.Skipped = append(plan.Skipped, Skipped{clean(l.host), l.why, l.obstacle()})
			continue
		}
		plan.Hops = append(plan.Hops, l.hops...)
		for i := len(plan.Hops) - len(l.hops); i < len(plan.Hops); i++ {
			plan.Hops[i].TLS = l.policy
		}
	}
	plan.Hops = plan.Hops[:min(len(plan.Hops), MaxHops)]
	if len(plan.Hops) > 0 {
		return plan, nil
	}
	return plan, r.nothing(plan, found)
}

// nothing tells what it comes to that no host is left: as long as one may be there later, it is no failure.
func (r *Router) nothing(plan Plan, found []looked) error {
	worst := &NoRoute{transfer.Outcome{}}
	for _, l := range found {
		text := "no host for " + plan.Domain + ": " + clean(l.host) + ": " + l.why
		switch {
		case fault.Is(l.err, fault.Unavailable):
			return r.deferred("4.4.3", text)
		case l.err == errPolicy || l.err == errDANE:
			return r.deferred("4.7.5", text)
		case worst.Outcome.Text == "":
			worst.Outcome.Text = text
		}
	}
	return r.failed("5.4.4", worst.Outcome.Text)
}
