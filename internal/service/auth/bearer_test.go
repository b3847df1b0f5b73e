package auth

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
)

// tokens is a TokenVerifier that knows a few.
type tokens map[string]string

func (v tokens) Verify(_ context.Context, token string) (TokenClaims, error) {
	switch login := v[token]; login {
	case "":
		return TokenClaims{}, fault.New(fault.Unauthenticated, "no")
	case "?":
		return TokenClaims{}, fault.New(fault.Unavailable, "nobody can say")
	default:
		return TokenClaims{Login: login, Issuer: "https://id.example", Client: "thing"}, nil
	}
}

func (v tokens) Advice() TokenAdvice {
	return TokenAdvice{Scope: "mail", Configuration: "https://id.example/.well-known/openid-configuration"}
}

func tokenHouse(t testing.TB) *house {
	return newHouseWith(t, directory.HashParams{}, Options{Tokens: tokens{"good": "ann@example.org", "alias": "Ann", "stray": "x@elsewhere.example", "later": "?"}})
}

func TestBearer(t *testing.T) {
	h := tokenHouse(t)
	h.twoStep(t) // the provider has its own
	// An independent client.
	client := sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: "ann@example.org", Token: "good", Host: "mail.example.org", Port: 143})
	_, first, err := client.Start()
	check(t, err)
	for mech, responses := range map[string][]string{
		"OAUTHBEARER": {string(first), "n,,\x01auth=Bearer good\x01\x01", "n,a=ann,\x01host=x\x01auth=bearer alias\x01port=1\x01\x01", "y,a=ann@example.org,\x01auth=Bearer good\x01\x01"},
		"XOAUTH2":     {"user=ann@example.org\x01auth=Bearer good\x01\x01", "user=ann\x01auth=Bearer good\x01\x01"},
	} {
		for _, r := range responses {
			x, challenge, err := run(t, h, home, mech, []byte(r))
			check(t, err)
			if x.Identity().Account != h.ann || challenge != "" {
				t.Errorf("%q: %+v %q", r, x.Identity(), challenge)
			}
		}
	}
	if _, _, err := run(t, h, home, "OAUTHBEARER", nil, first); err != nil {
		t.Error(err)
	}
}

func TestBearerFailures(t *testing.T) {
	h := tokenHouse(t)
	fail := func(mech, response string) (said map[string]string, err error) {
		t.Helper()
		x, err := h.Start(home, mech)
		check(t, err)
		challenge, done, err := x.Next(t.Context(), []byte(response))
		check(t, err)
		if json.Unmarshal(challenge, &said) != nil || done {
			t.Errorf("%q: %q %t", response, challenge, done)
		}
		_, done, err = x.Next(t.Context(), []byte("\x01"))
		if done || x.Identity().Account != 0 {
			t.Errorf("%q: signed in", response)
		}
		return said, err
	}
	said, err := fail("OAUTHBEARER", "n,,\x01auth=Bearer bad\x01\x01")
	fails(t, err, fault.Unauthenticated)
	if said["status"] != "invalid_token" || said["scope"] != "mail" || said["openid-configuration"] == "" {
		t.Errorf("%v", said)
	}
	said, err = fail("XOAUTH2", "user=ann\x01auth=Bearer bad\x01\x01")
	fails(t, err, fault.Unauthenticated)
	if said["status"] != "400" || said["schemes"] != "Bearer" {
		t.Errorf("%v", said)
	}
	for response, kind := range map[string]fault.Kind{
		"n,a=bob@example.org,\x01auth=Bearer good\x01\x01": fault.Denied, "n,a=nobody,\x01auth=Bearer good\x01\x01": fault.Denied,
		"n,,\x01auth=Bearer stray\x01\x01": fault.Unauthenticated, "n,,\x01auth=Basic good\x01\x01": fault.Unauthenticated, "n,,\x01auth=good\x01\x01": fault.Unauthenticated,
	} {
		_, err := fail("OAUTHBEARER", response)
		fails(t, err, kind)
	}
	for _, mech := range []string{"OAUTHBEARER", "XOAUTH2"} {
		for _, response := range []string{"", "\x01", "n,,", "n,,\x01\x01", "p=tls-exporter,,\x01auth=Bearer good\x01\x01", "n,a=ann\x01auth=Bearer good\x01\x01", "n,,\x01auth=Bearer good", "auth=Bearer good\x01\x01", "n,,\x01auth=Bearer \xff\x01\x01", strings.Repeat("\x01", 1000)} {
			_, _, err := run(t, h, home, mech, []byte(response))
			fails(t, err, fault.Invalid)
		}
		_, err := h.Start(Peer{}, mech)
		fails(t, err, fault.Unsupported) // tokens need TLS as passwords do
	}
	_, _, err = run(t, h, home, "OAUTHBEARER", []byte("n,,\x01auth=Bearer later\x01\x01"))
	fails(t, err, fault.Unavailable)
	check(t, h.dir.SetEnabled(t.Context(), h.ann, false))
	_, err = fail("OAUTHBEARER", "n,,\x01auth=Bearer good\x01\x01")
	fails(t, err, fault.Denied)
	_, err = newHouse(t).Start(home, "OAUTHBEARER")
	fails(t, err, fault.Unsupported)
	if strings.Contains(h.log.String(), "Bearer") || strings.Contains(h.log.String(), "stray") {
		t.Error("a token is in the log")
	}
}

