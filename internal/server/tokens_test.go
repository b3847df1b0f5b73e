package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"postroad/internal/fault"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
)

// People sign in to all protocols by the token that a provider elsewhere has given to their program.
func TestTokensOfAProvider(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	jwk := jose.JSONWebKey{Key: key, KeyID: "1", Algorithm: "ES256"}
	var p *httptest.Server
	p = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			json.NewEncoder(w).Encode(map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/keys"})
		case "/keys":
			json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk.Public()}})
		}
	}))
	defer p.Close()
	roots := x509.NewCertPool()
	roots.AddCert(p.Certificate())
	s := servertest.Start(t, servertest.Options{Roots: roots,
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
		Change: func(c *config.Config) { c.Auth.OIDC = []config.OIDC{{Issuer: p.URL, Audience: []string{"mail"}}} },
	})
	s.AddAccount("ann")
	token := func(change map[string]any) string {
		c := map[string]any{"iss": p.URL, "aud": "mail", "exp": s.Clock.Now().Add(time.Hour).Unix(), "email": ann}
		for k, v := range change {
			c[k] = v
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jwk}, nil)
		must(t, err)
		b, err := json.Marshal(c)
		must(t, err)
		jws, err := signer.Sign(b)
		must(t, err)
		text, err := jws.CompactSerialize()
		must(t, err)
		return text
	}
	for _, mech := range []string{"OAUTHBEARER", "XOAUTH2"} {
		for _, ok := range []bool{true, false} {
			change := map[string]any{}
			if !ok {
				change["aud"] = "other"
			}
			head := map[string]string{"OAUTHBEARER": "n,a=" + ann + ",", "XOAUTH2": "user=" + ann}[mech]
			first := base64.StdEncoding.EncodeToString([]byte(head + "\x01auth=Bearer " + token(change) + "\x01\x01"))
			for port, c := range map[int]struct{ command, good, again, bad string }{
				servertest.IMAP: {"a AUTHENTICATE " + mech + " ", "a OK", "+ ", "a NO"}, servertest.Submission: {"AUTH " + mech + " ", "235 ", "334 ", "535 "},
				servertest.POP3: {"AUTH " + mech + " ", "+OK", "+ ", "-ERR"},
			} {
				l := s.Line(port)
				if port == servertest.Submission {
					l.Ask("EHLO x.example")
				}
				got, err := l.Try("%s%s", c.command, first)
				must(t, err)
				if !ok && strings.HasPrefix(got, c.again) { // the complaint, which is answered by anything
					got, err = l.Try("AQ==")
					must(t, err)
				}
				if want := map[bool]string{true: c.good, false: c.bad}[ok]; !strings.HasPrefix(got, want) {
					t.Errorf("%s, port %d: %q, want %q", mech, port, got, want)
				}
				if port == servertest.POP3 { // one at a time: the connection's end says that the maildrop is free
					l.Try("QUIT")
					l.ReadLine()
				}
			}
		}
	}
}

func TestOIDCSettings(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(secret, []byte("x\n"), 0o600))
	for what, c := range map[string]struct {
		set  config.OIDC
		want fault.Kind
	}{
		"no audience": {config.OIDC{Issuer: "https://id.example"}, fault.Invalid}, "in the clear": {config.OIDC{Issuer: "http://id.example", Scope: "mail"}, fault.Invalid},
		"no secret": {config.OIDC{Issuer: "https://id.example", Scope: "mail", ClientID: "x"}, fault.Invalid}, "nobody to ask": {config.OIDC{Issuer: "https://id.example", Scope: "mail", Introspect: true}, fault.Invalid},
		"authorities somewhere": {config.OIDC{Issuer: "https://id.example", Scope: "mail", CAFile: "ca.pem"}, fault.Invalid},
	} {
		conf := config.Default()
		conf.Hostname, conf.Auth.OIDC = "mail.example.test", []config.OIDC{c.set}
		if err := conf.Validate(); !fault.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	conf := config.Default()
	conf.Hostname, conf.Auth.OIDC = "mail.example.test", []config.OIDC{{Issuer: "https://id.example", Scope: "mail", ClientID: "x", ClientSecretFile: secret, Introspect: true}}
	must(t, conf.Validate())
}
