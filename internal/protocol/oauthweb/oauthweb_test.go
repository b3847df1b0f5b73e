package oauthweb

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/directory/directorytest"
	"postroad/internal/model/ident"
	"postroad/internal/service/auth"
	"postroad/internal/service/oauth"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a provider on loopback, with ann, whose password is "secret", and the site "shop", whose secret is "s&cret".
type world struct {
	t        testing.TB
	provider *oauth.Provider
	dir      *directory.Directory
	ann      ident.AccountID
	web      *httptest.Server
	client   *http.Client

	mu    sync.Mutex
	now   time.Time         // guarded by mu
	then  func()            // guarded by mu; is called once when somebody has signed in, and no more is done yet
	ended []ident.AccountID // guarded by mu
}

// signedIn hears of sign-ins.
type signedIn struct {
	slog.Handler
	w *world
}

func (signedIn) Enabled(context.Context, slog.Level) bool { return true }

func (h signedIn) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "sign-in" {
		return nil
	}
	h.w.mu.Lock()
	then := h.w.then
	h.w.then = nil
	h.w.mu.Unlock()
	if then != nil {
		then()
	}
	return nil
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	dir, db := directorytest.Open(t, directory.Options{Now: w.clock}, "example.org")
	w.dir = dir
	a, err := w.dir.AddAccount(t.Context(), directory.NewAccount{Address: "ann@example.org", Password: "secret"})
	must(t, err)
	w.ann = a.ID
	var h http.Handler
	w.web = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { h.ServeHTTP(rw, r) }))
	t.Cleanup(w.web.Close)
	w.provider, err = oauth.New(t.Context(), oauth.Options{DB: db, Directory: w.dir, Issuer: w.web.URL, Now: w.clock,
		Clients: []oauth.Client{{ID: "shop", Name: "The shop", Secret: "s&cret", Redirects: []string{"https://shop.example/back"}}},
		Ended: func(_ context.Context, id ident.AccountID) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.ended = append(w.ended, id)
		}})
	must(t, err)
	h = New(Config{Provider: w.provider, Engine: auth.New(w.dir, auth.Options{Now: w.clock, Logger: slog.New(signedIn{slog.DiscardHandler, w})}), Now: w.clock})
	w.client = w.web.Client()
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return w
}

const verifier = "a-verifier-that-is-long-enough-for-rfc-7636-0123"

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

const back = "http://127.0.0.1:5678/cb"

// register makes a client of a program on loopback.
func (w *world) register() string {
	w.t.Helper()
	status, body := w.post(pathJoin, "application/json", `{"client_name":"Thing <b>","redirect_uris":["http://127.0.0.1/cb","org.thing:/cb"],"grant_types":["authorization_code"],"token_endpoint_auth_method":"none"}`, nil)
	var c struct {
		ID string `json:"client_id"`
	}
	if status != http.StatusCreated || json.Unmarshal(body, &c) != nil || c.ID == "" {
		w.t.Fatalf("%d %s", status, body)
	}
	return c.ID
}

func (w *world) post(path, mediaType, body string, header http.Header) (int, []byte) {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodPost, w.web.URL+path, strings.NewReader(body))
	must(w.t, err)
	r.Header.Set("Content-Type", mediaType)
	for k, v := range header {
		r.Header[k] = v
	}
	resp, err := w.client.Do(r)
	must(w.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(w.t, err)
	if resp.Header.Get("Cache-Control") != "no-store" {
		w.t.Errorf("%s may be stored", path)
	}
	if l := resp.Header.Get("Location"); l != "" {
		return resp.StatusCode, []byte(l)
	}
	return resp.StatusCode, b
}

func (w *world) form(path string, pairs ...string) (int, []byte) {
	w.t.Helper()
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return w.post(path, "application/x-www-form-urlencoded", v.Encode(), nil)
}

// grant is what the token endpoint gives.
type grant struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
	Scope   string `json:"scope"`
	Lasts   int    `json:"expires_in"`
	Error   string `json:"error"`
}

