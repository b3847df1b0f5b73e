package selfweb

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/directory/directorytest"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/audit"
	"postroad/internal/service/auth"
	"postroad/internal/service/oauth"
	"postroad/internal/service/passkey"
	"postroad/internal/service/passkey/passkeytest"
)

const origin = "https://mail.example.org"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world has the pages, and ann and bob, whose password is "secret".
type world struct {
	t        testing.TB
	h        http.Handler
	dir      *directory.Directory
	store    *mailbox.Store
	engine   *auth.Engine
	audit    *audit.Log
	provider *oauth.Provider
	ann, bob ident.AccountID

	mu  sync.Mutex
	now time.Time // guarded by mu
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

func newWorld(t testing.TB, change ...func(*Config, *auth.Options)) *world {
	t.Helper()
	ctx := t.Context()
	w := &world{t: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	dir, db := directorytest.Open(t, directory.Options{Now: w.clock}, "example.org")
	w.dir = dir
	w.store = mailbox.NewStore(db, mailbox.Options{Now: w.clock, KeepErased: 24 * time.Hour})
	for name, id := range map[string]*ident.AccountID{"ann": &w.ann, "bob": &w.bob} {
		a, err := w.dir.AddAccount(ctx, directory.NewAccount{Address: name + "@example.org", DisplayName: name + " <b>", Password: "secret"})
		must(t, err)
		must(t, w.store.Create(ctx, a.ID, mailbox.Usage{}))
		*id = a.ID
	}
	var err error
	w.audit, err = audit.Open(ctx, db, audit.Options{Now: w.clock})
	must(t, err)
	w.provider, err = oauth.New(ctx, oauth.Options{DB: db, Directory: w.dir, Issuer: origin, Now: w.clock})
	must(t, err)
	o := auth.Options{Now: w.clock, DB: db, Site: &passkey.Site{ID: "mail.example.org", Name: "Post", Origins: []string{origin}}, Note: func(e auth.Event) {
		kind := audit.Failure
		if e.Outcome == auth.SignedIn {
			kind = audit.SignIn
		}
		who := e.Login
		if e.Address != "" {
			who = e.Address
		}
		w.audit.Note(audit.Entry{Kind: kind, What: string(e.Outcome), Who: who, Protocol: e.Protocol, Client: e.Client.String()})
	}}
	c := Config{Directory: w.dir, Mailboxes: w.store, Grants: w.provider, Audit: w.audit, Name: "mail.example.org", Now: w.clock,
		Services: []Service{{"imap", "mail.example.org", 993, true}, {"smtp", "mail.example.org", 587, false}},
		SetupURL: origin + "/mail/setup", ProfileURL: origin + "/mail/apple.mobileconfig"}
	for _, f := range change {
		f(&c, &o)
	}
	w.engine = auth.New(w.dir, o)
	c.Engine = w.engine
	w.h, err = New(c)
	must(t, err)
	return w
}

// browser is somebody's.
type browser struct {
	w      *world
	cookie string
	header http.Header
	body   string // of the last page
	status int
}

func (w *world) browser() *browser { return &browser{w: w, header: http.Header{}} }

// ask makes a request, and follows where it leads within the pages.
func (b *browser) ask(method, path string, form url.Values) *http.Response {
	b.w.t.Helper()
	answer := b.once(method, path, form)
	for range 5 {
		if answer.StatusCode != http.StatusSeeOther {
			return answer
		}
		answer = b.once(http.MethodGet, answer.Header.Get("Location"), nil)
	}
	b.w.t.Fatalf("%s leads nowhere", path)
	return nil
}

func (b *browser) once(method, path string, form url.Values) *http.Response {
	r := httptest.NewRequestWithContext(b.w.t.Context(), method, origin+path, strings.NewReader(form.Encode()))
	r.TLS, r.RemoteAddr = &tls.ConnectionState{}, "192.0.2.7:1234"
	r.Header = b.header.Clone()
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if b.cookie != "" {
		r.AddCookie(&http.Cookie{Name: cookieName, Value: b.cookie})
	}
	rec := httptest.NewRecorder()
	b.w.h.ServeHTTP(rec, r)
	answer := rec.Result()
	for _, c := range answer.Cookies() {
		if c.Name != cookieName || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
			b.w.t.Errorf("cookie %+v", c)
		}
		b.cookie = c.Value
	}
	b.status, b.body = rec.Code, rec.Body.String()
	return answer
}

func (b *browser) get(path string) string {
	b.w.t.Helper()
	b.ask(http.MethodGet, path, nil)
	return b.body
}

// post sends a form with the token of the page that was shown last.
func (b *browser) post(path string, pairs ...string) string {
	b.w.t.Helper()
	form := url.Values{"token": {b.field("token")}}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	b.ask(http.MethodPost, path, form)
	return b.body
}

// field is the value of a hidden field of the page.
func (b *browser) field(name string) string {
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(b.body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// options are what the page has the browser ask passkeys for.
func (b *browser) options() []byte {
	b.w.t.Helper()
	m := regexp.MustCompile(`data-passkey-(?:get|create)="([^"]*)"`).FindStringSubmatch(b.body)
	if m == nil {
		b.w.t.Fatalf("no passkey is asked for:\n%s", b.body)
	}
	return []byte(html.UnescapeString(m[1]))
}

func (b *browser) shows(texts ...string) {
	b.w.t.Helper()
	for _, text := range texts {
		if !strings.Contains(b.body, text) {
			b.w.t.Fatalf("%d: the page doesn't say %q:\n%s", b.status, text, b.body)
		}
	}
}

// signIn signs somebody in by password.
func (w *world) signIn(name string) *browser {
	w.t.Helper()
	b := w.browser()
	b.post(signInPath, "login", name+"@example.org", "password", "secret")
	b.shows("Here you look after")
	return b
}

// code is what an authenticator with a secret shows now.
func (w *world) code(secret string) string {
	w.t.Helper()
	key, err := base32.StdEncoding.DecodeString(secret)
	must(w.t, err)
	h := hmac.New(sha1.New, key)
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(w.clock().Unix()/30)))
	sum := h.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}

// twoStep turns two-step verification on, in the browser.
func (b *browser) twoStep() (secret string, recovery []string) {
	b.w.t.Helper()
	b.get(twoStepPath)
	b.post(twoStepPath + "/begin")
	secret = b.field("secret")
	b.post(twoStepPath+"/confirm", "secret", secret, "code", b.w.code(secret))
	b.shows("Your recovery codes")
	for _, m := range regexp.MustCompile(`<li><code>([^<]*)`).FindAllStringSubmatch(b.body, -1) {
		recovery = append(recovery, m[1])
	}
	b.w.pass(time.Minute) // a code is good once
	return secret, recovery
}

// passkey adds a passkey, in the browser.
func (b *browser) passkey(name string) *passkeytest.Key {
	b.w.t.Helper()
	k := passkeytest.New(b.w.t, origin)
	b.get(passkeysPath)
	b.post(passkeysPath, "name", name, "passkey", string(k.Create(b.options())))
	b.shows("The passkey was added", html.EscapeString(name))
	return k
}

func TestSignInByPassword(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	answer := b.once(http.MethodGet, appsPath, nil)
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != signInPath+"?next=%2Faccount%2Fapp-passwords" {
		t.Errorf("%d %s", answer.StatusCode, answer.Header.Get("Location"))
	}
	b.get(answer.Header.Get("Location"))
	for _, name := range []string{"ann@example.org", "nobody@example.org"} {
		b.post(signInPath, "login", name, "password", "wrong")
		b.shows("That is wrong", `value="`+name+`"`)
		if b.status != http.StatusForbidden || b.cookie != "" {
			t.Errorf("%d, cookie %q", b.status, b.cookie)
		}
	}
	b.post(signInPath, "login", "ann", "password", "secret", "next", appsPath)
	b.shows("Make an app password", "ann@example.org")
	b.get(Path)
	b.shows("Welcome, ann &lt;b&gt;.")
	cookie := b.cookie
	b.post(signOutPath)
	b.shows("Sign in")
	if b.cookie != "" {
		t.Error("the cookie is kept")
	}
	b.cookie = cookie
	b.get(Path)
	if b.status != http.StatusOK || strings.Contains(b.body, "ann@example.org") {
		t.Errorf("a session that has ended opens the pages: %s", b.body)
	}
}

// Somebody else's cookie, put into the browser before, isn't what signs in.
func TestSessionFixation(t *testing.T) {
	w := newWorld(t)
	attacker := w.signIn("bob")
	victim := w.browser()
	victim.cookie = attacker.cookie
	w.pass(auth.ProofLife)
	victim.post(signInPath, "login", "ann@example.org", "password", "secret")
	victim.shows("That is another account", "bob@example.org")
	if victim.cookie != attacker.cookie {
		t.Error("the session of somebody else has become ann's")
	}
	fixed := w.browser()
	fixed.cookie = strings.Repeat("A", 40)
	fixed.post(signInPath, "login", "ann@example.org", "password", "secret")
	fixed.shows("ann@example.org")
	if fixed.cookie == strings.Repeat("A", 40) {
		t.Error("the cookie that was there stays")
	}
}

func TestForeignForms(t *testing.T) {
	w := newWorld(t)
	for name, header := range map[string]http.Header{
		"by Sec-Fetch-Site": {"Sec-Fetch-Site": {"cross-site"}},
		"a sibling":         {"Sec-Fetch-Site": {"same-site"}},
		"by Origin":         {"Origin": {"https://evil.example"}},
		"null":              {"Origin": {"null"}},
	} {
		b := w.signIn("ann")
		token := b.field("token")
		b.header = header
		for _, path := range []string{signInPath, signOutPath, passwordPath, appsPath} {
			b.once(http.MethodPost, path, url.Values{"token": {token}, "login": {"bob"}, "password": {"secret"}})
			if b.status != http.StatusForbidden || !strings.Contains(b.body, "not sent from a page") {
				t.Errorf("%s: %s: %d", name, path, b.status)
			}
		}
	}
	b, other := w.signIn("ann"), w.signIn("ann")
	for _, token := range []string{"", "wrong", other.field("token")} {
		b.once(http.MethodPost, appsPath, url.Values{"token": {token}, "name": {"x"}, "for": {"imap"}, "days": {"0"}})
		if b.status != http.StatusForbidden {
			t.Errorf("token %q: %d", token, b.status)
		}
	}
	if p, err := w.dir.ProfileByID(t.Context(), w.ann); err != nil || len(p.AppPasswords) != 0 {
		t.Errorf("%v %v", p.AppPasswords, err)
	}
}

func TestNoOpenRedirect(t *testing.T) {
	for next, want := range map[string]string{
		"": Path, Path: Path, appsPath: appsPath, sessionsPath + "?done=ended": sessionsPath + "?done=ended",
		"https://evil.example/account": Path, "//evil.example/account": Path, "/\\evil.example": Path, "/account/../../evil": Path, "/account//evil": Path,
		"javascript:alert(1)": Path, "/accounting": Path, "/": Path, "/account/x\r\nSet-Cookie: a=b": Path, "http:/account": Path, "/account\\@evil.example": Path,
		signInPath: Path, signOutPath: Path, "%2F%2Fevil.example": Path,
	} {
		if got := inside(next); got != want {
			t.Errorf("%q: %q", next, got)
		}
	}
	w := newWorld(t)
	b := w.browser()
	answer := b.once(http.MethodPost, signInPath, url.Values{"login": {"ann"}, "password": {"secret"}, "next": {"https://evil.example/"}})
	if answer.Header.Get("Location") != Path {
		t.Error(answer.Header.Get("Location"))
	}
}

func TestHeaders(t *testing.T) {
	w := newWorld(t)
	b := w.signIn("ann")
	for _, path := range []string{Path, signInPath, passkeysPath, Path + "/nowhere"} {
		h := b.ask(http.MethodGet, path, nil).Header
		policy := h.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || h.Get("Cache-Control") != "no-store" || h.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %v", path, h)
		}
		if strings.Contains(b.body, "<style") || strings.Contains(b.body, " style=") || regexp.MustCompile(`<script>| on[a-z]+="`).MatchString(b.body) {
			t.Errorf("%s: what the policy forbids", path)
		}
	}
	for _, path := range []string{"/style.css", "/passkey.js"} {
		if h := b.ask(http.MethodGet, Path+path, nil).Header; b.status != http.StatusOK || !strings.Contains(h.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", path, b.status, h)
		}
	}
}

