package route_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"
	"time"

	"postroad/internal/service/certtest"
	"postroad/internal/service/dns"
	"postroad/internal/service/memnet"
	"postroad/internal/service/route"
)

// server has a certificate for names.
func server(t *testing.T, until time.Time, names ...string) (*tls.Config, *x509.Certificate) {
	t.Helper()
	c := certtest.Issue(t, x509.Certificate{DNSNames: names, NotBefore: now.Add(-48 * time.Hour), NotAfter: until, IsCA: true}, nil)
	return &tls.Config{Certificates: []tls.Certificate{c}}, c.Leaf
}

func handshake(t *testing.T, client, server *tls.Config) error {
	t.Helper()
	a, b := memnet.Pipe(&net.TCPAddr{}, &net.TCPAddr{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer b.Close()
		tls.Server(b, server).Handshake()
	}()
	err := tls.Client(a, client).Handshake()
	a.Close()
	<-done
	return err
}

// TestConfig: a handshake succeeds with those whom the policy means, and with nobody else.
func TestConfig(t *testing.T) {
	good, cert := server(t, now.Add(time.Hour), "mx.example.org")
	old, oldCert := server(t, now.Add(-time.Hour), "mx.example.org")
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	roots.AddCert(oldCert)
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	tlsa := []dns.TLSA{{Usage: 3, Selector: 1, Matching: 1, Data: sum[:]}}
	names := []string{"mx.example.org"}
	for what, c := range map[string]struct {
		policy route.Policy
		roots  *x509.CertPool
		server *tls.Config
		good   bool
	}{
		"opportunistic":              {route.Policy{Names: names}, nil, old, true},
		"required":                   {route.Policy{Mode: route.Required, Names: names}, nil, old, true},
		"verified":                   {route.Policy{Mode: route.Verified, Names: names}, roots, good, true},
		"verified, one of two names": {route.Policy{Mode: route.Verified, Names: []string{"example.org", "mx.example.org"}}, roots, good, true},
		"verified, another name":     {route.Policy{Mode: route.Verified, Names: []string{"example.org"}}, roots, good, false},
		"verified, no name":          {route.Policy{Mode: route.Verified}, roots, good, false},
		"verified, expired":          {route.Policy{Mode: route.Verified, Names: names}, roots, old, false},
		"verified, unknown":          {route.Policy{Mode: route.Verified, Names: names}, x509.NewCertPool(), good, false},
		"DANE":                       {route.Policy{Mode: route.DANE, Names: names, TLSA: tlsa}, nil, good, true},
		"DANE, another key":          {route.Policy{Mode: route.DANE, Names: names, TLSA: tlsa}, roots, old, false},
	} {
		config := c.policy.Config(c.roots, func() time.Time { return now })
		if err := handshake(t, config, c.server); c.good != (err == nil) {
			t.Errorf("%s: %v", what, err)
		}
		if config.MinVersion < tls.VersionTLS12 {
			t.Errorf("%s: TLS %x", what, config.MinVersion)
		}
	}
	if (route.Policy{Mode: route.None}).Config(nil, nil) != nil {
		t.Error("TLS where there is to be none")
	}
}
