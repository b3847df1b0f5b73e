package auth

import (
	"context"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
)

// Outside verifies passwords that are kept elsewhere. Implementations are safe for concurrent use.
type Outside interface {
	// Verify reports whether a password is that of the entry which a link names. Errors: fault.Unavailable if nobody can say now.
	Verify(ctx context.Context, l directory.Link, password string) (bool, error)
	// Serves reports whether accounts of a domain may be kept elsewhere.
	Serves(domain string) bool
	// Pretend takes as long as Verify does for a wrong password, and fails when that would fail.
	Pretend(ctx context.Context, domain, password string) error
}

// verify reports whether a password is right, wherever it is kept. Where somebody may be known elsewhere, both places are asked
// for every name, so that the time tells nobody who is known, and where.
func (e *Engine) verify(ctx context.Context, a *attempt, p *directory.Profile, password string) (bool, error) {
	out := e.options.Outside
	linked := p != nil && p.Link != nil
	domain := domainOf(a.login)
	if out == nil || !linked && !out.Serves(domain) {
		return e.dir.Verify(ctx, credentialOf(p), password)
	}
	type answer struct {
		right bool
		err   error
	}
	elsewhere := make(chan answer, 1)
	go func() {
		if !linked {
			elsewhere <- answer{false, out.Pretend(ctx, domain, password)}
			return
		}
		right, err := out.Verify(ctx, *p.Link, password)
		elsewhere <- answer{right, err}
	}()
	here, err := e.dir.Verify(ctx, credentialOf(p), password)
	there := <-elsewhere // ctx ends it if it must
	if err != nil {
		return false, err
	}
	if here && !linked {
		return true, nil
	}
	if there.err != nil { // also for those whom nobody knows, lest the error tells them apart
		e.log.WarnContext(ctx, "a password can't be verified elsewhere", "domain", domain, "err", there.err)
		return false, fault.New(fault.Unavailable, "sign-in isn't possible at the moment, try again later")
	}
	return there.right, nil
}

func domainOf(login string) string {
	return strings.ToLower(login[strings.LastIndexByte(login, '@')+1:])
}
