package auth

import (
	"context"
	"crypto/md5"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/service/certtest"
)

// app makes ann an app password.
func (h *house) app(t testing.TB, name string, protocols ...string) string {
	t.Helper()
	_, text, err := h.dir.AddAppPassword(t.Context(), h.ann, directory.NewAppPassword{Name: name, Protocols: protocols, Expires: h.clock().Add(24 * time.Hour)})
	check(t, err)
	return text
}

// over is home, speaking a protocol.
func over(protocol string) Peer {
	p := home
	p.Protocol = protocol
	return p
}

// twoStep turns ann's two-step verification on.
func (h *house) twoStep(t testing.TB) {
	t.Helper()
	ctx := t.Context()
	e, err := h.dir.EnrolTwoStep(ctx, h.ann, "test")
	check(t, err)
	_, err = h.dir.ConfirmTwoStep(ctx, h.ann, codeOf(t, e.Secret, h.clock()))
	check(t, err)
}

func TestAppPasswordsSignIn(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	phone, mail := h.app(t, "phone"), h.app(t, "mail", "imap", "smtp")
	before := h.dir.Hashes()
	for password, protocols := range map[string][]string{phone: {"imap", "pop3", "submission"}, mail: {"imap", "submission"}} {
		for _, protocol := range protocols {
			who, err := h.Login(ctx, over(protocol), "ann@example.org", strings.ToUpper(strings.ReplaceAll(password, "-", " ")))
			check(t, err)
			if who.Account != h.ann {
				t.Error("somebody else has signed in")
			}
			_, err = scramSignIn(t, h, over(protocol), "SCRAM-SHA-256", "", unbound, "ann@example.org", password)
			check(t, err)
		}
	}
	if h.dir.Hashes() != before {
		t.Error("an app password cost an argon2 run")
	}
	_, err := h.Login(ctx, over("pop3"), "ann@example.org", mail)
	fails(t, err, fault.Denied)
	_, err = scramSignIn(t, h, over("pop3"), "SCRAM-SHA-256", "", unbound, "ann@example.org", mail)
	fails(t, err, fault.Denied)
	_, err = h.Login(ctx, over("imap"), "bob@example.org", phone)
	fails(t, err, fault.Unauthenticated)
	_, err = h.Login(ctx, over("imap"), "ann@example.org", "secret") // the main password goes on
	check(t, err)
	_, err = scramSignIn(t, h, over("imap"), "SCRAM-SHA-256", "", unbound, "ann@example.org", "secret")
	check(t, err)

	_, err = h.Login(ctx, over(AdminProtocol), "ann@example.org", phone) // what a phone has doesn't administer
	fails(t, err, fault.Unauthenticated)
	_, err = h.dir.RemoveAppPassword(ctx, h.ann, "phone")
	check(t, err)
	_, err = h.Login(ctx, over("imap"), "ann@example.org", phone)
	fails(t, err, fault.Unauthenticated)
	h.pass(24 * time.Hour)
	_, err = h.Login(ctx, over("imap"), "ann@example.org", mail)
	fails(t, err, fault.Denied)
	if strings.Contains(h.log.String(), mail) || strings.Contains(h.log.String(), phone) {
		t.Error("an app password is in the log")
	}
}

