// Package certtest makes certificates for tests.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"
)

// Server makes a certificate for a server's names that holds from 1970 to 2242 and vouches for itself.
func Server(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	return Issue(t, x509.Certificate{DNSNames: names, IsCA: true}, nil)
}

// Issue makes a certificate as spec says, signed by another one; nil: by itself. Where spec is silent, it has a random serial
// number and subject and holds from 1970 to 2242. Its Leaf is set.
func Issue(t testing.TB, spec x509.Certificate, by *tls.Certificate) tls.Certificate {
	t.Helper()
	complete(&spec)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := tls.Certificate{PrivateKey: key}
	if by == nil {
		by = &tls.Certificate{PrivateKey: key, Leaf: &spec}
	}
	der, err := x509.CreateCertificate(rand.Reader, &spec, by.Leaf, key.Public(), by.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	made.Certificate = [][]byte{der}
	if made.Leaf, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return made
}

// complete fills in what spec leaves open.
func complete(spec *x509.Certificate) {
	if spec.SerialNumber == nil {
		spec.SerialNumber, _ = rand.Int(rand.Reader, big.NewInt(1<<62))
	}
	if spec.Subject.CommonName == "" {
		spec.Subject = pkix.Name{CommonName: "test " + rand.Text()}
	}
	if spec.NotBefore.IsZero() {
		spec.NotBefore = time.Unix(0, 0)
	}
	if spec.NotAfter.IsZero() {
		spec.NotAfter = time.Unix(1<<33, 0)
	}
	spec.BasicConstraintsValid = true
}

// Roots is a pool that trusts certificates.
func Roots(all ...tls.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range all {
		pool.AddCert(c.Leaf)
	}
	return pool
}