// What changes how somebody signs in wants a recent sign-in, the rest doesn't.
func TestRecentSignInIsWanted(t *testing.T) {
	w := newWorld(t)
	b := w.signIn("ann")
	w.pass(auth.ProofLife)
	b.get(sessionsPath)
	b.shows("Browsers")
	for _, path := range []string{passwordPath, twoStepPath, passkeysPath, appsPath} {
		b.get(path)
		b.shows("Confirm that it is you")
	}
	old := b.cookie
	b.get(Path)
	b.post(appsPath, "name", "x", "for", "imap", "days", "0")
	b.shows("Confirm that it is you")
	b.post(signInPath, "login", "bob@example.org", "password", "wrong", "next", appsPath)
	b.shows("That is wrong", "Confirm that it is you")
	b.post(signInPath, "password", "secret", "next", appsPath)
	b.shows("Make an app password")
	if b.cookie == old {
		t.Error("the same cookie")
	}
	stale := w.browser()
	stale.cookie = old
	stale.get(Path)
	stale.shows("Sign in")
}

func TestChangePassword(t *testing.T) {
	w := newWorld(t)
	b, other := w.signIn("ann"), w.signIn("ann")
	b.get(passwordPath)
	good := "four words of nothing"
	for _, c := range [][4]string{
		{"wrong", good, good, "The present password is wrong"}, {"secret", good, good + "x", "differ"}, {"secret", "short", "short", "too short"},
		{"secret", "aaaaaaaaaaaaa", "aaaaaaaaaaaaa", "too easy"}, {"secret", "ann@example.org", "ann@example.org", "too much like your address"},
		{"secret", strings.Repeat("long ", 300), strings.Repeat("long ", 300), "too long"}, {"secret", "tab\tand\x00zero word", "tab\tand\x00zero word", "may not have"},
	} {
		b.post(passwordPath, "present", c[0], "new", c[1], "again", c[2])
		b.shows(c[3])
	}
	b.post(passwordPath, "present", "secret", "new", good, "again", good)
	b.shows("Your password was changed")
	other.get(Path)
	other.shows("Sign in")
	again := w.browser()
	again.post(signInPath, "login", "ann", "password", "secret")
	again.shows("That is wrong")
	again.post(signInPath, "login", "ann", "password", good)
	again.shows("Here you look after")
}

