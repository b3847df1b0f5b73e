// Package auth decides who somebody is: it verifies passwords, speaks the SASL
// mechanisms PLAIN (RFC 4616), LOGIN, SCRAM with SHA-256, SHA-1 and SHA-512 and their -PLUS (RFC 5802,
// RFC 7677, RFC 9266, RFC 5929), EXTERNAL (RFC 4422), OAUTHBEARER (RFC 7628), XOAUTH2 and CRAM-MD5 (RFC 2195), slows down those who guess, and knows
// who is signed in.
//
// An account has its own password, and any number of app passwords: random ones for one program each. With two-step verification
// on, the account's own opens no mail protocol, since no mail program could ask for the second step. At pages of ours (Enter), people show a code
// or a passkey too, or a passkey alone, and are known by a cookie afterwards (Pages).
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
	"postroad/internal/service/passkey"
	"postroad/internal/storage/kv"
)

// Options are what an Engine needs of the world. The zero value works.
type Options struct {
	Now    func() time.Time // default time.Now
	Rand   io.Reader        // default crypto/rand.Reader
	Logger *slog.Logger     // default: nothing is logged
	// Remember is how long a verified password is remembered; default 5 minutes, negative: not at all.
	Remember time.Duration
	// CRAMMD5 and APOP offer what their names say, to those whose password is kept for it.
	CRAMMD5, APOP bool
	// ClientRoots sign the certificates by which clients may sign in (EXTERNAL). Nil: none do.
	ClientRoots *x509.CertPool
	// Revoked says of a certificate that is good otherwise, or of one that has signed it, whether it was revoked. Nil: none was.
	Revoked func(*x509.Certificate) bool
	// Tokens verifies access tokens (OAUTHBEARER, XOAUTH2). Nil: none are taken.
	Tokens TokenVerifier
	// Holds says whether a grant that a token of our own belongs to still opens something. Nil: all do.
	Holds func(ctx context.Context, id ident.AccountID, grant string) bool
	// Outside verifies the passwords of accounts that are tied to an outside directory. Nil: they can't sign in by password.
	Outside Outside
	// RequireTwoStep: the password alone opens no mail protocol for anybody, and pages only to set two-step verification up.
	RequireTwoStep bool
	// Site takes passkeys. Nil: none are taken.
	Site *passkey.Site
	// DB keeps the limits, and when app passwords were used, over a restart: see Load and Run. Nil: they are forgotten.
	DB kv.DB
	// Note hears of each attempt. It must not wait. Nil: nobody does.
	Note func(Event)
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
	// Connection is listed once somebody has signed in on it. Nil: nothing is listed.
	Connection *Connection
}

// mayShowSecrets reports whether passwords may cross the connection.
func (p Peer) mayShowSecrets() bool { return p.TLS != nil || p.PlainAllowed }

// Engine verifies sign-ins for all protocols. It is safe for concurrent use.
type Engine struct {
	dir      *directory.Directory
	options  Options
	now      func() time.Time
	log      *slog.Logger
	rand     io.Reader
	throttle *throttle
	known    *known
	saltKey  []byte // makes the salts of those who don't exist
	pairKey  []byte // hides the names in the limits that are stored
	note     func(Event)
	db       kv.DB // nil: nothing is stored

	mechanisms  []mechanism
	challenges  *passkey.Challenges // nil without a site
	halves      *halves             // nil without randomness
	uses        uses
	connections connections

	signIns, failures, limited, remembered, attacked atomic.Uint64
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
	if o.Note == nil {
		o.Note = func(Event) {}
	}
	if o.Remember == 0 {
		o.Remember = 5 * time.Minute
	}
	e := &Engine{
		dir: dir, options: o, now: o.Now, log: o.Logger, rand: o.Rand,
		throttle: newThrottle(), known: newKnown(o.Remember, o.Rand), saltKey: dir.Secret("scram salt"),
		pairKey: dir.Secret("limits of sign-ins"), note: o.Note, db: o.DB,
	}
	e.mechanisms = e.offer()
	e.readyPages()
	return e
}

// Stats counts what an Engine has seen since it was made.
type Stats struct {
	SignIns    uint64 // that succeeded
	Remembered uint64 // of these without a hash, since the password was verified lately
	Failures   uint64 // wrong name or password
	Limited    uint64 // refused unseen, for too many failures
	Attacked   uint64 // times that a name began to be guessed at from many addresses
}

// Stats returns the counts.
func (e *Engine) Stats() Stats {
	return Stats{
		SignIns: e.signIns.Load(), Remembered: e.remembered.Load(),
		Failures: e.failures.Load(), Limited: e.limited.Load(), Attacked: e.attacked.Load(),
	}
}

