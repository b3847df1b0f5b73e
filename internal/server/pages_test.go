package server_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
	"postroad/internal/service/passkey/passkeytest"
)

// surfer is a browser at the pages of a server.
type surfer struct {
	t      *testing.T
	client *http.Client
	body   string
	status int
}

func newSurfer(t *testing.T, s *servertest.Server) *surfer {
	t.Helper()
	client := httpOver(t, s, servertest.HTTPS)
	jar, err := cookiejar.New(nil)
	must(t, err)
	client.Jar = jar
	return &surfer{t: t, client: client}
}

func (b *surfer) read(resp *http.Response, err error) *http.Response {
	b.t.Helper()
	must(b.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(b.t, err)
	b.body, b.status = string(text), resp.StatusCode
	return resp
}

func (b *surfer) get(path string) {
	b.t.Helper()
	b.read(b.client.Get("https://" + servertest.Hostname + path))
}

// post sends a form, with the token of the page before.
func (b *surfer) post(path string, pairs ...string) *http.Response {
	b.t.Helper()
	form := url.Values{"token": {b.find(`name="token" value="([^"]*)"`)}}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return b.read(b.client.PostForm("https://"+servertest.Hostname+path, form))
}

func (b *surfer) find(pattern string) string {
	m := regexp.MustCompile(pattern).FindStringSubmatch(b.body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

const asked = `data-passkey-(?:get|create)="([^"]*)"`

func (b *surfer) shows(text string) {
	b.t.Helper()
	if !strings.Contains(b.body, text) {
		b.t.Fatalf("%d: the page doesn't say %q:\n%s", b.status, text, b.body)
	}
}

// People sign in at their pages, make a passkey, and turn two-step verification on by it; an app password opens IMAP at once, and no more once it
// was removed. Administrators see the passkey and the browser, and end both.
func TestPeoplesPages(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	ctx := context.Background()
	s.AddAccount("ann")
	b := newSurfer(t, s)
	b.get("/")
	b.shows(`href="/account"`)
	b.post("/account/sign-in", "login", ann, "password", servertest.Password)
	b.shows("Here you look after")

	k := passkeytest.New(t, "https://"+servertest.Hostname)
	b.get("/account/passkeys")
	b.post("/account/passkeys", "name", "phone", "passkey", string(k.Create([]byte(b.find(asked)))))
	b.shows("The passkey was added")
	mail := s.Dial(servertest.IMAP)
	if got := imapSays(t, mail, "LOGIN "+ann+" "+servertest.Password); !strings.HasPrefix(got, "a OK") {
		t.Fatal(got)
	}
	b.get("/account/two-step")
	b.post("/account/two-step/by-passkeys")
	b.shows("Your recovery codes")
	if _, err := mail.Read(make([]byte, 1)); err == nil {
		t.Error("the session that the password alone has opened goes on")
	}
	opens := func(password string) bool {
		return strings.HasPrefix(imapSays(t, s.Dial(servertest.IMAP), "LOGIN "+ann+` "`+password+`"`), "a OK")
	}
	if opens(servertest.Password) {
		t.Error("the password alone opens IMAP")
	}
	b.get("/account/app-passwords")
	b.post("/account/app-passwords", "name", "mail", "for", "imap", "days", "30")
	app := b.find(`class="secret"><code>([^<]*)`)
	if !opens(app) {
		t.Error("the app password doesn't open IMAP")
	}
	b.get("/account/app-passwords")
	b.post("/account/app-passwords/remove", "name", "mail")
	if opens(app) {
		t.Error("it does still")
	}

	a := s.Store().Admin
	if keys, err := a.Passkeys(ctx, ann); err != nil || len(keys) != 1 || keys[0].Name != "phone" || !keys[0].BackedUp || keys[0].Model != "" {
		t.Errorf("%+v %v", keys, err)
	}
	list, err := a.Sessions(ctx, admin.SessionQuery{Address: ann})
	must(t, err)
	if len(list) != 1 || list[0].Protocol != "web" || list[0].Key != "password" || !strings.HasPrefix(list[0].ID, "web-") {
		t.Fatalf("%+v", list)
	}
	wants(t, a.RemovePasskey(ctx, admin.PasskeyName{Address: ann, Name: "phone"}), fault.Conflict)
	wants(t, a.RemovePasskey(ctx, admin.PasskeyName{Address: ann, Name: "x"}), fault.NotFound)
	if n, err := a.EndSessions(ctx, admin.SessionQuery{ID: list[0].ID}); err != nil || n.Sessions != 1 {
		t.Errorf("%+v %v", n, err)
	}
	b.get("/account")
	b.shows("Sign in")
	b.post("/account/sign-in", "passkey", string(k.Get([]byte(b.find(asked)))))
	b.shows("Here you look after")
	must(t, a.EndTwoStep(ctx, ann))
	must(t, a.RemovePasskey(ctx, admin.PasskeyName{Address: ann, Name: "phone"}))
	b.get("/account")
	b.shows("Sign in")
	acts, err := a.Audit(ctx, admin.AuditQuery{Kinds: []string{"act"}, Who: ann})
	must(t, err)
	done := map[string]bool{}
	for _, e := range acts {
		done[e.What] = true
	}
	for _, what := range []string{"own.passkey.add", "own.two_step.on", "own.app_password.add", "own.app_password.remove"} {
		if !done[what] {
			t.Errorf("%s isn't remembered", what)
		}
	}
}

// At the pages of our OAuth provider a passkey does, too: alone, and as the second step.
func TestPasskeysAtTheOAuthProvider(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) { c.OAuth.Enable = true }})
	s.AddAccount("ann")
	b := newSurfer(t, s)
	b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host != servertest.Hostname {
			return http.ErrUseLastResponse
		}
		return nil
	}
	b.post("/account/sign-in", "login", ann, "password", servertest.Password)
	k := passkeytest.New(t, "https://"+servertest.Hostname)
	b.get("/account/passkeys")
	b.post("/account/passkeys", "name", "phone", "passkey", string(k.Create([]byte(b.find(asked)))))
	b.get("/account/two-step")
	b.post("/account/two-step/by-passkeys")
	b.shows("Your recovery codes")

	resp, err := b.client.Post("https://"+servertest.Hostname+"/oauth/register", "application/json", strings.NewReader(`{"client_name":"Thing","redirect_uris":["http://127.0.0.1/cb"]}`))
	must(t, err)
	defer resp.Body.Close()
	var c struct {
		ID string `json:"client_id"`
	}
	must(t, json.NewDecoder(resp.Body).Decode(&c))
	sum := sha256.Sum256([]byte(strings.Repeat("v", 50)))
	wish := url.Values{"response_type": {"code"}, "client_id": {c.ID}, "redirect_uri": {"http://127.0.0.1:99/cb"}, "scope": {"mail"}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "state": {"s&t"}}
	allow := func(pairs ...string) *http.Response {
		t.Helper()
		all := []string{"allow", "yes"}
		for k := range wish {
			all = append(all, k, wish.Get(k))
		}
		return b.post("/oauth/authorize", append(all, pairs...)...)
	}
	wantCode := func(resp *http.Response) {
		t.Helper()
		u, err := url.Parse(resp.Header.Get("Location"))
		must(t, err)
		if resp.StatusCode != http.StatusSeeOther || u.Query().Get("code") == "" || u.Query().Get("state") != "s&t" {
			t.Errorf("%d %s", resp.StatusCode, u)
		}
	}
	b.get("/oauth/authorize?" + wish.Encode())
	b.shows("Thing")
	if strings.Contains(b.body, "webauthn") {
		t.Error("who chooses a passkey for the name lets the program in, unasked")
	}
	wantCode(allow("passkey", string(k.Get([]byte(b.find(asked))))))

	if resp := allow("login", ann, "password", servertest.Password); resp.StatusCode != http.StatusOK {
		t.Errorf("%d", resp.StatusCode)
	}
	b.shows("Recovery code")
	half, request := b.find(`name="half" value="([^"]*)"`), b.find(asked)
	allow("half", half, "code", "wrong")
	b.shows("is wrong")
	b.shows(`name="half"`)
	allow("half", half+"x", "code", "wrong")
	b.shows("is wrong")
	wantCode(allow("half", half, "passkey", string(k.Get([]byte(request)))))
	b.get("/oauth/passkey.js")
	b.shows("navigator.credentials")
	if b.get("/oauth/style.css"); b.status != http.StatusOK {
		t.Errorf("%d", b.status)
	}
}

