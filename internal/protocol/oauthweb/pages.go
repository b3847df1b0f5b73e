package oauthweb

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/format/words"
	"postroad/internal/service/auth"
	"postroad/internal/service/oauth"
)

// asked are the parameters of an authorization request that the form carries along.
var asked = []string{"response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method", "nonce"}

// view is what a page shows.
type view struct {
	Server  string
	Action  string
	Fields  map[string]string // hidden
	Client  string
	Host    string // where the answer goes; "": to a device
	Scheme  string // likewise, if it is a program on the same machine
	Known   bool   // an administrator knows the client
	Mail    bool   // it wants mail, and not only to know who somebody is
	Login   string
	Device  bool // the page of devices
	Code    string
	Problem string
	Done    string

	Half    string // the password was right, and the second step is wanted
	Codes   bool   // which may be a code of an authenticator
	Request string // what the browser is to ask passkeys for; "": nothing
	Script  string
	Style   string

	status int // of the answer
	t      *words.Texts
	about  []any // fills in what Problem leaves blank
}

// Passkeys aren't offered in the field of the name, as on other pages: choosing one there would let the program in by the way.
var pageTemplate = template.Must(template.New("").Parse(`<!doctype html>
<html lang="{{.Lang}}"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Server}}</title>
<meta name="color-scheme" content="light dark"><link rel="stylesheet" href="{{.Style}}"><link rel="icon" href="data:,">
<main><h1>{{.Server}}</h1>
{{if .Done}}<p>{{.Done}}</p>{{else}}
{{if .Client}}<p><b>{{.Client}}</b> {{if .Mail}}{{.T "wants to read, change and send your mail."}}{{else}}{{.T "wants to know who you are."}}{{end}}</p>
{{if not .Known}}<p class="n">{{.T "Nobody has checked that the program is what it calls itself."}}{{if .Scheme}} {{.T "The answer goes to the program %s." .Scheme}}{{else if .Host}} {{.T "The answer goes to %s." .Host}}{{end}} {{.T "Go on only if you have just asked it to set up your mail."}}</p>{{end}}
{{else if .Device}}<p>{{.T "Type the code that your device shows."}}</p>{{else}}<p class="p">{{.Problem}}</p>{{end}}
{{if or .Client .Device}}
{{if .Problem}}<p class="p" role="alert">{{.Problem}}</p>{{end}}
{{if and .Client .Request .Half}}{{template "passkey" .}}{{end}}
<form method="post" action="{{.Action}}">
{{template "fields" .}}{{if .Half}}<input type="hidden" name="half" value="{{.Half}}">{{if .Device}}<input type="hidden" name="user_code" value="{{.Code}}">{{end}}
<label>{{if .Codes}}{{.T "Code of your authenticator, or a recovery code"}}{{else}}{{.T "Recovery code"}}{{end}} <input name="code" autocomplete="one-time-code" required></label>
<button name="allow" value="yes">{{.T "Sign in and allow"}}</button><button name="allow" value="no" formnovalidate>{{.T "Refuse"}}</button>
</form>{{else}}{{if .Device}}<label>{{.T "Code of the device"}} <input name="user_code" value="{{.Code}}" autocomplete="off" required></label>{{end}}
{{if .Client}}<label>{{.T "Address"}} <input name="login" value="{{.Login}}" autocomplete="username" required></label>
<label>{{.T "Password"}} <input type="password" name="password" autocomplete="current-password" required></label>
<button name="allow" value="yes">{{.T "Sign in and allow"}}</button><button name="allow" value="no" formnovalidate>{{.T "Refuse"}}</button>
{{else}}<button>{{.T "Go on"}}</button>{{end}}
</form>{{if and .Client .Request}}{{template "passkey" .}}{{end}}{{end}}{{end}}{{if .Request}}<script src="{{.Script}}" defer></script>{{end}}{{end}}
</main>
{{define "fields"}}{{range $k, $v := .Fields}}<input type="hidden" name="{{$k}}" value="{{$v}}">
{{end}}{{end}}
{{define "passkey"}}<form method="post" action="{{.Action}}" data-passkey-get="{{.Request}}" hidden>
{{template "fields" .}}{{if .Device}}<input type="hidden" name="user_code" value="{{.Code}}">{{end}}<input type="hidden" name="half" value="{{.Half}}">
<input type="hidden" name="allow" value="yes"><input type="hidden" name="passkey"><button>{{if .Half}}{{.T "Use a passkey and allow"}}{{else}}{{.T "Sign in with a passkey and allow"}}{{end}}</button>
<p class="p passkey-problem" role="alert" hidden>{{.T "Nothing came from the passkey. Try again, or use another way."}}</p></form>{{end}}
`))

