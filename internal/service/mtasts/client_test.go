package mtasts_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"postroad/internal/fault"
	"postroad/internal/service/dns"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/mtasts"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble/pebbletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const day = 24 * time.Hour

// web is the world's web servers, as far as there are any.
type web struct {
	mu      sync.Mutex
	files   map[string]string // by URL
	status  int               // other than 200
	kind    string
	hangs   bool
	fetches int
}

func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fetches++
	if w.hangs {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	text, ok := w.files[r.URL.String()]
	if !ok {
		return nil, errors.New("connection refused")
	}
	resp := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(strings.NewReader(text))}
	if w.status != 0 {
		resp.StatusCode = w.status
		resp.Header.Set("Location", "https://evil.example/policy.txt")
	}
	if w.kind != "" {
		resp.Header.Set("Content-Type", w.kind)
	}
	return resp, nil
}

// world is a client with all that it asks, and a clock.
type world struct {
	*mtasts.Client
	dns   *dnstest.World
	web   *web
	store mtasts.Store
	now   time.Time
}

const policyURL = "https://mta-sts.example.com/.well-known/mta-sts.txt"

func newWorld(t *testing.T, store mtasts.Store) *world {
	t.Helper()
	w := &world{
		dns: dnstest.New(t, "example.com. MX 0 mail.example.com.\n_mta-sts.example.com. TXT \"v=STSv1; id=1\""),
		web: &web{files: map[string]string{policyURL: example}}, store: store, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
	}
	w.Client = mtasts.New(mtasts.Options{TXT: w.dns, Transport: w.web, Store: store, Now: func() time.Time { return w.now }})
	return w
}

func (w *world) publish(t *testing.T, record string) {
	t.Helper()
	w.dns.Remove("_mta-sts.example.com")
	if record != "" {
		w.dns.Add(t, "_mta-sts.example.com. TXT \""+record+"\"")
	}
}

// wants checks what is in force, and how many fetches there have been.
func (w *world) wants(t *testing.T, what string, mode mtasts.Mode, fetches int, trouble bool) {
	t.Helper()
	f, err := w.Find(t.Context(), "Example.COM.")
	if err != nil || f.Policy.Mode != mode || w.web.fetches != fetches || trouble != (f.Trouble != nil) {
		t.Errorf("%s: %v, %d fetches, trouble %v, %v", what, f.Policy.Mode, w.web.fetches, f.Trouble, err)
	}
}

func kvStore(t testing.TB) kv.DB {
	t.Helper()
	db := pebbletest.Open(t)
	return db
}

func stores(t *testing.T) map[string]mtasts.Store {
	return map[string]mtasts.Store{"memory": mtasts.InMemory(), "kv": mtasts.InKV(kvStore(t))}
}

// TestFind walks through a policy's life (RFC 8461 §5.1).
func TestFind(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, store)
			w.wants(t, "first", mtasts.Enforce, 1, false)
			w.wants(t, "the same version", mtasts.Enforce, 1, false)
			w.web.files[policyURL] = strings.Replace(example, "enforce", "testing", 1)
			w.wants(t, "changed without a new version", mtasts.Enforce, 1, false)
			w.publish(t, "v=STSv1; id=2")
			w.wants(t, "a new version", mtasts.Testing, 2, false)
			w.publish(t, "")
			w.wants(t, "the record is gone", mtasts.Testing, 2, false)
			w.publish(t, "v=STSv1; nonsense")
			w.wants(t, "the record is broken", mtasts.Testing, 2, true)
			w.dns.Fail("_mta-sts.example.com", "TXT", dns.Temporary)
			w.wants(t, "the DNS fails", mtasts.Testing, 2, true)
			w.dns.Heal("_mta-sts.example.com", "TXT")
			w.publish(t, "v=STSv1; id=3")
			delete(w.web.files, policyURL)
			w.wants(t, "the web server fails", mtasts.Testing, 3, true)
			w.now = w.now.Add(7*day - 1*time.Second)
			w.wants(t, "until its last second", mtasts.Testing, 4, true)
			w.now = w.now.Add(time.Second)
			w.wants(t, "expired", mtasts.None, 4, true)
			w.web.files[policyURL] = example
			w.now = w.now.Add(10 * time.Minute)
			w.wants(t, "well again", mtasts.Enforce, 5, false)
		})
	}
}