func (w *world) token(pairs ...string) (g grant) {
	w.t.Helper()
	status, body := w.form(pathToken, pairs...)
	must(w.t, json.Unmarshal(body, &g))
	if (status == http.StatusOK) != (g.Error == "") {
		w.t.Errorf("%d %s", status, body)
	}
	return g
}

func wish(client string) []string {
	return []string{"response_type", "code", "client_id", client, "redirect_uri", back, "scope", "openid mail offline_access unheard-of", "state", "st&te",
		"code_challenge", challengeOf(verifier), "code_challenge_method", "S256", "nonce", "n1"}
}

// signIn is a person who allows a program in; it returns the code.
func (w *world) signIn(client string) string {
	w.t.Helper()
	status, location := w.form(pathPage, append(wish(client), "login", "ann@example.org", "password", "secret", "code", "", "allow", "yes")...)
	u, err := url.Parse(string(location))
	must(w.t, err)
	q := u.Query()
	if status != http.StatusSeeOther || !strings.HasPrefix(u.String(), back+"?") || q.Get("state") != "st&te" || q.Get("iss") != w.web.URL || q.Get("code") == "" {
		w.t.Fatalf("%d %s", status, location)
	}
	return q.Get("code")
}

func (w *world) redeem(client, code string) grant {
	w.t.Helper()
	return w.token("grant_type", "authorization_code", "client_id", client, "code", code, "redirect_uri", back, "code_verifier", verifier)
}

func (w *world) good(token string) bool {
	w.t.Helper()
	c, err := w.provider.Verify(w.t.Context(), token)
	if err != nil && !fault.Is(err, fault.Unauthenticated) {
		w.t.Error(err)
	}
	return err == nil && c.Login == "ann@example.org"
}

// The whole way of a mail program: metadata, registration, the page, code, tokens, refresh, revocation. go-oidc reads the metadata
// and verifies the ID token.
func TestCodeFlow(t *testing.T) {
	w := newWorld(t)
	ctx := oidc.ClientContext(t.Context(), w.client)
	found, err := oidc.NewProvider(ctx, w.web.URL)
	must(t, err)
	if e := found.Endpoint(); e.AuthURL != w.web.URL+pathPage || e.TokenURL != w.web.URL+pathToken || e.DeviceAuthURL != w.web.URL+pathStart {
		t.Errorf("%+v", e)
	}
	client := w.register()
	resp, err := w.client.Get(w.web.URL + pathPage + "?" + encode(wish(client)))
	must(t, err)
	page, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	must(t, err)
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(page), "Thing &lt;b&gt;") || !strings.Contains(string(page), "127.0.0.1") ||
		!strings.Contains(resp.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("%d %v\n%s", resp.StatusCode, resp.Header, page)
	}
	fields := regexp.MustCompile(`type="hidden" name="([a-z_]+)" value="([^"]*)"`).FindAllStringSubmatch(string(page), -1)
	if len(fields) != len(asked) {
		t.Errorf("%v", fields)
	}
	g := w.redeem(client, w.signIn(client))
	if g.Scope != "mail offline_access openid" || g.Lasts != 3600 || !w.good(g.Access) || w.good(g.Refresh) || w.good("") {
		t.Errorf("%+v", g)
	}
	id, err := found.Verifier(&oidc.Config{ClientID: client, Now: w.clock}).Verify(ctx, g.ID)
	must(t, err)
	var claims struct {
		Email    string  `json:"email"`
		Verified bool    `json:"email_verified"`
		Name     *string `json:"name"`
	}
	must(t, id.Claims(&claims))
	if id.Subject != oauth.Subject(w.ann) || id.Nonce != "n1" || claims.Email != "ann@example.org" || !claims.Verified || claims.Name != nil {
		t.Errorf("%+v %+v", id, claims)
	}
	next := w.token("grant_type", "refresh_token", "client_id", client, "refresh_token", g.Refresh)
	if next.Access == g.Access || next.Refresh == g.Refresh || !w.good(next.Access) || !w.good(g.Access) {
		t.Errorf("%+v", next)
	}
	if status, _ := w.form(pathRevoke, "client_id", client, "token", next.Refresh); status != http.StatusOK || w.good(next.Access) || w.good(g.Access) {
		t.Errorf("%d, and the tokens are good still", status)
	}
	if g := w.token("grant_type", "refresh_token", "client_id", client, "refresh_token", next.Refresh); g.Error != "invalid_grant" {
		t.Errorf("%+v", g)
	}
	if !slices.Equal(w.ended, []ident.AccountID{w.ann}) {
		t.Errorf("%v", w.ended)
	}
}

