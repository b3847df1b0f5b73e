package oidc

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"postroad/internal/fault"
	"postroad/internal/service/auth"
	"postroad/internal/service/webjson"
)

const (
	// fresh is how long metadata and keys are used without looking again.
	fresh = time.Hour
	// lookAgain is how soon an unknown key, and retry how soon a failure, makes us look again: whoever sends made-up
	// tokens doesn't make us a nuisance to the provider.
	lookAgain = time.Minute
	retry     = 10 * time.Second
)

// algorithms are those that a provider may sign by: none with a shared secret, and never "none".
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA}
}

// issuer is a provider with what it has told of itself.
type issuer struct {
	set    Issuer
	client *http.Client
	now    func() time.Time

	turn  chan struct{} // one token: held by whoever uses what follows
	meta  metadata
	keys  []jose.JSONWebKey
	read  time.Time // when meta and keys were read; zero: never
	tried time.Time // when that was tried last
}

// metadata is what we need of a provider's (OpenID Connect Discovery 1.0 §3, RFC 8414 §2).
type metadata struct {
	Issuer     string `json:"issuer"`
	Keys       string `json:"jwks_uri"`
	Introspect string `json:"introspection_endpoint"`
}

func (i *Issuer) metadataURL() string {
	return strings.TrimSuffix(i.URL, "/") + "/.well-known/openid-configuration"
}

// issuerOf reads whose a JSON web token claims to be, unverified; ok is false if it is none.
func issuerOf(token string) (name string, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", false
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var c claims
	if err != nil || json.Unmarshal(b, &c) != nil {
		return "", false
	}
	return c.text("iss"), true
}

// signed verifies a JSON web token.
func (i *issuer) signed(ctx context.Context, token string) (auth.TokenClaims, error) {
	jws, err := jose.ParseSignedCompact(token, algorithms())
	if err != nil {
		return auth.TokenClaims{}, errBad("malformed, or signed by a method that isn't taken")
	}
	head := jws.Signatures[0].Protected
	if !plainType(head.ExtraHeaders["typ"]) {
		return auth.TokenClaims{}, errBad("no access token")
	}
	payload, err := i.verify(ctx, jws, head.KeyID)
	if err != nil {
		return auth.TokenClaims{}, err
	}
	var c claims
	if json.Unmarshal(payload, &c) != nil || c.text("iss") != i.set.URL {
		return auth.TokenClaims{}, errBad("malformed")
	}
	known, err := i.set.judge(c, i.now(), false)
	if err != nil || !i.set.Introspect {
		return known, err
	}
	return i.introspected(ctx, token)
}

// plainType reports whether a token's type may be an access token's: RFC 9068 §2.1, or what providers say that don't follow it.
func plainType(typ any) bool {
	s, isText := typ.(string)
	s = strings.TrimPrefix(strings.ToLower(s), "application/")
	return typ == nil || isText && (s == "at+jwt" || s == "jwt")
}

// verify finds the key that has signed, and gives the payload.
func (i *issuer) verify(ctx context.Context, jws *jose.JSONWebSignature, id string) ([]byte, error) {
	if err := i.enter(ctx); err != nil {
		return nil, err
	}
	defer i.leave()
	if err := i.refresh(ctx, fresh); err != nil {
		return nil, err
	}
	if payload, ok := i.tryKeys(jws, id); ok {
		return payload, nil
	}
	if slices.ContainsFunc(i.keys, func(k jose.JSONWebKey) bool { return k.KeyID == id }) {
		return nil, errBad("the signature is wrong")
	}
	// The provider may have a new key (OpenID Connect Core 1.0 §10.1.1).
	if err := i.refresh(ctx, lookAgain); err != nil {
		return nil, err
	}
	if payload, ok := i.tryKeys(jws, id); ok {
		return payload, nil
	}
	return nil, errBad("signed by a key that isn't the issuer's")
}

func (i *issuer) tryKeys(jws *jose.JSONWebSignature, id string) ([]byte, bool) {
	for _, k := range i.keys {
		if k.Use == "enc" || id != "" && k.KeyID != id || !k.IsPublic() {
			continue
		}
		if payload, err := jws.Verify(&k); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// enter waits for the caller's turn with what the provider has told.
func (i *issuer) enter(ctx context.Context) error {
	select {
	case i.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Canceled, ctx.Err(), "")
	}
}

func (i *issuer) leave() { <-i.turn }

// refresh reads metadata and keys if what is known is older than age. If that fails, what is known is used on.
func (i *issuer) refresh(ctx context.Context, age time.Duration) error {
	now := i.now()
	if !i.read.IsZero() && now.Sub(i.read) < age {
		return nil
	}
	if now.Sub(i.tried) < retry {
		return i.unknown(errors.New("it didn't answer a moment ago"))
	}
	i.tried = now
	var meta metadata
	if err := webjson.Get(ctx, i.client, i.set.metadataURL(), maxAnswer, &meta); err != nil {
		return i.unknown(err)
	}
	if meta.Issuer != i.set.URL || !strings.HasPrefix(meta.Keys, "https://") {
		return i.unknown(errors.New("its metadata is another's, or has no keys"))
	}
	keys, err := i.getKeys(ctx, meta.Keys)
	if err != nil {
		return i.unknown(err)
	}
	i.meta, i.keys, i.read = meta, keys, now
	return nil
}

// unknown is the failure to ask; none while there is something from before.
func (i *issuer) unknown(err error) error {
	if !i.read.IsZero() {
		return nil
	}
	return fault.Wrap(fault.Unavailable, err, "cannot ask the issuer "+i.set.URL)
}

// getKeys reads a key set (RFC 7517 §5). Keys of kinds that aren't known are passed over.
func (i *issuer) getKeys(ctx context.Context, address string) ([]jose.JSONWebKey, error) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := webjson.Get(ctx, i.client, address, maxAnswer, &raw); err != nil {
		return nil, err
	}
	var keys []jose.JSONWebKey
	for _, b := range raw.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(b) == nil && k.Valid() {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// introspected asks the provider about a token (RFC 7662).
func (i *issuer) introspected(ctx context.Context, token string) (auth.TokenClaims, error) {
	endpoint, err := i.introspection(ctx)
	if err != nil {
		return auth.TokenClaims{}, err
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return auth.TokenClaims{}, fault.Wrap(fault.Unavailable, err, "cannot ask the issuer "+i.set.URL)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(i.set.ClientID), url.QueryEscape(i.set.ClientSecret)) // RFC 6749 §2.3.1
	var c claims
	if err := webjson.Do(i.client, r, maxAnswer, &c); err != nil {
		return auth.TokenClaims{}, fault.Wrap(fault.Unavailable, err, "cannot ask the issuer "+i.set.URL)
	}
	if string(c["active"]) != "true" {
		return auth.TokenClaims{}, errBad("the issuer says that it isn't active")
	}
	if iss := c.text("iss"); iss != "" && iss != i.set.URL {
		return auth.TokenClaims{}, errBad("the issuer says that it is another's")
	}
	return i.set.judge(c, i.now(), true)
}

// introspection is where to ask.
func (i *issuer) introspection(ctx context.Context) (string, error) {
	if err := i.enter(ctx); err != nil {
		return "", err
	}
	defer i.leave()
	if err := i.refresh(ctx, fresh); err != nil {
		return "", err
	}
	if !strings.HasPrefix(i.meta.Introspect, "https://") {
		return "", fault.New(fault.Unavailable, "the issuer %s has no introspection", i.set.URL)
	}
	return i.meta.Introspect, nil
}
