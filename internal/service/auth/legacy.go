package auth

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
)

// CRAM-MD5 and APOP need the password itself. They are there for programs that know nothing better, where an administrator has
// decided to keep it (directory.HashParams.Recoverable).

// cramMD5 is RFC 2195.
type cramMD5 struct {
	e         *Engine
	peer      Peer
	challenge string // "": not given yet
	who       ident.Identity
}

func (m *cramMD5) identity() ident.Identity { return m.who }

func (m *cramMD5) step(ctx context.Context, response []byte) (challenge []byte, done bool, err error) {
	if m.challenge == "" {
		if response != nil { // RFC 2195 §2: the server speaks first
			return nil, false, fault.New(fault.Invalid, "CRAM-MD5 has no initial response")
		}
		m.challenge, err = m.e.Challenge()
		return []byte(m.challenge), false, err
	}
	// RFC 2195 §2: the name, a space, and the digest in 32 small hexadecimal digits. A name may have spaces.
	at := strings.LastIndexByte(string(response), ' ')
	if at < 1 {
		return nil, false, fault.New(fault.Invalid, "the response is not what CRAM-MD5 asks for")
	}
	a := &attempt{peer: m.peer, mechanism: "CRAM-MD5", login: string(response[:at])}
	m.who, err = m.e.digest(ctx, a, string(response[at+1:]), func(password string) string {
		h := hmac.New(md5.New, []byte(password))
		h.Write([]byte(m.challenge))
		return hex.EncodeToString(h.Sum(nil))
	})
	return nil, err == nil, err
}

// Challenge makes what CRAM-MD5 and APOP ask with, which looks like a Message-ID (RFC 2195 §2, RFC 1939 §7): it never comes twice.
func (e *Engine) Challenge() (string, error) {
	nonce, err := e.nonce()
	return "<" + strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(nonce) + "@postroad.invalid>", err
}

// OffersAPOP reports whether POP3's greeting is to have a challenge.
func (e *Engine) OffersAPOP() bool { return e.options.APOP }

// APOP verifies POP3's command (RFC 1939 §7): digest is the MD5 of the greeting's challenge and the password. Errors as of
// Login; fault.Unsupported if it is not offered.
func (e *Engine) APOP(ctx context.Context, p Peer, challenge, login, digest string) (ident.Identity, error) {
	if !e.options.APOP || challenge == "" {
		return ident.Identity{}, fault.New(fault.Unsupported, "APOP is not offered")
	}
	return e.digest(ctx, &attempt{peer: p, mechanism: "APOP", login: login}, digest, func(password string) string {
		sum := md5.Sum([]byte(challenge + password))
		return hex.EncodeToString(sum[:])
	})
}

// digest verifies what a client has computed from a password that we have too.
func (e *Engine) digest(ctx context.Context, a *attempt, got string, of func(password string) string) (ident.Identity, error) {
	p, err := e.profile(ctx, a.login)
	if err != nil {
		return ident.Identity{}, err
	}
	var fits *candidate
	try := func(app *directory.AppPassword, password string, has bool) {
		if has && hmac.Equal([]byte(of(password)), []byte(strings.ToLower(got))) {
			fits = &candidate{app: app}
		}
	}
	if p != nil {
		password, has := e.dir.Plain(p.Credential)
		try(nil, password, has)
		for i := range p.AppPasswords {
			password, has := e.dir.PlainApp(&p.AppPasswords[i])
			try(&p.AppPasswords[i], password, has)
		}
	}
	return e.settle(ctx, a, p, fits)
}

// settle decides about somebody whose proof was checked already: fits is the password that it is of, nil: none.
// Nothing is waited for between looking at the limits and counting a failure, so exchanges in parallel win no more guesses.
func (e *Engine) settle(ctx context.Context, a *attempt, p *directory.Profile, fits *candidate) (ident.Identity, error) {
	if fits != nil && fits.app != nil { // as in Engine.password: no limit stands in their way
		return e.acceptApp(ctx, a, p, fits.app)
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
	if now := e.now(); e.throttle.pairBlocked(k, now) || e.throttle.hostBlocked(k, now) {
		return ident.Identity{}, e.refuse(ctx, a)
	}
	if fits == nil {
		return ident.Identity{}, e.fail(ctx, a, k)
	}
	return e.acceptMain(ctx, a, k, p)
}