// With two-step verification on, the account's own password opens no mail protocol, by no mechanism; app passwords do.
func TestTwoStepClosesTheMainPassword(t *testing.T) {
	h := newHouseWith(t, directory.HashParams{Recoverable: true}, Options{CRAMMD5: true, APOP: true})
	ctx := t.Context()
	app := h.app(t, "phone")
	_, err := h.Login(ctx, over("imap"), "ann@example.org", "secret")
	check(t, err)
	h.twoStep(t)
	for range 2 * pairFree { // whoever knows the password is no guesser
		_, err = h.Login(ctx, over("imap"), "ann@example.org", "secret")
		fails(t, err, fault.Denied)
		_, err = scramSignIn(t, h, over("imap"), "SCRAM-SHA-256", "", unbound, "ann@example.org", "secret")
		fails(t, err, fault.Denied)
		fails(t, cramSignIn(t, h, "ann@example.org", "secret"), fault.Denied)
	}
	_, err = h.Login(ctx, over("imap"), "ann@example.org", "wrong")
	fails(t, err, fault.Unauthenticated)
	_, err = h.Login(ctx, over("imap"), "ann@example.org", app)
	check(t, err)
	_, err = scramSignIn(t, h, over("smtp"), "SCRAM-SHA-256", "", unbound, "ann@example.org", app)
	check(t, err)
	check(t, cramSignIn(t, h, "ann@example.org", app))
	check(t, h.dir.EndTwoStep(ctx, h.ann))
	_, err = h.Login(ctx, over("imap"), "ann@example.org", "secret")
	check(t, err)
}

// Somebody who guesses at the same address doesn't keep programs with app passwords out.
func TestAppPasswordsPassTheLimits(t *testing.T) {
	h := newHouse(t)
	app := h.app(t, "phone")
	for range 2 * hostFree {
		h.Login(t.Context(), home, "ann@example.org", "guess")
	}
	_, err := h.Login(t.Context(), home, "ann@example.org", "secret")
	fails(t, err, fault.RateLimited)
	for range 2 {
		_, err = h.Login(t.Context(), home, "ann@example.org", app)
		check(t, err)
		_, err = scramSignIn(t, h, home, "SCRAM-SHA-256", "", unbound, "ann@example.org", app)
		check(t, err)
	}
	_, err = h.Login(t.Context(), home, "ann@example.org", "secret")
	fails(t, err, fault.RateLimited) // which doesn't wash the guesses away
}

func TestSignInByOtherNames(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	check(t, h.dir.AddAlias(ctx, "a@example.org", []string{"ann@example.org"}))
	for _, login := range []string{"ann", "a", "A@example.org", "Ann+x"} {
		who, err := h.Login(ctx, home, login, "secret")
		check(t, err)
		if who.Account != h.ann || who.Login != "ann@example.org" {
			t.Errorf("%s: %+v", login, who)
		}
		_, _, err = run(t, h, home, "PLAIN", []byte("a@example.org\x00"+login+"\x00secret"))
		check(t, err)
		_, err = scramSignIn(t, h, home, "SCRAM-SHA-256", "", unbound, login, "secret")
		check(t, err)
	}
	// The limits of an alias are its own: were they the account's, they would show whose it is.
	for range 2 * pairFree {
		h.Login(ctx, home, "a@example.org", "wrong")
	}
	_, err := h.Login(ctx, home, "a", "secret")
	fails(t, err, fault.RateLimited)
	_, err = h.Login(ctx, home, "ann", "secret")
	check(t, err)
}

// A restart forgives nobody, and doesn't forget when app passwords were used.
func TestLimitsOutlastARestart(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	app := h.app(t, "phone")
	_, err := h.Login(ctx, over("imap"), "ann@example.org", app)
	check(t, err)
	for i := range 2 * hostFree {
		h.Login(ctx, from("198.51.100.7"), "ann@example.org", "x")
		h.Login(ctx, from("2001:db8::7"), fmt.Sprintf("u%d@example.org", i), "x")
	}
	check(t, h.Store(ctx))
	h.Engine = New(h.dir, h.options)
	check(t, h.Load(ctx))
	_, err = h.Login(ctx, from("198.51.100.7"), "ann@example.org", "secret")
	fails(t, err, fault.RateLimited)
	_, err = h.Login(ctx, from("2001:db8::8"), "bob@example.org", "secret")
	fails(t, err, fault.RateLimited)
	_, err = h.Login(ctx, home, "ann@example.org", "secret")
	check(t, err)
	uses, err := h.LastUses(ctx, h.ann)
	check(t, err)
	if len(uses) != 1 {
		t.Errorf("%v", uses)
	}
	for id, u := range uses {
		if u != (LastUse{h.clock(), "imap", home.Addr}) {
			t.Errorf("%d: %v", id, u)
		}
		check(t, ForgetUses(ctx, h.options.DB, h.ann, id))
	}
	if uses, _ := h.LastUses(ctx, h.ann); len(uses) != 0 {
		t.Errorf("%v", uses)
	}
	// What is forgiven goes from the store.
	h.pass(24 * time.Hour)
	check(t, h.tidy(ctx))
	h.Engine = New(h.dir, h.options)
	check(t, h.Load(ctx))
	if n := len(h.throttle.pairs.young) + len(h.throttle.hosts.young); n != 0 {
		t.Errorf("%d counters are left", n)
	}
}

