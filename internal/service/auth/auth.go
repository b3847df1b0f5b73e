// Package auth decides who somebody is: it verifies passwords, speaks the SASL
// mechanisms PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802,
// RFC 7677, RFC 9266, RFC 5929), and slows down those who guess.
//
// Nobody learns here whether a name exists: unknown names take as long,
// are limited alike, and get a SCRAM salt that stays the same. A password
// that was verified is remembered for some minutes, as a keyed hash in memory, so programs that
// reconnect all day cost microseconds rather than an argon2 run each.
//
// How the exchanges look on the wire (base64, line limits, cancelling) is the protocols' business.
package auth

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
)

// Options are what an Engine needs of the world. The zero value works.
type Options struct {
	Now    func() time.Time // default time.Now
	Rand   io.Reader        // default crypto/rand.Reader
	Logger *slog.Logger     // default: nothing is logged
	// Remember is how long a verified password is remembered; default 5 minutes, negative: not at all.
	Remember time.Duration
}

// Peer is who wants to sign in, and over what.
type Peer struct {
	// Addr is the client's address; the zero Addr for connections that have none, which count as one client.
	Addr netip.Addr
	// Protocol is the protocol's name for logs: "imap", "smtp", ...
	Protocol string
	// TLS is the connection's state; nil: in the clear.
	TLS *tls.ConnectionState
	// Certificate is our own, that the connection was made with; nil if the protocol doesn't know it. With
	// it the channel binding tls-server-end-point can be offered.
	Certificate *x509.Certificate
	// PlainAllowed: passwords may pass without TLS (loopback, demo).
	PlainAllowed bool
}

// mayShowSecrets reports whether passwords may cross the connection.
func (p Peer) mayShowSecrets() bool { return p.TLS != nil || p.PlainAllowed }

// Engine verifies sign-ins for all protocols. It is safe for concurrent use.
type Engine struct {
	dir      *directory.Directory
	now      func() time.Time
	log      *slog.Logger
	rand     io.Reader
	throttle *throttle
	known    *known
	saltKey  []byte // makes the salts of those who don't exist

	signIns, failures, limited, remembered atomic.Uint64
}

// New makes an Engine on a directory.
func New(dir *directory.Directory, o Options) *Engine {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Remember == 0 {
		o.Remember = 5 * time.Minute
	}
	return &Engine{
		dir: dir, now: o.Now, log: o.Logger, rand: o.Rand,
		throttle: newThrottle(), known: newKnown(o.Remember, o.Rand), saltKey: dir.Secret("scram salt"),
	}
}

// Stats counts what an Engine has seen since it was made.
type Stats struct {
	SignIns    uint64 // that succeeded
	Remembered uint64 // of these without a hash, since the password was verified lately
	Failures   uint64 // wrong name or password
	Limited    uint64 // refused unseen, for too many failures
}

// Stats returns the counts.
func (e *Engine) Stats() Stats {
	return Stats{
		SignIns: e.signIns.Load(), Remembered: e.remembered.Load(),
		Failures: e.failures.Load(), Limited: e.limited.Load(),
	}
}

// Login verifies a name and password that a protocol's own command carried
// (LOGIN, USER and PASS). Errors: fault.Unauthenticated for a wrong name
// or password, told apart by nothing; fault.RateLimited after too many of
// these; fault.Denied if the account is disabled (said only to those who know the
// password), or if the connection is no place for passwords; fault.Canceled if ctx ended.
func (e *Engine) Login(ctx context.Context, p Peer, login, password string) (ident.Identity, error) {
	return e.password(ctx, attempt{peer: p, mechanism: "password", login: login}, password)
}

// attempt is one try to sign in, as logs and limits know it.
type attempt struct {
	peer      Peer
	mechanism string
	login     string
}

// errWrong is all that those who fail are told.
func errWrong() error { return fault.New(fault.Unauthenticated, "wrong name or password") }

