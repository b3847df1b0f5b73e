package oidc

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/auth"
)

// Issuer is a provider whose tokens are taken.
type Issuer struct {
	// URL names the provider; its metadata is at URL/.well-known/openid-configuration. Required.
	URL string
	// Audience: a token must name one of these. Empty: any, but then Scope is needed.
	Audience []string
	// Scope: a token must have it. "": none.
	Scope string
	// Claim holds the address of whom the token is for. Default: "email", and of tokens that are asked about also "username".
	Claim string
	// Domains are those of the addresses that the provider may speak for. Empty: all.
	Domains []string
	// ClientID and ClientSecret are ours at the provider, for introspection. Without them only JSON web tokens are taken.
	ClientID, ClientSecret string
	// Introspect: the provider is asked about JSON web tokens too, so that it can revoke them.
	Introspect bool
	// Client is what it is asked by, if not that of the Options.
	Client *http.Client
}

// Options are what a Verifier needs of the world.
type Options struct {
	Client *http.Client     // required where an Issuer has none; it should have a timeout
	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // default: nothing is logged
}

const (
	// maxRemembered is how many verified tokens are remembered in each of two generations.
	maxRemembered = 10_000
	// remember is how long at most: a revoked token is good for no longer.
	remember = 2 * time.Minute
	// maxAnswer bounds what is read of a provider's answer, in bytes.
	maxAnswer = 1 << 20
)

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	issuers []*issuer
	now     func() time.Time
	log     *slog.Logger

	mu         sync.Mutex
	young, old map[[32]byte]good // guarded by mu
}

// good is a token that was verified.
type good struct {
	claims auth.TokenClaims
	until  time.Time
}

var _ auth.TokenVerifier = (*Verifier)(nil)

// New makes a Verifier. Errors: fault.Invalid for issuers that can't be.
func New(issuers []Issuer, o Options) (*Verifier, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	v := &Verifier{now: o.Now, log: o.Logger, young: map[[32]byte]good{}}
	for _, set := range issuers {
		if err := set.check(); err != nil {
			return nil, err
		}
		client := set.Client
		if client == nil {
			client = o.Client
		}
		safe := *client
		safe.CheckRedirect = onlySafely
		v.issuers = append(v.issuers, &issuer{set: set, client: &safe, now: o.Now, turn: make(chan struct{}, 1)})
	}
	return v, nil
}

// onlySafely follows a provider's redirects within TLS: keys that came in the clear could be anybody's, and so could all tokens be.
func onlySafely(r *http.Request, via []*http.Request) error {
	if r.URL.Scheme != "https" || len(via) >= 5 {
		return fault.New(fault.Denied, "the provider leads elsewhere")
	}
	return nil
}

func (i *Issuer) check() error {
	switch {
	case !strings.HasPrefix(i.URL, "https://"):
		return fault.New(fault.Invalid, "issuer %q: want https://...", i.URL)
	case len(i.Audience) == 0 && i.Scope == "":
		return fault.New(fault.Invalid, "issuer %s needs an audience or a scope: else tokens for any other service would be good here", i.URL)
	case i.Introspect && i.ClientID == "":
		return fault.New(fault.Invalid, "issuer %s: introspection needs client_id", i.URL)
	}
	return nil
}

// Advice implements auth.TokenVerifier: the first issuer's.
func (v *Verifier) Advice() auth.TokenAdvice {
	if len(v.issuers) == 0 {
		return auth.TokenAdvice{}
	}
	set := &v.issuers[0].set
	return auth.TokenAdvice{Scope: set.Scope, Configuration: set.metadataURL()}
}

func errBad(why string) error { return fault.New(fault.Unauthenticated, "%s", why) }

// Verify implements auth.TokenVerifier.
func (v *Verifier) Verify(ctx context.Context, token string) (auth.TokenClaims, error) {
	sum := sha256.Sum256([]byte(token))
	if claims, ok := v.known(sum); ok {
		return claims, nil
	}
	claims, err := v.ask(ctx, token)
	if err != nil {
		v.log.InfoContext(ctx, "token refused", "why", fault.TextOf(err))
		return auth.TokenClaims{}, err
	}
	v.add(sum, claims)
	return claims, nil
}

// ask verifies a token that isn't known.
func (v *Verifier) ask(ctx context.Context, token string) (auth.TokenClaims, error) {
	if named, ok := issuerOf(token); ok {
		for _, i := range v.issuers {
			if i.set.URL == named {
				return i.signed(ctx, token)
			}
		}
		return auth.TokenClaims{}, errBad("of an issuer that isn't trusted")
	}
	return v.askAll(ctx, token)
}

// askAll asks the issuers about a token that doesn't say whose it is. One that is out of order closes the door to nobody else's people; but
// it may have been the token's, so there is no telling that the token is bad.
func (v *Verifier) askAll(ctx context.Context, token string) (auth.TokenClaims, error) {
	err := errBad("no JSON web token, and there is nobody to ask about it")
	for _, i := range v.issuers {
		if i.set.ClientID == "" {
			continue
		}
		claims, e := i.introspected(ctx, token)
		if e == nil {
			return claims, nil
		}
		if fault.Is(err, fault.Unauthenticated) {
			err = e
		}
	}
	return auth.TokenClaims{}, err
}

func (v *Verifier) known(sum [32]byte) (auth.TokenClaims, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	g, ok := v.young[sum]
	if !ok {
		g, ok = v.old[sum]
	}
	return g.claims, ok && v.now().Before(g.until)
}

func (v *Verifier) add(sum [32]byte, claims auth.TokenClaims) {
	until := v.now().Add(remember)
	if !claims.Expires.IsZero() && claims.Expires.Before(until) {
		until = claims.Expires
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.young) >= maxRemembered {
		v.young, v.old = map[[32]byte]good{}, v.young
	}
	v.young[sum] = good{claims, until}
}