// Lang is the language of the page, which the browser has asked for: before somebody has signed in, that of their account would tell that
// there is one.
func (v *view) Lang() string { return v.t.Language() }

// T gives a text in the language of the page, with its arguments filled in.
func (v *view) T(text string, args ...any) string { return v.t.Say(text, args...) }

// show writes a page.
func (h *handler) show(w http.ResponseWriter, r *http.Request, status int, v view) {
	v.t = words.For(r.Header.Get("Accept-Language"))
	v.Problem, v.Done = v.T(v.Problem, v.about...), v.T(v.Done)
	if v.Client == namelessProgram {
		v.Client = v.T(v.Client)
	}
	v.Server, v.Script, v.Style = h.Name, pathScript, pathStyle
	if v.Client != "" && v.Request == "" && v.Half == "" {
		if request, err := h.Engine.PasskeyRequest(); err == nil {
			v.Request = string(request)
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", v.Lang())
	w.Header().Set("Vary", "Accept-Language")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'")
	w.Header().Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	pageTemplate.Execute(w, &v) // the client has gone if this fails
}

// request is an authorization request that may be answered.
type request struct {
	client oauth.Client
	form   url.Values
	scope  []string
}

// read takes an authorization request apart (RFC 6749 §4.1.1, RFC 7636 §4.3). What can't be told to the client is shown to the person,
// lest we send people to addresses that a stranger has made up (§3.1.2.4).
func (h *handler) read(w http.ResponseWriter, r *http.Request) (q request, ok bool) {
	if err := r.ParseForm(); err != nil {
		h.show(w, r, http.StatusBadRequest, view{Problem: "The request can't be read."})
		return q, false
	}
	q.form = r.Form
	var err error
	if q.client, err = h.Provider.Client(q.form.Get("client_id")); err != nil {
		h.show(w, r, http.StatusBadRequest, view{Problem: "This server doesn't know the program that sent you here."})
		return q, false
	}
	if !q.client.MayRedirect(q.form.Get("redirect_uri")) {
		h.show(w, r, http.StatusBadRequest, view{Problem: "The program that sent you here asks for an answer to an address that isn't its own."})
		return q, false
	}
	q.scope = oauth.Scope(q.form.Get("scope"))
	for _, name := range asked {
		if len(q.form[name]) > 1 { // RFC 6749 §3.1
			h.complain(w, r, &q, "invalid_request", name+" comes twice")
			return q, false
		}
	}
	switch {
	case q.form.Get("response_type") != "code":
		h.complain(w, r, &q, "unsupported_response_type", "response_type must be code")
	case q.form.Get("code_challenge_method") != "S256" || len(q.form.Get("code_challenge")) != 43:
		h.complain(w, r, &q, "invalid_request", "PKCE with S256 is needed")
	case len(q.form.Get("nonce")) > maxNonce:
		h.complain(w, r, &q, "invalid_request", "the nonce is too long")
	case q.form.Get("prompt") == "none":
		h.complain(w, r, &q, "login_required", "nobody is signed in")
	default:
		return q, true
	}
	return q, false
}

// maxNonce bounds what is kept of a request with the grant, in bytes.
const maxNonce = 512

// complain tells a program that its request can't be. Anybody may register a program: if that lets us send people to a site
// without having asked them, it lets everybody send people there by a link that begins with our name (RFC 9700 §4.11.2). They see
// what is wrong here then.
func (h *handler) complain(w http.ResponseWriter, r *http.Request, q *request, code, why string) {
	if u, err := url.Parse(q.form.Get("redirect_uri")); err != nil || !q.client.Known && u.Scheme == "https" {
		h.show(w, r, http.StatusBadRequest, view{Problem: "The program that sent you here made a mistake: %s.", about: []any{why}})
		return
	}
	h.answer(w, r, q, "error", code, "error_description", why)
}

// answer sends the person back to the program.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, q *request, pairs ...string) {
	u, err := url.Parse(q.form.Get("redirect_uri"))
	if err != nil {
		h.show(w, r, http.StatusBadRequest, view{Problem: "The request can't be read."})
		return
	}
	values := u.Query()
	values.Set("iss", h.Provider.Issuer()) // RFC 9207
	if state := q.form.Get("state"); state != "" {
		values.Set("state", state)
	}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	u.RawQuery = values.Encode()
	w.Header().Set("Location", u.String())
	w.WriteHeader(http.StatusSeeOther) // RFC 9700 §4.12: not 307, which would pass the password on
}

// view is the page of a request.
func (q *request) view(problem string) view {
	v := view{Action: pathPage, Fields: map[string]string{}, Client: nameOf(&q.client), Known: q.client.Known, Mail: slices.Contains(q.scope, oauth.ScopeMail), Problem: problem}
	for _, name := range asked {
		v.Fields[name] = q.form.Get(name)
	}
	if u, err := url.Parse(q.form.Get("redirect_uri")); err == nil {
		if v.Host = u.Hostname(); v.Host == "" {
			v.Scheme = u.Scheme
		}
	}
	v.Login = firstOf(q.form.Get("login"), q.form.Get("login_hint"))
	return v
}

// namelessProgram is what one is called that has no name.
const namelessProgram = "A program without a name"

func nameOf(c *oauth.Client) string { return firstOf(c.Name, namelessProgram) }

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// page shows the form (RFC 6749 §3.1).
func (h *handler) page(w http.ResponseWriter, r *http.Request) {
	if q, ok := h.read(w, r); ok {
		h.show(w, r, http.StatusOK, q.view(""))
	}
}

// enter lets in whoever has filled in the form, or says on the page what is wanted still.
func (h *handler) enter(r *http.Request, v *view) (who oauth.Consent, ok bool) {
	form := r.PostFormValue
	by := auth.ByHand{Login: form("login"), Password: form("password"), Half: form("half"), Code: form("code"), Passkey: []byte(form("passkey"))}
	in, err := h.Engine.Enter(r.Context(), h.peer(r), by)
	if err != nil {
		v.status, v.Problem = h.problem(r, err)
		if by.Half == "" {
			return who, false
		}
		if in, err = h.Engine.Enter(r.Context(), h.peer(r), auth.ByHand{Half: by.Half}); err != nil { // it has taken too long
			return who, false
		}
	}
	switch {
	case in.Half != "":
		if v.Problem == "" {
			v.status = http.StatusOK
		}
		v.Half, v.Codes, v.Request = in.Half, in.Codes, string(in.Request)
		return who, false
	case in.Setup:
		v.status, v.Problem = http.StatusForbidden, "Two-step verification is required here: set it up on the pages of your account first."
		return who, false
	}
	return oauth.Consent{Account: in.Identity.Account, PasswordVersion: in.PasswordVersion()}, true
}

// authorize takes the form.
func (h *handler) authorize(w http.ResponseWriter, r *http.Request) {
	q, ok := h.read(w, r)
	if !ok {
		return
	}
	if r.PostFormValue("allow") != "yes" {
		h.answer(w, r, &q, "error", "access_denied")
		return
	}
	v := q.view("")
	who, ok := h.enter(r, &v)
	if !ok {
		h.show(w, r, v.status, v)
		return
	}
	code, err := h.Provider.Authorize(r.Context(), oauth.Request{By: who, Client: q.client, Redirect: q.form.Get("redirect_uri"), Scope: q.scope,
		Challenge: q.form.Get("code_challenge"), Nonce: q.form.Get("nonce")})
	if fault.Is(err, fault.Unauthenticated) { // the password has changed in this moment
		v.status, v.Problem = h.problem(r, err)
		h.show(w, r, v.status, v)
		return
	}
	if err != nil {
		h.Logger.ErrorContext(r.Context(), "cannot authorize", "error", err)
		h.answer(w, r, &q, "error", "temporarily_unavailable")
		return
	}
	h.answer(w, r, &q, "code", code)
}

// problem says what a person is told of a sign-in that failed.
func (h *handler) problem(r *http.Request, err error) (status int, text string) {
	switch fault.KindOf(err) {
	case fault.Unauthenticated:
		return http.StatusForbidden, "The address, the password, the code or the passkey is wrong."
	case fault.Invalid:
		return http.StatusBadRequest, "The passkey's answer can't be used here."
	case fault.Denied:
		return http.StatusForbidden, fault.TextOf(err) + "."
	case fault.RateLimited:
		return http.StatusTooManyRequests, "Too many tries. Wait a few minutes."
	}
	if !errors.Is(err, r.Context().Err()) {
		h.Logger.ErrorContext(r.Context(), "sign-in failed", "error", err)
	}
	return http.StatusServiceUnavailable, "It doesn't work at the moment. Try again later."
}

// devicePage shows the form for the code of a device (RFC 8628 §3.3).
func (h *handler) devicePage(w http.ResponseWriter, r *http.Request) {
	v := view{Action: pathDevice, Device: true, Code: r.FormValue("user_code"), Mail: true}
	if v.Code == "" {
		h.show(w, r, http.StatusOK, v)
		return
	}
	if h.guesses(w, r) {
		return
	}
	h.showDevice(w, r, http.StatusOK, v)
}

// guesses turns away those who have typed too many wrong codes.
func (h *handler) guesses(w http.ResponseWriter, r *http.Request) bool {
	full := h.misses.full(h.peer(r).Addr)
	if full {
		h.show(w, r, http.StatusTooManyRequests, view{Problem: "Too many wrong codes. Wait ten minutes."})
	}
	return full
}

// showDevice shows the form with the name of the program that waits.
func (h *handler) showDevice(w http.ResponseWriter, r *http.Request, status int, v view) {
	c, err := h.Provider.Device(r.Context(), v.Code)
	switch {
	case err == nil:
		v.Client = nameOf(&c)
	case fault.Is(err, fault.NotFound):
		h.misses.admit(h.peer(r).Addr)
		status, v.Problem = http.StatusBadRequest, "There is no such code, or it has expired."
	default:
		status, v.Problem = http.StatusServiceUnavailable, "It doesn't work at the moment. Try again later."
	}
	h.show(w, r, status, v)
}

// device takes the form.
func (h *handler) device(w http.ResponseWriter, r *http.Request) {
	v := view{Action: pathDevice, Device: true, Code: r.PostFormValue("user_code"), Login: r.PostFormValue("login"), Mail: true}
	allow := r.PostFormValue("allow")
	if h.guesses(w, r) {
		return
	}
	if allow == "" {
		h.showDevice(w, r, http.StatusOK, v)
		return
	}
	if allow != "yes" {
		switch err := h.Provider.Decide(r.Context(), v.Code, nil); {
		case fault.Is(err, fault.NotFound):
			h.misses.admit(h.peer(r).Addr)
		case err != nil:
			h.Logger.ErrorContext(r.Context(), "cannot refuse a device", "error", err)
		}
		h.show(w, r, http.StatusOK, view{Done: "The device was not let in."})
		return
	}
	who, ok := h.enter(r, &v)
	if !ok {
		h.showDevice(w, r, v.status, v)
		return
	}
	if err := h.Provider.Decide(r.Context(), v.Code, &who); err != nil {
		if !fault.Is(err, fault.NotFound) { // the password has changed in this moment, or it doesn't work
			v.status, v.Problem = h.problem(r, err)
		}
		h.showDevice(w, r, max(v.status, http.StatusBadRequest), v)
		return
	}
	h.show(w, r, http.StatusOK, view{Done: "The device is let in. You can close this page."})
}
