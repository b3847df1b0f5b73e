// Package autoconfig tells mail programs their settings, so that people need to know no more than their address and password.
//
//	h := autoconfig.New(autoconfig.Options{Settings: settings, Hostname: "mail.example.org", ...})
//	http.ListenAndServe(":443", h.Before(everything))
//
// It answers over HTTP, to whoever asks:
//
//   - Thunderbird, K-9, Evolution and others: an XML file (draft-ietf-mailmaint-autoconfig, read here as its editor's copy of 2026), at
//     /mail/config-v1.1.xml of autoconfig.<domain>, and /.well-known/autoconfig/mail/config-v1.1.xml;
//   - Outlook: Autodiscover, "plain old XML" ([MS-OXDSCLI]) at /autodiscover/autodiscover.xml, and the newer JSON that leads to other services;
//   - iPhones, iPads and Macs: a configuration profile, signed, at /mail/apple.mobileconfig;
//   - people: a page at /mail/setup with all settings, and a QR code that leads telephones to the profile.
//
// What is told is the same for all addresses of a domain, whether they exist or not. Which domains are served is no secret: the DNS tells it.
//
// Services of Exchange (Endpoint) are told if there are any. PACC (draft-ietf-mailmaint-pacc) is not spoken: its
// drafts of 2026 still changed (-02 in February, -04 since), and they ask not to be cited but as work in progress.
package autoconfig

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"strings"

	"postroad/internal/fault"
)

// Protocol is what a service speaks.
type Protocol string

// What services speak.
const (
	IMAP       Protocol = "imap"
	POP3       Protocol = "pop3"
	Submission Protocol = "smtp"
)

// Service is a port at which programs read or send mail. All of them use the whole address as the name to sign in with.
type Service struct {
	Protocol Protocol
	Host     string // as A-labels
	Port     uint16
	// Implicit: TLS from the first byte. Otherwise the program must ask for it (STARTTLS).
	Implicit bool
}

// Endpoint is a service that is found by its address, as those of Exchange are. Name is what Autodiscover calls it: "ActiveSync", "Ews".
type Endpoint struct{ Name, URL string }

// Settings are what programs are told for a domain.
type Settings struct {
	// Domain is the addresses', as A-labels; Name is what people may call the provider.
	Domain, Name string
	// Services are those for mail, the preferred of each protocol first.
	Services  []Service
	Endpoints []Endpoint
	// OAuth2 is where programs get tokens that are good for all Services; nil: passwords only.
	OAuth2 *OAuth2
}

// OAuth2 is a provider of tokens with which any program may register itself (RFC 7591).
type OAuth2 struct {
	Issuer           string // its name, an https address
	Authorize, Token string // addresses of its endpoints
	Scope            string // what to ask for
}

// first is the preferred service of a protocol.
func (s *Settings) first(p Protocol) (Service, bool) {
	for _, x := range s.Services {
		if x.Protocol == p {
			return x, true
		}
	}
	return Service{}, false
}

// Options are what a Handler is made of.
type Options struct {
	// Settings tells those of a domain, given as somebody wrote it. fault.NotFound: it isn't served here, or can't be a domain.
	Settings func(ctx context.Context, domain string) (Settings, error)
	// Base is our address for people's programs, as "https://mail.example.org": its certificate is for that name.
	Base string
	// Certificate signs profiles; nil, or one that returns nil: they aren't signed.
	Certificate func() *tls.Certificate
	// Secure tells whether a request came safely: over TLS, or from a web server in front of us. Nil: over TLS.
	Secure func(*http.Request) bool
	// Logger hears what goes wrong here. Nil: nobody does.
	Logger *slog.Logger
}

// Handler answers. It is safe for concurrent use.
type Handler struct {
	o       Options
	signing chan struct{} // has room while nothing is signed
}

