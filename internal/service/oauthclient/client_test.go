package oauthclient

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
)

// provider answers what it is told to, and keeps what it was asked.
type provider struct {
	*testing.T
	server *httptest.Server
	now    time.Time
	status int
	body   string
	pages  map[string]string // what GET gives
	asked  []string
	form   url.Values
	auth   string
}

func newProvider(t *testing.T) (*provider, *Client) {
	p := &provider{T: t, now: time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC), status: 200, pages: map[string]string{}}
	p.server = httptest.NewTLSServer(p)
	t.Cleanup(p.server.Close)
	return p, New(p.server.Client(), func() time.Time { return p.now }, bytes.NewReader(bytes.Repeat([]byte{7}, 1000)))
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked = append(p.asked, r.Method+" "+r.URL.Path)
	if r.Method == http.MethodGet {
		if body, ok := p.pages[r.URL.Path]; ok {
			io.WriteString(w, body)
			return
		}
		http.NotFound(w, r)
		return
	}
	r.ParseForm()
	p.form, p.auth = r.PostForm, r.Header.Get("Authorization")
	if p.status == http.StatusFound {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(p.status)
	io.WriteString(w, p.body)
}

func (p *provider) app() App {
	return App{ID: "me&", Scope: "mail", Token: p.server.URL + "/token", Device: p.server.URL + "/device", Authorize: p.server.URL + "/ask?x=1"}
}

func (p *provider) wants(err error, k fault.Kind) {
	p.Helper()
	if !fault.Is(err, k) {
		p.Errorf("%v: want %v", err, k)
	}
	if err != nil && strings.Contains(strings.ToLower(err.Error()), "s3cret") {
		p.Errorf("a secret is in %q", err)
	}
}

func TestRefresh(t *testing.T) {
	p, c := newProvider(t)
	for _, x := range []struct {
		what   string
		secret string
		post   bool
		form   url.Values
		auth   string
	}{
		{"public", "", false, url.Values{"client_id": {"me&"}}, ""},
		{"by the header", "s3cret%", false, url.Values{}, "Basic " + base64.StdEncoding.EncodeToString([]byte("me%26:s3cret%25"))},
		{"by the form", "s3cret", true, url.Values{"client_id": {"me&"}, "client_secret": {"s3cret"}}, ""},
	} {
		p.body = `{"access_token":"a","refresh_token":"r2","token_type":"bearer","expires_in":3600}`
		a := p.app()
		a.Post = x.post
		got, err := c.Refresh(t.Context(), a, x.secret, "r1")
		if d := cmp.Diff(Tokens{Access: "a", Refresh: "r2", Expires: p.now.Add(time.Hour)}, got); d != "" || err != nil {
			t.Error(x.what, d, err)
		}
		x.form.Set("grant_type", "refresh_token")
		x.form.Set("refresh_token", "r1")
		if d := cmp.Diff(x.form, p.form); d != "" || p.auth != x.auth {
			t.Error(x.what, d, p.auth)
		}
	}
	for body, want := range map[string]Tokens{
		`{"access_token":"a"}`:                                       {Access: "a"},
		`{"access_token":"a","expires_in":"60"}`:                     {Access: "a", Expires: p.now.Add(time.Minute)},
		`{"access_token":"a","expires_in":-5,"token_type":"Bearer"}`: {Access: "a"},
		`{"access_token":"a","expires_in":1e300}`:                    {Access: "a", Expires: p.now.Add(10 * 365 * 24 * time.Hour)},
	} {
		p.body = body
		if got, err := c.Refresh(t.Context(), p.app(), "", "r"); err != nil || got != want {
			t.Errorf("%s: %+v %v", body, got, err)
		}
	}
}