func TestScramWithOtherHashes(t *testing.T) {
	h := newHouseWith(t, directory.HashParams{Scram: directory.ScramSHA1 | directory.ScramSHA512}, Options{})
	app := h.app(t, "phone")
	for _, mech := range []string{"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		for _, password := range []string{"secret", app} {
			x, err := scramSignIn(t, h, home, mech, "", unbound, "ann@example.org", password)
			check(t, err)
			if x.Identity().Account != h.ann {
				t.Error("somebody else has signed in")
			}
		}
		_, err := scramSignIn(t, h, from("192.0.2.77"), mech, "", unbound, "ann@example.org", "wrong")
		fails(t, err, fault.Unauthenticated)
	}
	conn := newTLS(t)
	got := strings.Join(h.Mechanisms(Peer{TLS: &conn.server}), " ")
	if got != "SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN" {
		t.Error(got)
	}
}

// An account whose password is older than a hash function's keys shows by nothing that it exists.
func TestScramWithoutKeys(t *testing.T) {
	h := newHouse(t)
	first := func(mech string) string {
		x, err := h.Start(home, mech)
		check(t, err)
		challenge, _, err := x.Next(t.Context(), []byte("n,,n=ann@example.org,r=abc"))
		check(t, err)
		_, rest, _ := strings.Cut(string(challenge), ",")
		return rest
	}
	h.mechanisms = append(h.mechanisms, mechanism{"SCRAM-SHA-1", always, func(e *Engine, p Peer) stepper {
		return &scramExchange{e: e, peer: p, kind: scramKinds()[2]}
	}})
	if first("SCRAM-SHA-1") != first("SCRAM-SHA-256") {
		t.Error("the salts differ")
	}
	_, err := scramSignIn(t, h, home, "SCRAM-SHA-1", "", unbound, "ann@example.org", "secret")
	fails(t, err, fault.Unauthenticated)
}

// cramSignIn lets the standard library's client speak.
func cramSignIn(t *testing.T, h *house, login, password string) error {
	t.Helper()
	x, err := h.Start(home, "CRAM-MD5")
	check(t, err)
	challenge, _, err := x.Next(t.Context(), nil)
	check(t, err)
	client := smtp.CRAMMD5Auth(login, password)
	response, err := client.Next(challenge, true)
	check(t, err)
	_, done, err := x.Next(t.Context(), response)
	if done != (err == nil) || done != (x.Identity().Account == h.ann) {
		t.Errorf("done is %t, %v, %+v", done, err, x.Identity())
	}
	return err
}

