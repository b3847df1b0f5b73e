package server

import (
	"context"
	"crypto/rand"
	"errors"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/service/mtasts"
)

// web answers HTTP: a page for people who look, health, metrics, the admin API.
type web struct {
	server *Server
	public *http.Server // of the listeners in the settings
	local  *http.Server // of the admin socket
}

func newWeb(s *Server) (*web, error) {
	w := &web{server: s}
	local := func(*http.Request) (admin.Caller, error) { return admin.Local(), nil }
	common := http.NewServeMux()
	common.HandleFunc("GET /healthz", w.health)
	common.HandleFunc("GET /readyz", w.readiness)
	metrics := promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{})

	public := http.NewServeMux()
	public.Handle("/", common)
	public.HandleFunc("GET /{$}", w.front)
	public.Handle(mtasts.Path, s.policyHost())
	s.mountOAuth(public)
	if err := s.mountPages(public); err != nil {
		return nil, err
	}
	public.Handle("GET /metrics", w.guarded(metrics, w.mayMeasure))
	public.Handle(admin.Prefix, admin.Handler(s.store.Admin, s.whoAdministers, s.log))

	socket := http.NewServeMux()
	socket.Handle("/", common)
	socket.Handle("GET /metrics", metrics)
	socket.Handle(admin.Prefix, admin.Handler(s.store.Admin, local, s.log))

	front, err := proxiesOf(s.config.HTTP)
	if err != nil {
		return nil, err
	}
	w.public, w.local = w.serverOf(s.challengesFirst(s.settingsFirst(public))), w.serverOf(socket)
	w.public.Handler = front.behind(w.public.Handler)
	limits := s.config.Limits
	w.public.ConnState = newCrowd(limits.Connections, limits.ConnectionsPerAddress).state
	return w, nil
}

func (w *web) serverOf(h http.Handler) *http.Server {
	return &http.Server{
		Handler: w.identified(h), TLSConfig: w.server.httpsTLS(),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
		BaseContext: func(l net.Listener) context.Context {
			return context.WithValue(context.Background(), listenerAt{}, l.Addr())
		},
		ErrorLog: slog.NewLogLogger(w.server.log.With("part", "http").Handler(), slog.LevelDebug),
	}
}

// adminSocket is where commands find the running server.
func (s *Server) adminSocket() config.Listener {
	return config.Listener{Protocol: config.HTTP, Address: "unix:" + filepath.Join(s.config.Data, SocketName), TLS: config.NoTLS}
}

func (w *web) serve(_ context.Context, b bound) (err error) {
	switch {
	case b.set.Address == w.server.adminSocket().Address:
		err = w.local.Serve(b)
	case b.set.TLS == config.Implicit:
		err = w.public.ServeTLS(b, "", "")
	default:
		err = w.public.Serve(b)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (w *web) shutdown(ctx context.Context) error {
	var failed error
	for _, s := range []*http.Server{w.public, w.local} {
		// The listeners are closed already, which Shutdown complains of.
		if err := s.Shutdown(ctx); err != nil && !errors.Is(err, net.ErrClosed) {
			failed = err
			s.Close()
		}
	}
	return failed
}

// identified gives each request an ID, which stands in its log line and goes back to the client.
func (w *web) identified(h http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		id := rand.Text()[:12]
		rw.Header().Set(admin.RequestID, id)
		rw.Header().Set("X-Content-Type-Options", "nosniff")
		start := time.Now()
		h.ServeHTTP(rw, r)
		w.server.log.Debug("http request", "request", id, "method", r.Method, "path", r.URL.Path,
			"peer", r.RemoteAddr, "took", time.Since(start))
	})
}

// guarded lets a request through if may does.
func (w *web) guarded(h http.Handler, may func(*http.Request) error) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if err := may(r); err != nil {
			status := http.StatusForbidden
			if fault.Is(err, fault.Unauthenticated) {
				status = http.StatusUnauthorized
				rw.Header().Set("WWW-Authenticate", `Bearer realm="postroad"`)
			}
			http.Error(rw, fault.TextOf(err), status)
			return
		}
		h.ServeHTTP(rw, r)
	})
}

// mayMeasure lets this machine read the metrics; others need the token.
func (w *web) mayMeasure(r *http.Request) error {
	forwarded := r.Header.Get("X-Forwarded-For") + r.Header.Get("Forwarded")
	if onLoopback(r) && forwarded == "" && w.ourName(r.Host) {
		return nil
	}
	c, err := w.server.whoAdministers(r)
	if err == nil && !c.Server {
		err = fault.New(fault.Denied, "the metrics are for administrators of the whole server")
	}
	return err
}

// ourName reports whether a request was meant for this server: a web page can let a name of its own lead
// to loopback, and have a browser here read what comes (DNS rebinding), but not these names.
func (w *web) ourName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost") || strings.EqualFold(host, w.server.config.Hostname)
}

// onLoopback reports whether the request came to an address that only this machine reaches.
func onLoopback(r *http.Request) bool {
	a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && loopback(a)
}

// listenerAt is where a request's context has the address of the listener that it came by.
type listenerAt struct{}

// viaLoopback reports whether the request came to this server on this machine, though perhaps to another address at a web server in front of
// it, which says so by a PROXY header and may have ended TLS.
func viaLoopback(r *http.Request) bool {
	a, ok := r.Context().Value(listenerAt{}).(net.Addr)
	return ok && loopback(a) || onLoopback(r)
}

// health tells whether the server works at all: restart it if not.
func (w *web) health(rw http.ResponseWriter, _ *http.Request) {
	if err := w.server.broken(); err != nil {
		http.Error(rw, "the store cannot be written to", http.StatusServiceUnavailable)
		return
	}
	rw.Write([]byte("ok\n"))
}

// readiness tells whether all listeners are open.
func (w *web) readiness(rw http.ResponseWriter, r *http.Request) {
	select {
	case <-w.server.ready:
		w.health(rw, r)
	default:
		http.Error(rw, "starting", http.StatusServiceUnavailable)
	}
}

var frontPage = template.Must(template.New("").Parse(`<!doctype html>
<meta charset="utf-8"><title>{{.Name}}</title>
<style>body{font:16px/1.5 sans-serif;max-width:36em;margin:4em auto;padding:0 1em}</style>
<h1>{{.Name}}</h1>
<p>This is a mail server, Postroad. People read and send their mail here with a mail program.</p>
{{if .Pages}}<p><a href="/account">Your account</a>: password, two-step verification, passkeys, app passwords</p>
{{end}}<p><a href="/mail/setup">How to set up a mail program</a></p>
<p>Nothing else is on this page. Administrators: <code>/healthz</code>, <code>/metrics</code>.</p>
`))

func (w *web) front(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	rw.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	c := w.server.config
	frontPage.Execute(rw, struct {
		Name  string
		Pages bool
	}{c.Hostname, !c.Pages.Off}) // the client has gone if this fails
}
