package auth

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"strconv"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/record"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
)

// ByHand is what a person who sits at a page of ours has shown. App passwords open no pages.
type ByHand struct {
	Login, Password string
	// Half is what an Entry gave that wanted a second step. It stands for the name and the password.
	Half string
	// Code is one of the authenticator, or a recovery code.
	Code string
	// Passkey is what the browser has answered to an Entry's Request, or, with nothing else, to PasskeyRequest.
	Passkey []byte
}

// Entry is how far a person has come.
type Entry struct {
	// Identity is who has signed in; nobody while Half isn't "".
	Identity ident.Identity
	Key      Key
	// Half is to be given back with the second step that is wanted, within HalfLife.
	Half string
	// Request is what the browser is to ask the account's passkeys; nil: it has none.
	Request json.RawMessage
	// Codes: a code of an authenticator is as good. Recovery codes always are.
	Codes bool
	// Setup: nothing but setting up two-step verification may be done, which is required here.
	Setup bool

	strong  bool   // there was a second step, or a passkey
	version uint64 // of the account's password
}

// PasswordVersion says which of the account's passwords was in force when the person entered: what they do then isn't to outlast it.
func (e Entry) PasswordVersion() uint64 { return e.version }

// HalfLife is how long a page may wait for the second step.
const HalfLife = 10 * time.Minute

// Enter signs in a person at a page, by the account's own password and, where two-step verification is on, a second step; or by a passkey
// alone, which verifies the person itself. If the password is right and the second step is wanted still, the Entry says so, and nobody is signed
// in. Errors as of Login; fault.Unauthenticated also for a wrong code or passkey.
func (e *Engine) Enter(ctx context.Context, p Peer, by ByHand) (Entry, error) {
	a := &attempt{peer: p, mechanism: "page", login: by.Login, byHand: true, code: by.Code, passkey: by.Passkey, entry: new(Entry)}
	if !p.mayShowSecrets() {
		return Entry{}, fault.New(fault.Denied, "passwords need TLS here")
	}
	var err error
	switch {
	case by.Half != "":
		err = e.secondHalf(ctx, a, by.Half)
	case by.Login == "" && len(by.Passkey) > 0:
		err = e.passkeyAlone(ctx, a)
	default:
		err = e.firstHalf(ctx, a, by.Password)
	}
	if err != nil {
		return Entry{}, err
	}
	return *a.entry, nil
}

// firstHalf verifies the password.
func (e *Engine) firstHalf(ctx context.Context, a *attempt, password string) error {
	profile, err := e.profile(ctx, a.login)
	if err != nil {
		return err
	}
	k, err := e.keyOf(ctx, a)
	if err != nil {
		return err
	}
	leave, err := e.throttle.enter(ctx, k)
	if err != nil {
		return err
	}
	defer leave()
	a.entry.Identity, err = e.mainPassword(ctx, a, k, profile, password)
	return err
}

// secondHalf goes on where firstHalf has stopped.
func (e *Engine) secondHalf(ctx context.Context, a *attempt, half string) error {
	id, version, login, ok := e.openHalf(half)
	if !ok {
		return fault.New(fault.Unauthenticated, "it has taken too long: sign in again")
	}
	a.login = login
	p, err := e.dir.ProfileByID(ctx, id)
	if err != nil || !p.Account.Enabled || versionOf(p) != version || !p.TwoStep || p.Credential == nil && p.Link == nil {
		return errWrong()
	}
	k, err := e.keyOf(ctx, a)
	if err != nil {
		return err
	}
	a.entry.Identity, err = e.secondStep(ctx, a, k, p, Key{Kind: Password, id: version})
	return err
}

func versionOf(p *directory.Profile) uint64 {
	if p.Credential == nil {
		return 0
	}
	return p.Credential.Version
}