// Who goes on guessing the present password in a session is slowed down as everywhere.
func TestPresentPasswordIsLimited(t *testing.T) {
	w := newWorld(t)
	b := w.signIn("ann")
	b.get(passwordPath)
	for range 6 {
		b.post(passwordPath, "present", "wrong", "new", "four words of nothing", "again", "four words of nothing")
	}
	b.shows("Too many tries")
	if b.status != http.StatusTooManyRequests {
		t.Error(b.status)
	}
}

func TestTwoStep(t *testing.T) {
	w := newWorld(t)
	b, other := w.signIn("ann"), w.signIn("ann")
	b.get(twoStepPath)
	b.post(twoStepPath + "/begin")
	b.shows("data:image/png;base64,", "otpauth://totp/example.org:ann@example.org")
	b.post(twoStepPath+"/confirm", "secret", b.field("secret"), "code", "12")
	b.shows("The code is wrong", "otpauth://totp/")
	b.post(twoStepPath+"/confirm", "secret", "<script>", "code", "12")
	if strings.Contains(b.body, "<script>") {
		t.Error("what was sent stands in the page")
	}
	secret, recovery := b.twoStep()
	if len(recovery) != 10 {
		t.Fatalf("%q", recovery)
	}
	b.get(Path) // this session has passed it
	b.shows("10 recovery codes are left")
	other.get(Path) // this one hasn't
	other.shows("Sign in")

	other.post(signInPath, "login", "ann", "password", "secret")
	other.shows("Code of your authenticator")
	if other.cookie != "" && strings.Contains(other.get(Path), "ann@example.org") {
		t.Error("the password alone opens the pages")
	}
	other.post(signInPath, "login", "ann", "password", "secret", "next", sessionsPath)
	other.post(signInPath, "half", other.field("half"), "next", other.field("next"), "code", "000 000")
	other.shows("That is wrong", "Code of your authenticator")
	other.post(signInPath, "half", other.field("half"), "next", other.field("next"), "code", w.code(secret))
	other.shows("Browsers")

	b.get(twoStepPath)
	b.post(twoStepPath + "/recovery")
	b.shows("Your recovery codes")
	b.get(twoStepPath)
	b.post(twoStepPath + "/off")
	b.shows("Two-step verification is off")
}

