package route_test

import (
	"testing"

	"postroad/internal/service/dns"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/route"
)

// BenchmarkRoute plans with all that the DNS says in the cache: what each attempt after the first costs.
func BenchmarkRoute(b *testing.B) {
	w := dnstest.New(b, daneZone)
	w.Secure("safe.test")
	c, err := dns.New(dns.Options{Servers: w.Serve(b)})
	if err != nil {
		b.Fatal(err)
	}
	r := router(b, route.Options{DNS: c})
	b.ReportAllocs()
	for b.Loop() {
		if p, err := r.Route(b.Context(), "safe.test", "ann@here.test"); err != nil || len(p.Hops) != 2 {
			b.Fatal(show(p, err))
		}
	}
}