func errLimited() error {
	return fault.New(fault.RateLimited, "too many failed sign-ins, try again later")
}

// password verifies a password. Attempts on the same name from the same
// address come one after the other: so parallel guesses don't slip past the
// limit, and parallel connections of one program cost one hash.
func (e *Engine) password(ctx context.Context, a attempt, password string) (ident.Identity, error) {
	if !a.peer.mayShowSecrets() {
		return ident.Identity{}, fault.New(fault.Denied, "passwords need TLS here")
	}
	k := keyOf(a)
	leave, err := e.throttle.enter(ctx, k)
	if err != nil {
		return ident.Identity{}, err
	}
	defer leave()
	if e.throttle.pairBlocked(k, e.now()) {
		return ident.Identity{}, e.refuse(ctx, a)
	}
	profile, err := e.profile(ctx, a.login)
	if err != nil {
		return ident.Identity{}, err
	}
	if profile != nil && e.known.has(profile, password, e.now()) {
		e.remembered.Add(1)
		return e.accept(ctx, a, k, profile)
	}
	// Those whose password is known from before pass here also while others at the
	// same address guess. They can't guess themselves: their own limit stands above.
	if e.throttle.hostBlocked(k, e.now()) {
		return ident.Identity{}, e.refuse(ctx, a)
	}
	right, err := e.dir.Verify(ctx, credentialOf(profile), password)
	if err != nil {
		return ident.Identity{}, err
	}
	if !right {
		return ident.Identity{}, e.fail(ctx, a, k)
	}
	if err := e.dir.Upgrade(ctx, profile, password); err != nil {
		e.log.WarnContext(ctx, "credential not upgraded", "account", profile.Account.ID, "error", err)
	}
	e.known.add(profile, password, e.now())
	return e.accept(ctx, a, k, profile)
}

// profile finds who signs in; nil if there is nobody of that name.
func (e *Engine) profile(ctx context.Context, login string) (*directory.Profile, error) {
	p, err := e.dir.Profile(ctx, login)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	return p, err
}

func credentialOf(p *directory.Profile) *directory.Credential {
	if p == nil {
		return nil
	}
	return p.Credential
}

// accept lets in somebody who has shown that they know the password.
func (e *Engine) accept(ctx context.Context, a attempt, k key, p *directory.Profile) (ident.Identity, error) {
	e.throttle.succeeded(k)
	if !p.Account.Enabled {
		e.note(ctx, slog.LevelWarn, "sign-in to disabled account", a)
		return ident.Identity{}, fault.New(fault.Denied, "this account is disabled")
	}
	e.signIns.Add(1)
	e.note(ctx, slog.LevelInfo, "sign-in", a, slog.Uint64("account", uint64(p.Account.ID)))
	return p.Identity, nil
}

func (e *Engine) fail(ctx context.Context, a attempt, k key) error {
	e.failures.Add(1)
	e.throttle.failed(k, e.now())
	e.note(ctx, slog.LevelWarn, "sign-in failed", a)
	return errWrong()
}

// refuse turns away somebody who has failed too often. It is logged for
// debugging only: there may be many.
func (e *Engine) refuse(ctx context.Context, a attempt) error {
	e.limited.Add(1)
	e.note(ctx, slog.LevelDebug, "sign-in refused: too many failures", a)
	return errLimited()
}

// note logs what became of an attempt: never a secret, and of a name no more than an address has.
func (e *Engine) note(ctx context.Context, level slog.Level, what string, a attempt, more ...slog.Attr) {
	if !e.log.Enabled(ctx, level) {
		return
	}
	login := a.login[:min(len(a.login), directory.MaxAddress)]
	attrs := []slog.Attr{
		slog.String("protocol", a.peer.Protocol), slog.String("client", a.peer.Addr.String()),
		slog.String("login", login), slog.String("mechanism", a.mechanism), slog.Bool("tls", a.peer.TLS != nil),
	}
	e.log.LogAttrs(ctx, level, what, append(attrs, more...)...)
}