func TestPagesAreOff(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) { c.Pages.Off = true }})
	b := newSurfer(t, s)
	for _, path := range []string{"/account", "/account/sign-in", "/account/style.css"} {
		if b.get(path); b.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, b.status)
		}
	}
	b.get("/")
	if strings.Contains(b.body, "/account") {
		t.Error("the front page leads there")
	}
}

func TestPagesInTheClear(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	if status, _ := get(t, httpOver(t, s, servertest.HTTP), "http://"+servertest.Hostname+"/account/sign-in"); status != http.StatusForbidden {
		t.Errorf("%d", status)
	}
}

// Where two-step verification is required, the password alone opens no mail, and no program gets in by it.
func TestTwoStepIsRequired(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) { c.Auth.TwoStep, c.OAuth.Enable = config.Compulsory, true }})
	s.AddAccount("ann")
	if got := imapSays(t, s.Dial(servertest.IMAP), "LOGIN "+ann+" "+servertest.Password); !strings.Contains(got, "two-step") {
		t.Error(got)
	}
	b := newSurfer(t, s)
	b.post("/account/sign-in", "login", ann, "password", servertest.Password)
	b.shows("It is required here")
	ask := func(path, kind, body string, v any) {
		t.Helper()
		resp, err := b.client.Post("https://"+servertest.Hostname+path, kind, strings.NewReader(body))
		must(t, err)
		defer resp.Body.Close()
		must(t, json.NewDecoder(resp.Body).Decode(v))
	}
	var c struct {
		ID   string `json:"client_id"`
		Code string `json:"user_code"`
	}
	ask("/oauth/register", "application/json", `{"client_name":"Thing","redirect_uris":["http://127.0.0.1/cb"]}`, &c)
	ask("/oauth/device_authorization", "application/x-www-form-urlencoded", url.Values{"client_id": {c.ID}, "scope": {"mail"}}.Encode(), &c)
	b.post("/oauth/device", "user_code", c.Code, "login", ann, "password", servertest.Password, "allow", "yes")
	b.shows("Two-step verification is required here")
}

// TestPagesBehindAProxy: of a visitor who comes by a web server in front of us the log has the address that it tells, and of others their own.
func TestPagesBehindAProxy(t *testing.T) {
	for trusted, want := range map[string]string{"192.0.2.1": "192.0.2.7", "198.51.100.1": "192.0.2.1"} {
		s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) { c.HTTP.TrustedProxies = []string{trusted} }})
		s.AddAccount("ann")
		b := newSurfer(t, s)
		b.client.Transport = saying{b.client.Transport, "203.0.113.9, 192.0.2.7"}
		b.get("/account")
		b.post("/account/sign-in", "login", ann, "password", "wrong")
		b.post("/account/sign-in", "login", ann, "password", servertest.Password)
		b.get("/account/activity")
		if strings.Count(b.body, want) < 2 || strings.Contains(b.body, "203.0.113.9") || want != "192.0.2.7" && strings.Contains(b.body, "192.0.2.7") {
			t.Errorf("%s: %s", trusted, b.body)
		}
		must(t, s.Stop())
	}
}

// saying adds what a web server in front says of whom it speaks for.
type saying struct {
	http.RoundTripper
	text string
}

func (s saying) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", s.text)
	return s.RoundTripper.RoundTrip(r)
}
