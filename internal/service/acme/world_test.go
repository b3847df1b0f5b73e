package acme

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"postroad/internal/service/acme/acmetest"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble/pebbletest"
)

// clock is the real one, set forward.
type clock struct {
	mu      sync.Mutex
	forward time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.forward)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forward += d
}

// world is a node with a Manager, the authority that it asks, and the DNS that the authority looks into.
type world struct {
	clock     clock
	db        kv.DB
	storage   *Storage
	dns       *dnstest.World
	authority *acmetest.Authority
	web, tls  *httptest.Server // that the authority looks at
	log       logBuffer

	mu      sync.Mutex
	manager *Manager // guarded by mu: that web and tls ask
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func openDB(t *testing.T) kv.DB {
	t.Helper()
	db := pebbletest.Open(t)
	return db
}

const zone = `
	mail.example.test.     A 127.0.0.1
	mta-sts.example.test.  A 127.0.0.1
`

func newWorld(t *testing.T, o acmetest.Options) *world {
	t.Helper()
	w := &world{db: openDB(t), dns: dnstest.New(t, zone)}
	w.storage = NewStorage(w.db, w.clock.now)
	w.web = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.current().Handler(http.NotFoundHandler()).ServeHTTP(rw, r)
	}))
	t.Cleanup(w.web.Close)
	w.tls = httptest.NewUnstartedServer(http.NotFoundHandler())
	w.tls.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), 0)
	w.tls.TLS = &tls.Config{NextProtos: []string{ALPN}, GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		c, _, err := w.current().Challenge(h)
		return c, err
	}}
	w.tls.TLS.Certificates = nil
	w.tls.StartTLS()
	t.Cleanup(w.tls.Close)
	if o.DNS == "" {
		o.DNS = w.dns.Serve(t)[0].Addr.String()
	}
	o.HTTPPort, o.TLSPort = port(w.web), port(w.tls)
	w.authority = acmetest.Start(t, o)
	return w
}

func port(s *httptest.Server) int { return s.Listener.Addr().(*net.TCPAddr).Port }

func (w *world) current() *Manager {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.manager
}

// use has a Manager answer the authority.
func (w *world) use(m *Manager) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.manager = m
}

// open makes a Manager. change, if set, edits its options.
func (w *world) open(t *testing.T, change func(*Options)) *Manager {
	t.Helper()
	o := Options{Storage: w.storage, Directory: w.authority.Directory, HTTP: w.authority.HTTP, Contact: "root@example.test", HTTP01: true,
		Poll: 20 * time.Millisecond, Now: w.clock.now, Logger: slog.New(slog.NewTextHandler(&w.log, nil))}
	if change != nil {
		change(&o)
	}
	m := New(o)
	t.Cleanup(m.Close)
	w.use(m)
	return m
}

// look has a Manager look at its names once.
func look(t *testing.T, m *Manager) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m.lookAtAll(ctx)
}
