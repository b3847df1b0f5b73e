package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Code is an error code of RFC 6749 §5.2, or RFC 8628 §3.5. It is the cause of errors that a program is to be told.
type Code string

// Error implements error.
func (c Code) Error() string { return string(c) }

// The codes that come from here.
const (
	InvalidGrant  Code = "invalid_grant"
	Pending       Code = "authorization_pending"
	SlowDown      Code = "slow_down"
	AccessDenied  Code = "access_denied"
	ExpiredDevice Code = "expired_token"
)

func refuse(c Code, why string) error { return fault.Wrap(fault.Denied, c, why) }

// Consent says who allows something: an account, and which of its passwords was in force when its owner signed in to allow it.
type Consent struct {
	Account         ident.AccountID
	PasswordVersion uint64
}

// Request is what somebody has allowed.
type Request struct {
	By        Consent
	Client    Client
	Redirect  string
	Scope     []string
	Challenge string // PKCE's, S256
	Nonce     string
}

// Tokens are what a program gets.
type Tokens struct {
	Access, Refresh string
	IDToken         string // "": it wasn't asked for
	Lasts           time.Duration
	Scope           []string
}

// Authorize notes that somebody has allowed a program in, and gives the code to hand to it. Errors: fault.NotFound if there is no such account.
func (p *Provider) Authorize(ctx context.Context, r Request) (code string, err error) {
	if code, err = p.secret(codePrefix); err != nil {
		return "", err
	}
	if err := p.unchanged(ctx, r.By); err != nil {
		return "", err
	}
	now := p.now()
	err = p.db.Update(ctx, Partition, func(tx kv.Tx) error {
		g := Grant{Account: r.By.Account, ClientID: r.Client.ID, ClientName: r.Client.Name, Scope: r.Scope, Created: now, Expires: now.Add(CodeLife), nonce: r.Nonce, version: r.By.PasswordVersion}
		if err := addGrant(tx, &g); err != nil {
			return err
		}
		s := secret{kind: isCode, account: g.Account, grant: g.number, expires: now.Add(CodeLife), redirect: r.Redirect, challenge: r.Challenge}
		return tx.Set(secretKey(p.hash(code)), s.encode())
	})
	if err == nil {
		err = p.dir.Notify(ctx, r.By.Account, directory.ProgramAllowed, r.Client.Name)
	}
	return code, err
}

// unchanged makes sure that the password which was shown is in force still. A grant ends when the password changes, as what somebody allowed
// who had stolen it must; it is stored with the version that was shown, so that a change from now on ends it, too.
func (p *Provider) unchanged(ctx context.Context, by Consent) error {
	profile, err := p.dir.ProfileByID(ctx, by.Account)
	if err == nil && versionOf(profile) != by.PasswordVersion {
		err = fault.New(fault.Unauthenticated, "the password has changed: sign in again")
	}
	return err
}

func versionOf(p *directory.Profile) uint64 {
	if p.Credential == nil {
		return 0
	}
	return p.Credential.Version
}

// addGrant gives a grant its number, and makes room for it.
func addGrant(tx kv.Tx, g *Grant) error {
	all, err := listGrants(tx, grantsOf(g.Account))
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b Grant) int { return a.Used.Compare(b.Used) })
	for i := 0; len(all)-i >= MaxGrants; i++ {
		if err := tx.Delete(all[i].key()); err != nil {
			return err
		}
	}
	v, ok, err := tx.Get([]byte{keyNumber})
	if err != nil {
		return err
	}
	if ok && len(v) == 8 {
		g.number = binary.BigEndian.Uint64(v)
	}
	g.number++
	g.name()
	if err := tx.Set([]byte{keyNumber}, binary.BigEndian.AppendUint64(nil, g.number)); err != nil {
		return err
	}
	return tx.Set(g.key(), g.encode())
}

