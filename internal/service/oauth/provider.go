package oauth

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/service/auth"
	"postroad/internal/storage/kv"
)

// Options are what a Provider is made of.
type Options struct {
	DB        kv.DB                // required
	Directory *directory.Directory // required
	Issuer    string               // our own name: an https address without path; required
	Clients   []Client             // those that the administrator knows
	Now       func() time.Time     // default time.Now
	Rand      io.Reader            // default crypto/rand.Reader
	Logger    *slog.Logger         // default: nothing is logged
	// Ended is told that grants of an account have ended. Nil: nobody is.
	Ended func(ctx context.Context, id ident.AccountID)
}

// How long things last.
const (
	CodeLife   = time.Minute
	AccessLife = time.Hour
	// RefreshLife is how long a grant that nobody uses lasts.
	RefreshLife = 90 * 24 * time.Hour
	DeviceLife  = 10 * time.Minute
	// DeviceInterval is how often a device may ask.
	DeviceInterval = 5 * time.Second
	// grace is how long a refresh token may come again: the answer may have been lost.
	grace = 30 * time.Second
	// MaxGrants is how many an account may have; the one used longest ago makes room.
	MaxGrants = 100
)

// Provider gives and takes back. It is safe for concurrent use.
type Provider struct {
	db      kv.DB
	dir     *directory.Directory
	issuer  string
	clients []Client
	now     func() time.Time
	rand    io.Reader
	log     *slog.Logger
	ended   func(context.Context, ident.AccountID)

	hashKey []byte
	sealer  cipher.AEAD
	signer  *ecdsa.PrivateKey

	renewals renewals
}

// New makes a Provider. Its signing key is made when there is none.
func New(ctx context.Context, o Options) (*Provider, error) {
	p := &Provider{db: o.DB, dir: o.Directory, issuer: o.Issuer, clients: o.Clients, now: o.Now, rand: o.Rand, log: o.Logger, ended: o.Ended}
	if p.now == nil {
		p.now = time.Now
	}
	if p.rand == nil {
		p.rand = rand.Reader
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if p.ended == nil {
		p.ended = func(context.Context, ident.AccountID) {}
	}
	for i := range p.clients {
		p.clients[i].Known = true
	}
	p.hashKey = o.Directory.Secret("oauth tokens")
	block, err := aes.NewCipher(o.Directory.Secret("oauth clients"))
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	if p.sealer, err = cipher.NewGCM(block); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	p.signer, err = p.loadKey(ctx)
	return p, err
}

// Issuer is the provider's name.
func (p *Provider) Issuer() string { return p.issuer }

func (p *Provider) seal(plain []byte) ([]byte, error) {
	nonce := make([]byte, p.sealer.NonceSize())
	if _, err := io.ReadFull(p.rand, nonce); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "no randomness")
	}
	return p.sealer.Seal(nonce, nonce, plain, nil), nil
}

func (p *Provider) open(sealed []byte) ([]byte, error) {
	n := p.sealer.NonceSize()
	if len(sealed) < n {
		return nil, fault.New(fault.Invalid, "too short")
	}
	return p.sealer.Open(nil, sealed[:n], sealed[n:], nil)
}

// Prefixes tell secrets apart, also to programs that look for leaked ones.
const (
	accessPrefix  = "pra_"
	refreshPrefix = "prr_"
	codePrefix    = "prc_"
	devicePrefix  = "prv_"
)

// IsOurs reports whether a text looks like an access token of ours.
func IsOurs(token string) bool { return strings.HasPrefix(token, accessPrefix) }

// secret makes a random text with a prefix.
func (p *Provider) secret(prefix string) (string, error) {
	raw := make([]byte, 32)
	if _, err := io.ReadFull(p.rand, raw); err != nil {
		return "", fault.Wrap(fault.Internal, err, "no randomness")
	}
	return prefix + base64.RawURLEncoding.EncodeToString(raw), nil
}

// hash is what is kept of a secret.
func (p *Provider) hash(secret string) []byte {
	h := hmac.New(sha256.New, p.hashKey)
	io.WriteString(h, secret)
	return h.Sum(nil)
}

// Scopes that there are. Everything but these asks for mail, which is all that we have.
const (
	ScopeMail    = "mail"
	ScopeOpenID  = "openid"
	ScopeEmail   = "email"
	ScopeOffline = "offline_access"
)

// Scope is what is granted of what a program asks for: programs that ask for scopes of other providers mean mail. Those that ask
// for "openid" and nothing beyond want to know who somebody is, and get no mail.
func Scope(asked string) []string {
	var granted []string
	mail := len(strings.Fields(asked)) == 0
	for _, s := range strings.Fields(asked) {
		switch s {
		case ScopeOpenID, ScopeEmail:
			granted = append(granted, s)
		case "profile":
		case ScopeOffline:
			granted = append(granted, s)
		default:
			mail = true
		}
	}
	if mail || !slices.Contains(granted, ScopeOpenID) {
		granted = append(granted, ScopeMail)
	}
	slices.Sort(granted)
	return slices.Compact(granted)
}

// Verify implements auth.TokenVerifier, for our own access tokens.
func (p *Provider) Verify(ctx context.Context, token string) (auth.TokenClaims, error) {
	i, err := p.Inspect(ctx, token)
	if err != nil {
		return auth.TokenClaims{}, err
	}
	if !slices.Contains(i.Grant.Scope, ScopeMail) {
		return auth.TokenClaims{}, errToken()
	}
	return auth.TokenClaims{Login: i.Address, Issuer: p.issuer, Client: i.Grant.ClientName, Expires: i.Expires, Grant: i.Grant.ID}, nil
}

// Advice implements auth.TokenVerifier.
func (p *Provider) Advice() auth.TokenAdvice {
	return auth.TokenAdvice{Scope: ScopeMail, Configuration: p.issuer + "/.well-known/openid-configuration"}
}

func errToken() error { return fault.New(fault.Unauthenticated, "the token is not good") }
