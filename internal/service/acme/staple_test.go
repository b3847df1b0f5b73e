package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"postroad/internal/service/acme/acmetest"
)

// shown is the certificate that a client gets, and the staple with it.
func shown(t *testing.T, m *Manager, roots *x509.CertPool) (*x509.Certificate, []byte) {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	server := tls.Server(far, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return m.Find(h.ServerName), nil }})
	done := make(chan error, 1)
	go func() {
		done <- server.Handshake()
		far.Close()
	}()
	client := tls.Client(near, &tls.Config{ServerName: "mail.example.test", RootCAs: roots})
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	near.Close()
	<-done
	s := client.ConnectionState()
	return s.PeerCertificates[0], s.OCSPResponse
}

// stapling is a world whose authority has a responder.
type stapling struct {
	*world
	t       *testing.T
	asked   chan bool
	revoked func(*big.Int) bool
}

func newStapling(t *testing.T) *stapling {
	s := &stapling{t: t, asked: make(chan bool, 1000), revoked: func(*big.Int) bool { return false }}
	responder := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		question, _ := io.ReadAll(r.Body)
		answer, err := s.authority.Status(question, s.revoked)
		if err != nil {
			t.Error(err)
		}
		s.asked <- true
		rw.Write(answer)
	}))
	t.Cleanup(responder.Close)
	s.world = newWorld(t, acmetest.Options{OCSP: responder.URL})
	return s
}

func (s *stapling) open() *Manager {
	m := s.world.open(s.t, func(o *Options) { o.Staple, o.StapleEvery = true, 5*time.Millisecond })
	m.Keep(s.t.Context(), []string{"mail.example.test"})
	return m
}

// stapled waits for a certificate with a staple.
func (s *stapling) stapled(m *Manager) *x509.Certificate {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		leaf, staple := shown(s.t, m, s.authority.Roots)
		if len(staple) == 0 {
			runtime.Gosched()
			continue
		}
		r, err := ocsp.ParseResponse(staple, nil)
		if err != nil || r.Status != ocsp.Good || r.SerialNumber.Cmp(leaf.SerialNumber) != 0 {
			s.t.Fatal(r, err)
		}
		return leaf
	}
	s.t.Fatal("there is no staple")
	return nil
}

// TestStaples: what the authority's responder says goes along with the certificate (RFC 6066 §8), also after a restart, in
// which nobody is asked.
func TestStaples(t *testing.T) {
	s := newStapling(t)
	m := s.open()
	look(t, m)
	first := s.stapled(m)
	m.Close()
	if again := s.stapled(s.open()); !again.Equal(first) || len(s.asked) != 1 {
		t.Errorf("asked %d times", len(s.asked))
	}
}

// TestRevokedElsewhere: a certificate of which the responder says that it was revoked is replaced, and its staple isn't shown.
func TestRevokedElsewhere(t *testing.T) {
	s := newStapling(t)
	var once sync.Once
	var bad *big.Int
	s.revoked = func(n *big.Int) bool {
		once.Do(func() {
			bad = n
			s.clock.advance(time.Minute) // a day, or a year
		})
		return n.Cmp(bad) == 0
	}
	m := s.open()
	look(t, m)
	if leaf := s.stapled(m); leaf.SerialNumber.Cmp(bad) == 0 {
		t.Error("it is the one that was revoked")
	}
	look(t, m)
	all := m.List()
	if len(all) != 1 || all[0].Problem != "" {
		t.Errorf("%+v", all)
	}
	if again := s.stapled(m); !again.Equal(all[0].Chain[0]) {
		t.Error("another certificate is shown than is told")
	}
}