func TestCRAMMD5(t *testing.T) {
	h := newHouseWith(t, directory.HashParams{Recoverable: true}, Options{CRAMMD5: true})
	check(t, cramSignIn(t, h, "ann@example.org", "secret"))
	check(t, cramSignIn(t, h, "ann@example.org", h.app(t, "phone")))
	for _, c := range [][2]string{{"ann@example.org", "wrong"}, {"nobody@example.org", "secret"}, {"carl@example.org", ""}} {
		fails(t, cramSignIn(t, h, c[0], c[1]), fault.Unauthenticated)
	}
	for _, response := range []string{"", " ", "ann@example.org", strings.Repeat("x", 1000)} {
		_, _, err := run(t, h, home, "CRAM-MD5", nil, []byte(response))
		fails(t, err, fault.Invalid)
	}
	_, _, err := run(t, h, home, "CRAM-MD5", []byte("x"))
	fails(t, err, fault.Invalid)
	for range pairFree {
		cramSignIn(t, h, "ann@example.org", "wrong")
	}
	fails(t, cramSignIn(t, h, "ann@example.org", "secret"), fault.RateLimited)
	_, err = newHouse(t).Start(home, "CRAM-MD5")
	fails(t, err, fault.Unsupported)
}

func TestAPOP(t *testing.T) {
	h := newHouseWith(t, directory.HashParams{Recoverable: true}, Options{APOP: true})
	ctx := t.Context()
	check(t, h.dir.SetPassword(ctx, h.ann, "tanstaaf"))
	// RFC 1939 §7, the example.
	who, err := h.APOP(ctx, Peer{Addr: home.Addr}, "<1896.697170952@dbc.mtview.ca.us>", "ann", "c4c9334bac560ecc979e58001b3e22fb")
	check(t, err)
	if who.Account != h.ann {
		t.Error("somebody else has signed in")
	}
	challenge, err := h.Challenge()
	check(t, err)
	if again, _ := h.Challenge(); again == challenge || !strings.HasPrefix(challenge, "<") || strings.ContainsAny(challenge, " +/=") {
		t.Errorf("%q %q", challenge, again)
	}
	sum := md5.Sum([]byte(challenge + "tanstaaf"))
	_, err = h.APOP(ctx, home, challenge, "ann", strings.ToUpper(hex.EncodeToString(sum[:])))
	check(t, err)
	_, err = h.APOP(ctx, home, "<other@x>", "ann", hex.EncodeToString(sum[:]))
	fails(t, err, fault.Unauthenticated)
	_, err = newHouse(t).APOP(ctx, home, challenge, "ann", hex.EncodeToString(sum[:]))
	fails(t, err, fault.Unsupported)
	if newHouse(t).OffersAPOP() || !h.OffersAPOP() {
		t.Error("APOP is offered where it shouldn't be, or not where it should")
	}
}

// authority signs clients' certificates.
type authority struct {
	tls.Certificate
	at   time.Time
	conn secured
}