// New makes a Handler.
func New(o Options) *Handler {
	if o.Secure == nil {
		o.Secure = func(r *http.Request) bool { return r.TLS != nil }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{o, make(chan struct{}, 1)}
}

// Paths that are answered. Those of Autodiscover are compared without case, since programs write them in several ways.
const (
	ConfigPath    = "/mail/config-v1.1.xml"
	WellKnownPath = "/.well-known/autoconfig/mail/config-v1.1.xml"
	ProfilePath   = "/mail/apple.mobileconfig"
	SetupPath     = "/mail/setup"
	POXPath       = "/autodiscover/autodiscover.xml"
	JSONPath      = "/autodiscover/autodiscover.json"
)

// Before answers what is asked at one of the paths, and leaves all else to next.
func (h *Handler) Before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer := h.answers(r.URL.Path); answer != nil {
			w.Header().Set("Cache-Control", "no-store") // a program that asks again wants to know what has changed
			answer(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// answers says who answers at a path.
func (h *Handler) answers(path string) http.HandlerFunc {
	switch path {
	case ConfigPath, WellKnownPath:
		return reading(h.thunderbird)
	case ProfilePath:
		return reading(h.profile)
	case SetupPath:
		return reading(h.page)
	}
	switch lower := strings.ToLower(path); {
	case lower == POXPath:
		return h.pox
	case lower == JSONPath, strings.HasPrefix(lower, JSONPath+"/"):
		return reading(h.json)
	}
	return nil
}

// reading lets GET and HEAD in.
func reading(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
			return
		}
		f(w, r)
	}
}

// settings are those for an address, or for the host that was asked if there is none.
func (h *Handler) settings(r *http.Request, address string) (Settings, error) {
	if address != "" {
		domain, err := domainOf(address)
		if err != nil {
			return Settings{}, err
		}
		return h.o.Settings(r.Context(), domain)
	}
	return h.hostSettings(r.Context(), askedDomain(r.Host))
}

// maxAbove is how many names above a host are looked at.
const maxAbove = 5

// hostSettings are those of the domain that a host is in: of example.org for mail.example.org.
func (h *Handler) hostSettings(ctx context.Context, host string) (s Settings, err error) {
	for range maxAbove {
		s, err = h.o.Settings(ctx, host)
		if _, above, ok := strings.Cut(host, "."); ok && fault.Is(err, fault.NotFound) {
			host = above
			continue
		}
		break
	}
	return s, err
}

// maxAddress is the longest address (RFC 5321 §4.5.3.1.3).
const maxAddress = 254

// domainOf is the domain of an address. What comes before it is only asked to be harmless: it is told back, and whether it exists isn't known here.
func domainOf(address string) (string, error) {
	at := strings.LastIndexByte(address, '@')
	if at < 1 || at == len(address)-1 || len(address) > maxAddress || strings.ContainsFunc(address, unfit) {
		return "", fault.New(fault.Invalid, "this is not an address")
	}
	return address[at+1:], nil
}

// unfit is what no address has that a person types.
func unfit(c rune) bool {
	return c <= ' ' || c == 0x7F || c >= 0x80 && c < 0xA0 || c == 0xFFFD || strings.ContainsRune(`<>"\,;`, c)
}

// askedDomain is what a request's host is for: autoconfig.example.org is for example.org.
func askedDomain(host string) string {
	host, _, _ = strings.Cut(host, ":")
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, prefix := range []string{"autoconfig.", "autodiscover."} {
		if rest, ok := strings.CutPrefix(host, prefix); ok {
			return rest
		}
	}
	return host
}

// refuse tells a program, or a person, what is wrong.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	switch fault.KindOf(err) {
	case fault.Invalid:
		http.Error(w, fault.TextOf(err), http.StatusBadRequest)
	case fault.NotFound:
		http.Error(w, "This domain is not served here", http.StatusNotFound)
	default:
		h.o.Logger.ErrorContext(r.Context(), "cannot tell a program its settings", "err", err)
		http.Error(w, "Not now", http.StatusServiceUnavailable)
	}
}

// write sends an answer.
func write(w http.ResponseWriter, contentType string, b []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Write(b) //nolint:errcheck // the client has gone if this fails
}