// bounded is a TokenVerifier whose issuer speaks for some domains only.
type bounded struct {
	tokens
	domains []string
}

func (v bounded) Verify(ctx context.Context, token string) (TokenClaims, error) {
	c, err := v.tokens.Verify(ctx, token)
	c.Domains = v.domains
	return c, err
}

// Who administers one domain, and its provider of tokens, can make an alias there that leads to somebody of another domain: no token of theirs
// opens that account.
func TestTokensOpenNoOtherDomain(t *testing.T) {
	for _, c := range []struct {
		domains []string
		alias   bool
	}{{[]string{"hosted.example"}, false}, {[]string{"hosted.example", "Example.org"}, true}, {nil, true}} {
		h := newHouseWith(t, directory.HashParams{}, Options{Tokens: bounded{tokens{"trick": "boss@hosted.example"}, c.domains}})
		_, err := h.dir.AddDomain(t.Context(), "hosted.example")
		check(t, err)
		check(t, h.dir.AddAlias(t.Context(), "boss@hosted.example", []string{"ann@example.org"}))
		x, err := h.Start(home, "OAUTHBEARER")
		check(t, err)
		if _, done, err := x.Next(t.Context(), []byte("n,,\x01auth=Bearer trick\x01\x01")); err != nil || done != c.alias {
			t.Errorf("%v: %t %v", c.domains, done, err)
		}
	}
}

// An issuer for all says who has an address, and who administers that address's domain can have it lead to anybody: to whom they could sign in
// as anyway, but to nobody else.
func TestAliasesOfDomainAdministratorsOpenNoOthers(t *testing.T) {
	const server, hosted, home1 = directory.WholeServer, "hosted.example", "example.org"
	appoint := func(who string, domains ...string) func(*testing.T, *house) {
		return func(t *testing.T, h *house) {
			a, err := h.dir.AccountByAddress(t.Context(), who)
			check(t, err)
			for _, d := range domains {
				check(t, h.dir.Appoint(t.Context(), a.ID, d))
			}
		}
	}
	token := func(expires time.Time, domains ...string) func(*testing.T, *house) {
		return func(t *testing.T, h *house) {
			_, err := h.dir.AddToken(t.Context(), directory.Token{Name: "robot", Duties: directory.Duties{Domains: domains}, Expires: expires})
			check(t, err)
		}
	}
	then := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	ours := newAuthority(t, then)
	roots := x509.NewCertPool()
	roots.AddCert(ours.Leaf)
	for name, c := range map[string]struct {
		by   []func(*testing.T, *house)
		open bool
	}{
		"nobody administers it":               {nil, true},
		"administers the alias's domain":      {[]func(*testing.T, *house){appoint("carl@example.org", hosted)}, false},
		"administers both":                    {[]func(*testing.T, *house){appoint("carl@example.org", hosted, home1)}, true},
		"administers less than the account":   {[]func(*testing.T, *house){appoint("carl@example.org", hosted, home1), appoint("ann@example.org", server)}, false},
		"administers the server":              {[]func(*testing.T, *house){appoint("carl@example.org", hosted, server)}, true},
		"the account itself administers it":   {[]func(*testing.T, *house){appoint("ann@example.org", hosted)}, true},
		"administers the account's alone":     {[]func(*testing.T, *house){appoint("carl@example.org", home1)}, true},
		"a program administers it":            {[]func(*testing.T, *house){token(time.Time{}, hosted)}, false},
		"a program administers both":          {[]func(*testing.T, *house){token(time.Time{}, hosted, home1)}, true},
		"a program that no longer may":        {[]func(*testing.T, *house){token(then.Add(-time.Hour), hosted)}, true},
		"administers the domain on the way":   {[]func(*testing.T, *house){appoint("carl@example.org", "way.example")}, false},
		"administers a domain of no business": {[]func(*testing.T, *house){appoint("carl@example.org", "third.example")}, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouseWith(t, directory.HashParams{}, Options{Tokens: tokens{"trick": "Boss+x@Hosted.example"}, ClientRoots: roots})
			for _, d := range []string{hosted, "way.example", "third.example"} {
				_, err := h.dir.AddDomain(t.Context(), d)
				check(t, err)
			}
			check(t, h.dir.AddAlias(t.Context(), "boss@way.example", []string{"ann@example.org"}))
			check(t, h.dir.AddAlias(t.Context(), "boss@hosted.example", []string{"boss@way.example"}))
			for _, do := range c.by {
				do(t, h)
			}
			x, err := h.Start(home, "OAUTHBEARER")
			check(t, err)
			if _, done, err := x.Next(t.Context(), []byte("n,,\x01auth=Bearer trick\x01\x01")); err != nil || done != c.open {
				t.Errorf("by a token: %t %v", done, err)
			}
			_, _, err = run(t, h, ours.peer(t, 10, x509.ExtKeyUsageClientAuth, time.Hour, "boss@hosted.example"), "EXTERNAL", []byte{})
			if c.open {
				check(t, err)
			} else {
				fails(t, err, fault.Denied)
			}
		})
	}
}
