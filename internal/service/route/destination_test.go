package route_test

import (
	"testing"

	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/route"
)

// TestDestination: what goes through one next hop has one name, however the domains are called.
func TestDestination(t *testing.T) {
	r, err := route.New(route.Options{DNS: dnstest.New(t, ""), Rules: []route.Rule{
		{Recipient: "lists.example.org", Host: "unix:/run/lists", Protocol: route.LMTP},
		{Recipient: ".example.org"},
		{Sender: "shop.example", Host: "Smtp.Provider.example", Port: 587, TLS: route.Verified},
		{Sender: "lab.example", Host: "192.0.2.9"},
		{Sender: "<>", Host: "relay.example", MX: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ domain, sender, want string }{
		{"lists.example.org", "ann@x.example", "unix:/run/lists"},
		{"Sub.Example.org", "ann@shop.example", "sub.example.org"},
		{"far.example", "ann@shop.example", "smtp.provider.example:587"},
		{"bücher.example", "ann@Shop.example", "smtp.provider.example:587"},
		{"Bücher.example", "ann@x.example", "xn--bcher-kva.example"},
		{"far.example", "", "relay.example:25"},
		{"[192.0.2.1]", "ann@lab.example", "[192.0.2.9]:25"},
		{"bad domain", "ann@shop.example", "bad domain"},
	} {
		if got := r.Destination(c.domain, c.sender); got != c.want {
			t.Errorf("%s from %s: %s, want %s", c.domain, c.sender, got, c.want)
		}
	}
}