func newAuthority(t testing.TB, at time.Time) *authority {
	t.Helper()
	cert := certtest.Issue(t, x509.Certificate{NotBefore: at.Add(-time.Hour), NotAfter: at.Add(time.Hour), IsCA: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	return &authority{cert, at, newTLS(t)}
}

// peer is somebody who has shown a certificate.
func (a *authority) peer(t testing.TB, serial int64, use x509.ExtKeyUsage, life time.Duration, addresses ...string) Peer {
	t.Helper()
	cert := certtest.Issue(t, x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: a.at.Add(-time.Hour), NotAfter: a.at.Add(life),
		EmailAddresses: addresses, ExtKeyUsage: []x509.ExtKeyUsage{use}}, &a.Certificate)
	p := over("imap")
	state := a.conn.server
	state.PeerCertificates = []*x509.Certificate{cert.Leaf}
	p.TLS = &state
	return p
}

func TestExternal(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	ours, theirs := newAuthority(t, now), newAuthority(t, now)
	roots := x509.NewCertPool()
	roots.AddCert(ours.Leaf)
	h := newHouseWith(t, directory.HashParams{}, Options{ClientRoots: roots, Revoked: func(c *x509.Certificate) bool { return c.SerialNumber.Int64() == 13 }})
	h.twoStep(t) // a certificate is enough
	const client = x509.ExtKeyUsageClientAuth
	for _, authzid := range []string{"", "ann@example.org", "ann"} {
		x, _, err := run(t, h, ours.peer(t, 10, client, time.Hour, "x@elsewhere.example", "ann@example.org", "bob@example.org"), "EXTERNAL", []byte(authzid))
		check(t, err)
		if x.Identity().Account != h.ann {
			t.Errorf("%q: %+v", authzid, x.Identity())
		}
	}
	both := ours.peer(t, 10, client, time.Hour, "ann@example.org", "bob@example.org")
	x, challenge, err := run(t, h, both, "external", nil, []byte("bob@example.org"))
	check(t, err)
	if x.Identity().Login != "bob@example.org" || challenge != "" {
		t.Errorf("%+v %q", x.Identity(), challenge)
	}
	_, _, err = run(t, h, both, "EXTERNAL", []byte("carl@example.org"))
	fails(t, err, fault.Denied)
	_, _, err = run(t, h, ours.peer(t, 10, client, time.Hour, "nobody@example.org"), "EXTERNAL", []byte{})
	fails(t, err, fault.Unauthenticated)
	for what, p := range map[string]Peer{
		"nobody's": over("imap"), "another authority's": theirs.peer(t, 10, client, time.Hour, "ann@example.org"), "over": ours.peer(t, 10, client, -time.Minute, "ann@example.org"),
		"a server's": ours.peer(t, 10, x509.ExtKeyUsageServerAuth, time.Hour, "ann@example.org"), "revoked": ours.peer(t, 13, client, time.Hour, "ann@example.org"),
	} {
		if _, err := h.Start(p, "EXTERNAL"); !fault.Is(err, fault.Unsupported) || strings.Contains(strings.Join(h.Mechanisms(p), " "), "EXTERNAL") {
			t.Errorf("a certificate that is %s: %v", what, err)
		}
	}
}

// Who may sign for others may lose that: what they have signed is worth nothing then, also what it has opened (RFC 5280 §6.1.3).
func TestRevokedAuthorities(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	ours := newAuthority(t, now)
	roots := x509.NewCertPool()
	roots.AddCert(ours.Leaf)
	revoked := map[int64]bool{13: true}
	h := newHouseWith(t, directory.HashParams{}, Options{ClientRoots: roots, Revoked: func(c *x509.Certificate) bool { return revoked[c.SerialNumber.Int64()] }})
	ended := 0
	by := func(serial int64) Peer {
		between := certtest.Issue(t, x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "between"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, &ours.Certificate)
		signs := &authority{between, now, ours.conn}
		p := signs.peer(t, 10, x509.ExtKeyUsageClientAuth, time.Hour, "ann@example.org")
		p.TLS.PeerCertificates = append(p.TLS.PeerCertificates, between.Leaf)
		p.Connection = h.Connect(func() { ended++ })
		return p
	}
	_, _, err := run(t, h, by(14), "EXTERNAL", []byte{})
	check(t, err)
	if _, err := h.Start(by(13), "EXTERNAL"); !fault.Is(err, fault.Unsupported) {
		t.Errorf("signed by a revoked authority: %v", err)
	}
	if n := h.EndRevoked(); n != 0 || ended != 0 {
		t.Errorf("%d sessions were ended", n)
	}
	revoked[14] = true
	if n := h.EndRevoked(); n != 1 || ended != 1 {
		t.Errorf("%d sessions were ended when their authority was revoked", n)
	}
}

// Sessions are listed, and end when what opened them is taken away.
func TestExpiredKeysEndTheirSessions(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	ours := newAuthority(t, now)
	roots := x509.NewCertPool()
	roots.AddCert(ours.Leaf)
	h := newHouseWith(t, directory.HashParams{}, Options{ClientRoots: roots})
	ended := map[string]bool{}
	over := func(p Peer, name string) Peer {
		p.Connection = h.Connect(func() { ended[name] = true })
		return p
	}
	_, phone, err := h.dir.AddAppPassword(t.Context(), h.ann, directory.NewAppPassword{Name: "phone"})
	check(t, err)
	for name, password := range map[string]string{"main": "secret", "phone": phone, "mail": h.app(t, "mail", "imap")} {
		_, err := h.Login(t.Context(), over(Peer{Addr: home.Addr, Protocol: "imap", PlainAllowed: true}, name), "ann", password)
		check(t, err)
	}
	_, _, err = run(t, h, over(ours.peer(t, 10, x509.ExtKeyUsageClientAuth, time.Hour, "ann@example.org"), "certificate"), "EXTERNAL", []byte{})
	check(t, err)
	for _, x := range []struct {
		pass time.Duration
		want string
	}{{59 * time.Minute, ""}, {time.Minute, "certificate"}, {23 * time.Hour, "mail"}, {1000 * time.Hour, ""}} {
		h.pass(x.pass)
		clear(ended)
		if n := h.EndExpired(); n != len(ended) || (x.want == "") != (n == 0) || x.want != "" && !ended[x.want] {
			t.Errorf("after %v ended %v, want %q", x.pass, ended, x.want)
		}
	}
	if list := h.Sessions(); len(list) != 2 {
		t.Errorf("%+v", list)
	}
}

func TestSessions(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	ended := map[string]bool{}
	open := func(name, login, password string) *Connection {
		p := over("imap")
		p.Connection = h.Connect(func() { ended[name] = true })
		p.Connection.Program("Thing/1.0")
		_, err := h.Login(ctx, p, login, password)
		check(t, err)
		return p.Connection
	}
	phone := h.app(t, "phone")
	first := open("main", "ann", "secret")
	open("app", "ann", phone)
	open("bob", "bob", "secret")
	failed := over("imap")
	failed.Connection = h.Connect(func() { t.Error("ended") })
	h.Login(ctx, failed, "ann", "wrong")
	list := h.Sessions()
	want := Session{ID: list[1].ID, Account: h.ann, Address: "ann@example.org", Protocol: "imap", Client: home.Addr, Program: "Thing/1.0", Key: "app password phone", Mechanism: "password", Since: h.clock()}
	if len(list) != 3 || list[1] != want {
		t.Errorf("%+v", list)
	}
	if n := h.EndStale(ctx, h.ann); n != 0 || len(ended) > 0 {
		t.Errorf("%d sessions ended, though nothing has changed", n)
	}
	_, err := h.dir.RemoveAppPassword(ctx, h.ann, "phone")
	check(t, err)
	if n := h.EndStale(ctx, h.ann); n != 1 || !ended["app"] || ended["main"] {
		t.Errorf("%d ended: %v", n, ended)
	}
	check(t, h.dir.SetPassword(ctx, h.ann, "new"))
	if n := h.EndStale(ctx, h.ann); n != 1 || !ended["main"] {
		t.Errorf("%d ended: %v", n, ended)
	}
	first.Close()
	list = h.Sessions()
	if len(list) != 1 || h.EndSession("none") || !h.EndSession(list[0].ID) || !ended["bob"] || h.EndSessions(list[0].Account) != 0 {
		t.Errorf("%+v %v", list, ended)
	}
	c := open("again", "ann", "new")
	open("twice", "ann", "new")
	c.SignOut()
	if n := h.EndSessions(h.ann); n != 1 || ended["again"] || !ended["twice"] {
		t.Errorf("%d ended: %v", n, ended)
	}
	open("disabled", "ann", "new")
	check(t, h.dir.SetEnabled(ctx, h.ann, false))
	if n := h.EndStale(ctx, h.ann); n != 1 || !ended["disabled"] {
		t.Errorf("%d ended: %v", n, ended)
	}
	var none *Connection
	none.Program("x")
	none.Close()
}

// Every attempt is told, and never with a secret.
func TestEvents(t *testing.T) {
	var events []Event
	h := newHouseWith(t, directory.HashParams{}, Options{Note: func(e Event) { events = append(events, e) }})
	ctx := t.Context()
	app := h.app(t, "phone", "imap")
	h.Login(ctx, over("imap"), "Ann", "secret")
	h.Login(ctx, over("imap"), "ann", app)
	h.Login(ctx, over("pop3"), "ann", app)
	h.Login(ctx, over("imap"), strings.Repeat("n", 1000), "hunter2")
	h.twoStep(t)
	h.Login(ctx, over("imap"), "ann", "secret")
	check(t, h.dir.SetEnabled(ctx, h.ann, false))
	h.Login(ctx, over("imap"), "ann", app)
	for range 2 * pairFree {
		h.Login(ctx, over("imap"), "bob", "hunter2")
	}
	var got []string
	for _, e := range events[:7] {
		got = append(got, fmt.Sprintf("%s %s %d %s", e.Outcome, e.Address, e.Account, e.Key))
	}
	id := ident.AccountID(h.ann)
	want := []string{
		fmt.Sprintf("signed in ann@example.org %d password", id), fmt.Sprintf("signed in ann@example.org %d app password phone", id),
		fmt.Sprintf("not for this protocol ann@example.org %d app password phone", id), "failed  0 ",
		fmt.Sprintf("needs app ann@example.org %d password", id), fmt.Sprintf("disabled ann@example.org %d app password phone", id), "failed  0 ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	if last := events[len(events)-1]; last.Outcome != Limited || last.Login != "bob" || len(events[3].Login) != directory.MaxAddress {
		t.Errorf("%+v", last)
	}
	if text := fmt.Sprint(events); strings.Contains(text, "hunter2") || strings.Contains(text, app) || strings.Contains(text, "secret") {
		t.Error("a secret was told")
	}
}

// codeOf is what an authenticator shows: an independent one.
func codeOf(t testing.TB, secret string, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, at)
	check(t, err)
	return code
}

