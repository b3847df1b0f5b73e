package server

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/server/config"
	"postroad/internal/service/dns"
	"postroad/internal/service/dns/dnstest"
)

// TestResolverOverTLS: one that the settings name is asked over TLS, verified by its name, and believed when it vouches for an answer.
func TestResolverOverTLS(t *testing.T) {
	zone := dnstest.New(t, "example.org. MX 10 mx.example.org.")
	zone.Secure("example.org")
	web := httptest.NewTLSServer(nil) // for its certificate, for example.com and 127.0.0.1
	web.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: web.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	zone.ServeListener(t, l)
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	for name, good := range map[string]bool{"": true, "#example.com": true, "#dns.example.net": false} {
		r, err := newResolver(config.DNS{Servers: []string{"tls://" + l.Addr().(*net.TCPAddr).String() + name}}, World{Roots: roots, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		a, err := r.LookupMX(t.Context(), "example.org")
		if good && (err != nil || !a.Secure) || !good && !fault.Is(err, fault.Unavailable) {
			t.Errorf("%q: %+v %v", name, a, err)
		}
		r.(*dns.Client).Close()
	}
}
