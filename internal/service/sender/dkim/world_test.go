package dkim

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"sync"
	"testing"
	"time"

	"postroad/internal/fault"
)

// zone is a Resolver made of records. The value "unavailable" is a name that can't be looked up now.
type zone map[string]string

func (z zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	switch v, ok := z[strings.ToLower(name)]; {
	case !ok:
		return nil, fault.New(fault.NotFound, "no such name")
	case v == "unavailable":
		return nil, fault.New(fault.Unavailable, "no answer")
	default:
		return strings.Split(v, "\n"), nil
	}
}

// rfcZone has the keys of RFC 6376 §C and RFC 8463 §A.2.
var rfcZone = zone{
	"brisbane._domainkey.example.com": "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQ" +
		"KBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt" +
		"IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v" +
		"/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhi" +
		"tdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB",
	"brisbane._domainkey.football.example.com": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
	"test._domainkey.football.example.com": "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR" +
		"iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC" +
		"DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3" +
		"Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
}

// rfc6376 is the message of RFC 6376 §A.2. (The RFC's own print has two spaces in the body, and wider indents.)
const rfc6376 = `DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;
      c=simple/simple; q=dns/txt; i=joe@football.example.com;
      h=Received : From : To : Subject : Date : Message-ID;
      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB
      4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut
      KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV
      4bmp/YzhwvcubU4=;
Received: from client1.football.example.com  [192.0.2.1]
      by submitserver.example.com with SUBMISSION;
      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game. Are you hungry yet?

Joe.
`

const plainMessage = `From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.

`

// rfc8463 is the message of RFC 8463 §A.3.
const rfc8463 = `DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
` + plainMessage

func crlfs(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

var testTime = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func testNow() time.Time { return testTime }

// testKeys are made once: RSA keys take long.
var testKeys = sync.OnceValue(func() (k struct {
	rsa, other *rsa.PrivateKey
	ed         ed25519.PrivateKey
}) {
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 1024)
	k.other, _ = rsa.GenerateKey(rand.Reader, 1024)
	k.ed = ed25519.NewKeyFromSeed([]byte("an unguessable seed of 32 bytes!"))
	return k
})

func rsaRecord(k *rsa.PrivateKey) string {
	der, _ := x509.MarshalPKIXPublicKey(k.Public())
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
}

func edRecord(k ed25519.PrivateKey) string {
	return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(k.Public().(ed25519.PublicKey))
}

// testZone has the keys of testKeys, as r, e and o of example.org.
func testZone() zone {
	k := testKeys()
	return zone{"r._domainkey.example.org": rsaRecord(k.rsa), "e._domainkey.example.org": edRecord(k.ed), "o._domainkey.example.org": rsaRecord(k.other)}
}

func bothKeys() []SigningKey {
	k := testKeys()
	return []SigningKey{{"example.org", "r", k.rsa}, {"example.org", "e", k.ed}}
}

func verify(z Resolver, msg string) []Result {
	v := NewVerifier(Options{Resolver: z, Now: testNow})
	v.Write([]byte(msg))
	return v.Results(context.Background())
}

func sign(t testing.TB, o SignOptions, msg string) string {
	t.Helper()
	if o.Keys == nil {
		o.Keys = bothKeys()
	}
	o.Now = testNow
	s, err := NewSigner(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Write([]byte(msg))
	fields, err := s.Fields()
	if err != nil {
		t.Fatal(err)
	}
	return fields + msg
}

func rsaKey(t *testing.T, text string) *rsa.PrivateKey {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	k, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
