package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// certs makes an authority (ca.pem) and certificates by it: "sites certs DIR mx.a.test,192.0.2.1 ..." makes mx.a.test.pem
// and mx.a.test.key for all the names of each argument.
func certs(_ context.Context, args []string) error {
	if len(args) < 2 {
		return errors.New("want a folder and names")
	}
	dir := args[0]
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Sites"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(7 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if err := write(dir, "ca", ca, ca, key, key); err != nil {
		return err
	}
	for i, names := range args[1:] {
		if err := leaf(dir, strings.Split(names, ","), int64(i+2), ca, key); err != nil {
			return err
		}
	}
	return nil
}

func leaf(dir string, names []string, serial int64, ca *x509.Certificate, caKey crypto.Signer) error {
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: names[0]}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, n)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	return write(dir, names[0], c, ca, key, caKey)
}

func write(dir, name string, c, by *x509.Certificate, key, byKey crypto.Signer) error {
	der, err := x509.CreateCertificate(rand.Reader, c, by, key.Public(), byKey)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for end, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name+end), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// tlsa prints what a TLSA record 3 1 1 says of a certificate: "sites tlsa FILE" (RFC 6698 §2.1).
func tlsa(_ context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("want a certificate's file")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return errors.New(args[0] + " has no certificate")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	fmt.Printf("3 1 1 %x\n", sha256.Sum256(c.RawSubjectPublicKeyInfo))
	return nil
}
