// Package acmetest has a certificate authority for tests: Pebble, in this process, which speaks ACME (RFC 8555) over
// HTTPS on loopback and looks at names there as a public one would.
package acmetest

import (
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"golang.org/x/crypto/ocsp"
)

// Options say where the authority looks.
type Options struct {
	// DNS is the resolver that it asks, "host:port".
	DNS string
	// HTTPPort and TLSPort are where it looks in place of 80 and 443.
	HTTPPort, TLSPort int
	// Lifetime of certificates in seconds; 0: five years.
	Lifetime uint64
	// EABKeys are accounts, by key ID, one of which must be bound; base64url. None: it isn't asked for.
	EABKeys map[string]string
	// OCSP is the address of the responder that certificates name; "": none. With one, Status answers.
	OCSP string
}

// Authority is a running one.
type Authority struct {
	Directory string         // its address
	Web       *x509.CertPool // verifies Directory's certificate
	Roots     *x509.CertPool // verifies those that it gives
	HTTP      *http.Client   // trusts Web

	store *db.MemoryStore
	ca    *ca.CAImpl
}

// Status answers a question about a certificate (RFC 6960 §4.2). revoked says of a serial number whether that one is. It needs Options.OCSP.
func (a *Authority) Status(question []byte, revoked func(*big.Int) bool) ([]byte, error) {
	q, err := ocsp.ParseRequest(question)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	r := ocsp.Response{SerialNumber: q.SerialNumber, ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(7 * 24 * time.Hour)}
	if revoked(q.SerialNumber) {
		r.Status, r.RevokedAt, r.RevocationReason = ocsp.Revoked, now, ocsp.Superseded
	}
	issuer := a.ca.GetIntermediateCert(0).Cert
	return ocsp.CreateResponse(issuer, issuer, r, a.ca.GetIntermediateKey(0))
}

// Revoked reports whether a certificate was revoked.
func (a *Authority) Revoked(c *x509.Certificate) bool {
	return a.store.GetRevokedCertificateBySerial(c.SerialNumber) != nil
}

// Start starts an authority, which ends with the test.
func Start(t *testing.T, o Options) *Authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	log := slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelInfo)
	store := db.NewMemoryStore()
	for id, key := range o.EABKeys {
		if err := store.AddExternalAccountKeyByID(id, key); err != nil {
			t.Fatal(err)
		}
	}
	keys := "ecdsa"
	if o.OCSP != "" {
		keys = "rsa" // others aren't given out, to sign with
	}
	authority := ca.New(log, store, o.OCSP, keys, 0, 1, map[string]ca.Profile{"default": {Description: "default", ValidityPeriod: o.Lifetime}})
	front := wfe.New(log, store, va.New(log, o.HTTPPort, o.TLSPort, true, o.DNS, store), authority, []string{"ca.test"}, true, len(o.EABKeys) > 0, 1, 1)
	web := httptest.NewTLSServer(atOnce{front.Handler()})
	t.Cleanup(web.Close)
	a := &Authority{Directory: web.URL + wfe.DirectoryPath, Web: x509.NewCertPool(), Roots: x509.NewCertPool(), HTTP: web.Client(), store: store, ca: authority}
	a.Web.AddCert(web.Certificate())
	a.Roots.AddCert(authority.GetRootCert(0).Cert)
	return a
}

// atOnce takes out how long clients should wait before they ask again: Pebble says a second at least.
type atOnce struct{ http.Handler }

func (h atOnce) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.Handler.ServeHTTP(hasty{w}, r) }

type hasty struct{ http.ResponseWriter }

func (w hasty) WriteHeader(status int) {
	w.Header().Del("Retry-After")
	w.ResponseWriter.WriteHeader(status)
}
