package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/service/auth"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// provider is an OpenID provider on loopback.
type provider struct {
	*httptest.Server
	now time.Time

	mu     sync.Mutex
	keys   []jose.JSONWebKey         // guarded by mu; published
	opaque map[string]map[string]any // guarded by mu; what introspection says
	asked  map[string]int            // guarded by mu; by path
	broken bool                      // guarded by mu
}

func newProvider(t testing.TB) *provider {
	t.Helper()
	p := &provider{now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), opaque: map[string]map[string]any{}, asked: map[string]int{}}
	p.Server = httptest.NewTLSServer(http.HandlerFunc(p.answer))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) answer(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[r.URL.Path]++
	if p.broken {
		http.Error(w, "no", http.StatusInternalServerError)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		json.NewEncoder(w).Encode(map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/keys", "introspection_endpoint": p.URL + "/introspect"})
	case "/keys":
		set := map[string]any{"keys": []any{}}
		for _, k := range p.keys {
			set["keys"] = append(set["keys"].([]any), k.Public())
		}
		set["keys"] = append(set["keys"].([]any), map[string]string{"kty": "unheard-of"})
		json.NewEncoder(w).Encode(set)
	case "/introspect":
		id, secret, _ := r.BasicAuth()
		if id != "postroad" || secret != "s%26cret" || r.Method != http.MethodPost {
			http.Error(w, "who?", http.StatusUnauthorized)
			return
		}
		answer := p.opaque[r.PostFormValue("token")]
		if answer == nil {
			answer = map[string]any{"active": false}
		}
		json.NewEncoder(w).Encode(answer)
	default:
		http.NotFound(w, r)
	}
}

// key makes and publishes a key.
func (p *provider) key(t testing.TB, alg jose.SignatureAlgorithm, id string) jose.JSONWebKey {
	t.Helper()
	k := jose.JSONWebKey{KeyID: id, Algorithm: string(alg), Use: "sig"}
	var err error
	switch alg {
	case jose.ES256:
		k.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, k.Key, err = ed25519.GenerateKey(rand.Reader)
	default:
		k.Key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	must(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append(p.keys, k)
	return k
}

func sign(t testing.TB, k jose.JSONWebKey, typ string, c map[string]any) string {
	t.Helper()
	o := &jose.SignerOptions{}
	if typ != "" {
		o = o.WithType(jose.ContentType(typ))
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.Algorithm), Key: k}, o)
	must(t, err)
	b, err := json.Marshal(c)
	must(t, err)
	jws, err := s.Sign(b)
	must(t, err)
	text, err := jws.CompactSerialize()
	must(t, err)
	return text
}

// claimsOf are those of a good token, with changes; nil takes one away.
func (p *provider) claimsOf(change map[string]any) map[string]any {
	c := map[string]any{"iss": p.URL, "aud": []string{"other", "postroad"}, "exp": p.now.Add(time.Hour).Unix(), "iat": p.now.Unix(), "email": "ann@example.org",
		"email_verified": true, "scope": "openid mail", "client_id": "thunderbird"}
	for k, v := range change {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	return c
}

func (p *provider) verifier(t testing.TB, change func(*Issuer)) *Verifier {
	t.Helper()
	set := Issuer{URL: p.URL, Audience: []string{"postroad"}, Scope: "mail", Domains: []string{"Example.org"}, ClientID: "postroad", ClientSecret: "s&cret"}
	if change != nil {
		change(&set)
	}
	v, err := New([]Issuer{set}, Options{Client: p.Client(), Now: func() time.Time { return p.now }})
	must(t, err)
	return v
}

func TestSignedTokens(t *testing.T) {
	p := newProvider(t)
	rsaKey, ecKey, edKey := p.key(t, jose.RS256, "1"), p.key(t, jose.ES256, "2"), p.key(t, jose.EdDSA, "3")
	pss := rsaKey
	pss.Algorithm = "PS256"
	v := p.verifier(t, nil)
	want := auth.TokenClaims{Login: "ann@example.org", Issuer: p.URL, Client: "thunderbird", Expires: time.Unix(p.now.Add(time.Hour).Unix(), 0), Domains: []string{"Example.org"}}
	for _, k := range []jose.JSONWebKey{rsaKey, ecKey, edKey, pss} {
		for _, typ := range []string{"", "JWT", "at+jwt", "application/at+jwt"} {
			got, err := v.Verify(t.Context(), sign(t, k, typ, p.claimsOf(nil)))
			must(t, err)
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		}
	}
	if p.asked["/keys"] != 1 {
		t.Errorf("the keys were asked for %d times", p.asked["/keys"])
	}
	if a := v.Advice(); a.Scope != "mail" || a.Configuration != p.URL+"/.well-known/openid-configuration" {
		t.Errorf("%+v", a)
	}
}

// A table of tokens that somebody may try.
func TestTokensThatAreRefused(t *testing.T) {
	p := newProvider(t)
	k := p.key(t, jose.ES256, "1")
	v := p.verifier(t, nil)
	for what, change := range map[string]map[string]any{
		"expired": {"exp": p.now.Unix()}, "without an end": {"exp": nil}, "of an odd end": {"exp": "tomorrow"}, "not yet good": {"nbf": p.now.Add(2 * time.Minute).Unix()},
		"for another service": {"aud": "other"}, "for nobody": {"aud": nil}, "without scope": {"scope": "openid mailing"}, "of another issuer": {"iss": "https://evil.example"},
		"for an unverified address": {"email_verified": false}, "for another domain": {"email": "ann@example.net"}, "for no address": {"email": nil}, "for no domain": {"email": "ann"},
		"bound to a key": {"cnf": map[string]string{"jkt": "x"}},
	} {
		if _, err := v.Verify(t.Context(), sign(t, k, "at+jwt", p.claimsOf(change))); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v", what, err)
		}
	}
	good := sign(t, k, "at+jwt", p.claimsOf(nil))
	part := strings.Split(good, ".")
	shared := jose.JSONWebKey{KeyID: "1", Algorithm: "HS256", Key: []byte(strings.Repeat("k", 32))}
	stranger := newProvider(t).key(t, jose.ES256, "1")
	for what, token := range map[string]string{
		"unsigned": "eyJhbGciOiJub25lIn0." + part[1] + ".", "signed by a shared secret": sign(t, shared, "", p.claimsOf(nil)), "signed by a stranger": sign(t, stranger, "", p.claimsOf(nil)),
		"an ID token's type": sign(t, k, "id_token", p.claimsOf(nil)), "cut": good[:len(good)-4], "with another signature": part[0] + "." + part[1] + "." + part[1],
		"with other claims": part[0] + "." + strings.Split(sign(t, stranger, "", p.claimsOf(map[string]any{"email": "ben@example.org"})), ".")[1] + "." + part[2],
		"nothing":           "", "dots": "..", "nonsense": "a.b.c", "long": strings.Repeat("x", 10_000),
	} {
		if _, err := v.Verify(t.Context(), token); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A new key is found at once; strangers' made-up ones don't make us ask more than once a minute.
func TestKeysAreRenewed(t *testing.T) {
	p := newProvider(t)
	v := p.verifier(t, nil)
	old := p.key(t, jose.ES256, "old")
	_, err := v.Verify(t.Context(), sign(t, old, "", p.claimsOf(nil)))
	must(t, err)
	stranger := newProvider(t)
	for i := range 20 {
		k := stranger.key(t, jose.ES256, strings.Repeat("x", i+1))
		if _, err := v.Verify(t.Context(), sign(t, k, "", p.claimsOf(nil))); !fault.Is(err, fault.Unauthenticated) {
			t.Error(err)
		}
	}
	if p.asked["/keys"] != 1 {
		t.Errorf("asked %d times", p.asked["/keys"])
	}
	p.now = p.now.Add(lookAgain)
	fresh := p.key(t, jose.ES256, "new")
	_, err = v.Verify(t.Context(), sign(t, fresh, "", p.claimsOf(nil)))
	must(t, err)
	p.broken = true // what is known is used on
	p.now = p.now.Add(2 * time.Hour)
	_, err = v.Verify(t.Context(), sign(t, fresh, "", p.claimsOf(map[string]any{"exp": p.now.Add(time.Hour).Unix()})))
	must(t, err)
	_, err = p.verifier(t, nil).Verify(t.Context(), sign(t, old, "", p.claimsOf(nil)))
	if !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

func TestOpaqueTokens(t *testing.T) {
	p := newProvider(t)
	v := p.verifier(t, nil)
	p.opaque["good"] = p.claimsOf(map[string]any{"active": true, "iss": nil, "exp": nil})
	p.opaque["named"] = p.claimsOf(map[string]any{"active": true, "email": nil, "username": "ann@example.org"})
	p.opaque["over"] = p.claimsOf(map[string]any{"active": false})
	p.opaque["theirs"] = p.claimsOf(map[string]any{"active": true, "aud": "other"})
	p.opaque["odd"] = p.claimsOf(map[string]any{"active": "true"})
	for token, ok := range map[string]bool{"good": true, "named": true, "over": false, "theirs": false, "odd": false, "unheard of": false} {
		got, err := v.Verify(t.Context(), token)
		if ok != (err == nil) || !ok && !fault.Is(err, fault.Unauthenticated) || ok && got.Login != "ann@example.org" {
			t.Errorf("%s: %+v %v", token, got, err)
		}
	}
	asked := p.asked["/introspect"]
	_, err := v.Verify(t.Context(), "good")
	must(t, err)
	if p.asked["/introspect"] != asked {
		t.Error("the same is asked twice")
	}
	p.now = p.now.Add(remember)
	p.opaque["good"]["active"] = false
	if _, err := v.Verify(t.Context(), "good"); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("revoked, and %v", err)
	}
	if _, err := p.verifier(t, func(i *Issuer) { i.ClientID = "" }).Verify(t.Context(), "good"); !fault.Is(err, fault.Unauthenticated) {
		t.Error(err)
	}
	if _, err := p.verifier(t, func(i *Issuer) { i.ClientSecret = "wrong" }).Verify(t.Context(), "good"); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

// A provider that is out of order doesn't keep others' people out.
func TestOneOfTwoProvidersIsDown(t *testing.T) {
	down, p := newProvider(t), newProvider(t)
	down.broken = true
	var issuers []Issuer
	for _, one := range []*provider{down, p} {
		issuers = append(issuers, Issuer{URL: one.URL, Audience: []string{"mail"}, ClientID: "postroad", ClientSecret: "s&cret", Client: one.Client()})
	}
	v, err := New(issuers, Options{Now: func() time.Time { return p.now }})
	must(t, err)
	p.opaque["good"] = p.claimsOf(map[string]any{"active": true, "aud": "mail"})
	got, err := v.Verify(t.Context(), "good")
	must(t, err)
	if got.Issuer != p.URL {
		t.Errorf("%+v", got)
	}
	if _, err := v.Verify(t.Context(), "unheard of"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("perhaps the other's, and %v", err)
	}
}

// Where the provider is asked about signed tokens too, it can take them back.
func TestSignedTokensAreAskedAbout(t *testing.T) {
	p := newProvider(t)
	k := p.key(t, jose.ES256, "1")
	v := p.verifier(t, func(i *Issuer) { i.Introspect = true })
	token := sign(t, k, "at+jwt", p.claimsOf(nil))
	if _, err := v.Verify(t.Context(), token); !fault.Is(err, fault.Unauthenticated) {
		t.Error(err)
	}
	p.opaque[token] = p.claimsOf(map[string]any{"active": true})
	_, err := v.Verify(t.Context(), token)
	must(t, err)
}

func TestSettingsThatCannotBe(t *testing.T) {
	for _, i := range []Issuer{{URL: "http://x", Scope: "x"}, {URL: "https://x"}, {URL: "https://x", Scope: "x", Introspect: true}} {
		if _, err := New([]Issuer{i}, Options{}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", i, err)
		}
	}
	p := newProvider(t)
	k := p.key(t, jose.ES256, "1")
	other := p.verifier(t, func(i *Issuer) { i.URL = strings.Replace(p.URL, "127.0.0.1", "localhost", 1) })
	c := p.claimsOf(map[string]any{"iss": strings.Replace(p.URL, "127.0.0.1", "localhost", 1)})
	if _, err := other.Verify(t.Context(), sign(t, k, "", c)); !fault.Is(err, fault.Unavailable) { // its metadata is another issuer's
		t.Error(err)
	}
}

func FuzzToken(f *testing.F) {
	p := newProvider(f)
	v := p.verifier(f, func(i *Issuer) { i.ClientID = "" })
	f.Add(sign(f, p.key(f, jose.ES256, "1"), "at+jwt", p.claimsOf(nil)) + "x")
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := v.Verify(context.Background(), token); err == nil {
			t.Error("a made-up token is good")
		}
	})
}

func BenchmarkVerifyKnown(b *testing.B) {
	p := newProvider(b)
	v := p.verifier(b, nil)
	token := sign(b, p.key(b, jose.ES256, "1"), "at+jwt", p.claimsOf(nil))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}

// A provider that sends us on to plain HTTP for its keys isn't followed.
func TestKeysComeByTLS(t *testing.T) {
	p := newProvider(t)
	k := p.key(t, jose.ES256, "1")
	to := ""
	leading := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/keys":
			http.Redirect(w, r, to+"/moved", http.StatusTemporaryRedirect)
			return
		case "/moved":
			r.URL.Path = "/keys"
		}
		p.answer(w, r)
	})
	p.Config.Handler = leading
	plain := httptest.NewServer(leading)
	t.Cleanup(plain.Close)
	for _, x := range []struct {
		to   string
		good bool
	}{{p.URL, true}, {plain.URL, false}} {
		to = x.to
		if _, err := p.verifier(t, nil).Verify(t.Context(), sign(t, k, "at+jwt", p.claimsOf(nil))); (err == nil) != x.good {
			t.Errorf("%s: %v", x.to, err)
		}
	}
}
