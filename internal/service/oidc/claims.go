package oidc

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"postroad/internal/service/auth"
)

// leeway is how far clocks may differ.
const leeway = time.Minute

// claims are what a token, or the answer about one, says.
type claims map[string]json.RawMessage

func (c claims) text(name string) string {
	var s string
	if json.Unmarshal(c[name], &s) != nil {
		return ""
	}
	return s
}

// texts reads a list, or one text (RFC 7519 §4.1.3).
func (c claims) texts(name string) []string {
	var list []string
	if json.Unmarshal(c[name], &list) == nil {
		return list
	}
	if s := c.text(name); s != "" {
		return []string{s}
	}
	return nil
}

// time reads a NumericDate (RFC 7519 §2); ok is false if there is none.
func (c claims) time(name string) (t time.Time, ok bool) {
	var n float64
	if c[name] == nil || json.Unmarshal(c[name], &n) != nil || n < 0 || n > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(n), 0), true
}

// scopes are those of RFC 8693 §4.2 ("scope"), and of providers that say "scp".
func (c claims) scopes() []string {
	all := strings.Fields(c.text("scope"))
	for _, s := range c.texts("scp") {
		all = append(all, strings.Fields(s)...)
	}
	return all
}

// judge decides whether a token is for us, and good now. asked: the provider says this of the token, not the token itself.
func (i *Issuer) judge(c claims, now time.Time, asked bool) (auth.TokenClaims, error) {
	expires, expiring := c.time("exp")
	begins, later := c.time("nbf")
	aud := c.texts("aud")
	switch {
	case !expiring && !asked:
		return auth.TokenClaims{}, errBad("without an end")
	case expiring && !now.Before(expires):
		return auth.TokenClaims{}, errBad("expired")
	case later && begins.After(now.Add(leeway)):
		return auth.TokenClaims{}, errBad("not good yet")
	case c["cnf"] != nil:
		return auth.TokenClaims{}, errBad("bound to a key")
	case len(i.Audience) > 0 && !slices.ContainsFunc(i.Audience, func(a string) bool { return slices.Contains(aud, a) }):
		return auth.TokenClaims{}, errBad("for another audience")
	case i.Scope != "" && !slices.Contains(c.scopes(), i.Scope):
		return auth.TokenClaims{}, errBad("without the scope")
	}
	login, err := i.login(c, asked)
	if err != nil {
		return auth.TokenClaims{}, err
	}
	client := c.text("client_id")
	if client == "" {
		client = c.text("azp")
	}
	return auth.TokenClaims{Login: login, Issuer: i.URL, Client: client, Expires: expires, Domains: i.Domains}, nil
}

// login is whom the token is for.
func (i *Issuer) login(c claims, asked bool) (string, error) {
	name := i.Claim
	if name == "" {
		name = "email"
	}
	login := c.text(name)
	if login == "" && i.Claim == "" && asked {
		login = c.text("username") // RFC 7662 §2.2
	}
	if login == "" {
		return "", errBad("it doesn't say whom it is for")
	}
	if name == "email" && !verified(c["email_verified"]) {
		return "", errBad("the address isn't verified")
	}
	if _, domain, ok := strings.Cut(login, "@"); len(i.Domains) > 0 &&
		(!ok || !slices.ContainsFunc(i.Domains, func(d string) bool { return strings.EqualFold(d, domain) })) {
		return "", errBad("the issuer doesn't speak for the domain")
	}
	return login, nil
}

// verified reads email_verified: a provider that says nothing has no others. Some write it as a text.
func verified(v json.RawMessage) bool {
	return v == nil || string(v) == "true" || string(v) == `"true"`
}
