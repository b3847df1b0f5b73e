package route_test

import (
	"testing"
	"time"

	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/mtasts"
	"postroad/internal/service/route"
)

// TestLax: RFC 8689 §4.2.2: neither DANE nor MTA-STS counts, but what the administrator demands.
func TestLax(t *testing.T) {
	w := dnstest.New(t, zone+daneZone)
	w.Secure("safe.test", "direct.test")
	sts := &policies{found: map[string]mtasts.Found{
		"two.test": {ID: "1", Policy: mtasts.Policy{Mode: mtasts.Enforce, MX: []string{"a.two.test"}, MaxAge: time.Hour}},
	}}
	r := router(t, route.Options{DNS: w, STS: sts, Rules: []route.Rule{
		{Recipient: "ruled.test", Host: "mx.safe.test", TLS: route.Required},
		{Recipient: "must.test", Host: "mx.safe.test", TLS: route.DANE},
	}})
	wants(t, "DANE, strictly", r, "direct.test", "", "direct.test 192.0.2.4:25 dane(1) direct.test")
	for _, c := range []struct{ what, domain, want string }{
		{"DANE", "direct.test", "direct.test 192.0.2.4:25"},
		{"MTA-STS", "two.test", "a.two.test 192.0.2.1:25\nb.two.test 192.0.2.2:25"},
		{"a rule", "ruled.test", "mx.safe.test 192.0.2.1:25 encrypted"},
		{"a rule that demands DANE", "must.test", "mx.safe.test 192.0.2.1:25 dane(2) mx.safe.test"},
	} {
		wants(t, c.what, r.Lax(), c.domain, "", c.want)
	}
}
