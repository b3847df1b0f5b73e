package outbound

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"postroad/internal/service/dns"
	"postroad/internal/service/relay"
	"postroad/internal/service/route"
	"postroad/internal/service/transfer"
)

// fakes are a Router that knows one answer, and a Relay that notes what it is asked.
type fakes struct {
	plan           route.Plan
	err            error
	domain, sender string
	hops           []relay.Hop
}

func (f *fakes) Route(_ context.Context, domain, sender string) (route.Plan, error) {
	f.domain, f.sender = domain, sender
	return f.plan, f.err
}

func (f *fakes) Send(_ context.Context, hops []relay.Hop, job transfer.Job) []transfer.Outcome {
	f.hops = hops
	out := make([]transfer.Outcome, len(job.Recipients))
	for i := range out {
		out[i] = transfer.Outcome{Result: transfer.Delivered, Status: "2.0.0"}
	}
	return out
}

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func sender(f *fakes) *Sender {
	return New(Options{Routes: f, Relay: f, Now: func() time.Time { return now }, Credentials: func(ref string) *relay.Credentials {
		return map[string]*relay.Credentials{"provider": {User: "u", Password: "p"}}[ref]
	}})
}

func job(to ...string) transfer.Job {
	j := transfer.Job{Envelope: transfer.Envelope{From: "ann@here.example"}}
	for _, a := range to {
		j.Recipients = append(j.Recipients, transfer.Recipient{Address: a})
	}
	return j
}

func TestHopsAreSaidInRelaysWords(t *testing.T) {
	at, from := netip.MustParseAddrPort("192.0.2.1:25"), netip.MustParseAddr("192.0.2.7")
	f := &fakes{plan: route.Plan{Hops: []route.Hop{
		{Host: "mx.example.org", Addr: at},
		{Host: "clear", Addr: at, TLS: route.Policy{Mode: route.None}},
		{Host: "lmtp", Addr: at, Protocol: route.LMTP, TLS: route.Policy{Mode: route.Required, Implicit: true}, Credentials: "provider"},
		{Host: "nobody", Addr: at, Credentials: "unknown"},
		{Host: "localhost", Socket: "/run/s", TLS: route.Policy{Mode: route.None}, Source: from},
	}}}
	out := sender(f).Send(t.Context(), job("a@example.org", `"@"@example.org`))
	if len(out) != 2 || out[1].Result != transfer.Delivered || f.domain != "example.org" || f.sender != "ann@here.example" {
		t.Errorf("%+v for %s from %s", out, f.domain, f.sender)
	}
	want := []relay.Hop{
		{Host: "mx.example.org", Addr: at, TLS: relay.Policy{Mode: relay.Opportunistic}},
		{Host: "clear", Addr: at, TLS: relay.Policy{Mode: relay.None}},
		{Host: "lmtp", Addr: at, Protocol: relay.LMTP, TLS: relay.Policy{Mode: relay.Required, Implicit: true}, Auth: &relay.Credentials{User: "u", Password: "p"}},
		{Host: "nobody", Addr: at, TLS: relay.Policy{Mode: relay.Opportunistic}},
		{Host: "localhost", Socket: "/run/s", Source: from},
	}
	if d := cmp.Diff(want, f.hops, cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})); d != "" {
		t.Error(d)
	}
}

// TestDemandedProtectionIsDemanded: DANE and MTA-STS must not become less on the way to relay.
func TestDemandedProtectionIsDemanded(t *testing.T) {
	for _, mode := range []route.Mode{route.Verified, route.DANE} {
		f := &fakes{plan: route.Plan{Hops: []route.Hop{{Host: "mx", TLS: route.Policy{Mode: mode, Names: []string{"mx.example.org"}, Label: "L"}}}}}
		sender(f).Send(t.Context(), job("a@example.org"))
		p := f.hops[0].TLS
		if p.Mode != relay.Verified || p.Label != "L" || p.Config == nil || p.Config.VerifyConnection == nil || p.Config.ServerName != "mx.example.org" {
			t.Errorf("mode %d became %+v", mode, p)
		}
	}
}

func TestRequireTLS(t *testing.T) {
	f := &fakes{plan: route.Plan{Hops: []route.Hop{{Host: "mx"}}}} // nothing vouches for mx
	j := job("a@example.org")
	j.RequireTLS = true
	out := sender(f).Send(t.Context(), j)
	if out[0].Result != transfer.Failed || out[0].Status != "5.7.10" || f.hops != nil {
		t.Errorf("%+v to %v", out, f.hops)
	}
}

// TestTLSOptional: RFC 8689 §4.1 and §4.2.2.
func TestTLSOptional(t *testing.T) {
	for _, c := range []struct{ optional, require, lax bool }{{}, {optional: true, lax: true}, {optional: true, require: true}} {
		strict, lax := &fakes{plan: route.Plan{Ruled: true, Hops: []route.Hop{{Host: "mx"}}}}, &fakes{plan: route.Plan{Hops: []route.Hop{{Host: "mx"}}}}
		j := job("a@example.org")
		j.TLSOptional, j.RequireTLS = c.optional, c.require
		New(Options{Routes: strict, Relay: strict, Lax: lax, Now: func() time.Time { return now }}).Send(t.Context(), j)
		if asked := lax.domain != ""; asked != c.lax {
			t.Errorf("%+v: the lax router was asked: %v", c, asked)
		}
	}
}

func TestNoWay(t *testing.T) {
	f := &fakes{err: &route.NoRoute{Outcome: transfer.Outcome{Result: transfer.Failed, Status: "5.1.2", Text: "no such domain"}}}
	out := sender(f).Send(t.Context(), job("a@example.org", "b@example.org"))
	if len(out) != 2 || out[1].Status != "5.1.2" || out[1].Result != transfer.Failed || !out[1].At.Equal(now) {
		t.Errorf("%+v", out)
	}
	f.err = context.Canceled
	if out := sender(f).Send(t.Context(), job("a@example.org")); out[0].Result != transfer.Deferred || out[0].Status == "" {
		t.Errorf("%+v", out)
	}
	if out := sender(f).Send(t.Context(), job()); out != nil {
		t.Errorf("%+v", out)
	}
}

// TestConnectionsAreSharedByPins: what was verified by other records or names isn't verified.
func TestConnectionsAreSharedByPins(t *testing.T) {
	pinsOf := func(p route.Policy) string {
		f := &fakes{plan: route.Plan{Hops: []route.Hop{{Host: "mx", TLS: p}}}}
		sender(f).Send(t.Context(), job("a@example.org"))
		return f.hops[0].TLS.Pins
	}
	base := route.Policy{Mode: route.DANE, Names: []string{"a"}, TLSA: []dns.TLSA{{Usage: 3, Selector: 1, Matching: 1, Data: []byte("x")}}}
	same := base
	for what, change := range map[string]func(*route.Policy){
		"data":  func(p *route.Policy) { p.TLSA = []dns.TLSA{{Usage: 3, Selector: 1, Matching: 1, Data: []byte("y")}} },
		"usage": func(p *route.Policy) { p.TLSA = []dns.TLSA{{Usage: 2, Selector: 1, Matching: 1, Data: []byte("x")}} },
		"more":  func(p *route.Policy) { p.TLSA = append(p.TLSA[:1:1], p.TLSA[0]) },
		"names": func(p *route.Policy) { p.Names = []string{"b"} },
	} {
		other := base
		if change(&other); pinsOf(other) == pinsOf(base) {
			t.Errorf("%s doesn't count", what)
		}
	}
	if pinsOf(same) != pinsOf(base) || pinsOf(base) == "" {
		t.Error("the same isn't the same")
	}
}