func encode(pairs []string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

// Things that attackers try with codes and tokens.
func TestStolenCodesAndTokens(t *testing.T) {
	w := newWorld(t)
	client, other := w.register(), w.register()
	for what, change := range map[string][]string{
		"another client": {"client_id", other}, "another address": {"redirect_uri", "http://127.0.0.1:1/cb"}, "another verifier": {"code_verifier", strings.Repeat("x", 43)},
		"no verifier": {"code_verifier", ""}, "a short verifier": {"code_verifier", "x"}, "another code": {"code", "prc_x"},
	} {
		form := []string{"grant_type", "authorization_code", "client_id", client, "code", w.signIn(client), "redirect_uri", back, "code_verifier", verifier}
		for i := 0; i < len(form); i += 2 {
			if form[i] == change[0] {
				form[i+1] = change[1]
			}
		}
		if g := w.token(form...); g.Error != "invalid_grant" {
			t.Errorf("%s: %+v", what, g)
		}
	}
	late := w.signIn(client)
	w.pass(oauth.CodeLife)
	if g := w.redeem(client, late); g.Error != "invalid_grant" {
		t.Errorf("%+v", g)
	}
	// A code that comes twice, RFC 6749 §4.1.2.
	code := w.signIn(client)
	g := w.redeem(client, code)
	if again := w.redeem(client, code); again.Error != "invalid_grant" || w.good(g.Access) {
		t.Errorf("%+v", again)
	}
	// A refresh token that comes again, RFC 9700 §4.14.2; soon, its answer may have been lost.
	g = w.redeem(client, w.signIn(client))
	refresh := func(token string) grant {
		return w.token("grant_type", "refresh_token", "client_id", client, "refresh_token", token)
	}
	first := refresh(g.Refresh)
	w.pass(20 * time.Second)
	if lost := refresh(g.Refresh); lost.Error != "" || !w.good(first.Access) {
		t.Errorf("%+v", lost)
	}
	w.pass(20 * time.Second)
	if stolen := refresh(g.Refresh); stolen.Error != "invalid_grant" || w.good(first.Access) {
		t.Errorf("%+v", stolen)
	}
	if g := refresh(first.Refresh); g.Error != "invalid_grant" {
		t.Errorf("%+v", g)
	}
	// Of another client; for another use; after its time.
	g = w.redeem(client, w.signIn(client))
	if x := w.token("grant_type", "refresh_token", "client_id", other, "refresh_token", g.Refresh); x.Error != "invalid_grant" {
		t.Errorf("%+v", x)
	}
	w.form(pathRevoke, "client_id", other, "token", g.Access)
	if x := refresh(g.Access); x.Error != "invalid_grant" || !w.good(g.Access) {
		t.Errorf("%+v", x)
	}
	w.pass(oauth.AccessLife)
	if w.good(g.Access) {
		t.Error("an old token is good")
	}
	w.pass(oauth.RefreshLife)
	if x := refresh(g.Refresh); x.Error != "invalid_grant" {
		t.Errorf("%+v", x)
	}
	must(t, w.provider.Tidy(t.Context()))
	if all, err := w.provider.Grants(t.Context(), w.ann); err != nil || len(all) != 0 {
		t.Errorf("%v %v", all, err)
	}
}

// What is taken away from an account ends what it has allowed.
func TestGrantsEndWithThePassword(t *testing.T) {
	w := newWorld(t)
	client := w.register()
	g := w.redeem(client, w.signIn(client))
	must(t, w.dir.SetEnabled(t.Context(), w.ann, false))
	if w.good(g.Access) {
		t.Error("the account is disabled")
	}
	must(t, w.dir.SetEnabled(t.Context(), w.ann, true))
	all, err := w.provider.Grants(t.Context(), w.ann)
	must(t, err)
	if len(all) != 1 || all[0].ClientName != "Thing <b>" || !w.provider.Holds(t.Context(), w.ann, all[0].ID) || !w.good(g.Access) {
		t.Errorf("%+v", all)
	}
	must(t, w.dir.SetPassword(t.Context(), w.ann, "new"))
	if x := w.token("grant_type", "refresh_token", "client_id", client, "refresh_token", g.Refresh); x.Error != "invalid_grant" || w.good(g.Access) || w.provider.Holds(t.Context(), w.ann, all[0].ID) {
		t.Errorf("%+v", x)
	}
	if _, err := w.provider.EndGrant(t.Context(), w.ann, "none"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	if n, err := w.provider.EndGrant(t.Context(), w.ann, all[0].ID); err != nil || n != 1 {
		t.Error(n, err)
	}
}

// People are sent to a program's own addresses only, with an error if need be; everything else stays here.
func TestRequestsThatCannotBe(t *testing.T) {
	w := newWorld(t)
	client := w.register()
	for what, c := range map[string]struct {
		change []string
		code   string // of the error; "": it is shown here
	}{
		"unknown client": {[]string{"client_id", "x"}, ""}, "forged client": {[]string{"client_id", client + "A"}, ""}, "another's address": {[]string{"redirect_uri", "https://evil.example/cb"}, ""},
		"another path": {[]string{"redirect_uri", back + "/x"}, ""}, "user in the address": {[]string{"redirect_uri", "http://127.0.0.1@evil.example/cb"}, ""}, "no address": {[]string{"redirect_uri", ""}, ""},
		"implicit": {[]string{"response_type", "token"}, "unsupported_response_type"}, "no PKCE": {[]string{"code_challenge", ""}, "invalid_request"},
		"plain PKCE": {[]string{"code_challenge_method", "plain"}, "invalid_request"},
	} {
		form := wish(client)
		for i := 0; i < len(form); i += 2 {
			if form[i] == c.change[0] {
				form[i+1] = c.change[1]
			}
		}
		status, body := w.form(pathPage, append(form, "login", "ann@example.org", "password", "secret", "allow", "yes")...)
		if c.code == "" && (status != http.StatusBadRequest || strings.Contains(string(body), "evil")) {
			t.Errorf("%s: %d %s", what, status, body)
		}
		if c.code != "" && (status != http.StatusSeeOther || !strings.Contains(string(body), "error="+c.code) || !strings.Contains(string(body), "state=st%26te")) {
			t.Errorf("%s: %d %s", what, status, body)
		}
	}
	if status, body := w.form(pathPage, append(wish(client), "state", "twice")...); status != http.StatusSeeOther || !strings.Contains(string(body), "error=invalid_request") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := w.form(pathPage, append(wish(client), "allow", "no")...); status != http.StatusSeeOther || !strings.Contains(string(body), "error=access_denied") {
		t.Errorf("%d %s", status, body)
	}
	for login, password := range map[string]string{"ann@example.org": "wrong", "nobody@example.org": "secret"} {
		status, body := w.form(pathPage, append(wish(client), "login", login, "password", password, "allow", "yes")...)
		if status != http.StatusForbidden || !strings.Contains(string(body), "is wrong") || strings.Contains(string(body), `"`+password+`"`) {
			t.Errorf("%d %s", status, body)
		}
	}
	// Another site's form is refused.
	status, _ := w.post(pathPage, "application/x-www-form-urlencoded", encode(append(wish(client), "login", "ann@example.org", "password", "secret", "allow", "yes")),
		http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}})
	if status != http.StatusForbidden {
		t.Errorf("%d", status)
	}
	for _, redirect := range []string{"http://evil.example/", "javascript:alert(1)", "data:x", "https://a/#x", "https://u:p@a/", "foo:/x", "//x", "", "http://127.0.0.1.evil.example/"} {
		b, _ := json.Marshal(map[string]any{"redirect_uris": []string{redirect}})
		if status, body := w.post(pathJoin, "application/json", string(b), nil); status != http.StatusBadRequest {
			t.Errorf("%q: %d %s", redirect, status, body)
		}
	}
	if status, _ := w.post(pathJoin, "application/json", "[", nil); status != http.StatusBadRequest {
		t.Errorf("%d", status)
	}
	for _, grant := range []string{"", "password", "client_credentials"} {
		if g := w.token("grant_type", grant, "client_id", client); g.Error != "unsupported_grant_type" {
			t.Errorf("%+v", g)
		}
	}
}