// Where a person can be asked, the password opens with a code only, and each code once; guesses of codes are counted for the account.
// ByHand signs in at a page that asks for all at once.
func (h *house) ByHand(ctx context.Context, p Peer, login, password, code string) (ident.Identity, error) {
	in, err := h.Enter(ctx, p, ByHand{Login: login, Password: password, Code: code})
	if err == nil && in.Half != "" {
		err = fault.New(fault.Conflict, "a second step is wanted")
	}
	return in.Identity, err
}

func TestByHand(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	who, err := h.ByHand(ctx, over("web"), "ann", "secret", "")
	check(t, err)
	if who.Account != h.ann {
		t.Error("somebody else has signed in")
	}
	app := h.app(t, "phone")
	_, err = h.ByHand(ctx, over("web"), "ann", app, "")
	fails(t, err, fault.Unauthenticated)
	e, err := h.dir.EnrolTwoStep(ctx, h.ann, "test")
	check(t, err)
	_, err = h.dir.ConfirmTwoStep(ctx, h.ann, codeOf(t, e.Secret, h.clock()))
	check(t, err)
	h.pass(time.Minute)
	_, err = h.ByHand(ctx, over("web"), "ann", "secret", "")
	fails(t, err, fault.Conflict)
	_, err = h.ByHand(ctx, over("web"), "ann", "wrong", codeOf(t, e.Secret, h.clock()))
	fails(t, err, fault.Unauthenticated)
	_, err = h.ByHand(ctx, over("web"), "ann", "secret", codeOf(t, e.Secret, h.clock()))
	check(t, err)
	_, err = h.ByHand(ctx, over("web"), "ann", "secret", codeOf(t, e.Secret, h.clock()))
	fails(t, err, fault.Unauthenticated)
	h.pass(time.Minute)
	for i := range 20 { // from anywhere
		p := from(fmt.Sprintf("198.51.100.%d", i))
		if _, err = h.ByHand(ctx, p, "ann", "secret", "no code"); i < pairFree-1 {
			fails(t, err, fault.Unauthenticated)
		}
	}
	fails(t, err, fault.RateLimited)
	_, err = h.ByHand(ctx, Peer{}, "ann", "secret", "")
	fails(t, err, fault.Denied)
}
