package auth

import (
	"context"
	"strconv"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
)

// ByHand signs in a person who sits at a page of ours, by the account's own password and, where two-step verification is on, a code of
// the authenticator or a recovery code. App passwords open no pages. Errors as of Login; fault.Conflict if the password is right and a code
// is wanted ("" was given), so that the page can ask for it; fault.Unauthenticated also for a wrong code.
func (e *Engine) ByHand(ctx context.Context, p Peer, login, password, code string) (ident.Identity, error) {
	a := &attempt{peer: p, mechanism: "page", login: login, byHand: true, code: code}
	if !p.mayShowSecrets() {
		return ident.Identity{}, fault.New(fault.Denied, "passwords need TLS here")
	}
	profile, err := e.profile(ctx, login)
	if err != nil {
		return ident.Identity{}, err
	}
	k, err := e.keyOf(ctx, a)
	if err != nil {
		return ident.Identity{}, err
	}
	leave, err := e.throttle.enter(ctx, k)
	if err != nil {
		return ident.Identity{}, err
	}
	defer leave()
	return e.mainPassword(ctx, a, k, profile, password)
}

// secondStep asks somebody who knows the password for a code. Codes are few, so guesses are counted for the account, wherever they come from:
// nobody but those who know the password comes here, so no stranger can lock the owner out.
func (e *Engine) secondStep(ctx context.Context, a *attempt, k key, p *directory.Profile, with Key) (ident.Identity, error) {
	if a.code == "" {
		return ident.Identity{}, fault.New(fault.Conflict, "a code of the authenticator is wanted too")
	}
	steps := e.pairOf(host{}, "second step of "+strconv.FormatUint(uint64(p.Account.ID), 10))
	leave, err := e.throttle.enter(ctx, steps)
	if err != nil {
		return ident.Identity{}, err
	}
	defer leave()
	if e.throttle.pairBlocked(steps, e.now()) {
		return ident.Identity{}, e.refuse(ctx, a)
	}
	err = e.dir.UseCode(ctx, p.Account.ID, a.code)
	if fault.Is(err, fault.Unauthenticated) {
		e.throttle.failedPair(steps, e.now())
		return ident.Identity{}, e.fail(ctx, a, k)
	}
	if err != nil {
		return ident.Identity{}, err
	}
	e.throttle.succeeded(steps)
	e.throttle.succeeded(k)
	return e.accept(ctx, a, p, with)
}
