package server_test

import (
	"context"
	"crypto/x509"
	"maps"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/server/servertest"
	"postroad/internal/service/oauth"
)

// fetching starts a Postroad that reaches the peer, and counts how often it asks the provider.
func (p *peer) fetching() (here *servertest.Server, asked *atomic.Int64) {
	p.t.Helper()
	asked = &atomic.Int64{}
	roots := x509.NewCertPool()
	roots.AddCert(p.Certificate().Leaf())
	here = servertest.Start(p.t, servertest.Options{Roots: roots, Now: p.Clock.Now(), Dial: func(ctx context.Context, _, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil || host != peerName {
			return nil, &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}
		}
		if port == "443" {
			asked.Add(1)
		}
		return p.Network.Dial(ctx, "mem:"+port)
	}})
	here.AddAccount("bob")
	return here, asked
}

// Mail is fetched by OAuth tokens that another Postroad gives: somebody allows it, by a code that is typed or by a browser; the tokens are renewed; and
// when the permission is taken back, the provider is not asked again and again.
func TestFetchByOAuth(t *testing.T) {
	for protocol, port := range map[string]string{"imap": ":993", "pop3": ":995"} {
		t.Run(protocol, func(t *testing.T) { testFetchByOAuth(t, protocol, peerName+port) })
	}
}

func testFetchByOAuth(t *testing.T, protocol, address string) {
	p := startPeer(t)
	here, asked := p.fetching()
	ctx, d := t.Context(), here.Store().Admin
	advance := func(by time.Duration) { p.Clock.Advance(by); here.Clock.Advance(by) }
	p.Deliver("Subject: 1\r\n\r\nbody\r\n", "ann")
	bob := "bob@" + servertest.Domain
	n := admin.NewFetch{Account: bob, Protocol: protocol, Security: "tls", Address: address, User: ann, Policy: "keep", EverySeconds: 600,
		OAuth: admin.FetchBy{Provider: peerIssuer, ClientID: p.program, Scope: "mail"}}
	made, err := d.AddFetch(ctx, n)
	must(t, err)
	state := func() admin.Fetch {
		t.Helper()
		all, err := d.Fetches(ctx, bob)
		must(t, err)
		return all[0]
	}
	run := func() { // what comes besides are notices to ann about what she has allowed
		t.Helper()
		_, err := d.RunFetch(ctx, made.ID)
		must(t, err)
	}
	if f := state(); f.Failures != 1 || !strings.Contains(f.Problem, "allowed") || f.Provider != peerIssuer {
		t.Errorf("before it is allowed: %+v", f)
	}
	_, err = d.RunFetch(ctx, made.ID)
	wants(t, err, fault.Unauthenticated)

	// By a code.
	_, err = d.AllowFetch(ctx, admin.FetchAnswer{ID: made.ID})
	wants(t, err, fault.NotFound)
	ask, err := d.AskFetch(ctx, admin.FetchQuestion{ID: made.ID})
	must(t, err)
	advance(oauth.DeviceInterval)
	if x, err := d.AllowFetch(ctx, admin.FetchAnswer{ID: made.ID}); err != nil || x.Allowed || x.WaitSeconds <= 0 {
		t.Fatalf("nobody has typed the code: %+v %v", x, err)
	}
	before := asked.Load()
	if x, err := d.AllowFetch(ctx, admin.FetchAnswer{ID: made.ID}); err != nil || x.Allowed || asked.Load() != before {
		t.Errorf("asking sooner than the provider wants: %+v %v", x, err)
	}
	p.allow(ask.Complete)
	advance(oauth.DeviceInterval)
	if x, err := d.AllowFetch(ctx, admin.FetchAnswer{ID: made.ID}); err != nil || !x.Allowed {
		t.Fatalf("%+v %v", x, err)
	}
	run() // it may have run by itself
	if got := subjects(t, here, "bob"); !slices.ContainsFunc(slices.Collect(maps.Keys(got)), func(s string) bool { return strings.Contains(s, ": 1") }) {
		t.Fatal(got)
	}

	// Tokens are used as long as they are good, and renewed then; refresh tokens are others each time.
	before = asked.Load()
	run()
	if asked.Load() != before {
		t.Error("the provider was asked though the token was good")
	}
	for i := range 3 {
		advance(2 * time.Hour)
		before = asked.Load()
		if _, err := d.RunFetch(ctx, made.ID); err != nil || asked.Load() != before+1 {
			t.Fatalf("%d: %v, asked %d times", i, err, asked.Load()-before)
		}
	}

	p.Clock.Advance(2 * time.Hour) // there the token has ended, and here nobody knows
	before = asked.Load()
	run()
	if n := asked.Load() - before; n != 1 {
		t.Errorf("a token that was refused: the provider was asked %d times", n)
	}
	here.Clock.Advance(2 * time.Hour)

	// Taken back.
	_, err = p.Store().Admin.EndGrants(ctx, admin.GrantChange{Address: ann})
	must(t, err)
	advance(2 * time.Hour)
	for i := range 3 {
		before = asked.Load()
		_, err = d.RunFetch(ctx, made.ID)
		wants(t, err, fault.Unauthenticated)
		f := state()
		if f.Failures != i+1 || !strings.Contains(f.Problem, "invalid_grant") || f.Next.Sub(here.Clock.Now()) < time.Hour<<i {
			t.Errorf("%d: %+v", i, f)
		}
		if n := asked.Load() - before; n != 1 {
			t.Errorf("the provider was asked %d times", n)
		}
	}

	// By a browser that comes back.
	ask, err = d.AskFetch(ctx, admin.FetchQuestion{ID: made.ID, Redirect: backTo})
	must(t, err)
	back, err := p.allow(ask.URL).Location()
	must(t, err)
	_, err = d.AllowFetch(ctx, admin.FetchAnswer{ID: made.ID, State: "another", Code: back.Query().Get("code")})
	wants(t, err, fault.Denied)
	answer := admin.FetchAnswer{ID: made.ID, State: back.Query().Get("state"), Code: back.Query().Get("code")}
	if x, err := d.AllowFetch(ctx, answer); err != nil || !x.Allowed {
		t.Fatalf("%+v %v", x, err)
	}
	_, err = d.AllowFetch(ctx, answer)
	wants(t, err, fault.NotFound)
	run()
	if f := state(); f.Failures != 0 || f.Problem != "" {
		t.Errorf("%+v", f)
	}
}