func TestTwoStepByPasskeys(t *testing.T) {
	w := newWorld(t)
	b := w.signIn("ann")
	b.get(twoStepPath)
	b.post(twoStepPath + "/by-passkeys")
	b.shows("or you have no passkey")
	k := b.passkey("phone")
	b.get(twoStepPath)
	b.post(twoStepPath + "/by-passkeys")
	b.shows("Your recovery codes")
	b.get(passkeysPath)
	b.post(passkeysPath+"/remove", "id", b.field("id"))
	b.shows("It is your only second step")

	again := w.browser()
	again.post(signInPath, "login", "ann", "password", "secret")
	again.shows("Recovery code")
	again.post(signInPath, "half", again.field("half"), "passkey", string(k.Get(again.options())))
	again.shows("Here you look after")
	again.get(twoStepPath)
	again.post(twoStepPath + "/begin")
	secret := again.field("secret")
	again.post(twoStepPath+"/confirm", "secret", secret, "code", w.code(secret))
	again.shows("The new authenticator is in use")
	again.get(twoStepPath)
	again.post(twoStepPath + "/remove")
	again.shows("The authenticator was removed")
}

func TestRequiredTwoStep(t *testing.T) {
	w := newWorld(t, func(c *Config, o *auth.Options) { c.RequireTwoStep, o.RequireTwoStep = true, true })
	b := w.browser()
	b.post(signInPath, "login", "ann", "password", "secret")
	b.shows("It is required here")
	for _, path := range []string{Path, appsPath, sessionsPath, activityPath, deletedPath} {
		b.get(path)
		b.shows("It is required here")
	}
	b.post(appsPath, "name", "x", "for", "imap", "days", "0")
	b.shows("It is required here")
	b.twoStep()
	b.get(appsPath)
	b.shows("Make an app password")
	b.get(twoStepPath)
	if strings.Contains(b.body, twoStepPath+"/off") {
		t.Error("it can be turned off")
	}
	b.post(twoStepPath + "/off")
	b.shows("required here")
	if two, err := w.dir.TwoStep(t.Context(), w.ann); err != nil || !two.On {
		t.Errorf("%+v %v", two, err)
	}
}