func TestNoPolicy(t *testing.T) {
	w := newWorld(t, nil)
	w.publish(t, "")
	w.wants(t, "no record", mtasts.None, 0, false)
	w.dns.Fail("_mta-sts.example.com", "TXT", dns.Temporary)
	w.wants(t, "the DNS fails", mtasts.None, 0, true)
	if _, err := w.Find(t.Context(), "no domain"); !fault.Is(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
}

// TestNoPolicyOfTheDomainAbove: RFC 8461 §3.4.
func TestNoPolicyOfTheDomainAbove(t *testing.T) {
	w := newWorld(t, nil)
	w.wants(t, "of its own", mtasts.Enforce, 1, false)
	found, err := w.Find(t.Context(), "mail.example.com")
	if err != nil || found.Policy.Mode != mtasts.None || w.web.fetches != 1 {
		t.Errorf("%+v %v, after %d questions", found, err, w.web.fetches)
	}
}

// TestRepublishedNone: mode none takes a policy back (RFC 8461 §8.3).
func TestRepublishedNone(t *testing.T) {
	w := newWorld(t, nil)
	w.wants(t, "first", mtasts.Enforce, 1, false)
	w.publish(t, "v=STSv1; id=2")
	w.web.files[policyURL] = "version: STSv1\nmode: none\nmax_age: 86400\n"
	w.wants(t, "taken back", mtasts.None, 2, false)
	w.publish(t, "")
	w.wants(t, "for good", mtasts.None, 2, false)
}

// TestBadFetches: what isn't exactly a policy file is none (RFC 8461 §3.3).
func TestBadFetches(t *testing.T) {
	for what, spoil := range map[string]func(*web){
		"redirect":      func(w *web) { w.status = 301 },
		"not found":     func(w *web) { w.status = 404 },
		"no content":    func(w *web) { w.status = 204 },
		"HTML":          func(w *web) { w.kind = "text/html; charset=utf-8" },
		"no type":       func(w *web) { w.kind = "/" },
		"too long":      func(w *web) { w.files[policyURL] += strings.Repeat("\n", mtasts.MaxBytes) },
		"not a policy":  func(w *web) { w.files[policyURL] = "hello" },
		"no connection": func(w *web) { delete(w.files, policyURL) },
	} {
		w := newWorld(t, nil)
		spoil(w.web)
		w.wants(t, what, mtasts.None, 1, true)
		if w.web.status == 301 && len(w.web.files) != 1 {
			t.Error("a redirect was followed")
		}
	}
	w := newWorld(t, nil)
	w.web.kind = "Text/Plain; charset=us-ascii"
	w.wants(t, "with a charset", mtasts.Enforce, 1, false)
}

// TestPatience: a version that can't be fetched isn't tried again within five minutes, another one is.
func TestPatience(t *testing.T) {
	w := newWorld(t, nil)
	w.web.status = 500
	w.wants(t, "first", mtasts.None, 1, true)
	w.now = w.now.Add(5*time.Minute - 1)
	w.wants(t, "too early", mtasts.None, 1, true)
	w.publish(t, "v=STSv1; id=2")
	w.wants(t, "another version", mtasts.None, 2, true)
	w.now = w.now.Add(5 * time.Minute)
	w.web.status = 0
	w.wants(t, "later", mtasts.Enforce, 3, false)
}

func TestFetchTakesAMinuteAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.web.hangs = true
		start := time.Now()
		var all sync.WaitGroup
		for range 3 { // all wait for one fetch
			all.Go(func() {
				if f, err := w.Find(t.Context(), "example.com"); err != nil || f.Trouble == nil || f.Policy.Mode != mtasts.None {
					t.Errorf("%v, %v", f, err)
				}
			})
		}
		all.Wait()
		if time.Since(start) != time.Minute || w.web.fetches != 1 {
			t.Errorf("after %v, %d fetches", time.Since(start), w.web.fetches)
		}
		w.publish(t, "v=STSv1; id=2")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := w.Find(ctx, "example.com"); !fault.Is(err, fault.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

// TestKeptOverRestarts: what was found protects after a restart, when nobody can be asked.
func TestKeptOverRestarts(t *testing.T) {
	db := kvStore(t)
	w := newWorld(t, mtasts.InKV(db))
	w.wants(t, "first", mtasts.Enforce, 1, false)
	again := newWorld(t, mtasts.InKV(db))
	again.publish(t, "")
	again.wants(t, "after a restart", mtasts.Enforce, 0, false)
	if f, _ := again.Find(t.Context(), "example.com"); f.ID != "1" || !f.Policy.Match("a.example.net") {
		t.Errorf("%+v", f)
	}
}

func TestDamagedPolicyIsFetchedAgain(t *testing.T) {
	db := kvStore(t)
	for _, damage := range []string{"", "\x01", "\x02aaaaaaaabbbbbbbbcccccccc\x00", "\x01aaaaaaaabbbbbbbbcccccccc\xffx", "\x01\x00\x00\x00\x00\x00\x00\x00\x01\x01aaaaaaabbbbbbbb\x00nonsense"} {
		err := db.Update(t.Context(), mtasts.Partition, func(tx kv.Tx) error { return tx.Set([]byte("pexample.com"), []byte(damage)) })
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, mtasts.InKV(db))
		w.wants(t, "damaged", mtasts.Enforce, 1, false)
		w.wants(t, "repaired", mtasts.Enforce, 1, false)
	}
}

// brokenStore can't be read.
type brokenStore struct{ mtasts.Store }

func (brokenStore) Load(context.Context, string) (mtasts.Stored, bool, error) {
	return mtasts.Stored{}, false, fault.New(fault.Unavailable, "disk")
}

// TestStoreFails: not to know whether there is a policy is not the same as there being none.
func TestStoreFails(t *testing.T) {
	w := newWorld(t, brokenStore{mtasts.InMemory()})
	if _, err := w.Find(t.Context(), "example.com"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v", err)
	}
}

func TestRefresh(t *testing.T) {
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, store)
			refresh := func(what string, fetches, kept int) {
				t.Helper()
				if err := w.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
				domains, err := store.Domains(t.Context())
				if err != nil || w.web.fetches != fetches || len(domains) != kept {
					t.Errorf("%s: %d fetches, %v kept, %v", what, w.web.fetches, domains, err)
				}
			}
			w.wants(t, "first", mtasts.Enforce, 1, false)
			refresh("at once", 1, 1)
			w.now = w.now.Add(day)
			refresh("after a day", 2, 1)
			w.now = w.now.Add(6*day + time.Hour)
			w.publish(t, "")
			w.wants(t, "holds longer", mtasts.Enforce, 2, false)
			refresh("without a record", 2, 1)
			w.now = w.now.Add(day)
			refresh("expired", 2, 0)

			w.web.files[policyURL] = strings.Replace(example, "604800", "31557600", 1)
			w.publish(t, "v=STSv1; id=4")
			w.wants(t, "for a year", mtasts.Enforce, 3, false)
			w.now = w.now.Add(20 * day)
			w.wants(t, "used", mtasts.Enforce, 3, false)
			w.now = w.now.Add(30 * day)
			refresh("used a month ago", 4, 1)
			w.now = w.now.Add(2 * day)
			refresh("used longer ago", 4, 1)
			w.wants(t, "in force all the same", mtasts.Enforce, 4, false)
		})
	}
}

