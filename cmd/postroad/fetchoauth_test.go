package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
)

// asker answers as a server does of which somebody's permission is asked.
type asker struct {
	admin.Admin
	asked   admin.FetchQuestion
	answers []admin.FetchAnswer
	page    func(admin.FetchQuestion) admin.FetchPermission
	allow   func() (admin.FetchAllowed, error)
}

func (a *asker) AskFetch(_ context.Context, q admin.FetchQuestion) (admin.FetchPermission, error) {
	a.asked = q
	if q.Redirect == "" && a.allow == nil {
		return admin.FetchPermission{}, fault.New(fault.Unsupported, "no device codes")
	}
	return a.page(q), nil
}

func (a *asker) AllowFetch(_ context.Context, x admin.FetchAnswer) (admin.FetchAllowed, error) {
	a.answers = append(a.answers, x)
	if x.State != "" {
		return admin.FetchAllowed{Allowed: true}, nil
	}
	return a.allow()
}

// The browser comes back by itself, or somebody copies its address.
func TestAuthorizeByBrowser(t *testing.T) {
	for _, copied := range []bool{false, true} {
		in, typing := io.Pipe()
		defer typing.Close()
		var out strings.Builder
		a := &asker{}
		a.page = func(q admin.FetchQuestion) admin.FetchPermission {
			back := q.Redirect + "?state=st&code=c0de"
			if copied {
				go io.WriteString(typing, "what now?\nhttp://elsewhere/\n"+back+"\n")
			} else {
				go func() {
					if resp, err := http.Get(q.Redirect + "favicon.ico"); err == nil {
						resp.Body.Close()
					}
					if resp, err := http.Get(back); err == nil {
						resp.Body.Close()
					}
				}()
			}
			return admin.FetchPermission{URL: "https://id.example/ask"}
		}
		c := fetchAuthorize{ID: 7}
		if err := c.byBrowser(t.Context(), terminal{in, &out, &out}, a); err != nil {
			t.Fatal(err)
		}
		if len(a.answers) != 1 || a.answers[0] != (admin.FetchAnswer{ID: 7, State: "st", Code: "c0de"}) || !strings.Contains(out.String(), "https://id.example/ask") {
			t.Errorf("%+v %s", a.answers, out.String())
		}
		if host, _, err := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(a.asked.Redirect, "http://"), "/")); err != nil || host != "localhost" {
			t.Error(a.asked.Redirect)
		}
	}
}

// A code is asked about until somebody has typed it, or refuses.
func TestAuthorizeByCode(t *testing.T) {
	var out strings.Builder
	a := &asker{page: func(admin.FetchQuestion) admin.FetchPermission {
		return admin.FetchPermission{URL: "https://id.example/device", UserCode: "ABCD", WaitSeconds: 0.001}
	}}
	a.allow = func() (admin.FetchAllowed, error) {
		return admin.FetchAllowed{Allowed: true}, nil
	}
	c := fetchAuthorize{ID: 7}
	if err := c.byCode(t.Context(), terminal{strings.NewReader(""), &out, &out}, a); err != nil || !strings.Contains(out.String(), "ABCD") {
		t.Error(err, out.String())
	}
	a.allow = func() (admin.FetchAllowed, error) { return admin.FetchAllowed{}, fault.New(fault.Denied, "no") }
	if err := c.byCode(t.Context(), terminal{strings.NewReader(""), &out, &out}, a); !fault.Is(err, fault.Denied) {
		t.Error(err)
	}
}

func TestOAuthFlags(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("s3cret \nmore\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, refresh, err := (&fetchOAuth{OAuth: "google", ClientID: "me", ClientSecretFile: secret, RefreshTokenFile: secret}).by()
	if err != nil || b.Provider != "google" || b.ClientSecret != "s3cret" || refresh != "s3cret" {
		t.Errorf("%+v %q %v", b, refresh, err)
	}
	if _, _, err := (&fetchOAuth{ClientID: "me"}).by(); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if b, _, err := (&fetchOAuth{}).by(); err != nil || b.Provider != "" {
		t.Error(b, err)
	}
}
