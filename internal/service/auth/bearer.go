package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
)

// TokenVerifier says whose an access token is. Implementations are safe for concurrent use.
type TokenVerifier interface {
	// Verify reads a token. Errors: fault.Unauthenticated if it isn't good, or not for us; fault.Unavailable if nobody can say now.
	Verify(ctx context.Context, token string) (TokenClaims, error)
	// Advice tells a client that has failed where to get a token.
	Advice() TokenAdvice
}

// TokenClaims are what a token says.
type TokenClaims struct {
	// Login is whose it is: an account's address or alias.
	Login   string
	Issuer  string
	Client  string // the program that it was given to; "": not known
	Expires time.Time
	// Grant names what it belongs to, if we gave it ourselves; "": we did not.
	Grant string
	// Domains are those whose accounts its issuer may speak for; empty: all. An alias in one of them may lead to an account elsewhere.
	Domains []string
}

// covers reports whether the issuer may speak for an account.
func (c *TokenClaims) covers(address string) bool {
	if len(c.Domains) == 0 {
		return true
	}
	own, err := directory.ParseDomain(domainOf(address))
	return err == nil && slices.ContainsFunc(c.Domains, func(name string) bool {
		d, err := directory.ParseDomain(name)
		return err == nil && d == own
	})
}

// TokenAdvice is what RFC 7628 §3.2.2 tells clients; empty fields are left out.
type TokenAdvice struct {
	Scope         string
	Configuration string // URL of the provider's metadata
}

// bearer is OAUTHBEARER (RFC 7628), or XOAUTH2, which some programs know alone (Google's, documented at
// developers.google.com/gmail/imap/xoauth2-protocol).
type bearer struct {
	e      *Engine
	peer   Peer
	google bool  // it is XOAUTH2
	failed error // the client has been told, and must answer before the exchange can end
	who    ident.Identity
}

func (m *bearer) identity() ident.Identity { return m.who }

func (m *bearer) name() string {
	if m.google {
		return "XOAUTH2"
	}
	return "OAUTHBEARER"
}

func (m *bearer) step(ctx context.Context, response []byte) (challenge []byte, done bool, err error) {
	switch {
	case m.failed != nil: // RFC 7628 §3.2.3: whatever it says
		return nil, false, m.failed
	case response == nil:
		return nil, false, nil // the client speaks first: an empty challenge
	}
	login, authorization, err := m.parse(response)
	if err != nil {
		return nil, false, err
	}
	a := &attempt{peer: m.peer, mechanism: m.name(), login: login, authzid: login}
	m.who, err = m.e.token(ctx, a, authorization)
	if fault.Is(err, fault.Unauthenticated) || fault.Is(err, fault.Denied) {
		m.failed = err
		return m.complaint(), false, nil
	}
	return nil, err == nil, err
}

// parse takes a response apart: who is to be signed in, "" if it isn't said, and the value of "auth".
func (m *bearer) parse(response []byte) (login, authorization string, err error) {
	bad := fault.New(fault.Invalid, "the response is not what %s asks for", m.name())
	head, rest, ok := bytes.Cut(response, []byte{1})
	if !ok || !bytes.HasSuffix(rest, []byte{1}) || !utf8.Valid(response) {
		return "", "", bad
	}
	if login, ok = m.subject(string(head)); !ok {
		return "", "", bad
	}
	for pair := range strings.SplitSeq(strings.TrimRight(string(rest), "\x01"), "\x01") {
		if key, value, ok := strings.Cut(pair, "="); ok && key == "auth" { // others are ignored (RFC 7628 §3.1)
			authorization = value
		}
	}
	if authorization == "" {
		return "", "", bad
	}
	return login, authorization, nil
}

// subject reads what stands before the first separator: a GS2 header without channel binding (RFC 5801 §4), or "user=...".
func (m *bearer) subject(head string) (login string, ok bool) {
	if m.google {
		return strings.CutPrefix(head, "user=")
	}
	flag, rest, _ := strings.Cut(head, ",")
	authzid, end, ok := strings.Cut(rest, ",")
	if flag != "n" && flag != "y" || !ok || end != "" {
		return "", false
	}
	if authzid == "" {
		return "", true
	}
	login, ok = strings.CutPrefix(authzid, "a=")
	return strings.NewReplacer("=2C", ",", "=3D", "=").Replace(login), ok
}

// complaint is what a client hears whose token isn't good (RFC 7628 §3.2.2; XOAUTH2 has other words).
func (m *bearer) complaint() []byte {
	advice := m.e.options.Tokens.Advice()
	v := map[string]string{"status": "invalid_token"}
	if m.google {
		v["status"], v["schemes"] = "400", "Bearer"
	} else if advice.Configuration != "" {
		v["openid-configuration"] = advice.Configuration
	}
	if advice.Scope != "" {
		v["scope"] = advice.Scope
	}
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("{}")
	}
	return b
}

// token signs in whoever has a good token. Nobody guesses one: there are no limits.
func (e *Engine) token(ctx context.Context, a *attempt, authorization string) (ident.Identity, error) {
	scheme, token, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") { // RFC 6750 §2.1
		return ident.Identity{}, e.badToken(ctx, a, Key{Kind: Token})
	}
	claims, err := e.options.Tokens.Verify(ctx, strings.TrimSpace(token))
	switch {
	case fault.Is(err, fault.Unauthenticated):
		return ident.Identity{}, e.badToken(ctx, a, Key{Kind: Token})
	case err != nil:
		return ident.Identity{}, err
	}
	with := Key{Kind: Token, Name: strings.TrimSpace(claims.Issuer + " " + claims.Client)}
	p, err := e.profile(ctx, claims.Login)
	if err != nil {
		return ident.Identity{}, err
	}
	if p == nil || !claims.covers(p.Account.Address) {
		return ident.Identity{}, e.badToken(ctx, a, with)
	}
	if a.login == "" {
		a.login = claims.Login
	}
	with.grant = claims.Grant
	return e.acceptNamed(ctx, a, claims.Login, p, with)
}

func (e *Engine) badToken(ctx context.Context, a *attempt, with Key) error {
	e.failures.Add(1)
	e.tell(ctx, slog.LevelWarn, "sign-in failed", a, nil, with, Failed)
	return fault.New(fault.Unauthenticated, "the token is not good here")
}
