package server_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
	"postroad/internal/server/servertest"
)

// What people and administrators do is remembered over a restart, and holds no secrets.
func TestAudit(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	ctx := context.Background()
	s.AddAccount("ann")
	imapSays(t, s.Dial(servertest.IMAP), "LOGIN ann "+servertest.Password)
	imapSays(t, s.Dial(servertest.IMAP), "LOGIN ann hunter2")
	secret, err := os.ReadFile(filepath.Join(s.Folder, "admin.token"))
	must(t, err)
	token, client := strings.TrimSpace(string(secret)), httpOver(t, s, servertest.HTTPS)
	post := func(operation, body, token string) int {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://localhost/admin/v1/"+operation, strings.NewReader(body))
		must(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := client.Do(r)
		must(t, err)
		resp.Body.Close()
		return resp.StatusCode
	}
	for body, want := range map[string]int{`{"Address":"ann@example.test","Password":"opensesame"}`: 200, `{"Address":"nobody@example.test","Password":"opensesame"}`: 404} {
		if got := post("account.password", body, token); got != want {
			t.Errorf("%d", got)
		}
	}
	// However its fields are spelt, an act says first whom it was done to.
	if got := post("account.away.set", `{"SUBJECT": "x", "address": "ann@example.test"}`, token); got != 200 {
		t.Errorf("%d", got)
	}
	post("account.list", "", token)
	if got := post("account.list", "", "wrong"); got != 401 {
		t.Errorf("%d", got)
	}
	must(t, s.Stop())
	s = servertest.Start(t, servertest.Options{Files: s.Files, Folder: s.Folder})
	all, err := s.Store().Admin.Audit(ctx, admin.AuditQuery{})
	must(t, err)
	seen := map[string]admin.AuditEntry{}
	for _, e := range all {
		seen[e.What+" "+e.Detail] = e
		if text := strings.Join([]string{e.What, e.Who, e.Detail, e.Error, e.Key}, " "); strings.Contains(text, "opensesame") || strings.Contains(text, "hunter2") {
			t.Errorf("a secret is in %q", text)
		}
	}
	if len(all) != 6 || seen["account.away.set address=ann@example.test subject=x"].What == "" {
		t.Errorf("%+v", all)
	}
	if e := seen["signed in "]; e.Who != ann || e.Protocol != "imap" || e.Key != "password" || e.Count != 1 || e.Kind != "sign-in" {
		t.Errorf("%+v", e)
	}
	if e := seen["failed "]; e.Who != "ann" || e.Kind != "failure" {
		t.Errorf("%+v", e)
	}
	if e := seen["account.password address=ann@example.test"]; !strings.HasPrefix(e.Who, "token from ") || e.Error != "" || e.Kind != "act" {
		t.Errorf("%+v", e)
	}
	if e := seen["account.password address=nobody@example.test"]; e.Error == "" {
		t.Errorf("%+v", e)
	}
	if e := seen["wrong admin token "]; e.Kind != "failure" {
		t.Errorf("%+v", e)
	}
	of, err := s.Store().Admin.Audit(ctx, admin.AuditQuery{Who: ann})
	must(t, err)
	if len(of) != 3 {
		t.Errorf("%+v", of)
	}
	_, err = s.Store().Admin.Audit(ctx, admin.AuditQuery{Kinds: []string{"x"}})
	wants(t, err, fault.Invalid)
}

// Whose mail was taken out, brought in or restored is remembered, and that it failed.
func TestAuditOfStreams(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	secret, err := os.ReadFile(filepath.Join(s.Folder, "admin.token"))
	must(t, err)
	client := httpOver(t, s, servertest.HTTPS)
	for _, x := range []struct{ operation, kind, body string }{
		{"account.export", "application/json", `{"address":"ann@example.test"}`},
		{"account.export", "application/json", `{"address":"nobody@example.test"}`},
		{"account.import", "application/x-postroad-mail", `{"address":"nobody@example.test"}` + "\n"},
		{"account.restore", "application/x-postroad-store", `{"address":"ann@example.test","enabled":true,"credential":"aHVudGVyMg==","belongings":{"codes":{"since":"2026-01-01T00:00:00Z","secret":"hunter2"}}}` + "\n"},
		{"account.restore", "text/plain", `{"address":"text@example.test"}` + "\n"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://localhost/admin/v1/"+x.operation, strings.NewReader(x.body))
		must(t, err)
		r.Header.Set("Content-Type", x.kind)
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(secret)))
		resp, err := client.Do(r)
		must(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		must(t, err)
		resp.Body.Close()
	}
	must(t, s.Stop())
	s = servertest.Start(t, servertest.Options{Files: s.Files, Folder: s.Folder})
	all, err := s.Store().Admin.Audit(t.Context(), admin.AuditQuery{Kinds: []string{"act"}})
	must(t, err)
	failed := map[string]bool{}
	for _, e := range all {
		failed[e.What+" "+e.Detail] = e.Error != ""
	}
	want := map[string]bool{"account.export address=ann@example.test": false, "account.export address=nobody@example.test": true,
		"account.import address=nobody@example.test": true, "account.restore address=ann@example.test": true, "account.restore ": true}
	if d := cmp.Diff(want, failed); d != "" {
		t.Error(d)
	}
}
