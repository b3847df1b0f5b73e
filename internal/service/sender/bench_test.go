package sender_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"postroad/internal/service/dns"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/sender"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dkim"
)

// BenchmarkRemembered: a signed message of 2 KB of somebody who writes often, so that all answers are at hand.
func BenchmarkRemembered(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		b.Fatal(err)
	}
	public := base64.StdEncoding.EncodeToString(der)
	w := dnstest.New(b, fmt.Sprintf(`
		example.com.                   TXT "v=spf1 ip4:192.0.2.0/24 -all"
		mail.example.com.              A 192.0.2.1
		_dmarc.example.com.            TXT "v=DMARC1; p=reject"
		s._domainkey.example.com.      TXT "v=DKIM1; p=%s" "%s"`, public[:200], public[200:]))
	client, err := dns.New(dns.Options{Servers: []dns.Server{{Addr: netip.MustParseAddrPort("127.0.0.1:53")}}, Dial: w.Dial})
	if err != nil {
		b.Fatal(err)
	}
	signer, err := dkim.NewSigner(dkim.SignOptions{Keys: []dkim.SigningKey{{Domain: "example.com", Selector: "s", Private: key}}})
	if err != nil {
		b.Fatal(err)
	}
	text := strings.Replace(plain, "Hello, Bob.\r\n", strings.Repeat("All work and no play makes mail a dull thing to read.\r\n", 37), 1)
	signer.Write([]byte(text))
	fields, err := signer.Fields()
	if err != nil {
		b.Fatal(err)
	}
	msg := []byte(fields + text)
	c := sender.New(sender.Options{Resolver: sender.FromDNS(client), ID: "mx.example.org"})
	b.ReportAllocs()
	for b.Loop() {
		k := c.Begin(ours)
		k.Known(sender.IPRev{Status: "pass", Name: "mail.example.com"})
		k.Write(msg)
		v := k.Verdict(b.Context())
		room := authres.TakeRoom()
		if results := v.ResultsIn(room); v.DMARC.Status != "pass" || results.Value() == "" {
			b.Fatal(v.DMARC)
		}
		room.Leave()
	}
}
