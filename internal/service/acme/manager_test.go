package acme

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/acme/acmetest"
)

const host = "mail.example.test"

// verify checks that a name has a certificate of the authority, and returns it.
func (w *world) verify(t *testing.T, m *Manager, name string) *x509.Certificate {
	t.Helper()
	c := m.Find(name)
	if c == nil {
		t.Fatalf("no certificate for %s: %+v\n%s", name, m.List(), w.log.String())
	}
	between := x509.NewCertPool()
	for _, der := range c.Certificate[1:] {
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		between.AddCert(parsed)
	}
	if _, err := c.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: w.authority.Roots, Intermediates: between, CurrentTime: w.clock.now()}); err != nil {
		t.Fatal(err)
	}
	return c.Leaf
}

// A certificate comes by each of the two challenges that listeners answer, and is there at once when the server starts again.
func TestGetsCertificates(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"http-01":     func(o *Options) { o.HTTP01 = true },
		"tls-alpn-01": func(o *Options) { o.HTTP01, o.TLSALPN01 = false, true },
		"either":      func(o *Options) { o.TLSALPN01 = true },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, acmetest.Options{Lifetime: 90 * 86400})
			m := w.open(t, change)
			m.Keep(t.Context(), []string{"MAIL.example.test.", "mta-sts.example.test"})
			look(t, m)
			first := w.verify(t, m, host)
			w.verify(t, m, "mta-sts.example.test")
			if m.Find("other.example.test") != nil {
				t.Error("a certificate for a name that wasn't kept")
			}
			if files, err := w.storage.List(t.Context(), "challenges", true); len(files) > 0 {
				t.Errorf("challenges were left: %v %v", files, err)
			}
			again := w.open(t, change)
			again.Keep(t.Context(), []string{host})
			if c := again.Find(host); c == nil || !c.Leaf.Equal(first) {
				t.Error("the stored certificate isn't used")
			}
		})
	}
}

// With a third of its life left a certificate is renewed; its key stays, so that TLSA records hold, unless new ones are wanted.
func TestRenewsInTime(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		w := newWorld(t, acmetest.Options{Lifetime: 90 * 86400})
		m := w.open(t, func(o *Options) { o.NewKeys = fresh })
		m.Keep(t.Context(), []string{host})
		look(t, m)
		first := w.verify(t, m, host)
		w.clock.advance(29 * 24 * time.Hour) // Pebble tells by ARI to renew at a half or so
		look(t, m)
		if !w.verify(t, m, host).Equal(first) {
			t.Error("renewed too early")
		}
		w.clock.advance(50 * 24 * time.Hour)
		look(t, m)
		second := w.verify(t, m, host)
		if second.Equal(first) {
			t.Fatalf("not renewed: %+v\n%s", m.List(), w.log.String())
		}
		if same := string(first.RawSubjectPublicKeyInfo) == string(second.RawSubjectPublicKeyInfo); same == fresh {
			t.Errorf("new keys %v: the same key: %v", fresh, same)
		}
		if n := len(m.cache.AllMatchingCertificates(host)); n != 1 {
			t.Errorf("%d certificates in use", n)
		}
	}
}

