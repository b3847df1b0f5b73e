package oauthweb

import (
	_ "embed"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/auth"
	"postroad/internal/service/oauth"
	"postroad/internal/service/passkey"
)

// Config is what a Handler needs. Provider and Engine are required.
type Config struct {
	Provider *oauth.Provider
	Engine   *auth.Engine
	Name     string           // what people call this server; default: the issuer's host
	Now      func() time.Time // default time.Now
	Logger   *slog.Logger     // default: nothing is logged
}

// Paths of the endpoints. Metadata is where RFC 8414 and OpenID Connect Discovery want it.
const (
	Prefix      = "/oauth/"
	pathPage    = Prefix + "authorize"
	pathToken   = Prefix + "token"
	pathStart   = Prefix + "device_authorization"
	pathDevice  = Prefix + "device"
	pathRevoke  = Prefix + "revoke"
	pathInspect = Prefix + "introspect"
	pathJoin    = Prefix + "register"
	pathWho     = Prefix + "userinfo"
	pathKeys    = Prefix + "keys"
	pathScript  = Prefix + "passkey.js"
	pathStyle   = Prefix + "style.css"
)

// Endpoints are the addresses at which people allow programs to act for them, and at which programs get their tokens.
func Endpoints(issuer string) (authorize, token string) { return issuer + pathPage, issuer + pathToken }

// Metadata lists the paths of the metadata.
func Metadata() []string {
	return []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"}
}

// maxBody bounds what is read of a request, in bytes.
const maxBody = 64 << 10

type handler struct {
	Config
	starts limiter // of device authorizations
	misses limiter // of codes of devices that there aren't
}

// New makes a handler for the paths below Prefix and those of Metadata. It must be reached over TLS.
func New(c Config) http.Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if u, err := url.Parse(c.Provider.Issuer()); err == nil && c.Name == "" {
		c.Name = u.Hostname()
	}
	h := &handler{Config: c, starts: limiter{now: c.Now, one: startsOfOne, all: startsOfAll}, misses: limiter{now: c.Now, one: missesOfOne, all: missesOfAll}}
	mux := http.NewServeMux()
	for _, path := range Metadata() {
		mux.HandleFunc("GET "+path, h.metadata)
	}
	mux.HandleFunc("GET "+pathKeys, h.keys)
	mux.HandleFunc("GET "+pathScript, static("text/javascript; charset=utf-8", passkey.Script))
	mux.HandleFunc("GET "+pathStyle, static("text/css; charset=utf-8", style))
	mux.HandleFunc("POST "+pathToken, h.token)
	mux.HandleFunc("POST "+pathStart, h.startDevice)
	mux.HandleFunc("POST "+pathRevoke, h.revoke)
	mux.HandleFunc("POST "+pathInspect, h.introspect)
	mux.HandleFunc("POST "+pathJoin, h.register)
	mux.HandleFunc("GET "+pathWho, h.userinfo)
	mux.HandleFunc("POST "+pathWho, h.userinfo)
	// Forms come from our own pages only.
	own := http.NewCrossOriginProtection()
	mux.HandleFunc("GET "+pathPage, h.page)
	mux.Handle("POST "+pathPage, own.Handler(http.HandlerFunc(h.authorize)))
	mux.HandleFunc("GET "+pathDevice, h.devicePage)
	mux.Handle("POST "+pathDevice, own.Handler(http.HandlerFunc(h.device)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		w.Header().Set("Cache-Control", "no-store") // RFC 6749 §5.1
		w.Header().Set("Referrer-Policy", "no-referrer")
		mux.ServeHTTP(w, r)
	})
}

//go:embed style.css
var style []byte

// static serves what the pages need.
func static(kind string, b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Write(b) //nolint:errcheck // the client has gone if this fails
	}
}

// peer is who asks.
func (h *handler) peer(r *http.Request) auth.Peer {
	p := auth.Peer{Protocol: "web", TLS: r.TLS, PlainAllowed: r.TLS == nil} // who lets us be reached without TLS has ended it in front
	if a, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		p.Addr = a.Addr().Unmap().WithZone("")
	}
	return p
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // the client has gone if this fails
}

// failure is the answer of RFC 6749 §5.2.
type failure struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// fail answers a program with what went wrong.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	var code oauth.Code
	switch {
	case errors.As(err, &code):
		reply(w, http.StatusBadRequest, failure{string(code), fault.TextOf(err)})
	case fault.Is(err, fault.RateLimited):
		reply(w, http.StatusTooManyRequests, failure{"temporarily_unavailable", fault.TextOf(err)})
	case fault.Is(err, fault.Invalid), fault.Is(err, fault.NotFound):
		reply(w, http.StatusBadRequest, failure{"invalid_request", fault.TextOf(err)})
	default:
		h.Logger.ErrorContext(r.Context(), "OAuth request failed", "path", r.URL.Path, "error", err)
		reply(w, http.StatusServiceUnavailable, failure{"temporarily_unavailable", ""})
	}
}

// client finds and verifies the client of a request (RFC 6749 §2.3): by HTTP Basic, or by fields of the form. If it can't, it has answered.
func (h *handler) client(w http.ResponseWriter, r *http.Request) (c oauth.Client, ok bool) {
	if err := r.ParseForm(); err != nil {
		reply(w, http.StatusBadRequest, failure{"invalid_request", "the form can't be read"})
		return c, false
	}
	id, secret, basic := r.BasicAuth()
	if basic {
		id, secret = unescape(id), unescape(secret)
	} else {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	c, err := h.Provider.Client(id)
	if err != nil || !c.Admits(secret) {
		if basic {
			w.Header().Set("WWW-Authenticate", `Basic realm="postroad"`)
		}
		reply(w, http.StatusUnauthorized, failure{"invalid_client", ""})
		return c, false
	}
	return c, true
}

// unescape: RFC 6749 §2.3.1 encodes both parts of Basic as a form does.
func unescape(s string) string {
	if t, err := url.QueryUnescape(s); err == nil {
		return t
	}
	return s
}
