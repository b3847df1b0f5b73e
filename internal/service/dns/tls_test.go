package dns_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"sync"
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

// counting counts the connections that it accepts, and can cut them all.
type counting struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (c *counting) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.conns = append(c.conns, conn)
	}
	return conn, err
}

func (c *counting) cut() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
	return len(c.conns)
}

// TestConnectionsAreKept: one TLS handshake serves many questions (RFC 7858 §3.4), and a connection that the server
// has closed meanwhile costs nothing but a new one (RFC 7766 §6.2.4).
func TestConnectionsAreKept(t *testing.T) {
	w := dnstest.New(t, zone)
	web := httptest.NewTLSServer(nil) // for its certificate
	web.Close()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &counting{Listener: plain}
	w.ServeListener(t, tls.NewListener(l, &tls.Config{Certificates: web.TLS.Certificates}))
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	client, err := dns.New(dns.Options{CacheBytes: -1, Servers: []dns.Server{{
		Addr: netip.MustParseAddrPort(plain.Addr().String()), Validating: true, TLS: &tls.Config{RootCAs: roots, ServerName: "example.com"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ask := func() {
		t.Helper()
		if a, err := client.LookupMX(t.Context(), "example.org"); err != nil || len(a.Records) != 2 {
			t.Errorf("%v %v", a, err)
		}
	}
	for range 5 {
		ask()
	}
	if n := l.cut(); n != 1 {
		t.Errorf("%d connections for five questions", n)
	}
	ask()
	if n := l.cut(); n != 2 {
		t.Errorf("%d connections after the first was cut", n)
	}
}
