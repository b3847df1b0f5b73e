package dkim

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
)

func oddNumber(bits int) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return n.Add(n, big.NewInt(1))
}

func TestSignedFieldsStandWell(t *testing.T) {
	msg := sign(t, SignOptions{Identity: "@mail.example.org", Valid: time.Hour}, crlfs(plainMessage))
	fields := msg[:strings.Index(msg, "From:")]
	for line := range strings.SplitSeq(strings.TrimSuffix(fields, "\r\n"), "\r\n") {
		if len(line) > 78 {
			t.Errorf("a line of %d: %q", len(line), line)
		}
	}
	for _, want := range []string{"a=rsa-sha256", "a=ed25519-sha256", "t=1795262400; x=1795266000;", "i=@mail.example.org;", "c=relaxed/relaxed;", "h=from:from:reply-to:subject:subject:"} {
		if !strings.Contains(fields, want) {
			t.Errorf("no %q in %s", want, fields)
		}
	}
	if got := statuses(verify(testZone(), msg)); got != "pass, pass" {
		t.Error(got)
	}
}

// TestSigningVectors: Ed25519 and PKCS #1 v1.5 always give the same signature, so those of RFC 8463 §A.3 can be made again.
func TestSigningVectors(t *testing.T) {
	seed, _ := base64.StdEncoding.DecodeString("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
	h := ParseHeader(crlfs(rfc8463))
	keys := []SigningKey{{"football.example.com", "brisbane", edFromSeed(seed)}, {"football.example.com", "test", rsaKey(t, rfc8463RSA)}}
	for i, k := range keys {
		var s Signature
		if err := s.parseDKIM(h[i].Body()); err != nil {
			t.Fatal(err)
		}
		got, err := k.Sign(NewDigester(h).Digest(&s, h[i].Raw))
		if err != nil || string(got) != string(s.Value) {
			t.Errorf("%s: %x, want %x", k.Selector, got, s.Value)
		}
	}
}

func TestWhatCannotSign(t *testing.T) {
	k := testKeys()
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	for name, o := range map[string]SignOptions{
		"no key":              {},
		"too many keys":       {Keys: append(append(bothKeys(), bothKeys()...), append(bothKeys(), append(bothKeys(), bothKeys()...)...)...)},
		"another kind of key": {Keys: []SigningKey{{"example.org", "x", ec}}},
		"no selector":         {Keys: []SigningKey{{"example.org", "", k.ed}}},
		"no domain":           {Keys: []SigningKey{{"", "x", k.ed}}},
		"a domain that lies":  {Keys: []SigningKey{{"example.org; l=0", "x", k.ed}}},
		"identity elsewhere":  {Keys: bothKeys(), Identity: "a@example.com"},
		"identity that lies":  {Keys: bothKeys(), Identity: "l=0; x@example.org"},
		"From not covered":    {Keys: bothKeys(), Headers: []string{"to"}},
	} {
		if _, err := NewSigner(o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for msg, kind := range map[string]fault.Kind{"To: a@b\r\n\r\n": fault.Invalid, "": fault.Invalid, "X: " + strings.Repeat("x", MaxHeader) + "\r\n\r\n": fault.TooLarge} {
		s, err := NewSigner(SignOptions{Keys: bothKeys()})
		if err != nil {
			t.Fatal(err)
		}
		s.Write([]byte(msg))
		if fields, err := s.Fields(); !fault.Is(err, kind) || fields != "" {
			t.Errorf("%.20q: %q, %v", msg, fields, err)
		}
	}
}

const rfc8463RSA = `-----BEGIN RSA PRIVATE KEY-----
MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi
Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM
KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB
AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm
6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe
zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy
6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc
uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy
WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd
WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a
licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst
o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe
uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL
-----END RSA PRIVATE KEY-----
`

func edFromSeed(seed []byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(seed) }

// TestRecord: what is published is what verifies.
func TestRecord(t *testing.T) {
	z := zone{}
	for _, k := range bothKeys() {
		name, text, err := k.Record()
		if err != nil {
			t.Fatal(err)
		}
		z[name] = text
	}
	if got := statuses(verify(z, sign(t, SignOptions{}, crlfs(plainMessage)))); got != "pass, pass" {
		t.Error(got)
	}
	if _, _, err := (SigningKey{Domain: "example.org", Selector: "x"}).Record(); !fault.Is(err, fault.Invalid) {
		t.Errorf("no key: %v", err)
	}
}