// RFC 8628: a device shows a code, somebody types it in elsewhere.
func TestDeviceFlow(t *testing.T) {
	w := newWorld(t)
	client := w.register()
	start := func() (d struct {
		Device string `json:"device_code"`
		User   string `json:"user_code"`
		Error  string `json:"error"`
	}) {
		_, body := w.form(pathStart, "client_id", client, "scope", "mail")
		must(t, json.Unmarshal(body, &d))
		return d
	}
	d := start()
	poll := func(device string) grant {
		return w.token("grant_type", deviceGrant, "client_id", client, "device_code", device)
	}
	if g := poll(d.Device); g.Error != "authorization_pending" {
		t.Errorf("%+v", g)
	}
	if g := poll(d.Device); g.Error != "slow_down" {
		t.Errorf("%+v", g)
	}
	typed := strings.ToLower(strings.Replace(d.User, "-", " ", 1))
	if status, body := w.form(pathDevice, "user_code", typed); status != http.StatusOK || !strings.Contains(string(body), "Thing &lt;b&gt;") {
		t.Errorf("%d %s", status, body)
	}
	for _, c := range []struct {
		code, password, want string
		status               int
	}{
		{"BBBB-BBBB", "secret", "no such code", http.StatusBadRequest}, {typed, "wrong", "is wrong", http.StatusForbidden}, {typed, "secret", "is let in", http.StatusOK}, {typed, "secret", "no such code", http.StatusBadRequest},
	} {
		if status, body := w.form(pathDevice, "user_code", c.code, "login", "ann", "password", c.password, "allow", "yes"); status != c.status || !strings.Contains(string(body), c.want) {
			t.Errorf("%d %s", status, body)
		}
	}
	g := poll(d.Device)
	if !w.good(g.Access) || g.Refresh == "" {
		t.Errorf("%+v", g)
	}
	if g := poll(d.Device); g.Error != "invalid_grant" {
		t.Errorf("%+v", g)
	}
	no := start()
	w.form(pathDevice, "user_code", no.User, "allow", "no")
	if g := poll(no.Device); g.Error != "access_denied" {
		t.Errorf("%+v", g)
	}
	late := start()
	w.pass(oauth.DeviceLife)
	if g := poll(late.Device); g.Error != "expired_token" {
		t.Errorf("%+v", g)
	}
	for range startsOfOne {
		start()
	}
	if d := start(); d.Error != "slow_down" {
		t.Errorf("%+v", d)
	}
	w.pass(oauth.DeviceLife)
	must(t, w.provider.Tidy(t.Context()))
	if d := start(); d.Error != "" {
		t.Errorf("%+v", d)
	}
}

