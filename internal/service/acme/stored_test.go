package acme

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"postroad/internal/fault"
)

// aPair makes a self-signed certificate and its key.
func aPair(t *testing.T, names ...string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

func TestImports(t *testing.T) {
	s, ctx := NewStorage(openDB(t), time.Now), t.Context()
	if all, err := s.Imports(ctx); len(all) > 0 || err != nil {
		t.Error(all, err)
	}
	cert, key := aPair(t, "Shop.example", "*.shop.example")
	other, otherKey := aPair(t, "*.wild.example")
	noName, noNameKey := aPair(t)
	for what, pair := range map[string][2][]byte{
		"not its key": {cert, otherKey}, "no PEM": {[]byte("x"), key}, "no key": {cert, nil}, "no name": {noName, noNameKey},
	} {
		if _, err := s.Import(ctx, pair[0], pair[1]); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := s.Import(ctx, bytes.Repeat([]byte("x"), maxImport+1), key); !fault.Is(err, fault.TooLarge) {
		t.Error(err)
	}
	got, err := s.Import(ctx, cert, key)
	if err != nil || got.Name != "shop.example" || !got.Imported || len(got.Chain) != 1 {
		t.Fatal(got, err)
	}
	if _, err := s.Import(ctx, other, otherKey); err != nil {
		t.Fatal(err)
	}
	newer, newerKey := aPair(t, "shop.example") // takes the place of the first
	if _, err := s.Import(ctx, newer, newerKey); err != nil {
		t.Fatal(err)
	}
	all, err := s.Imports(ctx)
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	listed, err := s.Stored(ctx)
	if err != nil || len(listed) != 2 || !listed[0].Imported {
		t.Error(listed, err)
	}
	if chain := s.Chain(ctx, "shop.example"); len(chain) != 1 || len(chain[0].DNSNames) != 1 {
		t.Error(chain)
	}
	if err := s.RemoveImport(ctx, "*.WILD.example"); err != nil {
		t.Error(err)
	}
	if err := s.RemoveImport(ctx, "*.wild.example"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if all, err := s.Imports(ctx); err != nil || len(all) != 1 {
		t.Error(all, err)
	}
}