// Whatever a provider answers is an error of the right kind, without what is secret.
func TestRefusals(t *testing.T) {
	p, c := newProvider(t)
	for _, x := range []struct {
		status int
		body   string
		kind   fault.Kind
	}{
		{400, `{"error":"invalid_grant","error_description":"expired"}`, fault.Unauthenticated},
		{200, `{"error":"invalid_grant"}`, fault.Unauthenticated},
		{401, `{"error":"invalid_client"}`, fault.Denied},
		{400, `{"error":"invalid_scope","error_description":"\u0001` + strings.Repeat("x", 1000) + `"}`, fault.Denied},
		{429, `{"error":"slow"}`, fault.Unavailable},
		{503, `{"error":"temporarily_unavailable"}`, fault.Unavailable},
		{500, "<html>", fault.Unavailable},
		{302, "", fault.Unavailable},
		{200, "<html>", fault.Unavailable},
		{400, `{"error":"invalid_grant","error_description":"no such token: s3cret too"}`, fault.Unauthenticated},
		{400, `{"error":"s3cret","error_description":"for S3CRET TOO"}`, fault.Denied},
		{400, `{"error":"invalid_grant","error_description":"token=s3cret\ttoo"}`, fault.Unauthenticated},
		{200, `{"access_token":"a\u007f"}`, fault.Unavailable},
		{200, `{"access_token":"a","refresh_token":"é"}`, fault.Unavailable},
		{200, `{}`, fault.Unavailable},
		{200, `{"access_token":"a\u0001b"}`, fault.Unavailable},
		{200, `{"access_token":"a","token_type":"mac"}`, fault.Unavailable},
		{200, `{"access_token":"` + strings.Repeat("a", maxToken+1) + `"}`, fault.Unavailable},
		{200, `{"access_token":"` + strings.Repeat("a", 2*maxAnswer) + `"}`, fault.Unavailable},
	} {
		p.status, p.body = x.status, x.body
		_, err := c.Refresh(t.Context(), p.app(), "s3cret", "s3cret too")
		p.wants(err, x.kind)
		if len(fmt.Sprint(err)) > 1000 {
			t.Errorf("%d bytes of an error", len(fmt.Sprint(err)))
		}
	}
	for _, path := range p.asked {
		if path != "POST /token" {
			t.Errorf("a redirect was followed: %s", path)
		}
	}
	p.server.Close()
	_, err := c.Refresh(t.Context(), p.app(), "s3cret", "s3cret")
	p.wants(err, fault.Unavailable)
}

func TestDevice(t *testing.T) {
	p, c := newProvider(t)
	p.body = `{"device_code":"d","user_code":"AB-CD","verification_uri":"https://x.example/go","expires_in":600}`
	d, err := c.Device(t.Context(), p.app(), "")
	if err != nil || d.UserCode != "AB-CD" || d.URL != "https://x.example/go" || d.Interval != 5*time.Second || d.Expires != p.now.Add(10*time.Minute) {
		t.Fatalf("%+v %v", d, err)
	}
	if d := cmp.Diff(url.Values{"client_id": {"me&"}, "scope": {"mail"}}, p.form); d != "" {
		t.Error(d)
	}
	p.status = 400
	for _, x := range []struct {
		code string
		wait time.Duration
	}{{"authorization_pending", 5 * time.Second}, {"slow_down", 10 * time.Second}, {"authorization_pending", 10 * time.Second}} {
		p.body = `{"error":"` + x.code + `"}`
		if _, wait, err := c.Poll(t.Context(), p.app(), "", &d); err != nil || wait != x.wait {
			t.Errorf("%s: %v %v", x.code, wait, err)
		}
	}
	if p.form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:device_code" || p.form.Get("device_code") != "d" {
		t.Error(p.form)
	}
	p.body = `{"error":"access_denied"}`
	_, _, err = c.Poll(t.Context(), p.app(), "", &d)
	p.wants(err, fault.Denied)
	p.status, p.body = 200, `{"access_token":"a","refresh_token":"r"}`
	if got, wait, err := c.Poll(t.Context(), p.app(), "", &d); err != nil || wait != 0 || got.Refresh != "r" {
		t.Errorf("%+v %v %v", got, wait, err)
	}
	p.now = d.Expires
	asked := len(p.asked)
	_, _, err = c.Poll(t.Context(), p.app(), "", &d)
	p.wants(err, fault.Denied)
	if len(p.asked) != asked {
		t.Error("it was asked about a code that has ended")
	}
	for _, body := range []string{`{}`, `{"device_code":"d","user_code":"u","verification_uri":"javascript:x"}`, `{"device_code":"d","user_code":"u"}`} {
		p.body = body
		_, err := c.Device(t.Context(), p.app(), "")
		p.wants(err, fault.Unavailable)
	}
	_, err = c.Device(t.Context(), App{ID: "x", Token: "https://x.example"}, "")
	p.wants(err, fault.Unsupported)
}

