package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/service/certtest"
	"postroad/internal/service/dns"
	"postroad/internal/service/mtasts"
	"postroad/internal/service/relay"
	"postroad/internal/service/route"
	"postroad/internal/service/transfer"
)

// certificate makes one for a name, by itself, that ends at a time.
func certificate(t *testing.T, name string, end time.Time) *x509.Certificate {
	return certtest.Issue(t, x509.Certificate{DNSNames: []string{name}, NotBefore: end.Add(-24 * time.Hour), NotAfter: end, IsCA: true}, nil).Leaf
}

// shaker is a Relay whose connections all end in one way.
type shaker struct{ got relay.Handshake }

func (s *shaker) Send(_ context.Context, hops []relay.Hop, job transfer.Job) []transfer.Outcome {
	for i := range hops {
		if hops[i].Observe != nil {
			hops[i].Observe(s.got)
		}
	}
	return make([]transfer.Outcome, len(job.Recipients))
}

// TestObservations: RFC 8460 §4.3, by policy and by what happened.
func TestObservations(t *testing.T) {
	good, other, expired := certificate(t, "mx.b.example", now.Add(time.Hour)), certificate(t, "x.b.example", now.Add(time.Hour)), certificate(t, "mx.b.example", now.Add(-time.Hour))
	roots := x509.NewCertPool()
	for _, c := range []*x509.Certificate{good, other, expired} {
		roots.AddCert(c)
	}
	stranger := certificate(t, "mx.b.example", now.Add(time.Hour))
	shows := func(c *x509.Certificate) relay.Handshake {
		return relay.Handshake{Helo: "mx", Local: netip.MustParseAddr("192.0.2.9"), State: &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}}
	}
	fails := func(err error) relay.Handshake { return relay.Handshake{Helo: "mx", Err: err} }
	hop := func(p route.Policy) route.Plan {
		return route.Plan{Domain: "b.example", Hops: []route.Hop{{Host: "mx.b.example", Addr: netip.MustParseAddrPort("192.0.2.1:25"), TLS: p}}}
	}
	sts := func(mode mtasts.Mode, hosts ...string) route.Plan {
		p := hop(route.Policy{})
		p.STS.Policy = mtasts.Policy{Mode: mode, MX: hosts, MaxAge: time.Hour}
		return p
	}
	enforced := sts(mtasts.Enforce, "mx.b.example")
	enforced.Hops[0].TLS = route.Policy{Mode: route.Verified, Label: "MTA-STS", Names: []string{"mx.b.example"}}
	records := []dns.TLSA{{Usage: 3, Selector: 1, Matching: 1, Data: []byte{0xAB, 0xCD}}}
	left := sts(mtasts.Enforce, "mx.b.example")
	left.Skipped = []route.Skipped{{Host: "a", TLS: route.NotInPolicy}, {Host: "b", TLS: route.NoTLSA}, {Host: "c", TLS: route.TLSAUnknown}, {Host: "d"}}
	left.Hops = nil
	unfetched := hop(route.Policy{})
	unfetched.STS.Trouble = fault.Wrap(fault.Unavailable, io.EOF, "can't be fetched")
	ruled := hop(route.Policy{Mode: route.Required})
	ruled.Ruled = true
	next := sts(mtasts.Testing, "mx.b.example")
	next.Next = "next.example"
	lmtp := hop(route.Policy{})
	lmtp.Hops[0].Protocol = route.LMTP
	for _, c := range []struct {
		name string
		plan route.Plan
		got  relay.Handshake
		want string
	}{
		{"opportunistic, fine", hop(route.Policy{}), shows(stranger), "b.example: no-policy-found b.example [] []"},
		{"opportunistic, none", hop(route.Policy{}), fails(relay.ErrNoTLS), "b.example: no-policy-found b.example [] [] starttls-not-supported"},
		{"opportunistic, broken", hop(route.Policy{}), fails(errors.New("tls: odd\x00")), "b.example: no-policy-found b.example [] [] validation-failure tls: odd?"},
		{"enforced, fine", enforced, shows(good), "b.example: sts b.example [version: STSv1 mode: enforce mx: mx.b.example max_age: 3600] [mx.b.example]"},
		{"enforced, wrong name", enforced, fails(enforced.Hops[0].TLS.Config(roots, clock).VerifyConnection(*shows(other).State)), "b.example: sts b.example [version: STSv1 mode: enforce mx: mx.b.example max_age: 3600] [mx.b.example] certificate-host-mismatch"},
		{"enforced, expired", enforced, fails(enforced.Hops[0].TLS.Config(roots, clock).VerifyConnection(*shows(expired).State)), "b.example: sts b.example [version: STSv1 mode: enforce mx: mx.b.example max_age: 3600] [mx.b.example] certificate-expired"},
		{"testing, fine", sts(mtasts.Testing, "*.b.example"), shows(good), "b.example: sts b.example [version: STSv1 mode: testing mx: *.b.example max_age: 3600] [*.b.example]"},
		{"testing, stranger", sts(mtasts.Testing, "*.b.example"), shows(stranger), "b.example: sts b.example [version: STSv1 mode: testing mx: *.b.example max_age: 3600] [*.b.example] certificate-not-trusted the server's certificate isn't valid: x509: certificate signed by unknown authority"},
		{"testing, not in it", sts(mtasts.Testing, "y"), shows(good), "b.example: sts b.example [version: STSv1 mode: testing mx: y max_age: 3600] [y] validation-failure the MX host is not in the MTA-STS policy"},
		{"testing, none", sts(mtasts.Testing, "*.b.example"), fails(relay.ErrNoTLS), "b.example: sts b.example [version: STSv1 mode: testing mx: *.b.example max_age: 3600] [*.b.example] starttls-not-supported"},
		{"DANE, fine", hop(route.Policy{Mode: route.DANE, TLSA: records, Names: []string{"base.b.example", "mx.b.example"}}), shows(stranger), "b.example: tlsa base.b.example [3 1 1 ABCD] []"},
		{"DANE, another", hop(route.Policy{Mode: route.DANE, TLSA: records, Names: []string{"mx.b.example"}}), fails(fault.New(fault.Denied, "no match")), "b.example: tlsa mx.b.example [3 1 1 ABCD] [] certificate-not-trusted no match"},
		{"DANE, unusable", hop(route.Policy{Mode: route.Required, Unusable: records}), shows(stranger), "b.example: tlsa mx.b.example [3 1 1 ABCD] [] tlsa-invalid"},
		{"left out", left, shows(good), "b.example: sts b.example [version: STSv1 mode: enforce mx: mx.b.example max_age: 3600] [mx.b.example] validation-failure the MX host is not in the MTA-STS policy; " +
			"b.example: tlsa b [] [] dane-required; b.example: tlsa c [] [] dnssec-invalid"},
		{"not fetched", unfetched, shows(good), "b.example: sts b.example [] [] sts-policy-fetch-error can't be fetched: EOF; b.example: no-policy-found b.example [] []"},
		{"smart host", ruled, shows(good), "mx.b.example: no-policy-found mx.b.example [] []"},
		{"by the MX records of a smart host's domain", next, shows(good), "next.example: sts next.example [version: STSv1 mode: testing mx: mx.b.example max_age: 3600] [mx.b.example]"},
		{"LMTP", lmtp, shows(good), ""},
		{"no TLS wanted", hop(route.Policy{Mode: route.None}), shows(good), ""},
		{"address literal", route.Plan{Domain: "[192.0.2.1]", Hops: enforced.Hops}, shows(good), ""},
	} {
		for _, optional := range []bool{false, true} {
			told := ""
			o := Options{Routes: &fakes{plan: c.plan}, Relay: &shaker{c.got}, Now: clock, Roots: roots, Observe: func(o Observation) {
				if told != "" {
					told += "; "
				}
				told += fmt.Sprint(o.Domain, ": ", o.Policy.Type, " ", o.Policy.Domain, " ", o.Policy.Strings, " ", o.Policy.MX)
				if f := o.Failure; f.Type != "" {
					told += " " + f.Type
					if f.Reason != "" {
						told += " " + f.Reason
					}
				}
			}}
			j := job("ann@b.example")
			j.TLSOptional = optional
			New(o).Send(t.Context(), j)
			want := c.want
			if optional { // §3: reports don't report on themselves
				want = ""
			}
			if d := cmp.Diff(want, told); d != "" {
				t.Errorf("%s, TLS optional %v: %s", c.name, optional, d)
			}
		}
	}
}

func clock() time.Time { return now }

// TestTroubleWithPolicies: RFC 8460 §4.3.2.2, §4.3.4.
func TestTroubleWithPolicies(t *testing.T) {
	for want, err := range map[string]error{
		"": (&dns.Failure{Reason: dns.Temporary}).Fault(), "sts-policy-invalid": fault.New(fault.Invalid, "x"),
		"sts-webpki-invalid":     fault.Wrap(fault.Unavailable, &tls.CertificateVerificationError{Err: io.EOF}, "x"),
		"sts-policy-fetch-error": fault.Wrap(fault.Unavailable, io.EOF, "x"),
	} {
		if f, ok := ofPolicy(err); f.Type != want || ok != (want != "") {
			t.Errorf("%v: %s", err, f.Type)
		}
	}
}