func TestPasskeys(t *testing.T) {
	w := newWorld(t)
	b, bob := w.signIn("ann"), w.signIn("bob")
	k := b.passkey("phone <b>")
	if strings.Contains(b.body, "phone <b>") {
		t.Error("the name isn't escaped")
	}
	bob.get(passkeysPath)
	stolen := *k
	bob.post(passkeysPath, "name", "mine", "passkey", string(stolen.Create(bob.options()))) // a credential of another account
	bob.shows("already")
	bob.post(passkeysPath+"/remove", "id", b.field("id"))
	bob.shows("It is gone already")
	bob.post(passkeysPath+"/rename", "id", b.field("id"), "name", "x")
	bob.shows("It is gone already")

	alone := w.browser()
	alone.get(signInPath)
	answer := string(k.Get(alone.options()))
	alone.post(signInPath, "passkey", answer, "next", sessionsPath)
	alone.shows("this one", "passkey phone &lt;b&gt;")
	replay := w.browser()
	replay.post(signInPath, "passkey", answer)
	replay.shows("That is wrong")
	replay.post(signInPath, "passkey", "{")
	replay.shows("can&#39;t be used")

	alone.get(passwordPath) // who has come by a passkey may not know the password
	if strings.Contains(alone.body, "Present password") {
		t.Error("the present password is asked for")
	}
	b.get(passkeysPath)
	b.post(passkeysPath+"/rename", "id", b.field("id"), "name", "")
	b.shows("can&#39;t be used here")
	b.post(passkeysPath+"/rename", "id", b.field("id"), "name", "telephone")
	b.shows("telephone")
	b.post(passkeysPath+"/remove", "id", b.field("id"))
	b.shows("The passkey was removed")
	alone.get(Path)
	alone.shows("Sign in")
}

func TestAppPasswords(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	b := w.signIn("ann")
	b.get(appsPath)
	for _, c := range [][]string{{"name", "", "for", "imap", "days", "0"}, {"name", "x", "days", "0"}, {"name", "x", "for", "gopher", "days", "0"}, {"name", "x", "for", "imap", "days", "7"}, {"name", "x", "for", "imap"}} {
		b.post(appsPath, c...)
		if b.status != http.StatusBadRequest {
			t.Errorf("%q: %d", c, b.status)
		}
	}
	b.post(appsPath, "name", "phone", "for", "imap", "for", "smtp", "days", "30")
	b.shows("The password for phone", "mail.example.org", "993", "/mail/apple.mobileconfig?email=ann%40example.org")
	m := regexp.MustCompile(`class="secret"><code>([^<]*)`).FindStringSubmatch(b.body)
	if m == nil {
		t.Fatal(b.body)
	}
	peer := auth.Peer{Protocol: "imap", PlainAllowed: true}
	closed := false
	peer.Connection = w.engine.Connect(func() { closed = true })
	_, err := w.engine.Login(ctx, peer, "ann@example.org", m[1])
	must(t, err)
	_, err = w.engine.Login(ctx, auth.Peer{Protocol: "pop3", PlainAllowed: true}, "ann@example.org", m[1])
	if !fault.Is(err, fault.Denied) {
		t.Error(err)
	}
	b.get(appsPath)
	b.shows("phone", "IMAP, SMTP", "good until")
	if strings.Contains(b.body, m[1]) {
		t.Error("the password is shown again")
	}
	b.get(sessionsPath)
	b.shows("app password phone")
	w.signIn("bob").post(appsPath+"/remove", "name", "phone")
	if closed {
		t.Error("bob has ended ann's session")
	}
	b.get(appsPath)
	b.post(appsPath+"/remove", "name", "phone")
	b.shows("The app password was removed")
	if !closed {
		t.Error("what was signed in with it goes on")
	}
	b.post(appsPath+"/remove", "name", "phone")
	b.shows("It is gone already")
}

func TestSessions(t *testing.T) {
	w := newWorld(t)
	b, other, bob := w.signIn("ann"), w.signIn("ann"), w.signIn("bob")
	closed := 0
	peer := auth.Peer{Protocol: "imap", PlainAllowed: true, Connection: w.engine.Connect(func() { closed++ })}
	_, err := w.engine.Login(t.Context(), peer, "ann@example.org", "secret")
	must(t, err)
	b.get(sessionsPath)
	b.shows("Firefox, Linux", "IMAP", "without TLS")
	ids := regexp.MustCompile(`name="id" value="([^"]*)"`).FindAllStringSubmatch(b.body, -1)
	if len(ids) != 2 {
		t.Fatalf("%q", ids)
	}
	bob.get(sessionsPath)
	for _, id := range ids {
		bob.post(sessionsPath+"/end", "id", id[1])
		bob.shows("It is gone already")
	}
	for _, id := range ids {
		b.post(sessionsPath+"/end", "id", id[1])
		b.shows("The session has ended")
	}
	other.get(Path)
	other.shows("Sign in")
	if closed != 1 {
		t.Errorf("%d connections were closed", closed)
	}
	other = w.signIn("ann")
	b.get(sessionsPath)
	b.post(sessionsPath + "/end-all")
	b.shows("All other sessions have ended")
	other.get(Path)
	other.shows("Sign in")
	bob.get(Path)
	bob.shows("bob@example.org")
}

