package server_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/pquerna/otp/totp"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
)

// A program registers itself, its user allows it in with password and code, it reads mail by its token, until that is taken back.
func TestOAuthProvider(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) { c.OAuth.Enable = true }})
	ctx := context.Background()
	s.AddAccount("ann")
	client := httpOver(t, s, servertest.HTTPS)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	post := func(path, mediaType, body string) (*http.Response, map[string]any) {
		t.Helper()
		resp, err := client.Post("https://"+servertest.Hostname+path, mediaType, strings.NewReader(body))
		must(t, err)
		defer resp.Body.Close()
		var v map[string]any
		json.NewDecoder(resp.Body).Decode(&v)
		return resp, v
	}
	const form = "application/x-www-form-urlencoded"
	_, c := post("/oauth/register", "application/json", `{"client_name":"Thing","redirect_uris":["http://127.0.0.1/cb"]}`)
	verifier := strings.Repeat("v", 50)
	sum := sha256.Sum256([]byte(verifier))
	id := c["client_id"].(string)
	allow := func() string {
		t.Helper()
		resp, _ := post("/oauth/authorize", form, url.Values{"response_type": {"code"}, "client_id": {id}, "redirect_uri": {"http://127.0.0.1:99/cb"}, "scope": {"mail"}, "code_challenge_method": {"S256"},
			"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "login": {"ann"}, "password": {servertest.Password}, "allow": {"yes"}}.Encode())
		u, err := url.Parse(resp.Header.Get("Location"))
		must(t, err)
		_, g := post("/oauth/token", form, url.Values{"grant_type": {"authorization_code"}, "client_id": {id}, "code": {u.Query().Get("code")}, "redirect_uri": {"http://127.0.0.1:99/cb"}, "code_verifier": {verifier}}.Encode())
		token, _ := g["access_token"].(string)
		return token
	}
	token := allow()
	response := base64.StdEncoding.EncodeToString([]byte("n,,\x01auth=Bearer " + token + "\x01\x01"))
	mail := s.Dial(servertest.IMAP)
	if got := imapSays(t, mail, "AUTHENTICATE OAUTHBEARER "+response); !strings.HasPrefix(got, "a OK") {
		t.Fatal(got)
	}
	grants, err := s.Store().Admin.Grants(ctx, ann)
	must(t, err)
	if len(grants) != 1 || grants[0].Program != "Thing" {
		t.Errorf("%+v", grants)
	}
	list, err := s.Store().Admin.Sessions(ctx, admin.SessionQuery{Address: ann})
	must(t, err)
	if len(list) != 1 || list[0].Key != "token https://"+servertest.Hostname+" Thing" {
		t.Errorf("%+v", list)
	}
	_, err = s.Store().Admin.EndGrants(ctx, admin.GrantChange{Address: ann, ID: "x"})
	wants(t, err, fault.NotFound)
	if n, err := s.Store().Admin.EndGrants(ctx, admin.GrantChange{Address: ann}); err != nil || n.Grants != 1 {
		t.Error(n, err)
	}
	if _, err := mail.Read(make([]byte, 1)); err == nil {
		t.Error("the session goes on")
	}
	l := s.Line(servertest.IMAP)
	if got, _ := l.Try("a AUTHENTICATE OAUTHBEARER %s", response); !strings.HasPrefix(got, "+ ") {
		t.Error(got)
	}
	// What the password alone has allowed ends when it is not enough any more.
	allow()
	a := s.Store().Admin
	e, err := a.BeginTwoStep(ctx, ann)
	must(t, err)
	if grants, err := a.Grants(ctx, ann); err != nil || len(grants) != 1 {
		t.Errorf("%+v %v", grants, err)
	}
	code, err := totp.GenerateCode(e.Secret, s.Clock.Now())
	must(t, err)
	_, err = a.ConfirmTwoStep(ctx, admin.Code{Address: ann, Code: code})
	must(t, err)
	if grants, err := a.Grants(ctx, ann); err != nil || len(grants) != 0 {
		t.Errorf("%+v %v", grants, err)
	}
	plain := httpOver(t, s, servertest.HTTP)
	if status, _ := get(t, plain, "http://"+servertest.Hostname+"/oauth/authorize"); status != http.StatusForbidden {
		t.Errorf("over plain HTTP: %d", status)
	}
}

// Where the provider is off, there is nothing of it.
func TestOAuthIsOff(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	if status, _ := get(t, httpOver(t, s, servertest.HTTPS), "https://"+servertest.Hostname+"/oauth/authorize"); status != http.StatusNotFound {
		t.Errorf("%d", status)
	}
	_, err := s.Store().Admin.Grants(context.Background(), ann)
	wants(t, err, fault.Unsupported)
}