// Redeem gives tokens for a code. Its errors have InvalidGrant as cause.
func (p *Provider) Redeem(ctx context.Context, c *Client, code, redirect, verifier string) (Tokens, error) {
	return p.exchange(ctx, c, isCode, code, func(s *secret) string {
		switch {
		case s.redirect != redirect:
			return "redirect_uri isn't that of the authorization"
		case !challengeFits(s.challenge, verifier):
			return "code_verifier doesn't fit"
		}
		return ""
	})
}

// challengeFits: RFC 7636 §4.6, S256.
func challengeFits(challenge, verifier string) bool {
	sum := sha256.Sum256([]byte(verifier))
	got := base64.RawURLEncoding.EncodeToString(sum[:])
	return len(verifier) >= 43 && len(verifier) <= 128 && subtle.ConstantTimeCompare([]byte(got), []byte(challenge)) == 1
}

// Refresh gives new tokens for a refresh token, which is good no more. Errors as of Redeem.
func (p *Provider) Refresh(ctx context.Context, c *Client, token string) (Tokens, error) {
	return p.exchange(ctx, c, isRefresh, token, func(*secret) string { return "" })
}

// exchange gives tokens for a code or refresh token, once.
func (p *Provider) exchange(ctx context.Context, c *Client, k kind, text string, wrong func(*secret) string) (Tokens, error) {
	fresh, err := p.newTokens()
	if err != nil {
		return Tokens{}, err
	}
	var refused error
	var stolen ident.AccountID
	var g Grant
	now := p.now()
	err = p.db.Update(ctx, Partition, func(tx kv.Tx) error {
		refused = refuse(InvalidGrant, "it is unknown, or has expired")
		s, ok, err := p.getSecret(tx, k, text)
		if err != nil || !ok || !now.Before(s.expires) {
			return err
		}
		if g, ok, err = getGrant(tx, s.account, s.grant); err != nil || !ok || g.ClientID != c.ID || !now.Before(g.Expires) {
			return err
		}
		if !s.used.IsZero() && (k == isCode || now.Sub(s.used) > grace) {
			stolen = g.Account
			refused = refuse(InvalidGrant, "it was used before: all that belongs to it has ended")
			return tx.Delete(g.key())
		}
		if s.used.IsZero() {
			s.used = now
		}
		if err := tx.Set(secretKey(p.hash(text)), s.encode()); err != nil {
			return err
		}
		if why := wrong(&s); why != "" {
			refused = refuse(InvalidGrant, why)
			return nil
		}
		if k == isRefresh {
			if err := p.renewals.count(g.ID, now); err != nil {
				return err // and nothing is written
			}
		}
		refused = nil
		return p.store(tx, &g, fresh, now)
	})
	if stolen != 0 {
		p.log.WarnContext(ctx, "a code or refresh token came twice: the grant has ended", "account", stolen, "client", g.ClientName)
		p.ended(ctx, stolen)
	}
	if err != nil || refused != nil {
		return Tokens{}, firstError(err, refused)
	}
	return p.finish(ctx, &g, fresh)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Provider) newTokens() (t Tokens, err error) {
	if t.Access, err = p.secret(accessPrefix); err != nil {
		return t, err
	}
	t.Refresh, err = p.secret(refreshPrefix)
	return t, err
}

// store keeps new tokens of a grant, which lasts longer now.
func (p *Provider) store(tx kv.Tx, g *Grant, t Tokens, now time.Time) error {
	g.Used, g.Expires = now, now.Add(RefreshLife)
	for text, s := range map[string]secret{
		t.Access: {kind: isAccess, expires: now.Add(AccessLife)}, t.Refresh: {kind: isRefresh, expires: g.Expires},
	} {
		s.account, s.grant = g.Account, g.number
		if err := tx.Set(secretKey(p.hash(text)), s.encode()); err != nil {
			return err
		}
	}
	return tx.Set(g.key(), g.encode())
}

// finish looks once more whether the account is as it was, and adds what is only told.
func (p *Provider) finish(ctx context.Context, g *Grant, t Tokens) (Tokens, error) {
	profile, err := p.dir.ProfileByID(ctx, g.Account)
	if err != nil || !usable(profile, g) {
		return Tokens{}, firstError(ignoreMissing(err), refuse(InvalidGrant, "the account has changed"))
	}
	t.Lasts, t.Scope = AccessLife, g.Scope
	if slices.Contains(g.Scope, ScopeOpenID) {
		t.IDToken, err = p.idToken(g, profile)
	}
	return t, err
}