func TestGrants(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c, err := w.provider.Register("Thing <b>", []string{"org.thing:/cb"})
	must(t, err)
	grant := func() {
		d, err := w.provider.StartDevice(ctx, &c, []string{oauth.ScopeMail})
		must(t, err)
		ann, err := w.dir.ProfileByID(ctx, w.ann)
		must(t, err)
		must(t, w.provider.Decide(ctx, d.User, &oauth.Consent{Account: w.ann, PasswordVersion: ann.Credential.Version}))
		_, err = w.provider.PollDevice(ctx, &c, d.Device)
		must(t, err)
	}
	grant()
	b, bob := w.signIn("ann"), w.signIn("bob")
	b.get(grantsPath)
	b.shows("Thing &lt;b&gt;", "reads, changes and sends your mail")
	id := b.field("id")
	bob.get(grantsPath)
	bob.shows("There are none")
	bob.post(grantsPath+"/end", "id", id)
	bob.shows("It is gone already")
	b.post(grantsPath+"/end", "id", "")
	b.shows("It is gone already")
	b.post(grantsPath+"/end", "id", id)
	b.shows("The program has no access any more", "There are none")
	grant()
	b.twoStep() // ends what the password alone has allowed
	b.get(grantsPath)
	b.shows("There are none")
}

func TestActivity(t *testing.T) {
	w := newWorld(t)
	w.browser().post(signInPath, "login", "ann@example.org", "password", "wrong")
	must(t, w.audit.Act(t.Context(), audit.Entry{What: "account.password", Who: "root", Detail: "address=ann@example.org"}))
	must(t, w.audit.Act(t.Context(), audit.Entry{What: "account.password", Who: "whose secret", Detail: "address=joann@example.org"}))
	must(t, w.audit.Act(t.Context(), audit.Entry{What: "own.passkey.add", Who: "bob@example.org", Detail: "name=x address=ann@example.org"}))
	b := w.signIn("ann")
	b.twoStep()
	b.get(activityPath)
	b.shows("wrong password, code or passkey", "192.0.2.7", "signed in", "you turned two-step verification on", "an administrator changed the password", "root")
	if strings.Contains(b.body, "whose secret") || strings.Contains(b.body, "bob@example.org") || strings.Contains(b.body, "you added a passkey") {
		t.Error("what was done to another account is shown")
	}
	bob := w.signIn("bob")
	bob.get(activityPath)
	if strings.Contains(bob.body, "two-step verification on") || strings.Contains(bob.body, "wrong password") {
		t.Error("bob sees ann's")
	}
}

// What others have been refused hasn't happened to somebody, and who administers another domain may name things after them; but nobody hides what
// they have done.
func TestActivityIsWhatWasDone(t *testing.T) {
	for _, x := range []struct {
		entry audit.Entry
		shown bool
	}{
		{audit.Entry{What: "account.password", Detail: "address=ann@example.org"}, true},
		{audit.Entry{What: "account.password", Detail: "address=ann@example.org", Error: "ann@example.org is not of a domain that you administer"}, false},
		{audit.Entry{What: "account.app_passwords.add", Detail: "address=joe@other.example name=x address=ann@example.org y"}, false},
		{audit.Entry{What: "account.password", Detail: "address=joe@other.example address=ann@example.org"}, true},
	} {
		w := newWorld(t)
		x.entry.Who = "boss@other.example"
		must(t, w.audit.Act(t.Context(), x.entry))
		b := w.signIn("ann")
		b.get(activityPath)
		if strings.Contains(b.body, "boss@other.example") != x.shown {
			t.Errorf("%+v: shown is %t", x.entry, !x.shown)
		}
	}
}

// Whoever guesses, or names what is theirs after somebody, drives nothing from the page of that person.
func TestActivityIsNotFlooded(t *testing.T) {
	w := newWorld(t)
	w.signIn("ann")
	w.pass(time.Minute)
	for n := range activityShown + 1 {
		w.audit.Note(audit.Entry{Kind: audit.Failure, What: string(auth.Failed), Who: "ann@example.org", Protocol: "imap", Client: fmt.Sprintf("198.51.100.%d", n)})
		must(t, w.audit.Act(t.Context(), audit.Entry{What: "own.passkey.rename", Who: "bob@example.org", Detail: fmt.Sprintf("name=%d ann@example.org", n)}))
	}
	must(t, w.audit.Act(t.Context(), audit.Entry{What: "account.password", Who: "root", Detail: "address=ann@example.org"}))
	for n := range activityShown + 1 {
		must(t, w.audit.Act(t.Context(), audit.Entry{What: "own.passkey.rename", Who: "bob@example.org", Detail: fmt.Sprintf("name=%d ann@example.org", n)}))
	}
	b := w.signIn("ann")
	b.get(activityPath)
	b.shows("an administrator changed the password", "198.51.100.77", "signed in")
	if strings.Contains(b.body, "you renamed") {
		t.Error("bob's acts are shown")
	}
}