// Login verifies a name and password that a protocol's own command carried
// (LOGIN, USER and PASS). Errors: fault.Unauthenticated for a wrong name
// or password, told apart by nothing; fault.RateLimited after too many of
// these; fault.Denied if the account is disabled or wants an app password (said only to those who know the
// password), or if the connection is no place for passwords; fault.Canceled if ctx ended.
func (e *Engine) Login(ctx context.Context, p Peer, login, password string) (ident.Identity, error) {
	return e.password(ctx, &attempt{peer: p, mechanism: "password", login: login}, password)
}

// attempt is one try to sign in, as logs and limits know it.
type attempt struct {
	peer      Peer
	mechanism string
	login     string
	authzid   string // whom to act as; "": oneself
	byHand    bool   // a person is there, who can be asked for the second step
	code      string // of the second step
	passkey   []byte // likewise
	entry     *Entry // what the page is told; nil unless byHand
}

// errWrong is all that those who fail are told.
func errWrong() error { return fault.New(fault.Unauthenticated, "wrong name or password") }

func errLimited() error {
	return fault.New(fault.RateLimited, "too many failed sign-ins, try again later")
}

// password verifies a password. Attempts on the same name from the same
// address come one after the other: so parallel guesses don't slip past the
// limit, and parallel connections of one program cost one hash.
func (e *Engine) password(ctx context.Context, a *attempt, password string) (ident.Identity, error) {
	if !a.peer.mayShowSecrets() {
		return ident.Identity{}, fault.New(fault.Denied, "passwords need TLS here")
	}
	profile, err := e.profile(ctx, a.login)
	if err != nil {
		return ident.Identity{}, err
	}
	// Nobody guesses these, so no limit that others may have come to stands in their way.
	if app := e.dir.MatchAppPassword(profile, password); app != nil && forPrograms(a.peer.Protocol) {
		return e.acceptApp(ctx, a, profile, app)
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

// mainPassword verifies what is no app password.
func (e *Engine) mainPassword(ctx context.Context, a *attempt, k key, profile *directory.Profile, password string) (ident.Identity, error) {
	if e.throttle.pairBlocked(k, e.now()) {
		return ident.Identity{}, e.refuse(ctx, a)
	}
	if profile != nil && e.known.has(profile, password, e.now()) {
		e.remembered.Add(1)
		return e.acceptMain(ctx, a, k, profile)
	}
	// Those whose password is known from before pass here also while others at the
	// same address guess. They can't guess themselves: their own limit stands above.
	if e.throttle.hostBlocked(k, e.now()) {
		return ident.Identity{}, e.refuse(ctx, a)
	}
	right, err := e.verify(ctx, a, profile, password)
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
	return e.acceptMain(ctx, a, k, profile)
}

// profile finds who signs in; nil if there is nobody of that name.
func (e *Engine) profile(ctx context.Context, login string) (*directory.Profile, error) {
	p, err := e.dir.Login(ctx, login)
	if fault.Is(err, fault.NotFound) || err == nil && p.Account.Shared { // a mailbox that is nobody's own
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

// acceptMain lets in somebody who knows the account's own password, unless that alone opens nothing.
func (e *Engine) acceptMain(ctx context.Context, a *attempt, k key, p *directory.Profile) (ident.Identity, error) {
	with := Key{Kind: Password}
	if p.Credential != nil {
		with.id = p.Credential.Version
	}
	if a.byHand && p.TwoStep && p.Account.Enabled {
		return e.secondStep(ctx, a, k, p, with)
	}
	e.throttle.succeeded(k)
	if !a.byHand && e.twoStep(p) && p.Account.Enabled {
		return ident.Identity{}, e.deny(ctx, a, p, with, NeedsApp, needsApp(a.peer.Protocol))
	}
	return e.accept(ctx, a, p, with)
}

// twoStep reports whether the password alone opens nothing.
func (e *Engine) twoStep(p *directory.Profile) bool { return p.TwoStep || e.options.RequireTwoStep }

func needsApp(protocol string) string {
	if protocol == AdminProtocol {
		return "two-step verification is on: administer by a token"
	}
	return "two-step verification is on: mail programs need an app password here"
}

// acceptApp lets in somebody who has an app password, if it is good for this.
func (e *Engine) acceptApp(ctx context.Context, a *attempt, p *directory.Profile, app *directory.AppPassword) (ident.Identity, error) {
	with := keyOfApp(app)
	now := e.now()
	switch {
	case !app.Expires.IsZero() && !now.Before(app.Expires):
		return ident.Identity{}, e.deny(ctx, a, p, with, Expired, "this app password has expired")
	case !app.Opens(scopeOf(a.peer.Protocol), now):
		return ident.Identity{}, e.deny(ctx, a, p, with, NotForThis, "this app password is not for "+scopeOf(a.peer.Protocol))
	}
	who, err := e.accept(ctx, a, p, with)
	who.ReadsMail = err == nil && app.Opens("imap", now)
	if err == nil {
		e.uses.note(p.Account.ID, app.ID, LastUse{now, a.peer.Protocol, a.peer.Addr})
	}
	return who, err
}

func keyOfApp(app *directory.AppPassword) Key {
	k := Key{Kind: AppPassword, Name: app.Name, id: app.ID}
	if !app.Expires.IsZero() {
		k.until = app.Expires.Unix()
	}
	return k
}

// forPrograms reports whether app passwords open a protocol at all: not what only people use, and not administration.
func forPrograms(protocol string) bool { return protocol != AdminProtocol && protocol != webProtocol }

// AdminProtocol is what those who administer name as Peer.Protocol. App passwords don't open it.
const AdminProtocol = "admin"

const webProtocol = "web"

// scopeOf is what app passwords call a protocol: submission is SMTP to people.
func scopeOf(protocol string) string {
	if protocol == "submission" || protocol == "lmtp" {
		return "smtp"
	}
	return protocol
}

// accept lets in somebody who has shown who they are.
func (e *Engine) accept(ctx context.Context, a *attempt, p *directory.Profile, with Key) (ident.Identity, error) {
	if !p.Account.Enabled {
		return ident.Identity{}, e.deny(ctx, a, p, with, Disabled, "this account is disabled")
	}
	if ok, err := e.mayActAs(ctx, a.authzid, p); err != nil || !ok {
		return ident.Identity{}, e.deny(ctx, a, p, with, AnotherPerson, "acting as somebody else is not possible")
	}
	a.peer.Connection.signIn(a, p, with, e.now())
	// Whoever takes a key away ends the sessions that it has opened. This one was listed before this question, so
	// that one of the two sees the other.
	if now, err := e.dir.ProfileByID(ctx, p.Account.ID); err != nil || !(a.byHand || e.stillOpens(ctx, now, with)) {
		a.peer.Connection.SignOut()
		return ident.Identity{}, errWrong()
	}
	if a.entry != nil {
		a.entry.Key, a.entry.Setup, a.entry.version = with, e.options.RequireTwoStep && !p.TwoStep, versionOf(p)
	}
	e.signIns.Add(1)
	e.tell(ctx, slog.LevelInfo, "sign-in", a, p, with, SignedIn)
	who := p.Identity
	who.ReadsMail = with.Kind == Password || with.Kind == Certificate || with.Kind == Passkey
	return who, nil
}

// mayActAs checks an authorization identity: whoever signs in acts as themselves, by whatever name.
func (e *Engine) mayActAs(ctx context.Context, authzid string, p *directory.Profile) (bool, error) {
	if authzid == "" {
		return true, nil
	}
	as, err := e.profile(ctx, authzid)
	return as != nil && as.Account.ID == p.Account.ID, err
}

// deny turns away somebody who knows the secret, and says why.
func (e *Engine) deny(ctx context.Context, a *attempt, p *directory.Profile, with Key, o Outcome, why string) error {
	e.tell(ctx, slog.LevelWarn, "sign-in denied: "+string(o), a, p, with, o)
	return fault.New(fault.Denied, "%s", why)
}

func (e *Engine) fail(ctx context.Context, a *attempt, k key) error {
	e.failures.Add(1)
	if e.throttle.failed(k, e.pairOf(host{}, "any client of "+k.login).pair, e.now()) {
		e.attacked.Add(1)
		e.tell(ctx, slog.LevelWarn, "somebody guesses the password of one name, from many addresses", a, nil, Key{}, Attacked)
	}
	e.tell(ctx, slog.LevelWarn, "sign-in failed", a, nil, Key{}, Failed)
	return errWrong()
}

// refuse turns away somebody who has failed too often. It is logged for
// debugging only: there may be many.
func (e *Engine) refuse(ctx context.Context, a *attempt) error {
	e.limited.Add(1)
	e.tell(ctx, slog.LevelDebug, "sign-in refused: too many failures", a, nil, Key{}, Limited)
	return errLimited()
}

// tell says what became of an attempt: never a secret, and of a name no more than an address has.
func (e *Engine) tell(ctx context.Context, level slog.Level, what string, a *attempt, p *directory.Profile, with Key, o Outcome) {
	login := a.login[:min(len(a.login), directory.MaxAddress)]
	with.path, with.until = nil, 0 // who hears of it may keep it
	event := Event{Outcome: o, Login: login, Protocol: a.peer.Protocol, Client: a.peer.Addr, Mechanism: a.mechanism, TLS: a.peer.TLS != nil, Key: with}
	if p != nil {
		event.Account, event.Address = p.Account.ID, p.Account.Address
	}
	e.note(event)
	if !e.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("protocol", a.peer.Protocol), slog.String("client", a.peer.Addr.String()),
		slog.String("login", login), slog.String("mechanism", a.mechanism), slog.Bool("tls", a.peer.TLS != nil),
	}
	if p != nil {
		attrs = append(attrs, slog.Uint64("account", uint64(p.Account.ID)), slog.String("with", with.String()))
	}
	e.log.LogAttrs(ctx, level, what, attrs...)
}
