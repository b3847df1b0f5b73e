package auth

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"log/slog"
	"strconv"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/service/passkey"
)

// What a challenge may be answered for.
const signInAlone = "sign in"

func secondStepOf(p *directory.Profile) string {
	return "second step of " + strconv.FormatUint(uint64(p.Account.ID), 10)
}

// PasskeyRequest is what a browser is to ask for who signs in by a passkey alone; nil if passkeys aren't taken here.
func (e *Engine) PasskeyRequest() (json.RawMessage, error) {
	if e.options.Site == nil {
		return nil, nil
	}
	challenge, err := e.challenges.New(signInAlone)
	if err != nil {
		return nil, err
	}
	return e.options.Site.RequestOptions(challenge, nil, true), nil
}

// TakesPasskeys reports whether passkeys are taken here.
func (e *Engine) TakesPasskeys() bool { return e.options.Site != nil }

// knownTo are the passkeys that will do as a second step.
func knownTo(p *directory.Profile) (all []passkey.Known) {
	for i := range p.Passkeys {
		all = append(all, passkey.Known{Credential: p.Passkeys[i].Credential, Transports: p.Passkeys[i].Transports})
	}
	return all
}

// passkeyAlone signs in whoever has a passkey that has verified them. Nobody guesses one: there are no limits.
func (e *Engine) passkeyAlone(ctx context.Context, a *attempt) (err error) {
	p, with, err := e.provePasskey(ctx, a, nil)
	if err != nil {
		return err
	}
	a.entry.strong = true
	a.entry.Identity, err = e.accept(ctx, a, p, with)
	return err
}

// provePasskey verifies the answer of a passkey (WebAuthn Level 3 §7.2). of is whose it must be, who has shown the password; nil: whoever
// has it, if it has verified them.
func (e *Engine) provePasskey(ctx context.Context, a *attempt, of *directory.Profile) (*directory.Profile, Key, error) {
	a.mechanism = "passkey"
	none := Key{Kind: Passkey}
	site := e.options.Site
	if site == nil {
		return nil, none, fault.New(fault.Denied, "passkeys are not taken here")
	}
	answer, err := passkey.Read(a.passkey)
	if err != nil {
		return nil, none, err
	}
	p, key, err := e.dir.Passkey(ctx, answer.Credential()) // steps 5 and 6
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, none, err
	}
	handle := answer.Handle()
	if err != nil || of != nil && of.Account.ID != p.Account.ID || (handle != "" || of == nil) && subtle.ConstantTimeCompare([]byte(handle), []byte(key.Handle)) != 1 {
		return nil, none, e.badPasskey(ctx, a, nil, none)
	}
	if a.login == "" {
		a.login = p.Account.Address
	}
	with := Key{Kind: Passkey, Name: key.Name, id: key.ID}
	purpose := signInAlone
	if of != nil {
		purpose = secondStepOf(of)
	}
	if err := e.challenges.Check(answer.Challenge(), purpose); err != nil {
		return nil, none, err
	}
	proof, err := site.Verify(answer, answer.Challenge(), key.Key, of == nil)
	if err != nil || proof.Eligible != key.Eligible { // step 19: that never changes
		return nil, none, e.badPasskey(ctx, a, p, with)
	}
	if err := e.challenges.Use(answer.Challenge(), uint64(p.Account.ID)); err != nil {
		return nil, none, err
	}
	err = e.dir.UsePasskey(ctx, p.Account.ID, key.ID, proof.Count, proof.BackedUp)
	if fault.Is(err, fault.Conflict) {
		return nil, none, e.deny(ctx, a, p, with, Cloned, "this passkey's counter has gone back, so there may be a copy of it: remove it, and make a new one")
	}
	return p, with, err
}

// badPasskey says no more than a wrong password does.
func (e *Engine) badPasskey(ctx context.Context, a *attempt, p *directory.Profile, with Key) error {
	e.failures.Add(1)
	e.tell(ctx, slog.LevelWarn, "sign-in failed", a, p, with, Failed)
	return fault.New(fault.Unauthenticated, "this passkey is not known here")
}

// NewPasskey begins to make a passkey for somebody who is signed in on a page: what the browser is to be asked. session binds the answer to
// who asked. Errors: fault.Unsupported if passkeys aren't taken here; fault.NotFound.
func (e *Engine) NewPasskey(ctx context.Context, id ident.AccountID, session string) (json.RawMessage, error) {
	site := e.options.Site
	if site == nil {
		return nil, fault.New(fault.Unsupported, "passkeys are not taken here")
	}
	p, err := e.dir.ProfileByID(ctx, id)
	if err != nil {
		return nil, err
	}
	handle, err := e.dir.PasskeyHandle(ctx, id)
	if err != nil {
		return nil, err
	}
	challenge, err := e.challenges.New(makingFor(id, session))
	if err != nil {
		return nil, err
	}
	label := p.Account.DisplayName
	if label == "" {
		label = p.Account.Address
	}
	return site.CreationOptions(challenge, passkey.User{Handle: handle, Name: p.Account.Address, Label: label}, knownTo(p)), nil
}

func makingFor(id ident.AccountID, session string) string {
	return "make one for " + strconv.FormatUint(uint64(id), 10) + " in " + session
}

// AddPasskey keeps a passkey that the browser has made, as NewPasskey asked. Errors: those of directory.AddPasskey; fault.Unauthenticated if
// the challenge isn't one for them, or was used.
func (e *Engine) AddPasskey(ctx context.Context, id ident.AccountID, session, name string, answer []byte) (directory.Passkey, error) {
	site := e.options.Site
	if site == nil {
		return directory.Passkey{}, fault.New(fault.Unsupported, "passkeys are not taken here")
	}
	challenge := passkey.CreatedFor(answer)
	if err := e.challenges.Check(challenge, makingFor(id, session)); err != nil {
		return directory.Passkey{}, err
	}
	c, err := site.Create(answer, challenge)
	if err != nil {
		return directory.Passkey{}, err
	}
	if err := e.challenges.Use(challenge, uint64(id)); err != nil {
		return directory.Passkey{}, err
	}
	handle, err := e.dir.PasskeyHandle(ctx, id)
	if err != nil {
		return directory.Passkey{}, err
	}
	return e.dir.AddPasskey(ctx, id, directory.NewPasskey{Name: name, Credential: c.Credential, Key: c.Key, Handle: handle, Count: c.Count,
		Eligible: c.Eligible, BackedUp: c.BackedUp, Transports: c.Transports, Model: c.Model})
}
