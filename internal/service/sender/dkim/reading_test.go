package dkim

import (
	"crypto/rsa"
	"math/big"
	"strings"
	"testing"
)

// BenchmarkReading: all that a signed message of 2 KB costs but the arithmetic of its signature, which is made up, of 2048 bits.
func BenchmarkReading(b *testing.B) {
	s, err := NewSigner(SignOptions{Keys: []SigningKey{{Domain: "example.org", Selector: "r", Private: testKeys().ed}}})
	if err != nil {
		b.Fatal(err)
	}
	text := crlfs("From: Ann <ann@example.org>\nTo: Ben <ben@example.org>\nSubject: the minutes of Monday\nMessage-ID: <1@example.org>\n"+
		"Date: Mon, 2 Mar 2026 10:00:00 +0100\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n") +
		strings.Repeat("All work and no play makes mail a dull thing to read.\r\n", 37)
	s.Write([]byte(text))
	fields, err := s.Fields()
	if err != nil {
		b.Fatal(err)
	}
	long := []byte(strings.Repeat("A signature of 32 and of 7 bits!", 8))
	fields = strings.Replace(fields[:strings.Index(fields, "\tb=")+3], Ed25519, RSA, 1) + FoldBase64(long) + "\r\n"
	msg := []byte(fields + text)
	z := zone{"r._domainkey.example.org": rsaRecord(&rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).SetBytes(long), E: 65537}})}
	var keys Keys
	b.ReportAllocs()
	for b.Loop() {
		var scan Scan
		var v Verifier
		v.Begin(Options{Resolver: z, Keys: &keys})
		scan.Begin(&v)
		scan.Write(msg)
		scan.Close()
		v.Lookup(b.Context())
		f := &v.found[0]
		if f.CheckBody(f.body) != nil || len(NewDigester(v.header).Digest(&f.Signature, f.own)) != 32 || f.begin().Domain == "" {
			b.Fatal("not read")
		}
	}
}