func TestDeletedMessages(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s, err := w.store.Open(ctx, w.ann, ident.System())
	must(t, err)
	defer s.Close()
	inbox, _ := s.FolderByRole(mailbox.Inbox)
	for i := range 3 {
		writer := w.store.NewContent()
		fmt.Fprintf(writer, "From: bob@example.org\r\nSubject: letter %d <b>\r\n\r\nHello\r\n", i)
		content, err := writer.Finish()
		must(t, err)
		_, err = s.Append(ctx, inbox.ID, mailbox.Append{Content: content})
		must(t, err)
		content.Close()
	}
	_, err = s.Expunge(ctx, inbox.ID, []mailbox.UID{1, 2}, false)
	must(t, err)
	b, bob := w.signIn("ann"), w.signIn("bob")
	b.get(deletedPath)
	b.shows("letter 0 &lt;b&gt;", "letter 1", "bob@example.org", "INBOX")
	id := b.field("id")
	bob.get(deletedPath)
	bob.shows("There are none")
	bob.post(deletedPath, "id", id)
	bob.shows("Choose the messages")
	b.post(deletedPath)
	b.shows("Choose the messages")
	b.post(deletedPath, "id", id)
	b.shows("The messages are back", "letter 0")
	if strings.Contains(b.body, "letter 1") {
		t.Error("what came back is listed still")
	}
	if got, _ := s.FolderByRole(mailbox.Inbox); got.Items != 2 {
		t.Errorf("%d messages are there", got.Items)
	}
}

// What people enter about their absence is the account's setting, and what programs have set is shown.
func TestAwayPage(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *auth.Options) { c.TimeZone = "Europe/Berlin" })
	s, err := w.store.Open(t.Context(), w.ann, ident.System())
	must(t, err)
	defer s.Close()
	b := w.signIn("ann")
	b.get(awayPath)
	b.shows(`value="off" checked`, `value="Europe/Berlin"`, `<option value="all" selected`)
	set := func(more ...string) {
		t.Helper()
		b.post(awayPath, append([]string{"state", "scheduled", "start", "2026-11-21T14:00", "end", "2026-11-23T00:00", "zone", "Europe/Berlin", "text", "Away.\r\nAsk Bob <b>", "outside", "Away.", "audience", "known", "days", "7", "subject", ""}, more...)...)
	}
	set()
	b.get(Path)
	b.shows("planned", "From:", `<time datetime="2026-11-21T13:00:00Z">`)
	b.get(awayPath + "?done=away-scheduled")
	b.shows("Saved: senders are answered between", "Ask Bob &lt;b&gt;", `value="2026-11-21T14:00"`, `value="2026-11-23T00:00"`, `<option value="known" selected`, `value="7"`)
	a, x, err := s.AwayTexts(t.Context())
	must(t, err)
	start := time.Date(2026, 11, 21, 13, 0, 0, 0, time.UTC)
	if a.State != mailbox.AwayScheduled || !a.Start.Equal(start) || !a.End.Equal(time.Date(2026, 11, 22, 23, 0, 0, 0, time.UTC)) || a.Audience != mailbox.AwayKnown || a.Days != 7 || x.Inside.Plain != "Away.\nAsk Bob <b>" || x.Outside.Plain != "Away." || s.IsAway() {
		t.Errorf("%+v %+v", a, x)
	}
	w.pass(90 * time.Minute)
	b = w.signIn("ann")
	b.get(awayPath)
	b.shows("Senders are answered now.")
	b.get(Path)
	b.shows("Senders are answered.", "Until:", `<time datetime="2026-11-22T23:00:00Z">`)
	for _, wrong := range [][]string{{"zone", "Mars/North"}, {"end", "2026-11-20T00:00"}, {"start", "yesterday"}, {"days", "1000"}, {"state", "perhaps"}, {"text", " "}} {
		form := map[string]string{"state": "scheduled", "start": "2026-11-21T14:00", "end": "2026-11-23T00:00", "zone": "UTC", "text": "kept as entered", "audience": "all", "days": "0"}
		form[wrong[0]] = wrong[1]
		var pairs []string
		for k, v := range form {
			pairs = append(pairs, k, v)
		}
		b.post(awayPath, pairs...)
		if wrong[0] == "text" {
			b.shows("Write what senders are to read.")
		} else {
			b.shows("look at the dates", "kept as entered")
		}
		if now := s.Away(); now != a {
			t.Errorf("%v: it was changed: %+v", wrong, now)
		}
	}
	must(t, s.UpdateAway(t.Context(), func(a *mailbox.Away, x *mailbox.AwayTexts) error {
		a.State, x.Outside = mailbox.AwayOff, mailbox.AwayText{Plain: "p", HTML: "<p>p</p>"}
		return nil
	}))
	b.get(awayPath)
	b.shows("with formatting", `value="off" checked`)
	b.post(awayPath, "state", "on", "zone", "UTC", "text", "Away.\r\nAsk Bob <b>", "outside", "p", "audience", "none", "days", "0", "subject", "Away")
	b.shows("from now on")
	if _, x, _ := s.AwayTexts(t.Context()); x.Outside.HTML != "<p>p</p>" || x.Subject != "Away" || !s.IsAway() {
		t.Errorf("%+v", x)
	}
	bob := w.signIn("bob")
	bob.get(awayPath)
	bob.shows(`value="off" checked`)
}

