package server_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"html"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
	"postroad/internal/service/oauth"
)

const (
	peerName   = "id.example.test"
	peerIssuer = "https://" + peerName
	backTo     = "http://127.0.0.1:99/cb"
)

// peer is a Postroad that gives tokens, with a browser and a program at it.
type peer struct {
	*servertest.Server
	t       *testing.T
	browser *http.Client
	program string // its client_id
	secret  string // file with that of the sites that may ask about tokens
	ca      string // file with its certificate
}

func startPeer(t *testing.T) *peer {
	t.Helper()
	dir := t.TempDir()
	p := &peer{t: t, secret: filepath.Join(dir, "secret"), ca: filepath.Join(dir, "ca.pem")}
	must(t, os.WriteFile(p.secret, []byte("s&cret\n"), 0o600))
	p.Server = servertest.Start(t, servertest.Options{Change: func(c *config.Config) {
		c.Hostname = peerName
		c.OAuth = config.OAuth{Enable: true, Client: []config.OAuthClient{{ID: "mail", Name: "The other one", Redirects: []string{backTo}, SecretFile: p.secret}}}
	}})
	leaf := p.Certificate().Leaf()
	must(t, os.WriteFile(p.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}), 0o600))
	p.AddAccount("ann")
	jar, err := cookiejar.New(nil)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DialContext: p.dial}
	t.Cleanup(tr.CloseIdleConnections)
	p.browser = &http.Client{Transport: tr, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := p.browser.Post(peerIssuer+"/oauth/register", "application/json", strings.NewReader(`{"client_name":"Thing","redirect_uris":["`+backTo+`"]}`))
	must(t, err)
	p.program = answer(t, resp)["client_id"].(string)
	return p
}

// dial is the network: one host.
func (p *peer) dial(ctx context.Context, _, address string) (net.Conn, error) {
	if address != peerName+":443" {
		return nil, &net.DNSError{Err: "no such host", Name: address, IsNotFound: true}
	}
	return p.Network.Dial(ctx, "mem:443")
}

func answer(t *testing.T, resp *http.Response) (v map[string]any) {
	t.Helper()
	defer resp.Body.Close()
	must(t, json.NewDecoder(resp.Body).Decode(&v))
	return v
}

