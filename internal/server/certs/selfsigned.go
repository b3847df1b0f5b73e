package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"

	"postroad/internal/fault"
)

// Subject says for whom a self-signed certificate is.
type Subject struct {
	Names []string // host names; the first is the common name
	IPs   []net.IP
}

// selfSignedFor is how long a self-signed certificate lasts. People accept it by hand
// in their programs, so it shouldn't end soon; Apple's take none longer than 825 days.
const selfSignedFor = 820 * 24 * time.Hour

// EnsureSelfSigned makes a self-signed certificate and its key in the two
// files if neither is there, or if the one there has ended. It reports whether it made one.
func EnsureSelfSigned(certFile, keyFile string, s Subject, now time.Time) (made bool, err error) {
	leaf, err := readLeaf(certFile)
	if err == nil && now.Before(leaf.NotAfter) {
		return false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fault.Wrap(fault.Invalid, err, "cannot read the self-signed certificate "+certFile)
	}
	cert, key, err := selfSigned(s, now)
	if err == nil {
		err = writeFile(keyFile, key, 0o600)
	}
	if err == nil {
		err = writeFile(certFile, cert, 0o644)
	}
	return err == nil, fault.Wrap(fault.Unavailable, err, "cannot make a self-signed certificate")
}

func readLeaf(file string) (*x509.Certificate, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("not PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

func selfSigned(s Subject, now time.Time) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: s.Names[0], Organization: []string{"Postroad, self-signed"}},
		DNSNames:     s.Names, IPAddresses: s.IPs,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(selfSignedFor),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		// It is its own authority, so that a program can be told to trust just it.
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}

// writeFile replaces a file as a whole: readers see the old or the new bytes.
func writeFile(name string, b []byte, mode os.FileMode) error {
	temp := name + ".new"
	if err := os.WriteFile(temp, b, mode); err != nil {
		return err
	}
	return os.Rename(temp, name)
}
