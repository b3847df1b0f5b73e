package auth

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

// Identify returns the identity of somebody who isn't signed in here, but on whose earlier word something is to be done now:
// an authorised IMAP URL (RFC 4467). It proves nothing. login is their address in any spelling. fault.NotFound: there is
// nobody of that name, or they may not sign in.
func (e *Engine) Identify(ctx context.Context, login string) (ident.Identity, error) {
	p, err := e.dir.Profile(ctx, login)
	if err != nil {
		return ident.Identity{}, err
	}
	if !p.Account.Enabled {
		return ident.Identity{}, fault.New(fault.NotFound, "no such account")
	}
	return p.Identity, nil
}