func ignoreMissing(err error) error {
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// usable reports whether a grant opens anything still.
func usable(p *directory.Profile, g *Grant) bool {
	return p.Account.Enabled && !p.Account.Shared && versionOf(p) == g.version
}

// Info is what a good access token says.
type Info struct {
	Grant   Grant
	Address string
	Expires time.Time
}

// Inspect looks at an access token; fault.Unauthenticated if it isn't good.
func (p *Provider) Inspect(ctx context.Context, token string) (Info, error) {
	if !IsOurs(token) {
		return Info{}, errToken()
	}
	var i Info
	now := p.now()
	err := p.db.View(ctx, Partition, func(r kv.Reader) error {
		s, ok, err := p.getSecret(r, isAccess, token)
		if err != nil {
			return err
		}
		if !ok || !now.Before(s.expires) {
			return errToken()
		}
		i.Expires = s.expires
		if i.Grant, ok, err = getGrant(r, s.account, s.grant); err == nil && !ok {
			err = errToken()
		}
		return err
	})
	if err != nil {
		return Info{}, err
	}
	profile, err := p.dir.ProfileByID(ctx, i.Grant.Account)
	if err != nil || !usable(profile, &i.Grant) {
		return Info{}, firstError(ignoreMissing(err), errToken())
	}
	i.Address = profile.Account.Address
	return i, nil
}

// Revoke ends the grant of an access or refresh token, if it is the client's (RFC 7009). What isn't known is no error.
func (p *Provider) Revoke(ctx context.Context, c *Client, token string) error {
	var of ident.AccountID
	err := p.db.Update(ctx, Partition, func(tx kv.Tx) error {
		for _, k := range []kind{isAccess, isRefresh} {
			s, ok, err := p.getSecret(tx, k, token)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			g, ok, err := getGrant(tx, s.account, s.grant)
			if err != nil || !ok || g.ClientID != c.ID {
				return err
			}
			of = g.Account
			return tx.Delete(g.key())
		}
		return nil
	})
	if err == nil && of != 0 {
		p.ended(ctx, of)
	}
	return err
}

// Grants lists what an account's owner has allowed, oldest first.
func (p *Provider) Grants(ctx context.Context, id ident.AccountID) (all []Grant, err error) {
	now := p.now()
	err = p.db.View(ctx, Partition, func(r kv.Reader) (err error) {
		all, err = listGrants(r, grantsOf(id))
		return err
	})
	return slices.DeleteFunc(all, func(g Grant) bool { return !now.Before(g.Expires) || g.Used.IsZero() }), err
}

// EndGrant ends one grant of an account, or with "" all; fault.NotFound if there is none of that name.
func (p *Provider) EndGrant(ctx context.Context, id ident.AccountID, name string) (ended int, err error) {
	err = p.db.Update(ctx, Partition, func(tx kv.Tx) error {
		all, err := listGrants(tx, grantsOf(id))
		if err != nil {
			return err
		}
		ended = 0
		for i := range all {
			if name != "" && all[i].ID != name {
				continue
			}
			ended++
			if err := tx.Delete(all[i].key()); err != nil {
				return err
			}
		}
		if name != "" && ended == 0 {
			return fault.New(fault.NotFound, "there is no grant %q", name)
		}
		return nil
	})
	if err == nil && ended > 0 {
		p.ended(ctx, id)
	}
	return ended, err
}

// Holds reports whether a grant of an account still opens something.
func (p *Provider) Holds(ctx context.Context, id ident.AccountID, name string) bool {
	all, err := p.Grants(ctx, id)
	if err != nil {
		return false
	}
	profile, err := p.dir.ProfileByID(ctx, id)
	return err == nil && slices.ContainsFunc(all, func(g Grant) bool { return g.ID == name && usable(profile, &g) })
}