// RFC 7636 §4: the challenge is the hash of the verifier, which only we know.
func TestCode(t *testing.T) {
	p, c := newProvider(t)
	k, err := c.Code(p.app(), "http://localhost:9/")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(k.URL)
	if err != nil {
		t.Fatal(err)
	}
	p.body = `{"access_token":"a","refresh_token":"r"}`
	if _, err := c.Exchange(t.Context(), p.app(), "", k, "c0de"); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(p.form.Get("code_verifier")))
	q := u.Query()
	if q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || q.Get("code_challenge_method") != "S256" || q.Get("x") != "1" ||
		q.Get("state") != k.State || len(k.State) < 20 || q.Get("redirect_uri") != "http://localhost:9/" || strings.Contains(k.URL, p.form.Get("code_verifier")) {
		t.Error(k.URL)
	}
	if p.form.Get("redirect_uri") != "http://localhost:9/" || p.form.Get("code") != "c0de" {
		t.Error(p.form)
	}
	_, err = c.Code(App{}, "x")
	p.wants(err, fault.Unsupported)
}

func TestDiscover(t *testing.T) {
	p, c := newProvider(t)
	at := p.server.URL
	meta := func(issuer, more string) string {
		return `{"issuer":"` + issuer + `","token_endpoint":"` + at + `/t","device_authorization_endpoint":"` + at + `/d","authorization_endpoint":"` + at + `/a"` + more + `}`
	}
	p.pages["/.well-known/openid-configuration"] = meta(at, `,"token_endpoint_auth_methods_supported":["client_secret_post"]`)
	p.pages["/.well-known/oauth-authorization-server/tenant"] = meta(at+"/tenant", "")
	for issuer, post := range map[string]bool{at: true, at + "/tenant": false} {
		got, err := c.Discover(t.Context(), issuer)
		if d := cmp.Diff(App{Token: at + "/t", Device: at + "/d", Authorize: at + "/a", Post: post}, got); d != "" || err != nil {
			t.Error(issuer, d, err)
		}
	}
	_, err := c.Discover(t.Context(), at+"/nobody")
	p.wants(err, fault.Unavailable)
	p.pages["/.well-known/openid-configuration"] = meta("https://other.example", "")
	_, err = c.Discover(t.Context(), at)
	p.wants(err, fault.Unavailable)
	p.pages["/.well-known/openid-configuration"] = `{"issuer":"` + at + `","token_endpoint":"http://plain.example/"}`
	_, err = c.Discover(t.Context(), at)
	p.wants(err, fault.Unavailable)
	for _, issuer := range []string{"http://plain.example", at + "/?", at + "/?x=/tenant", at + "/#x"} { // RFC 8414 §2
		asked := len(p.asked)
		_, err = c.Discover(t.Context(), issuer)
		p.wants(err, fault.Invalid)
		if len(p.asked) != asked {
			t.Errorf("%s was asked", issuer)
		}
	}
}

func TestApps(t *testing.T) {
	for _, name := range []string{"google", "Microsoft"} {
		a, ok := Known(name)
		a.ID = "x"
		if err := a.Check(); !ok || err != nil || a.Scope == "" {
			t.Errorf("%s: %+v %v", name, a, err)
		}
	}
	for _, a := range []App{{}, {ID: "x"}, {Token: "https://x.example/"}, {ID: "x", Token: "https://u:p@x.example/"}, {ID: "x\n", Token: "https://x.example/"},
		{ID: "x", Token: "https://x.example/", Device: "ftp://x"}, {ID: "x", Token: "https://x.example/" + strings.Repeat("x", maxEndpoint)},
		{ID: strings.Repeat("x", maxName+1), Token: "https://x.example/"}} {
		if err := a.Check(); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", a, err)
		}
	}
}
