package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"postroad/internal/service/auth"
)

// keeperOf are certificates that somebody else keeps.
type keeperOf map[string]*tls.Certificate

func (k keeperOf) Find(name string) *tls.Certificate { return k[name] }

func (k keeperOf) Challenge(h *tls.ClientHelloInfo) (*tls.Certificate, bool, error) {
	if len(h.SupportedProtos) == 1 && h.SupportedProtos[0] == "acme-tls/1" {
		return k["challenge"], true, nil
	}
	return nil, false, nil
}

// files makes a certificate for names, in files.
func files(t *testing.T, names ...string) Files {
	t.Helper()
	dir := t.TempDir()
	f := Files{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	if _, err := EnsureSelfSigned(f.Cert, f.Key, Subject{Names: names}, time.Now()); err != nil {
		t.Fatal(err)
	}
	return f
}

func pairOf(t *testing.T, names ...string) *tls.Certificate {
	t.Helper()
	f := files(t, names...)
	c, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

func TestChoosesByName(t *testing.T) {
	managed := keeperOf{"mail.test": pairOf(t, "mail.test", "managed"), "sts.test": pairOf(t, "sts.test", "managed"), "both.test": pairOf(t, "both.test", "managed")}
	imported := []*tls.Certificate{pairOf(t, "imported.test", "both.test"), pairOf(t, "*.wild.test", "imported")}
	for what, c := range map[string]struct {
		o    Options
		want map[string]string // the second name, or the first, of the certificate
	}{
		"a default of the settings": {
			Options{Files: []Files{files(t, "mail.test", "file"), files(t, "Shop.Test", "*.shop.test", "shop")}, Default: true, Managed: managed, Hostname: "mail.test"},
			map[string]string{"": "file", "mail.test": "file", "none.test": "file", "shop.test": "*.shop.test", "SHOP.test.": "*.shop.test", "a.shop.test": "*.shop.test",
				"a.b.shop.test": "file", "sts.test": "managed", "imported.test": "both.test", "both.test": "both.test", "x.wild.test": "imported", "wild.test": "file"},
		},
		"the managed one is the default": {
			Options{Files: []Files{files(t, "shop.test", "shop")}, SelfSigned: files(t, "mail.test", "self"), Managed: managed, Hostname: "mail.test"},
			map[string]string{"": "managed", "none.test": "managed", "shop.test": "shop"},
		},
		"nothing yet": {
			Options{SelfSigned: files(t, "mail.test", "self"), Managed: keeperOf{}, Hostname: "mail.test"},
			map[string]string{"": "self", "mail.test": "self", "none.test": "self"},
		},
		"an imported default": {
			Options{SelfSigned: files(t, "imported.test", "self"), Hostname: "imported.test"},
			map[string]string{"": "both.test"},
		},
	} {
		t.Run(what, func(t *testing.T) {
			c.o.Now, c.o.Logger = time.Now, noLog
			k, err := Open(c.o)
			if err != nil {
				t.Fatal(err)
			}
			if what != "nothing yet" {
				k.SetImported(imported)
			}
			for name, want := range c.want {
				if got := k.For(name).Leaf.DNSNames; got[len(got)-1] != want && got[min(1, len(got)-1)] != want {
					t.Errorf("%q gets %v, want %s", name, got, want)
				}
			}
		})
	}
}

func TestBrought(t *testing.T) {
	now := time.Now()
	k, err := Open(Options{Files: []Files{files(t, "shop.test")}, SelfSigned: files(t, "mail.test"), Hostname: "mail.test", Managed: keeperOf{"m.test": pairOf(t, "m.test")},
		Now: func() time.Time { return now }, Logger: noLog})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"shop.test": true, "mail.test": false, "m.test": false, "none": false} {
		if k.Brought(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
	if now = now.Add(2 * selfSignedFor); k.Brought("shop.test") {
		t.Error("a certificate that has ended counts")
	}
	if n := len(k.All()); n != 2 {
		t.Errorf("%d certificates", n)
	}
}

// TestEndedCertificates: what somebody has brought, and has ended, gives way to what the authority gives; without that it is shown
// still.
func TestEndedCertificates(t *testing.T) {
	now := time.Now()
	managed := keeperOf{"mail.test": pairOf(t, "mail.test", "managed")}
	k, err := Open(Options{Files: []Files{files(t, "mail.test", "file"), files(t, "shop.test", "shop")}, Default: true, Hostname: "mail.test", Managed: managed,
		Now: func() time.Time { return now }, Logger: noLog})
	if err != nil {
		t.Fatal(err)
	}
	second := func(name string) string { return k.For(name).Leaf.DNSNames[1] }
	if second("mail.test") != "file" || second("") != "file" {
		t.Error("the file's isn't shown")
	}
	now = now.Add(2 * selfSignedFor) // the managed one has ended too, but is about to be renewed
	renewed := *managed["mail.test"]
	leaf := *renewed.Leaf
	leaf.NotAfter, renewed.Leaf = now.Add(time.Hour), &leaf
	managed["mail.test"] = &renewed
	if second("mail.test") != "managed" || second("") != "managed" || second("shop.test") != "shop" {
		t.Errorf("%s, %s, %s", second("mail.test"), second(""), second("shop.test"))
	}
	delete(managed, "mail.test")
	if second("mail.test") != "file" || second("") != "file" {
		t.Error("nothing better is there")
	}
}

// shake shakes hands and gives both sides' states, and what was noted.
func shake(t *testing.T, server, client *tls.Config) (s, c tls.ConnectionState, shown *auth.Shown, err error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	ctx, shown := auth.NoteCertificate(t.Context())
	near, far := tls.Server(b, server), tls.Client(a, client)
	done := make(chan error, 1)
	go func() {
		err := near.HandshakeContext(ctx)
		if err == nil {
			_, err = near.Write([]byte("x")) // after it the ticket has come
		}
		done <- err
	}()
	err = far.HandshakeContext(t.Context())
	if err == nil {
		_, err = io.ReadFull(far, make([]byte, 1))
	}
	if err != nil {
		a.Close()
	}
	return near.ConnectionState(), far.ConnectionState(), shown, errors.Join(err, <-done)
}

// Sessions are resumed under the certificate that they were begun with, and under no other (RFC 5929 §4): who binds to it binds to the
// one that the client knows.
func TestResumesUnderTheSameCertificateOnly(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		managed := keeperOf{"mail.test": pairOf(t, "mail.test")}
		k, err := Open(Options{SelfSigned: files(t, "mail.test"), Hostname: "mail.test", Managed: managed, Now: time.Now, Logger: noLog})
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(k.Leaf())
		server, client := k.TLS(), &tls.Config{ServerName: "mail.test", RootCAs: roots, ClientSessionCache: tls.NewLRUClientSessionCache(4), MaxVersion: version}
		for i, resumed := range []bool{false, true, true} {
			s, c, shown, err := shake(t, server, client)
			if err != nil || s.DidResume != resumed {
				t.Fatalf("%x, connection %d resumed: %v, %v", version, i, s.DidResume, err)
			}
			bound := shown.Leaf()
			if resumed {
				if bound != nil && version == tls.VersionTLS13 { // TLS 1.2 chooses one before it looks at the ticket
					t.Error("a certificate is noted that wasn't shown")
				}
				bound = k.LeafFor(s.ServerName)
			}
			if !c.PeerCertificates[0].Equal(bound) {
				t.Errorf("%x, connection %d: another certificate than the client knows", version, i)
			}
		}
		managed["mail.test"] = pairOf(t, "mail.test")
		roots.AddCert(k.Leaf())
		s, c, shown, err := shake(t, server, client)
		if err != nil || s.DidResume || !c.PeerCertificates[0].Equal(shown.Leaf()) {
			t.Errorf("%x, after the renewal: resumed %v, %v", version, s.DidResume, err)
		}
	}
}

// An authority gets the certificate that answers its challenge (RFC 8737); old versions of TLS get nothing (RFC 8996).
func TestChallengesAndOldVersions(t *testing.T) {
	managed := keeperOf{"challenge": pairOf(t, "challenge")}
	k, err := Open(Options{SelfSigned: files(t, "mail.test"), Hostname: "mail.test", Managed: managed, Now: time.Now, Logger: noLog})
	if err != nil {
		t.Fatal(err)
	}
	server := k.TLS()
	server.NextProtos = []string{"acme-tls/1", "http/1.1"}
	_, c, _, err := shake(t, server, &tls.Config{ServerName: "mail.test", NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
	if err != nil || c.PeerCertificates[0].DNSNames[0] != "challenge" {
		t.Error(err)
	}
	_, c, _, err = shake(t, server, &tls.Config{ServerName: "mail.test", NextProtos: []string{"acme-tls/1", "http/1.1"}, InsecureSkipVerify: true})
	if err != nil || c.PeerCertificates[0].DNSNames[0] != "mail.test" {
		t.Error(err)
	}
	if _, _, _, err := shake(t, server, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is taken")
	}
}

func BenchmarkFor(b *testing.B) {
	c := &tls.Certificate{Leaf: &x509.Certificate{DNSNames: []string{"mail.test"}, NotAfter: time.Now().Add(time.Hour)}}
	k := &Keeper{o: Options{Now: time.Now}}
	k.now.Store(k.build())
	k.imported = []*tls.Certificate{c}
	k.now.Store(k.build())
	b.ReportAllocs()
	for b.Loop() {
		k.For("mail.test")
	}
}