// TestRealTransportAndHandler: our policy, served by us, fetched by us, over real TLS.
func TestRealTransportAndHandler(t *testing.T) {
	own := mtasts.Policy{Mode: mtasts.Enforce, MX: []string{"mx.example.com"}, MaxAge: 7 * day}
	policyOf := func(domain string) (mtasts.Policy, bool) { return own, domain == "example.com" }
	srv := httptest.NewTLSServer(mtasts.Handler(policyOf)) // its certificate is for example.com and *.example.com
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, srv.Listener.Addr().String())
	}
	w := newWorld(t, nil)
	for name, c := range map[string]struct {
		roots *x509.CertPool
		want  mtasts.Mode
	}{"trusted": {roots, mtasts.Enforce}, "certificate of an unknown authority": {x509.NewCertPool(), mtasts.None}} {
		client := mtasts.New(mtasts.Options{TXT: w.dns, Transport: mtasts.NewTransport(dial, c.roots)})
		f, err := client.Find(t.Context(), "example.com")
		if err != nil || f.Policy.Mode != c.want {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
}

func TestHandler(t *testing.T) {
	own := mtasts.Policy{Mode: mtasts.Testing, MX: []string{"mx.example.com"}, MaxAge: day}
	h := mtasts.Handler(func(domain string) (mtasts.Policy, bool) { return own, domain == "example.com" })
	for _, c := range []struct {
		method, url string
		want        int
	}{
		{"GET", policyURL, 200},
		{"HEAD", policyURL, 200},
		{"GET", "https://MTA-STS.Example.com:443/.well-known/mta-sts.txt", 200},
		{"POST", policyURL, 405},
		{"GET", "https://mta-sts.example.com/", 404},
		{"GET", "https://mta-sts.example.net/.well-known/mta-sts.txt", 404},
		{"GET", "https://example.com/.well-known/mta-sts.txt", 404},
		{"GET", "http://mta-sts.example.com/.well-known/mta-sts.txt", 404},
	} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(c.method, c.url, nil))
		if rec.Code != c.want {
			t.Errorf("%s %s: %d", c.method, c.url, rec.Code)
		}
		if c.want == 200 && (rec.Body.String() != own.Text() || !strings.HasPrefix(rec.Header().Get("Content-Type"), "text/plain")) {
			t.Errorf("%s %s: %q", c.method, c.url, rec.Body)
		}
	}
}
