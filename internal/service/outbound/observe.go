package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/format/tlsrpt"
	"postroad/internal/service/dns"
	"postroad/internal/service/mtasts"
	"postroad/internal/service/relay"
	"postroad/internal/service/route"
	"postroad/internal/service/transfer"
)

// Observation is what came of protecting one connection to a host of a domain, or why there is none to a host that
// a policy keeps mail from: one session in the sense of RFC 8460 §4.2.
type Observation struct {
	// Domain is whose record says who wants to hear: the recipients', or the smart host's name (RFC 8460 §1.1).
	Domain string
	// Policy is what was applied. It has no counts.
	Policy tlsrpt.Policy
	// Failure is what failed; its Type is "" for a success. It has no count.
	Failure tlsrpt.Failure
}

// observer tells of one job's sessions.
type observer struct {
	s    *Sender
	plan *route.Plan
}

// watch has the hops' new connections observed, and tells of the hosts that policies leave out. Messages for which TLS doesn't
// matter, reports above all, tell nothing (RFC 8460 §3).
func (s *Sender) watch(job *transfer.Job, plan *route.Plan, hops []relay.Hop) {
	if s.o.Observe == nil || job.TLSOptional || strings.HasPrefix(plan.Domain, "[") {
		return
	}
	o := &observer{s, plan}
	o.leftOut()
	for i := range hops {
		if h := &plan.Hops[i]; h.Protocol == route.SMTP && h.Socket == "" && h.TLS.Mode != route.None {
			hops[i].Observe = func(got relay.Handshake) { o.session(h, &got) }
		}
	}
}

// domain is whose record counts for a hop.
func (o *observer) domain(host string) string {
	if o.plan.Ruled {
		return host
	}
	return o.next()
}

// next is the domain whose hosts they are, and whose policy counts.
func (o *observer) next() string {
	if o.plan.Next != "" {
		return o.plan.Next
	}
	return o.plan.Domain
}

// leftOut tells of trouble that there is before any connection.
func (o *observer) leftOut() {
	if failure, ok := ofPolicy(o.plan.STS.Trouble); ok {
		o.s.o.Observe(Observation{o.next(), tlsrpt.Policy{Type: tlsrpt.STS, Domain: o.next()}, failure})
	}
	for _, skipped := range o.plan.Skipped {
		f := tlsrpt.Failure{Host: skipped.Host}
		p := tlsrpt.Policy{Type: tlsrpt.TLSA, Domain: skipped.Host}
		switch skipped.TLS {
		case route.NotInPolicy:
			p, f.Type, f.Reason = o.sts(), tlsrpt.ValidationFailure, notInPolicy
		case route.NoTLSA:
			f.Type = tlsrpt.DANERequired
		case route.TLSAUnknown:
			f.Type = tlsrpt.DNSSECInvalid
		default:
			continue
		}
		o.s.o.Observe(Observation{o.domain(skipped.Host), p, f})
	}
}

const notInPolicy = "the MX host is not in the MTA-STS policy"

// session tells of one connection.
func (o *observer) session(h *route.Hop, got *relay.Handshake) {
	p, name, reason := o.judge(h, got)
	f := tlsrpt.Failure{Type: name, Reason: reason}
	if name != "" {
		f.Host, f.Helo, f.Sending, f.Receiving = h.Host, got.Helo, got.Local, h.Addr.Addr().Unmap()
	}
	o.s.o.Observe(Observation{o.domain(h.Host), p, f})
}

// judge says which policy a connection is counted under, and how it failed.
func (o *observer) judge(h *route.Hop, got *relay.Handshake) (p tlsrpt.Policy, failure, reason string) {
	switch {
	case h.TLS.Mode == route.DANE:
		p = tlsaPolicy(h.TLS.TLSA, h.TLS.Names[0])
	case len(h.TLS.Unusable) > 0:
		return tlsaPolicy(h.TLS.Unusable, h.Host), tlsrpt.TLSAInvalid, ""
	case o.plan.STS.Policy.Mode != mtasts.None:
		p = o.sts()
		if got.State != nil && o.plan.STS.Policy.Mode == mtasts.Testing {
			failure, reason = o.test(h, got.State) // RFC 8461 §5: failures are reported, mail is delivered
			return p, failure, reason
		}
	default:
		p = tlsrpt.Policy{Type: tlsrpt.NoPolicy, Domain: o.domain(h.Host)}
	}
	if got.Err != nil {
		failure, reason = classify(got.Err)
	}
	return p, failure, reason
}

// test checks a connection as if the policy were enforced.
func (o *observer) test(h *route.Hop, state *tls.ConnectionState) (failure, reason string) {
	if !o.plan.STS.Policy.Match(h.Host) {
		return tlsrpt.ValidationFailure, notInPolicy
	}
	verified := route.Policy{Mode: route.Verified, Names: []string{h.Host}}
	if err := verified.Config(o.s.o.Roots, o.s.o.Now).VerifyConnection(*state); err != nil {
		return classify(err)
	}
	return "", ""
}

// sts is the domain's MTA-STS policy as reports show it (RFC 8460 §4.5).
func (o *observer) sts() tlsrpt.Policy {
	lines := strings.Split(strings.TrimSuffix(o.plan.STS.Policy.Text(), "\r\n"), "\r\n")
	return tlsrpt.Policy{Type: tlsrpt.STS, Strings: lines, Domain: o.next(), MX: o.plan.STS.Policy.MX}
}

// tlsaPolicy is what TLSA records ask for, as reports show it (RFC 8460 §4.5). base is the domain that has them.
func tlsaPolicy(records []dns.TLSA, base string) tlsrpt.Policy {
	const most = 20
	p := tlsrpt.Policy{Type: tlsrpt.TLSA, Domain: base}
	for _, r := range records[:min(len(records), most)] {
		p.Strings = append(p.Strings, fmt.Sprintf("%d %d %d %X", r.Usage, r.Selector, r.Matching, r.Data))
	}
	return p
}

// classify names a failed handshake as RFC 8460 §4.3 does.
func classify(err error) (failure, reason string) {
	if errors.Is(err, relay.ErrNoTLS) {
		return tlsrpt.NoSTARTTLS, ""
	}
	reason = short(err.Error())
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return tlsrpt.HostMismatch, ""
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return tlsrpt.Expired, ""
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok || fault.Is(err, fault.Denied) {
		return tlsrpt.NotTrusted, reason
	}
	return tlsrpt.ValidationFailure, reason
}

// ofPolicy names what keeps us from a domain's policy (RFC 8460 §4.3.2.2). What the DNS can't answer for now is not
// required to be told (§4.3.4).
func ofPolicy(err error) (f tlsrpt.Failure, ok bool) {
	if err == nil {
		return f, false
	}
	if _, dns := errors.AsType[*dns.Failure](err); dns {
		return f, false
	}
	f.Reason = short(err.Error())
	_, verification := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case verification:
		f.Type = tlsrpt.STSWebPKIInvalid
	case fault.Is(err, fault.Invalid):
		f.Type = tlsrpt.STSPolicyInvalid
	default:
		f.Type = tlsrpt.STSFetchError
	}
	return f, true
}

// short makes an error's text fit for a report, which strangers read.
func short(s string) string {
	const most = 160
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), most)]
}