// A key can be made ahead, so that its TLSA record is known everywhere before it is used.
func TestNextKey(t *testing.T) {
	w := newWorld(t, acmetest.Options{})
	m := w.open(t, nil)
	if _, err := m.NextKey(t.Context(), host); !fault.Is(err, fault.NotFound) {
		t.Errorf("a key for a name that isn't kept: %v", err)
	}
	m.Keep(t.Context(), []string{host})
	look(t, m)
	first := w.verify(t, m, host)
	next, err := m.NextKey(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := m.NextKey(t.Context(), host); err != nil || !next.(*ecdsa.PublicKey).Equal(again) {
		t.Error("asked twice, another key", err)
	}
	if err := m.Renew(t.Context(), host, Renewal{NewKey: true}); !fault.Is(err, fault.Conflict) {
		t.Errorf("a key that is too young: %v", err)
	}
	w.clock.advance(NextKeyAge + time.Second)
	if err := m.Renew(t.Context(), host, Renewal{}); err != nil {
		t.Fatal(err)
	}
	if second := w.verify(t, m, host); second.Equal(first) || string(second.RawSubjectPublicKeyInfo) != string(first.RawSubjectPublicKeyInfo) {
		t.Error("an ordinary renewal has another key, or did nothing")
	}
	if err := m.Renew(t.Context(), host, Renewal{NewKey: true}); err != nil {
		t.Fatal(err)
	}
	spki, _ := x509.MarshalPKIXPublicKey(next)
	if third := w.verify(t, m, host); string(third.RawSubjectPublicKeyInfo) != string(spki) {
		t.Error("the certificate doesn't have the key that was announced")
	}
	if err := m.Renew(t.Context(), host, Renewal{NewKey: true, Unpublished: true}); err != nil {
		t.Fatal(err)
	}
	if fourth := w.verify(t, m, host); string(fourth.RawSubjectPublicKeyInfo) == string(spki) {
		t.Error("an announced key was used twice")
	}
	if err := m.Renew(t.Context(), "other.test", Renewal{}); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

// Of a stolen key the authority is told, once there is a certificate with another one.
func TestRevoke(t *testing.T) {
	w := newWorld(t, acmetest.Options{})
	m := w.open(t, nil)
	m.Keep(t.Context(), []string{host})
	look(t, m)
	first := w.verify(t, m, host)
	if err := m.Renew(t.Context(), host, Renewal{Revoke: true}); !fault.Is(err, fault.Invalid) {
		t.Errorf("revoked, with the same key again: %v", err)
	}
	if w.authority.Revoked(first) {
		t.Error("revoked too early")
	}
	if err := m.Renew(t.Context(), host, Renewal{NewKey: true, Unpublished: true, Revoke: true}); err != nil {
		t.Fatal(err)
	}
	second := w.verify(t, m, host)
	if string(first.RawSubjectPublicKeyInfo) == string(second.RawSubjectPublicKeyInfo) {
		t.Error("the stolen key is used still")
	}
	if !w.authority.Revoked(first) || w.authority.Revoked(second) {
		t.Error("not the old certificate is revoked, or the new one is")
	}
}

// What one node gets by an administrator's wish the others find when they look the next time.
func TestNodesFollow(t *testing.T) {
	w := newWorld(t, acmetest.Options{})
	a, b := w.open(t, nil), w.open(t, func(o *Options) { o.Storage = NewStorage(w.db, w.clock.now) })
	for _, m := range []*Manager{a, b} {
		m.Keep(t.Context(), []string{host})
		look(t, m)
	}
	w.clock.advance(time.Minute)
	w.use(a)
	if err := a.Renew(t.Context(), host, Renewal{}); err != nil {
		t.Fatal(err)
	}
	if w.verify(t, a, host).Equal(w.verify(t, b, host)) {
		t.Fatal("b knows without having looked")
	}
	look(t, b)
	if !w.verify(t, a, host).Equal(w.verify(t, b, host)) {
		t.Error("b has the old one still")
	}
}

// Certificates that have ended are removed after a while, with what else is of no use; but not those of names that are kept.
func TestPrune(t *testing.T) {
	w := newWorld(t, acmetest.Options{Lifetime: 90 * 86400})
	m := w.open(t, nil)
	ctx := t.Context()
	m.Keep(ctx, []string{host, "mta-sts.example.test"})
	look(t, m)
	if err := w.storage.Store(ctx, "ocsp/x", nil); err != nil {
		t.Fatal(err)
	}
	m.Keep(ctx, []string{host})
	for _, c := range []struct {
		after   time.Duration
		certs   int
		staples bool
	}{{0, 2, true}, {29 * 24 * time.Hour, 2, true}, {150 * 24 * time.Hour, 2, false}, {4 * 24 * time.Hour, 1, false}} {
		w.clock.advance(c.after)
		m.prune(ctx)
		all, err := w.storage.Stored(ctx)
		if err != nil || len(all) != c.certs || w.storage.Exists(ctx, "ocsp/x") != c.staples {
			t.Errorf("%v later: %d certificates, %v", c.after, len(all), err)
		}
	}
}

// An authority that says no isn't asked again at once; a name that can't be reached costs nothing, and is asked for once it can.
func TestFailures(t *testing.T) {
	w := newWorld(t, acmetest.Options{})
	var blocked error = fault.New(fault.Unavailable, "no address")
	m := w.open(t, func(o *Options) { o.Reachable = func(context.Context, string) error { return blocked } })
	m.Keep(t.Context(), []string{"gone.example.test"})
	look(t, m)
	if s := m.List()[0]; s.Problem != "no address" || !s.Renew.IsZero() {
		t.Errorf("unreachable: %+v", s)
	}
	blocked = nil // but the authority finds no such name
	look(t, m)
	s := m.List()[0]
	if s.Problem == "" || !s.Renew.After(w.clock.now()) {
		t.Fatalf("refused: %+v", s)
	}
	next := s.Renew
	w.dns.Add(t, "gone.example.test. A 127.0.0.1")
	look(t, m)
	if m.Find("gone.example.test") != nil {
		t.Error("asked again before its time")
	}
	w.clock.advance(next.Sub(w.clock.now()) + time.Second)
	look(t, m)
	w.verify(t, m, "gone.example.test")
	if s := m.List()[0]; s.Problem != "" {
		t.Errorf("still a problem: %+v", s)
	}
	if text := w.log.String(); !strings.Contains(text, "level=WARN") || strings.Contains(text, "PRIVATE KEY") {
		t.Error(text)
	}
}

func TestPausesGrow(t *testing.T) {
	before := time.Duration(0)
	for n := range 100 {
		p := pause(n)
		if p < before || p > longPause || p < firstPause {
			t.Errorf("after %d failures %v, before %v", n, p, before)
		}
		before = p
	}
}

// Names that are left out lose their certificate here, but not in the storage.
func TestKeepLeavesOut(t *testing.T) {
	w := newWorld(t, acmetest.Options{})
	m := w.open(t, nil)
	m.Keep(t.Context(), []string{host, "mta-sts.example.test"})
	look(t, m)
	m.Keep(t.Context(), []string{host})
	if m.Find("mta-sts.example.test") != nil || m.Find(host) == nil {
		t.Error("left out the wrong one")
	}
	m.Keep(t.Context(), []string{host, "mta-sts.example.test"})
	if m.Find("mta-sts.example.test") == nil {
		t.Error("the stored one doesn't come back")
	}
}

// Two nodes on one store ask once; what one gets the other finds.
func TestNodesShare(t *testing.T) {
	w := newWorld(t, acmetest.Options{})
	second := NewStorage(w.db, w.clock.now)
	a, b := w.open(t, nil), w.open(t, func(o *Options) { o.Storage = second })
	for _, m := range []*Manager{a, b} {
		m.Keep(t.Context(), []string{host})
	}
	done := make(chan struct{})
	go func() { look(t, a); close(done) }()
	look(t, b)
	<-done
	if !w.verify(t, a, host).Equal(w.verify(t, b, host)) {
		t.Error("two certificates")
	}
	if !strings.Contains(a.List()[0].Chain[0].Subject.String()+host, host) {
		t.Error("no chain")
	}
}

// Some authorities want to know whose account it is.
func TestExternalAccountBinding(t *testing.T) {
	key := base64.RawURLEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	w := newWorld(t, acmetest.Options{EABKeys: map[string]string{"kid-1": key}})
	m := w.open(t, nil)
	m.Keep(t.Context(), []string{host})
	look(t, m)
	if m.Find(host) != nil {
		t.Fatal("the authority doesn't ask for a binding")
	}
	bound := w.open(t, func(o *Options) { o.EAB = &EAB{KeyID: "kid-1", MACKey: key} })
	bound.Keep(t.Context(), []string{host})
	look(t, bound)
	w.verify(t, bound, host)
}

// Run asks for what is new as soon as the bell rings, and ends when it is told.
func TestRun(t *testing.T) {
	w := newWorld(t, acmetest.Options{})
	looks := atomic.Int64{}
	m := w.open(t, func(o *Options) {
		o.Reachable = func(_ context.Context, name string) error {
			looks.Add(1)
			if name != host {
				return fault.New(fault.Unavailable, "no address")
			}
			return nil
		}
	})
	names := make(chan []string, 4)
	bells := make(chan chan struct{}, 8)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	names <- nil
	go func() {
		defer close(done)
		m.Run(ctx, func(context.Context) ([][]string, error) {
			select {
			case n := <-names:
				return Single(n...), nil
			default:
				return nil, errors.New("nobody knows")
			}
		}, func() <-chan struct{} { b := make(chan struct{}); bells <- b; return b })
	}()
	bell := <-bells
	names <- []string{host, "none.test"}
	close(bell)
	bell = <-bells
	names <- []string{host, "none.test"}
	close(bell) // when it has been looked at, the next bell is asked for
	bell = <-bells
	w.verify(t, m, host)
	names <- []string{host, "none.test"}
	close(bell)
	<-bells
	if n := looks.Load(); n != 2 {
		t.Errorf("looked whether names can be reached %d times: bells that ring for something else must not cost that", n)
	}
	names <- []string{host, "none.test"}
	m.Look()
	bell = <-bells
	names <- []string{host, "none.test"}
	close(bell)
	<-bells
	if n := looks.Load(); n != 3 {
		t.Errorf("asked to look, it has looked %d times", n-2)
	}
	stop()
	<-done
}