// ask posts a form of the program's.
func (p *peer) ask(path string, pairs ...string) (status int, v map[string]any) {
	p.t.Helper()
	form := url.Values{"client_id": {p.program}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	resp, err := p.browser.PostForm(peerIssuer+path, form)
	must(p.t, err)
	if resp.ContentLength == 0 {
		resp.Body.Close()
		return resp.StatusCode, nil
	}
	return resp.StatusCode, answer(p.t, resp)
}

var (
	aForm   = regexp.MustCompile(`<form method="post" action="([^"]*)">`)
	aHidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	aCode   = regexp.MustCompile(`<input name="(user_code)" value="([^"]*)"`)
)

// allow opens a page, types name and password into its form, and presses the button.
func (p *peer) allow(page string) *http.Response {
	p.t.Helper()
	status, text := get(p.t, p.browser, page)
	at := aForm.FindStringSubmatch(text)
	if status != http.StatusOK || at == nil {
		p.t.Fatalf("%d %s", status, text)
	}
	form := url.Values{"login": {ann}, "password": {servertest.Password}, "allow": {"yes"}}
	for _, m := range append(aHidden.FindAllStringSubmatch(text, -1), aCode.FindAllStringSubmatch(text, -1)...) {
		form.Set(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	resp, err := p.browser.PostForm(peerIssuer+html.UnescapeString(at[1]), form)
	must(p.t, err)
	resp.Body.Close()
	return resp
}

// byCode gets a token for a scope by code and PKCE.
func (p *peer) byCode(scope string) (token string) {
	p.t.Helper()
	verifier := strings.Repeat("v", 50)
	sum := sha256.Sum256([]byte(verifier))
	resp := p.allow(peerIssuer + "/oauth/authorize?" + url.Values{"response_type": {"code"}, "client_id": {p.program}, "redirect_uri": {backTo}, "scope": {scope}, "state": {"s&1"},
		"code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}}.Encode())
	back, err := resp.Location()
	must(p.t, err)
	if q := back.Query(); q.Get("state") != "s&1" || q.Get("iss") != peerIssuer {
		p.t.Fatal(back)
	}
	_, v := p.ask("/oauth/token", "grant_type", "authorization_code", "code", back.Query().Get("code"), "redirect_uri", backTo, "code_verifier", verifier)
	token, _ = v["access_token"].(string)
	return token
}

// byDevice gets one by the device flow.
func (p *peer) byDevice() (token string) {
	p.t.Helper()
	_, d := p.ask("/oauth/device_authorization", "scope", "mail")
	poll := []string{"grant_type", "urn:ietf:params:oauth:grant-type:device_code", "device_code", d["device_code"].(string)}
	if _, v := p.ask("/oauth/token", poll...); v["error"] != "authorization_pending" {
		p.t.Fatal(v)
	}
	p.Clock.Advance(oauth.DeviceInterval)
	if resp := p.allow(d["verification_uri_complete"].(string)); resp.StatusCode != http.StatusOK {
		p.t.Fatal(resp.Status)
	}
	_, v := p.ask("/oauth/token", poll...)
	token, _ = v["access_token"].(string)
	return token
}

// trusting starts a Postroad that takes the peer's tokens.
func (p *peer) trusting(change func(*config.OIDC)) *servertest.Server {
	p.t.Helper()
	set := config.OIDC{Issuer: peerIssuer, Audience: []string{peerIssuer}, Scope: "mail", Domains: []string{servertest.Domain}, ClientID: "mail", ClientSecretFile: p.secret, CAFile: p.ca}
	if change != nil {
		change(&set)
	}
	s := servertest.Start(p.t, servertest.Options{Dial: p.dial, Now: p.Clock.Now(), Change: func(c *config.Config) { c.Auth.OIDC = []config.OIDC{set} }})
	s.AddAccount("ann")
	return s
}

// bearer is what IMAP answers at last to a token.
func bearer(t *testing.T, s *servertest.Server, mech, token string) string {
	t.Helper()
	head := map[string]string{"OAUTHBEARER": "n,a=" + ann + ",", "XOAUTH2": "user=" + ann}[mech]
	l := s.Line(servertest.IMAP)
	defer l.Close()
	got, err := l.Try("a AUTHENTICATE %s %s", mech, base64.StdEncoding.EncodeToString([]byte(head+"\x01auth=Bearer "+token+"\x01\x01")))
	must(t, err)
	if strings.HasPrefix(got, "+ ") { // the complaint
		got, err = l.Try("AQ==")
		must(t, err)
	}
	return got
}

// takes wants a token to be good, or not, by both mechanisms.
func takes(t *testing.T, s *servertest.Server, what, token string, want bool) {
	t.Helper()
	if token == "" {
		t.Fatal("no token: " + what)
	}
	for _, mech := range []string{"OAUTHBEARER", "XOAUTH2"} {
		if got := bearer(t, s, mech, token); strings.HasPrefix(got, "a OK") != want || !want && !strings.HasPrefix(got, "a NO") {
			t.Errorf("%s, %s: %q", what, mech, got)
		}
	}
}

// People sign in at one Postroad by the tokens that another has given to their programs.
func TestTokensOfAnotherPostroad(t *testing.T) {
	p := startPeer(t)
	s := p.trusting(nil)
	byCode, byDevice, unseen := p.byCode("mail"), p.byDevice(), p.byCode("mail offline_access")
	takes(t, s, "by code", byCode, true)
	takes(t, s, "by a device", byDevice, true)
	takes(t, s, "made up", "pra_x", false)
	takes(t, s, "who somebody is, and no mail", p.byCode("openid email"), false)

	t.Run("revoked", func(t *testing.T) {
		for _, token := range []string{byCode, unseen} {
			if status, v := p.ask("/oauth/revoke", "token", token); status != http.StatusOK {
				t.Fatal(status, v)
			}
		}
		takes(t, s, "revoked before it was seen", unseen, false)
		s.Clock.Advance(2 * time.Minute) // what was verified is believed for so long
		takes(t, s, "revoked", byCode, false)
		takes(t, s, "not revoked", byDevice, true)
	})
	t.Run("expired", func(t *testing.T) {
		token := p.byCode("mail")
		p.Clock.Advance(oauth.AccessLife - time.Second)
		s.Clock.Advance(p.Clock.Now().Sub(s.Clock.Now()))
		takes(t, s, "in the last second", token, true)
		s.Clock.Advance(time.Second) // remembered for no longer than it lasts
		p.Clock.Advance(time.Second)
		takes(t, s, "expired", token, false)
	})
}

// A token of another Postroad is refused where the settings don't fit it.
func TestTokensOfAnotherPostroadThatAreNotForUs(t *testing.T) {
	p := startPeer(t)
	token, who := p.byCode("mail"), p.byCode("openid email")
	for what, c := range map[string]struct {
		change func(*config.OIDC)
		want   bool
	}{
		"the audience alone":              {func(c *config.OIDC) { c.Scope = "" }, true},
		"the scope alone":                 {func(c *config.OIDC) { c.Audience = nil }, true},
		"another audience":                {func(c *config.OIDC) { c.Audience = []string{"https://shop.example"} }, false},
		"another scope":                   {func(c *config.OIDC) { c.Scope = "calendar" }, false},
		"other domains":                   {func(c *config.OIDC) { c.Domains = []string{"shop.example"} }, false},
		"an issuer that isn't asked":      {func(c *config.OIDC) { c.ClientID, c.ClientSecretFile = "", "" }, false},
		"a client that isn't known there": {func(c *config.OIDC) { c.ClientID = "shop" }, false},
		"an authority that isn't trusted": {func(c *config.OIDC) { c.CAFile = "" }, false},
	} {
		t.Run(what, func(t *testing.T) {
			s := p.trusting(c.change)
			takes(t, s, what, token, c.want)
			takes(t, s, "who somebody is", who, false)
		})
	}
}
