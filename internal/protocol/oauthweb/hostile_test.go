package oauthweb

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"postroad/internal/service/oauth"
)

// changed is a form with another value for a name.
func changed(form []string, name, value string) []string {
	form = slices.Clone(form)
	for i := 0; i < len(form); i += 2 {
		if form[i] == name {
			form[i+1] = value
		}
	}
	return form
}

// Anybody may register a program: no link to us leads on to its site before somebody has answered our page (RFC 9700 §4.11.2).
func TestNoOpenRedirector(t *testing.T) {
	w := newWorld(t)
	_, body := w.post(pathJoin, "application/json", `{"redirect_uris":["https://phish.example/x"]}`, nil)
	var c struct {
		ID string `json:"client_id"`
	}
	must(t, json.Unmarshal(body, &c))
	form := changed(wish(c.ID), "redirect_uri", "https://phish.example/x")
	for _, bad := range [][]string{
		changed(form, "response_type", "token"), changed(form, "code_challenge", ""), append(slices.Clone(form), "prompt", "none"), append(slices.Clone(form), "state", "2"),
		changed(form, "nonce", strings.Repeat("n", maxNonce+1)),
	} {
		resp, err := w.client.Get(w.web.URL + pathPage + "?" + encode(bad))
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Location") != "" {
			t.Errorf("%d %s", resp.StatusCode, resp.Header.Get("Location"))
		}
	}
	// Programs that the administrator knows are told.
	known := changed(changed(wish("shop"), "redirect_uri", "https://shop.example/back"), "response_type", "token")
	if status, location := w.form(pathPage, known...); status != http.StatusSeeOther || !strings.HasPrefix(string(location), "https://shop.example/back?error=") {
		t.Errorf("%d %s", status, location)
	}
}

// RFC 8628 §5.1: codes that people type can't be found by trying.
func TestDeviceCodesCannotBeGuessed(t *testing.T) {
	w := newWorld(t)
	client := w.register()
	_, body := w.form(pathStart, "client_id", client)
	var d struct {
		User string `json:"user_code"`
	}
	must(t, json.Unmarshal(body, &d))
	ways := []func() int{
		func() int {
			resp, err := w.client.Get(w.web.URL + pathDevice + "?user_code=BBBBBBBB")
			must(t, err)
			resp.Body.Close()
			return resp.StatusCode
		},
		func() int { status, _ := w.form(pathDevice, "user_code", "BBBBBBBB"); return status },
		func() int { status, _ := w.form(pathDevice, "user_code", "BBBBBBBB", "allow", "no"); return status },
		func() int {
			status, _ := w.form(pathDevice, "user_code", "BBBBBBBB", "allow", "yes", "login", "ann", "password", "secret")
			return status
		},
	}
	for i := range missesOfOne {
		if status := ways[i%len(ways)](); status == http.StatusTooManyRequests {
			t.Fatalf("guess %d: %d", i, status)
		}
	}
	for _, way := range ways {
		if status := way(); status != http.StatusTooManyRequests {
			t.Errorf("%d", status)
		}
	}
	if status, _ := w.form(pathDevice, "user_code", d.User, "allow", "no"); status != http.StatusTooManyRequests {
		t.Errorf("the right one is told from others: %d", status)
	}
	w.pass(oauth.DeviceLife)
	if status := ways[0](); status != http.StatusBadRequest {
		t.Errorf("%d", status)
	}
}

// A program that renews its tokens for nothing but to fill the disk is stopped, and works again after an hour.
func TestRenewalsAreBounded(t *testing.T) {
	w := newWorld(t)
	client := w.register()
	g := w.redeem(client, w.signIn(client))
	renew := func() grant {
		return w.token("grant_type", "refresh_token", "client_id", client, "refresh_token", g.Refresh)
	}
	for i := range 200 {
		next := renew()
		if next.Error != "" {
			if i < 20 || next.Error != "temporarily_unavailable" {
				t.Fatalf("renewal %d: %+v", i, next)
			}
			w.pass(time.Hour)
			if g = renew(); g.Error != "" {
				t.Errorf("%+v", g)
			}
			return
		}
		g = next
	}
	t.Error("it goes on")
}
