package oauth

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"crypto"
	_ "crypto/sha256" // of thumbprints

	"github.com/go-jose/go-jose/v4"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
)

// Keys is the set of keys that ID tokens are verified by (RFC 7517).
func (p *Provider) Keys() (jose.JSONWebKeySet, error) {
	k, err := p.jwk()
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k.Public()}}, err
}

func (p *Provider) jwk() (jose.JSONWebKey, error) {
	k := jose.JSONWebKey{Key: p.signer, Algorithm: string(jose.ES256), Use: "sig"}
	sum, err := k.Thumbprint(crypto.SHA256) // RFC 7638
	k.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	return k, fault.Wrap(fault.Internal, err, "")
}

// Subject names an account to programs: its number, which is never given again.
func Subject(id ident.AccountID) string { return strconv.FormatUint(uint64(id), 10) }

// idToken tells a program who somebody is (OpenID Connect Core 1.0 §2).
func (p *Provider) idToken(g *Grant, who *directory.Profile) (string, error) {
	k, err := p.jwk()
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: k}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "")
	}
	now := p.now()
	claims := map[string]any{"iss": p.issuer, "sub": Subject(g.Account), "aud": g.ClientID, "iat": now.Unix(), "exp": now.Add(AccessLife).Unix(),
		"email": who.Account.Address, "email_verified": true}
	if who.Account.DisplayName != "" {
		claims["name"] = who.Account.DisplayName // Core §5.3.2: what isn't known is left out
	}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	b, err := json.Marshal(claims)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "")
	}
	jws, err := signer.Sign(b)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "")
	}
	text, err := jws.CompactSerialize()
	return text, fault.Wrap(fault.Internal, err, "")
}
