package dns_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/service/dns"
	"postroad/internal/service/dns/dnstest"
)

func TestServices(t *testing.T) {
	w := dnstest.New(t, `
		_imaps._tcp.example.org. SRV 10 1 993 B.example.org.
		_imaps._tcp.example.org. SRV 0 5 1993 a.example.org.
		_pop3._tcp.example.org.  SRV 0 0 0 .
	`)
	got, err := w.LookupSRV(t.Context(), "_imaps._tcp.example.org")
	want := []dns.SRV{{Priority: 0, Weight: 5, Port: 1993, Host: "a.example.org"}, {Priority: 10, Weight: 1, Port: 993, Host: "b.example.org"}}
	if d := cmp.Diff(want, got.Records); d != "" || err != nil {
		t.Error(d, err)
	}
	if got, err = w.LookupSRV(t.Context(), "_pop3._tcp.example.org."); err != nil || got.Records[0].Host != "." {
		t.Error(got, err)
	}
	if _, err = w.LookupSRV(t.Context(), "_imap._tcp.example.org"); dns.ReasonOf(err) != dns.NoName {
		t.Error(err)
	}
}
