package dns_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/service/dns"
	"postroad/internal/service/dns/dnstest"
)

// TestOverTLS: RFC 7858. A resolver elsewhere may vouch if nobody can change what it says on the way.
func TestOverTLS(t *testing.T) {
	w := dnstest.New(t, zone)
	w.Secure("org")
	web := httptest.NewTLSServer(nil) // for its certificate
	web.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: web.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			relay(w, conn)
		}
	}()
	defer func() { l.Close(); <-done }()
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	for what, c := range map[string]struct {
		roots      *x509.CertPool
		name       string
		validating bool
		kind       fault.Kind
		secure     bool
	}{
		"validating":       {roots, "example.com", true, 0, true},
		"not validating":   {roots, "example.com", false, 0, false},
		"another name":     {roots, "example.net", true, fault.Unavailable, false},
		"unknown to roots": {x509.NewCertPool(), "example.com", true, fault.Unavailable, false},
	} {
		client := newClient(t, w, dns.Options{
			Attempts: 1,
			Servers: []dns.Server{{
				Addr: netip.MustParseAddrPort("192.0.2.1:853"), Validating: c.validating, TLS: &tls.Config{RootCAs: c.roots, ServerName: c.name},
			}},
			Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, l.Addr().String())
			},
		})
		a, err := client.LookupMX(t.Context(), "example.org")
		if a.Secure != c.secure || (err != nil) != (c.kind != 0) || err != nil && !fault.Is(err, c.kind) {
			t.Errorf("%s: %v, %v", what, a, err)
		}
	}
}

// relay has the world answer one question that comes over conn.
func relay(w *dnstest.World, conn net.Conn) {
	defer conn.Close()
	b := make([]byte, 2000)
	n, err := io.ReadAtLeast(conn, b, 2)
	if err != nil {
		return
	}
	m, err := io.ReadFull(conn, b[n:max(n, 2+int(b[0])<<8+int(b[1]))])
	if err != nil {
		return
	}
	world, err := w.Dial(context.Background(), "tcp", "")
	if err != nil {
		return
	}
	defer world.Close()
	if _, err := world.Write(b[:n+m]); err == nil {
		io.Copy(conn, world)
	}
}