// A password that changes in the moment between the sign-in and what is allowed by it: nothing is allowed, and the page says why.
func TestPasswordChangesMeanwhile(t *testing.T) {
	w := newWorld(t)
	client := w.register()
	_, body := w.form(pathStart, "client_id", client, "scope", "mail")
	var d struct {
		User string `json:"user_code"`
	}
	must(t, json.Unmarshal(body, &d))
	password := "secret"
	for path, pairs := range map[string][]string{pathDevice: {"user_code", d.User}, pathPage: wish(client)} {
		w.mu.Lock()
		w.then = func() { must(t, w.dir.SetPassword(context.WithoutCancel(t.Context()), w.ann, password+"!")) }
		w.mu.Unlock()
		status, body := w.form(path, append(pairs, "login", "ann", "password", password, "allow", "yes")...)
		if status != http.StatusForbidden || !strings.Contains(string(body), "is wrong") {
			t.Errorf("%s: %d %s", path, status, body)
		}
		if password += "!"; w.then != nil {
			t.Error("nobody has signed in")
		}
	}
	if all, err := w.provider.Grants(t.Context(), w.ann); err != nil || len(all) > 0 {
		t.Errorf("%d grants, %v", len(all), err)
	}
}

// Sites with a secret may ask about tokens; others may not.
func TestIntrospection(t *testing.T) {
	w := newWorld(t)
	client := w.register()
	g := w.redeem(client, w.signIn(client))
	ask := func(token, auth string) (status int, a map[string]any) {
		status, body := w.post(pathInspect, "application/x-www-form-urlencoded", "token="+url.QueryEscape(token), http.Header{"Authorization": {auth}})
		must(t, json.Unmarshal(body, &a))
		return status, a
	}
	shop := "Basic " + base64.StdEncoding.EncodeToString([]byte("shop:s%26cret"))
	if status, a := ask(g.Access, shop); status != http.StatusOK || a["active"] != true || a["username"] != "ann@example.org" || a["client_id"] != client || a["aud"] != a["iss"] || a["aud"] == nil {
		t.Errorf("%d %v", status, a)
	}
	if status, a := ask("pra_x", shop); status != http.StatusOK || a["active"] != false || len(a) != 1 {
		t.Errorf("%d %v", status, a)
	}
	for _, auth := range []string{"", "Basic " + base64.StdEncoding.EncodeToString([]byte("shop:wrong")), "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(client)+":"))} {
		if status, a := ask(g.Access, auth); status != http.StatusUnauthorized || a["active"] != nil {
			t.Errorf("%d %v", status, a)
		}
	}
	r, err := http.NewRequest(http.MethodGet, w.web.URL+pathWho, nil)
	must(t, err)
	for token, want := range map[string]int{g.Access: http.StatusOK, g.Refresh: http.StatusUnauthorized, "": http.StatusUnauthorized} {
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := w.client.Do(r)
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%d, want %d", resp.StatusCode, want)
		}
	}
}

