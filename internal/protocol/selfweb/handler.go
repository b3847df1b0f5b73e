package selfweb

import (
	"context"
	"crypto/hmac"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/words"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/audit"
	"postroad/internal/service/auth"
	"postroad/internal/service/oauth"
	"postroad/internal/service/passkey"
)

// Path is where the pages begin.
const Path = "/account"

// Grants are what people have allowed programs; see oauth.Provider.
type Grants interface {
	Grants(ctx context.Context, id ident.AccountID) ([]oauth.Grant, error)
	EndGrant(ctx context.Context, id ident.AccountID, name string) (int, error)
}

// Service is a port at which mail programs read or send mail.
type Service struct {
	What     string // "imap", "pop3" or "smtp"
	Host     string
	Port     uint16
	Implicit bool // TLS from the first byte; else STARTTLS
}

// Config is what the pages need. Engine and Directory are required.
type Config struct {
	Engine    *auth.Engine
	Directory *directory.Directory
	Mailboxes *mailbox.Store // nil: expunged messages aren't shown
	Grants    Grants         // nil: there are none
	Audit     *audit.Log     // nil: nothing is remembered
	Fetched   Fetched        // nil: mail is fetched from nowhere
	// Name is what people call this server.
	Name string
	// Services are where mail programs read and send mail, the best of each kind first.
	Services []Service
	// SetupURL is the page that tells mail programs' settings, and ProfileURL where Apple's devices find a profile; both get "?email=". "": none.
	SetupURL, ProfileURL string
	// TimeZone is what people most likely mean by a time of day, such as "Europe/Berlin"; "": UTC.
	TimeZone string
	// RequireTwoStep: two-step verification can't be turned off.
	RequireTwoStep bool
	Now            func() time.Time // default time.Now
	Logger         *slog.Logger     // default: nothing is logged
}

// cookieName: the prefix has browsers see to it that no other host, and no page in the clear, sets it (RFC 6265bis §4.1.3.2).
const cookieName = "__Host-postroad"

// maxBody bounds what is read of a request, in bytes.
const maxBody = 128 << 10

// maxReading is how many may read the log of what has happened at a time.
const maxReading = 2

// ownActs begins what the log calls things that people do to their own accounts.
const ownActs = "own."

type handler struct {
	Config
	pages   map[string]page
	reading chan struct{} // has room while few read the log
}

// New makes a handler for Path and all below it. It must be reached over TLS, or from this machine.
func New(c Config) (http.Handler, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	h := &handler{Config: c, reading: make(chan struct{}, maxReading)}
	var err error
	if h.pages, err = parsePages(); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path+"/style.css", static("text/css; charset=utf-8", style))
	mux.HandleFunc("GET "+Path+"/passkey.js", static("text/javascript; charset=utf-8", passkey.Script))
	mux.HandleFunc("GET "+Path+"/times.js", static("text/javascript; charset=utf-8", timesScript))
	h.routes(mux)
	own := http.NewCrossOriginProtection()
	own.SetDenyHandler(http.HandlerFunc(h.foreign))
	return guard(own.Handler(mux)), nil
}

func (h *handler) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+signInPath, h.anybody((*visit).signInPage))
	mux.HandleFunc("POST "+signInPath, h.anybody((*visit).signIn))
	mux.HandleFunc("POST "+signOutPath, h.signedIn((*visit).signOut, anyTime))
	mux.HandleFunc("GET "+Path, h.signedIn((*visit).overview, anyTime))
	mux.HandleFunc("POST "+languagePath, h.signedIn((*visit).setLanguage, anyTime))
	for _, s := range sections() {
		if s.path == Path || !s.isHere(h) {
			continue
		}
		mux.HandleFunc("GET "+s.path, h.signedIn(s.show, s.when))
		for _, act := range s.acts {
			mux.HandleFunc("POST "+s.path+act.path, h.signedIn(act.do, s.when))
		}
	}
	mux.HandleFunc(Path+"/", h.anybody(func(v *visit) { v.message(http.StatusNotFound, "This page isn't here.") }))
}

// guard sets what all answers have in common.
func guard(next http.Handler) http.Handler {
	const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		set := w.Header().Set
		set("Cache-Control", "no-store")
		set("Content-Security-Policy", policy)
		set("Referrer-Policy", "same-origin") // not no-referrer, which takes Origin from our own forms
		set("X-Frame-Options", "DENY")
		set("X-Content-Type-Options", "nosniff")
		set("Cross-Origin-Opener-Policy", "same-origin")
		set("Cross-Origin-Resource-Policy", "same-origin")
		set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), publickey-credentials-get=(self), publickey-credentials-create=(self)")
		next.ServeHTTP(w, r)
	})
}

func static(kind string, b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable") // pages ask for it by its digest
		w.Write(b)                                                             //nolint:errcheck // the client has gone if this fails
	}
}

// visit is a request that is being answered.
type visit struct {
	*handler
	w      http.ResponseWriter
	r      *http.Request
	t      *words.Texts
	tongue string             // the language that the visitor has chosen for their account; "": none
	in     auth.Pages         // the session; the zero Pages if nobody is signed in
	who    *directory.Profile // nil likewise
}

