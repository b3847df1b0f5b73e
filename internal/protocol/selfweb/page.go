package selfweb

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/words"
	"postroad/internal/service/audit"
	"postroad/internal/service/auth"
	"postroad/internal/service/passkey"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed static/style.css
var style []byte

//go:embed static/times.js
var timesScript []byte

// page is a parsed template.
type page = *template.Template

func parsePages() (map[string]page, error) {
	layout, err := template.ParseFS(pageFiles, "pages/layout.html", "pages/parts.html")
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	names, err := fs.Glob(pageFiles, "pages/*.html")
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	all := map[string]page{}
	for _, name := range names {
		one, err := layout.Clone()
		if err == nil {
			one, err = one.ParseFS(pageFiles, name)
		}
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "")
		}
		all[strings.TrimSuffix(strings.TrimPrefix(name, "pages/"), ".html")] = one
	}
	return all, nil
}

// view is what a template shows.
type view struct {
	t *words.Texts

	Server, Title        string
	Style, Script, Times string // their addresses
	Address, Name        string // of who is signed in; "": nobody
	Nav                  []link
	Token                string
	Problem, Done        string
	Wide                 bool
	Body                 any
}

type link struct {
	Path, Text, Icon string
	Here             bool
}

// Lang is the language of the page.
func (v *view) Lang() string { return v.t.Language() }

// T gives a text in the language of the page, with its arguments filled in.
func (v *view) T(text string, args ...any) string { return v.t.Say(text, args...) }

// Time writes a moment, for people and for programs.
func (v *view) Time(t time.Time) template.HTML {
	if t.IsZero() {
		return template.HTML(template.HTMLEscapeString(v.T("never")))
	}
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`, t.Format(time.RFC3339), t.Format("2006-01-02 15:04 UTC")))
}

// Form is what a form of a page needs to be believed.
func (v *view) Form() template.HTML {
	return template.HTML(`<input type="hidden" name="token" value="` + template.HTMLEscapeString(v.Token) + `">`)
}

func digested(name string, b []byte) string {
	sum := sha256.Sum256(b)
	return Path + "/" + name + "?" + hex.EncodeToString(sum[:6])
}

// show writes a page.
func (v *visit) show(status int, name string, x view) {
	x.t, x.Server = v.t, v.Config.Name
	x.Style, x.Script, x.Times = digested("style.css", style), digested("passkey.js", passkey.Script), digested("times.js", timesScript)
	if v.who != nil {
		x.Address, x.Name, x.Token = v.who.Account.Address, v.who.Account.DisplayName, v.in.Token(formToken)
		x.Nav = v.nav()
	}
	if x.Done == "" {
		x.Done = v.t.Say(doneTexts[v.r.URL.Query().Get("done")])
	}
	x.Problem, x.Title = v.t.Say(x.Problem), v.t.Say(x.Title)
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.Header().Set("Content-Language", v.t.Language())
	v.w.Header().Set("Vary", "Accept-Language, Cookie")
	v.w.WriteHeader(status)
	if err := v.pages[name].ExecuteTemplate(v.w, "layout", &x); err != nil && v.r.Context().Err() == nil {
		v.Logger.ErrorContext(v.r.Context(), "a page can't be written", "page", name, "error", err)
	}
}

// message is a page that says no more than one thing.
func (v *visit) message(status int, text string) {
	v.show(status, "message", view{Title: "Your account", Problem: text})
}

// broken answers what has failed for no fault of the visitor's.
func (v *visit) broken(err error) {
	if fault.Is(err, fault.Unauthenticated) { // the session has ended meanwhile
		v.redirect(signInPath)
		return
	}
	if !errors.Is(err, v.r.Context().Err()) {
		v.Logger.ErrorContext(v.r.Context(), "a page failed", "path", v.r.URL.Path, "error", err)
	}
	v.message(http.StatusServiceUnavailable, "It doesn't work at the moment. Try again later.")
}

// reasons are what people are told of errors, by kind.
type reasons map[fault.Kind]string

// problem says what an error means to people; "": that is for broken.
func (r reasons) problem(err error) string {
	if text := r[fault.KindOf(err)]; text != "" {
		return text
	}
	switch fault.KindOf(err) {
	case fault.RateLimited:
		return "Too many tries. Wait a few minutes."
	case fault.NotFound:
		return "It is gone already."
	}
	return ""
}

// Size writes a number of bytes for people, as it is written in their language.
func (v *view) Size(n int64) string {
	text := sizeText(n)
	switch v.Lang() {
	case "fr":
		text = strings.Replace(text, "B", "o", 1) // octets
		fallthrough
	case "de":
		text = strings.Replace(text, ".", ",", 1)
	}
	return text
}

func sizeText(n int64) string {
	units := []string{"B", "KB", "MB", "GB", "TB"}
	f, at := float64(n), 0
	for f >= 999.5 && at < len(units)-1 {
		f, at = f/1000, at+1
	}
	if f < 10 && at > 0 {
		return fmt.Sprintf("%.1f %s", f, units[at])
	}
	return fmt.Sprintf("%.0f %s", f, units[at])
}

// Protocol writes the name of a protocol for people.
func (v *view) Protocol(name string) string { return protocolName(name) }

func protocolName(name string) string {
	switch name {
	case "imap", "pop3", "smtp", "lmtp":
		return strings.ToUpper(name)
	case "submission":
		return "SMTP"
	case "managesieve":
		return "ManageSieve"
	case "web":
		return "Web"
	}
	return name
}

// Key says what was signed in with: its kind in the language of the page, and its name.
func (v *view) Key(key string) string {
	for _, kind := range []auth.KeyKind{auth.AppPassword, auth.Password, auth.Certificate, auth.Token, auth.Passkey} {
		if name, ok := strings.CutPrefix(key, string(kind)); ok {
			return v.T(string(kind)) + name
		}
	}
	return key
}

// What says what an entry of the log is, to people.
func (v *view) What(e audit.Entry) string {
	text := activityTexts[e.What]
	if text == "" {
		text = activityTexts[e.Kind.String()]
	}
	if text == "" {
		return e.What
	}
	return v.T(text)
}

// Actor says who has done something to an account, other than its owner: the log has who asked, and over the network from where.
func (v *view) Actor(who string) string {
	name, from, far := strings.Cut(who, " from ")
	switch name {
	case "socket":
		name = v.T("a command on the server")
	case "token":
		name = v.T("the administrators' token")
	}
	if far {
		name += " · " + from
	}
	return name
}