// A program that wants to know who somebody is gets no mail.
func TestScope(t *testing.T) {
	for asked, want := range map[string]string{"": "mail", "openid email profile": "email openid", "openid": "openid", "offline_access": "mail offline_access", "https://mail.google.com/": "mail",
		"openid mail": "mail openid", "urn:x offline_access": "mail offline_access"} {
		if got := strings.Join(oauth.Scope(asked), " "); got != want {
			t.Errorf("%q: %q, want %q", asked, got, want)
		}
	}
	w := newWorld(t)
	client := w.register()
	form := wish(client)
	form[7] = "openid email"
	_, location := w.form(pathPage, append(form, "login", "ann", "password", "secret", "allow", "yes")...)
	u, err := url.Parse(string(location))
	must(t, err)
	g := w.redeem(client, u.Query().Get("code"))
	if g.ID == "" || w.good(g.Access) {
		t.Errorf("%+v", g)
	}
}

func FuzzClient(f *testing.F) {
	w := newWorld(f)
	f.Add(w.register()+"x", back)
	f.Fuzz(func(t *testing.T, id, redirect string) {
		if c, err := w.provider.Client(id); err == nil && c.ID != "shop" {
			t.Error("a made-up client is known")
		}
		if c, err := w.provider.Register("x", []string{redirect}); err == nil {
			again, err := w.provider.Client(c.ID)
			if err != nil || !again.MayRedirect(redirect) || again.MayRedirect(redirect+"x") {
				t.Errorf("%q: %+v %v", redirect, again, err)
			}
		}
	})
}