func (h *handler) visit(w http.ResponseWriter, r *http.Request) *visit {
	return &visit{handler: h, w: w, r: r, t: words.For(r.Header.Get("Accept-Language"))}
}

// foreign answers forms that other sites have sent.
func (h *handler) foreign(w http.ResponseWriter, r *http.Request) {
	h.visit(w, r).message(http.StatusForbidden, "This form was not sent from a page of this server. Go back and try again.")
}

// anybody serves also those who aren't signed in.
func (h *handler) anybody(f func(*visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := h.visit(w, r)
		if err := v.recognise(); err != nil && !fault.Is(err, fault.Unauthenticated) {
			v.broken(err)
			return
		}
		f(v)
	}
}

// recognise finds the session of the cookie.
func (v *visit) recognise() error {
	c, err := v.r.Cookie(cookieName)
	if err != nil {
		return fault.New(fault.Unauthenticated, "nobody is signed in")
	}
	v.in, v.who, err = v.Engine.Pages(v.r.Context(), c.Value)
	if err != nil {
		v.in, v.who = auth.Pages{}, nil
		return err
	}
	return v.inOwnLanguage()
}

// when says how lately somebody must have shown who they are.
type when int

const (
	anyTime when = iota
	lately
)

// signedIn serves those who are signed in, and sends all others to sign in.
func (h *handler) signedIn(f func(*visit), w when) http.HandlerFunc {
	return h.anybody(func(v *visit) {
		posted := v.r.Method == http.MethodPost
		switch {
		case v.who == nil:
			v.toSignIn()
		case posted && !v.tokenFits():
			v.message(http.StatusForbidden, "This form was not sent from a page of this server. Go back and try again.")
		case v.in.Setup && !slices.Contains([]string{twoStepPath, passkeysPath, signOutPath}, v.section()):
			v.redirect(twoStepPath)
		case w == lately && !v.in.Fresh(v.Now()):
			v.toSignIn()
		default:
			f(v)
		}
	})
}

// section is the page that a request belongs to: a form's path begins with it.
func (v *visit) section() string {
	rest, _, _ := strings.Cut(strings.TrimPrefix(v.r.URL.Path, Path+"/"), "/")
	return Path + "/" + rest
}

// toSignIn has somebody show who they are, and come back.
func (v *visit) toSignIn() {
	back := v.section()
	if v.r.URL.Path == Path {
		back = Path
	}
	v.redirect(signInPath + "?" + url.Values{"next": {back}}.Encode())
}

const formToken = "form"

func (v *visit) tokenFits() bool {
	return hmac.Equal([]byte(v.r.PostFormValue("token")), []byte(v.in.Token(formToken)))
}

// redirect answers a form, or a page that isn't to be had, by another page.
func (v *visit) redirect(to string) {
	v.w.Header().Set("Location", to)
	v.w.WriteHeader(http.StatusSeeOther)
}

// done goes back to a section with a word of what was done.
func (v *visit) done(section, word string) {
	v.redirect(section + "?" + url.Values{"done": {word}}.Encode())
}

// inside gives where to go on, if that is a page of ours: else anybody could send people elsewhere by a link that begins with our name.
func inside(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || strings.ContainsAny(next, "\\\r\n\t") || path.Clean(u.Path) != u.Path {
		return Path
	}
	if u.Path == Path || strings.HasPrefix(u.Path, Path+"/") && u.Path != signInPath && u.Path != signOutPath {
		return u.RequestURI()
	}
	return Path
}

// peer is who asks.
func (v *visit) peer() auth.Peer {
	p := auth.Peer{Protocol: "web", TLS: v.r.TLS, PlainAllowed: v.r.TLS == nil} // who lets us be reached without TLS has ended it in front
	if a, err := netip.ParseAddrPort(v.r.RemoteAddr); err == nil {
		p.Addr = a.Addr().Unmap().WithZone("")
	}
	return p
}

// setCookie hands the session to the browser. It ends with the browser, or when the server says so. Lax, so that links from elsewhere find
// people signed in; forms from elsewhere don't get it.
func (v *visit) setCookie(value string) {
	c := &http.Cookie{Name: cookieName, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(v.w, c)
}

// goOn gives the session its new cookie, since what may be done with it has changed.
func (v *visit) goOn(cookie string, in auth.Pages, err error) error {
	if err == nil {
		v.setCookie(cookie)
		v.in = in
	}
	return err
}

// act remembers what somebody has done to their account.
func (v *visit) act(what, detail string) {
	if v.Audit == nil {
		return
	}
	e := audit.Entry{What: ownActs + what, Who: v.who.Account.Address, Detail: detail, Protocol: "web", TLS: v.r.TLS != nil}
	if a := v.peer().Addr; a.IsValid() {
		e.Client = a.String()
	}
	if err := v.Audit.Act(context.WithoutCancel(v.r.Context()), e); err != nil {
		v.Logger.Error("cannot write down what somebody did", "error", err)
	}
}
