package inbound

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"postroad/internal/service/dns"
	"postroad/internal/service/sender"
	"postroad/internal/service/sender/authres"
)

// trap is a Resolver that panics at addresses' names, at a list and at the name in HELO.
type trap struct{ dns.Resolver }

func (r trap) LookupPTR(context.Context, netip.Addr) (dns.Answer[string], error) { panic("trapped") }

func (r trap) LookupIP(ctx context.Context, name string) (dns.Answer[netip.Addr], error) {
	if strings.HasSuffix(name, "broken.example") {
		panic("trapped")
	}
	return r.Resolver.LookupIP(ctx, name)
}

// Lookups for a connection that panic are as if the DNS had no answer: others count, the message comes in, and the server goes on.
func TestLookupsPanic(t *testing.T) {
	w := newWorld(t, Options{
		Block: []List{{Zone: "bl.broken.example"}, {Zone: "mark.example", Mark: true}}, Greylist: GreyOff, Helo: HeloRules{Refuse: true, Resolve: true},
	})
	w.dns.Add(t, "1.2.0.192.mark.example. A 127.0.0.2\n")
	w.o.Resolver = trap{w.dns}
	w.Guard.dns = sender.FromDNS(w.o.Resolver)
	v, err := w.visit(client{IP: goodIP, Helo: "mail.broken.example", From: "ann@good.example"})
	if err != nil {
		t.Fatal(err)
	}
	v.wait(t.Context())
	if v.iprev.Status != authres.TempError || len(v.block) != 1 || v.block[0].list.Zone != "mark.example" {
		t.Errorf("%+v %+v", v.iprev, v.block)
	}
	c := v.Message([]string{"bob@example.org"})
	c.Write([]byte(w.signed(letter("ann@good.example"), "good.example")))
	verdict, err := c.Verdict(t.Context())
	if err != nil || !strings.Contains(verdict.Summary, "dmarc=pass") || !strings.Contains(verdict.Results, "iprev=temperror") {
		t.Errorf("%+v, %v", verdict, err)
	}
	if n := w.Stats().Panics; n != 3 {
		t.Errorf("%d panics are counted", n)
	}
}
