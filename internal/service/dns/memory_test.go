package dns_test

import (
	"testing"

	"postroad/internal/fault"
	"postroad/internal/service/dns"
	"postroad/internal/service/dns/dnstest"
)

// TestRemembered: nobody is asked for what isn't at hand; what is, names that aren't there too, is answered.
func TestRemembered(t *testing.T) {
	w := dnstest.New(t, zone)
	c, err := dns.New(dns.Options{Servers: w.Serve(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, complete := c.Remembered(t.Context())
	if _, err := c.LookupIP(ctx, "mx1.example.org"); !fault.Is(err, fault.Canceled) || complete() {
		t.Errorf("%v, complete: %v", err, complete())
	}
	if n := w.Asked("mx1.example.org", "A"); n != 0 {
		t.Errorf("%d questions were asked", n)
	}
	for round := range 2 {
		ctx, complete := t.Context(), func() bool { return true }
		if round == 1 {
			ctx, complete = c.Remembered(ctx)
		}
		ip, err := c.LookupIP(ctx, "mx1.example.org")
		check(t, "IP", ip.Records, addrs("2001:db8::1", "192.0.2.1"), err)
		if _, err := c.LookupTXT(ctx, "mx1.example.org"); dns.ReasonOf(err) != dns.NoRecord || !complete() {
			t.Errorf("%v, complete: %v", err, complete())
		}
	}
}
