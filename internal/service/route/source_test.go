package route_test

import (
	"net/netip"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/route"
)

// TestSources: connections come from the address of the hop's family; a rule may have others.
func TestSources(t *testing.T) {
	v4, other, v6 := netip.MustParseAddr("192.0.2.77"), netip.MustParseAddr("192.0.2.78"), netip.MustParseAddr("2001:db8::77")
	r := router(t, route.Options{
		DNS: dnstest.New(t, zone), Sources: route.Sources{V4: v4, V6: v6},
		Rules: []route.Rule{{Sender: "shop.test", Host: "implicit.test", Sources: route.Sources{V4: other}}, {Recipient: "lit.test", Host: "192.0.2.9"}},
	})
	wants(t, "by the DNS", r, "implicit.test", "", "implicit.test [2001:db8::3]:25 from 2001:db8::77\nimplicit.test 192.0.2.3:25 from 192.0.2.77")
	wants(t, "a literal", r, "[192.0.2.1]", "", "[192.0.2.1] 192.0.2.1:25 from 192.0.2.77")
	wants(t, "a rule", r, "two.test", "shop.test", "implicit.test [2001:db8::3]:25 from 2001:db8::77\nimplicit.test 192.0.2.3:25 from 192.0.2.78")
	wants(t, "a rule's address", r, "lit.test", "", "[192.0.2.9] 192.0.2.9:25 from 192.0.2.77")
}

func TestSockets(t *testing.T) {
	r := router(t, route.Options{DNS: dnstest.New(t, ""), Sources: route.Sources{V4: netip.MustParseAddr("192.0.2.77")}, Rules: []route.Rule{
		{Recipient: "lists.test", Host: "unix:/run/lists", Protocol: route.LMTP},
		{Recipient: "tls.test", Host: "unix:/run/tls", TLS: route.Required},
	}})
	wants(t, "LMTP", r, "lists.test", "", "localhost unix:/run/lists lmtp clear")
	wants(t, "SMTP", r, "tls.test", "", "localhost unix:/run/tls encrypted")
	for _, rule := range []route.Rule{
		{Host: "unix:run/x"}, {Host: "unix:"}, {Host: "unix:/x", Port: 24}, {Host: "unix:/x", MX: true}, {Host: "unix:/x", TLS: route.Verified},
		{Host: "unix:/x", TLS: route.DANE}, {Host: "unix:/x", TLS: route.Required, ImplicitTLS: true},
		{Host: "unix:/x", Sources: route.Sources{V4: netip.MustParseAddr("192.0.2.1")}},
		{Host: "x.test", Sources: route.Sources{V4: netip.MustParseAddr("::1")}}, {Host: "x.test", Sources: route.Sources{V6: netip.MustParseAddr("::ffff:192.0.2.1")}},
		{Sources: route.Sources{V4: netip.MustParseAddr("192.0.2.1")}},
	} {
		if _, err := route.New(route.Options{DNS: dnstest.New(t, ""), Rules: []route.Rule{rule}}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", rule, err)
		}
	}
	if _, err := route.New(route.Options{DNS: dnstest.New(t, ""), Sources: route.Sources{V6: netip.MustParseAddr("192.0.2.1")}}); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}