// secondStep asks somebody who knows the password for more. Codes are few, so guesses are counted for the account, wherever they come from:
// nobody but those who know the password comes here, so no stranger can lock the owner out.
func (e *Engine) secondStep(ctx context.Context, a *attempt, k key, p *directory.Profile, with Key) (ident.Identity, error) {
	switch {
	case len(a.passkey) > 0:
		if _, _, err := e.provePasskey(ctx, a, p); err != nil {
			return ident.Identity{}, err
		}
	case a.code == "":
		return ident.Identity{}, e.wantSecond(a, p)
	default:
		if err := e.useCode(ctx, a, k, p); err != nil {
			return ident.Identity{}, err
		}
	}
	e.throttle.succeeded(k)
	a.entry.strong = true
	return e.accept(ctx, a, p, with)
}

// useCode takes a code of the authenticator, or a recovery code.
func (e *Engine) useCode(ctx context.Context, a *attempt, k key, p *directory.Profile) error {
	steps := e.pairOf(host{}, "second step of "+strconv.FormatUint(uint64(p.Account.ID), 10))
	leave, err := e.throttle.enter(ctx, steps)
	if err != nil {
		return err
	}
	defer leave()
	if e.throttle.pairBlocked(steps, e.now()) {
		return e.refuse(ctx, a)
	}
	err = e.dir.UseCode(ctx, p.Account.ID, a.code)
	if fault.Is(err, fault.Unauthenticated) {
		e.throttle.failedPair(steps, e.now())
		return e.fail(ctx, a, k)
	}
	if err == nil {
		e.throttle.succeeded(steps)
	}
	return err
}

// wantSecond tells the page what the second step may be.
func (e *Engine) wantSecond(a *attempt, p *directory.Profile) (err error) {
	out := a.entry
	out.Codes = p.Codes
	if out.Half, err = e.sealHalf(p, a.login); err != nil {
		return err
	}
	if site := e.options.Site; site != nil && len(p.Passkeys) > 0 {
		challenge, err := e.challenges.New(secondStepOf(p))
		if err != nil {
			return err
		}
		out.Request = site.RequestOptions(challenge, knownTo(p), false)
	}
	return nil
}

// halves seals what firstHalf has found out, for the page to give back. The key never leaves this process.
type halves struct {
	gcm cipher.AEAD
}

func newHalves(rand io.Reader) (*halves, error) {
	key := make([]byte, 32)
	if _, err := io.ReadFull(rand, key); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "no randomness")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	gcm, err := cipher.NewGCM(block)
	return &halves{gcm}, fault.Wrap(fault.Internal, err, "")
}

// sealHalf says that somebody knows the password of p: account, version of the password, until when, the name that they wrote.
func (e *Engine) sealHalf(p *directory.Profile, login string) (string, error) {
	if e.halves == nil {
		return "", fault.New(fault.Internal, "no randomness")
	}
	nonce := make([]byte, e.halves.gcm.NonceSize())
	if _, err := io.ReadFull(e.rand, nonce); err != nil {
		return "", fault.Wrap(fault.Internal, err, "no randomness")
	}
	b := binary.AppendUvarint([]byte{1}, uint64(p.Account.ID))
	b = binary.AppendUvarint(b, versionOf(p))
	b = binary.AppendVarint(b, e.now().Add(HalfLife).Unix())
	b = record.AppendString(b, login)
	return base64.RawURLEncoding.EncodeToString(e.halves.gcm.Seal(nonce, nonce, b, nil)), nil
}

func (e *Engine) openHalf(half string) (id ident.AccountID, version uint64, login string, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(half)
	if e.halves == nil || err != nil || len(b) < e.halves.gcm.NonceSize() {
		return 0, 0, "", false
	}
	n := e.halves.gcm.NonceSize()
	if b, err = e.halves.gcm.Open(nil, b[:n], b[n:], nil); err != nil {
		return 0, 0, "", false
	}
	d := record.Decode(b, 1)
	id, version = ident.AccountID(d.Uint()), d.Uint()
	until := time.Unix(d.Int(), 0)
	login = d.String()
	return id, version, login, !d.Bad() && d.Rest() == 0 && e.now().Before(until)
}
