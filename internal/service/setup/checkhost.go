package setup

import (
	"context"
	"net/netip"
	"slices"

	"postroad/internal/service/dns"
)

// checkHost looks at the server's own name.
func (k *checker) checkHost(ctx context.Context, n *notes) {
	// RFC 5321 §5.1, RFC 2181 §10.3: an MX names a host, not an alias.
	if alias, err := k.DNS.LookupCNAME(ctx, k.Hostname); err == nil {
		n.wrong("give "+k.Hostname+" address records (A, AAAA) in place of the CNAME", "%s is an alias of %s; a mail host needs addresses of its own", k.Hostname, shown(alias.Records[0]))
		return
	}
	switch {
	case k.host.unknown():
		unanswered(n, k.Hostname, k.host.err)
	case k.host.none():
		n.wrong(k.addressFix(), "%s has no address", k.Hostname)
	default:
		k.judgeAddresses(n)
	}
}

// addressFix says which addresses the host should have.
func (k *checker) addressFix() string {
	if len(k.Addrs) == 0 {
		return "publish an A record (and AAAA, with IPv6) of " + k.Hostname + " with this server's public address"
	}
	return "publish: " + k.Hostname + ". " + addressType(k.Addrs[0]) + " " + k.Addrs[0].String()
}

// judgeAddresses compares the host's addresses with ours.
func (k *checker) judgeAddresses(n *notes) {
	var good []netip.Addr
	for _, a := range k.host.Records[:min(len(k.host.Records), maxHosts)] {
		switch k.mine(a) {
		case yes:
			good = append(good, a)
		case maybe:
			n.warn("say --public-ip with this server's addresses, and they are compared", "%s has %s, which can't be compared: this machine has no public address of that kind itself", k.Hostname, a)
		default:
			n.wrong("correct the "+addressType(a)+" record of "+k.Hostname+"; or, if the address is right, say so with --public-ip", "%s has %s, which is %s", k.Hostname, a, k.whose(a))
		}
	}
	if len(good) > 0 {
		n.ok("%s has %s", k.Hostname, many(good))
	}
}

func (k *checker) whose(a netip.Addr) string {
	if !IsPublic(a) {
		return "no public address"
	}
	return "not this server's (" + many(k.Addrs) + ")"
}

// answer is yes, no, or that nobody knows.
type answer int

const (
	no answer = iota
	maybe
	yes
)

// mine tells whether an address is ours. Of a family that this machine has no public address of nobody knows: somebody may translate.
func (k *checker) mine(a netip.Addr) answer {
	switch {
	case slices.Contains(k.Addrs, a):
		return yes
	case !IsPublic(a):
		return no
	case !k.Told && !slices.ContainsFunc(k.Addrs, func(x netip.Addr) bool { return x.Is4() == a.Is4() }):
		return maybe
	}
	return no
}

// ours reports whether an address is taken for ours: known, or what the DNS says of our name.
func (k *checker) ours(a netip.Addr) bool {
	return k.mine(a) == yes || k.mine(a) == maybe && slices.Contains(k.host.Records, a)
}

// checkMX looks at where mail for the domain goes.
func (k *checker) checkMX(ctx context.Context, n *notes) {
	fix := k.record(k.Domain, "MX")
	switch {
	case k.mx.unknown():
		unanswered(n, k.Domain, k.mx.err)
	case k.mx.none() && dns.ReasonOf(k.mx.err) == dns.NoName:
		n.wrong("register the domain, or see that its name servers are entered at the registry; then "+fix, "%s is not in the DNS at all", k.Domain)
	case k.mx.none() && k.Domain == k.Hostname && k.host.err == nil:
		n.warn(fix, "%s has no MX record; its address counts in its place, but many expect an MX", k.Domain) // RFC 5321 §5.1
	case k.mx.none():
		n.wrong(fix, "%s has no MX record: nobody knows where its mail goes", k.Domain)
	case k.mx.Records[0].Host == ".":
		n.wrong(fix+", and remove the one with \".\"", "%s says that it takes no mail (null MX)", k.Domain) // RFC 7505
	default:
		k.judgeExchangers(ctx, n, fix)
	}
}

// judgeExchangers looks at each host that takes mail.
func (k *checker) judgeExchangers(ctx context.Context, n *notes, fix string) {
	here, others := false, []string{}
	for _, mx := range k.mx.Records[:min(len(k.mx.Records), maxHosts)] {
		if mx.Host == k.Hostname {
			here = true
			continue
		}
		switch k.exchanger(ctx, n, mx.Host) {
		case yes:
			here = true
			n.warn("name "+k.Hostname+" in the MX record", "the MX %s leads here, but it isn't this server's name: others compare it with the certificate", shown(mx.Host))
		case no:
			others = append(others, mx.Host)
		}
	}
	switch {
	case !here:
		n.wrong(fix, "mail for %s doesn't come here, but goes to %s", k.Domain, clean(many(others), maxShown))
	case len(others) > 0:
		n.warn("nothing, if that is intended; such hosts must know this domain's addresses, or they will take what can't be delivered", "mail for %s comes here, but %s may take it too", k.Domain, clean(many(others), maxShown))
	default:
		n.ok("mail for %s comes to %s", k.Domain, k.Hostname)
	}
}

// exchanger tells whether another name leads here. It notes what is wrong with it, and returns maybe then.
func (k *checker) exchanger(ctx context.Context, n *notes, host string) answer {
	a := ask(ctx, k.DNS.LookupIP, host)
	switch {
	case a.none():
		n.wrong("remove it, or give it an address", "the MX %s has no address", shown(host))
		return maybe
	case a.unknown():
		unanswered(n, "MX "+shown(host), a.err)
		return maybe
	case slices.ContainsFunc(a.Records, k.ours):
		return yes
	}
	return no
}
