package setup

import (
	"context"
	"strings"

	"postroad/internal/service/dane"
	"postroad/internal/service/dns"
)

// checkDNSSEC tells whether the zones are signed.
func (k *checker) checkDNSSEC(ctx context.Context, n *notes) {
	if k.bogus(n) {
		return
	}
	unsigned := []string{}
	if !k.mx.vouched() {
		unsigned = append(unsigned, k.Domain)
	}
	if !k.host.vouched() && k.Hostname != k.Domain {
		unsigned = append(unsigned, k.Hostname)
	}
	switch {
	case len(unsigned) == 0:
		n.ok("DNSSEC vouches for %s and %s", k.Domain, k.Hostname)
	case !k.validating(ctx):
		n.warn("run a validating resolver on this machine (unbound, for example) and say [dns] servers = [\"127.0.0.1\"]; others' DANE needs it too",
			"the resolver isn't one that is believed to validate DNSSEC, so it isn't known whether the zones are signed")
	default:
		n.ok("DNSSEC doesn't vouch for %s. It could: others can be sure of this server then (DANE); the DNS host and the registrar offer it", strings.Join(unsigned, " and "))
	}
}

// bogus notes signatures that are wrong.
func (k *checker) bogus(n *notes) (found bool) {
	for _, q := range []struct {
		name string
		err  error
	}{{k.Domain, k.mx.err}, {k.Hostname, k.host.err}} {
		if q.err != nil && dns.ReasonOf(q.err) == dns.Bogus {
			unanswered(n, q.name, q.err)
			found = true
		}
	}
	return found
}

// vouched reports whether DNSSEC vouches for the answer, also if it is that there is nothing.
func (f *found[T]) vouched() bool {
	if f.err != nil {
		return dns.SecureOf(f.err)
	}
	return f.Secure
}

// validating tells whether the resolver validates and is believed, by the top-level domain, which is signed nearly everywhere.
func (k *checker) validating(ctx context.Context) bool {
	top := ask(ctx, k.DNS.LookupTXT, k.Domain[strings.LastIndexByte(k.Domain, '.')+1:])
	return top.vouched()
}

// checkDANE compares TLSA records with the certificate (RFC 7672).
func (k *checker) checkDANE(ctx context.Context, n *notes) {
	name := tlsaName(k.Hostname)
	tlsa := ask(ctx, k.DNS.LookupTLSA, name)
	signed := k.host.vouched()
	switch {
	case tlsa.unknown() && signed: // RFC 7672 §2.1
		n.wrong("see that the zone's name servers answer questions for TLSA", "%s: no answer to TLSA questions, so that senders with DANE keep their mail", name)
	case tlsa.unknown():
		unanswered(n, name, tlsa.err)
	case len(k.Chain) == 0 && tlsa.err == nil:
		n.warn("start the server, which finds or makes one", "there are TLSA records, but no certificate to compare them with")
	case len(k.Chain) == 0:
		n.ok("no TLSA record, and no certificate to make one of")
	case tlsa.none() && signed:
		n.warn(k.record(name, "TLSA"), "the zone is signed, but has no TLSA record: others can't be sure of this server")
	case tlsa.none():
		n.ok("no TLSA record; it is of use only where DNSSEC vouches for it")
	default:
		k.compareTLSA(n, tlsa.Answer)
	}
}

func (k *checker) compareTLSA(n *notes, a dns.Answer[dns.TLSA]) {
	usable := dane.Usable(a.Records)
	fix := k.record(tlsaName(k.Hostname), "TLSA")
	bad := n.wrong
	if !a.Secure {
		bad = n.warn // nobody looks at them
	}
	switch {
	case len(usable) == 0:
		bad(fix, "none of the TLSA records can be used for mail: it takes usage 2 or 3, best 3 1 1")
	case dane.Verify(usable, []string{k.Hostname, k.Domain}, k.Chain, k.Now()) != nil:
		bad(fix, "no TLSA record is that of the certificate in use: senders with DANE keep their mail")
	case !a.Secure:
		n.warn("sign the zone (DNSSEC), or remove the record", "the TLSA record is right, but DNSSEC doesn't vouch for it, as far as this resolver tells: nobody looks at it")
	default:
		n.ok("the TLSA record is that of the certificate in use; renew it with the same key")
	}
}