func TestSetUp(t *testing.T) {
	b := newWorld(t).signIn("ann")
	b.get(setupPath)
	b.shows("993", "SSL/TLS", "587", "STARTTLS", "ann@example.org", "/mail/setup?email=ann%40example.org")
}

// What a server doesn't have isn't there, nor in the menu.
func TestWhatIsNotHere(t *testing.T) {
	w := newWorld(t, func(c *Config, o *auth.Options) {
		*c = Config{Directory: c.Directory, Name: c.Name, Now: c.Now}
		o.Site = nil
	})
	b := w.signIn("ann")
	for _, path := range []string{passkeysPath, grantsPath, activityPath, setupPath, deletedPath, fetchedPath} {
		b.get(Path)
		if strings.Contains(b.body, `"`+path+`"`) {
			t.Errorf("%s is in the menu", path)
		}
		b.post(path, "id", "1")
		if b.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, b.status)
		}
		b.get(path)
		if b.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, b.status)
		}
	}
	b.twoStep()
	b.get(signInPath)
	if strings.Contains(b.body, "data-passkey") {
		t.Error("a passkey is asked for")
	}
}

func TestLanguages(t *testing.T) {
	w := newWorld(t)
	for accept, want := range map[string]string{"de-AT, en;q=0.5": "de", "fr": "fr", "ja, en;q=0.1": "en", "": "en", "nonsense;;;": "en", strings.Repeat("de,", 1000): "en"} {
		b := w.browser()
		b.header.Set("Accept-Language", accept)
		b.get(signInPath)
		b.shows(`<html lang="` + want + `">`)
	}
}

func TestLongBodiesAreRefused(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.once(http.MethodPost, signInPath, url.Values{"login": {"ann"}, "password": {"secret"}, "next": {strings.Repeat("x", maxBody)}})
	if b.status == http.StatusSeeOther || b.cookie != "" {
		t.Errorf("%d", b.status)
	}
}

// Who has chosen a language has the pages in it, whatever the browser asks; a choice that there is none for is refused, and it can be taken back.
func TestChooseLanguage(t *testing.T) {
	w := newWorld(t)
	b := w.signIn("ann")
	b.get(Path)
	b.shows("Language of these pages", `<option value="de" lang="de">Deutsch`)
	b.post(languagePath, "language", "de")
	b.shows(`<html lang="de">`, "Sprache dieser Seiten", `<option value="de" lang="de" selected>`)
	if tag, err := w.dir.Language(t.Context(), w.ann); err != nil || tag != "de" {
		t.Error(tag, err)
	}
	if w.signIn("bob").body == "" || strings.Contains(w.browser().get(signInPath), `lang="de"`) {
		t.Error("others have it too")
	}
	if b.post(languagePath, "language", "xx"); b.status != http.StatusBadRequest {
		t.Error(b.status)
	}
	b.get(Path)
	b.post(languagePath, "language", "")
	b.shows(`<html lang="en">`)
}

// Moments are in UTC, for a script to write them as the visitor is used to; and it is there.
func TestTimes(t *testing.T) {
	w := newWorld(t)
	b := w.signIn("ann")
	b.get(sessionsPath)
	at := regexp.MustCompile(`<script src="(/account/times\.js[^"]*)" defer>`).FindStringSubmatch(b.body)
	if at == nil || !regexp.MustCompile(`<time datetime="2026-[^"]*Z">2026-[^<]* UTC</time>`).MatchString(b.body) {
		t.Fatal(b.body)
	}
	if script := b.get(at[1]); b.status != http.StatusOK || !strings.Contains(script, "DateTimeFormat") {
		t.Error(b.status, script)
	}
}

// What administrators did is in the language of the page, and whoever they were.
func TestActivityOfAdministrators(t *testing.T) {
	w := newWorld(t)
	must(t, w.audit.Act(t.Context(), audit.Entry{What: "account.two_step.end", Who: "socket", Detail: "address=ann@example.org"}))
	must(t, w.audit.Act(t.Context(), audit.Entry{What: "account.app_passwords.add", Who: "token from 192.0.2.9:77", Detail: "address=ann@example.org name=x"}))
	b := w.signIn("ann")
	b.header.Set("Accept-Language", "de")
	b.get(activityPath)
	b.shows("die Verwaltung hat die Zwei-Schritt-Anmeldung ausgeschaltet", "ein Befehl auf dem Server", "die Verwaltung hat ein App-Passwort erstellt", "der Schlüssel der Verwaltung · 192.0.2.9:77")
}
