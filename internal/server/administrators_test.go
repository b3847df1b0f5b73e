package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/server/admin"
	"postroad/internal/server/servertest"
)

// asker asks the admin API over HTTPS.
type asker struct {
	t      *testing.T
	client *http.Client
	auth   func(*http.Request)
}

func (a asker) ask(operation string, argument any) (status int, body string) {
	a.t.Helper()
	b, err := json.Marshal(argument)
	if err != nil {
		a.t.Fatal(err)
	}
	r, err := http.NewRequest("POST", "https://"+servertest.Hostname+"/admin/v1/"+operation, bytes.NewReader(b))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	a.auth(r)
	resp, err := a.client.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// expect asks and compares the status.
func (a asker) expect(want int, operation string, argument any) string {
	a.t.Helper()
	status, body := a.ask(operation, argument)
	if status != want {
		a.t.Errorf("%s %+v: %d %s, want %d", operation, argument, status, body, want)
	}
	return body
}

type fields = map[string]any

func TestDomainAdministrators(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	ctx := t.Context()
	ad := s.Store().Admin
	for _, name := range []string{"own.example", "other.example"} {
		must(t, ad.AddDomain(ctx, name))
	}
	for _, a := range []string{"boss@own.example", "ann@own.example", "root@own.example", "eve@other.example"} {
		_, err := ad.AddAccount(ctx, admin.NewAccount{Address: a, Password: "correct horse"})
		must(t, err)
	}
	must(t, ad.Appoint(ctx, admin.Administrator{Address: "boss@own.example", Domain: "own.example"}))
	must(t, ad.Appoint(ctx, admin.Administrator{Address: "root@own.example"}))
	https := httpOver(t, s, servertest.HTTPS)
	with := func(login, password string) asker {
		return asker{t, https, func(r *http.Request) { r.SetBasicAuth(login, password) }}
	}
	boss := with("boss@own.example", "correct horse")

	list := boss.expect(200, "account.list", fields{})
	if !strings.Contains(list, "ann@own.example") || strings.Contains(list, "other.example") {
		t.Error("sees", list)
	}
	boss.expect(200, "account.add", fields{"address": "new@own.example", "password": "something long"})
	boss.expect(200, "account.password", fields{"address": "ann@own.example", "password": "another one"})
	boss.expect(200, "account.remove", fields{"address": "new@own.example"})
	if list := boss.expect(200, "account.removed", fields{}); !strings.Contains(list, "new@own.example") {
		t.Error("removed are", list)
	}
	boss.expect(200, "account.removed.restore", fields{"address": "new@own.example"})
	boss.expect(200, "alias.add", fields{"address": "info@own.example", "targets": []string{"ann@own.example", "x@elsewhere.test"}})

	boss.expect(403, "account.add", fields{"address": "new@other.example"})
	boss.expect(403, "account.password", fields{"address": "eve@other.example", "password": "mine now"})
	boss.expect(403, "account.rename", fields{"address": "ann@own.example", "to": "ann@other.example"})
	boss.expect(403, "queue.list", fields{})
	boss.expect(403, "token.add", fields{"name": "x", "server": true})
	boss.expect(403, "domain.limits.set", fields{"domain": "own.example", "accounts": 1000})
	boss.expect(403, "admin.add", fields{"address": "boss@own.example", "domain": ""})
	// Who administers more than the caller is safe from it, though the account is in its domain.
	for _, op := range []string{"account.remove", "account.password", "account.enabled"} {
		argument := fields{"address": "root@own.example"}
		if op == "account.password" {
			argument["password"] = "mine now"
		}
		boss.expect(403, op, argument)
	}
	boss.expect(403, "account.rename", fields{"address": "root@own.example", "to": "was@own.example"})
	boss.expect(403, "account.share", fields{"address": "root@own.example", "folder": []string{"INBOX"}, "who": "boss@own.example", "rights": "lr"})
	boss.expect(403, "account.shares", fields{"address": "root@own.example"})
	boss.expect(403, "account.pop3.set", fields{"address": "root@own.example", "remove_after_days": 1})
	boss.expect(200, "account.pop3.set", fields{"address": "ann@own.example", "remove_after_days": 1})
	boss.expect(403, "account.language.set", fields{"address": "root@own.example", "language": "de"})
	boss.expect(200, "account.language.set", fields{"address": "ann@own.example", "language": "de"})
	boss.expect(403, "session.end", fields{"address": "root@own.example"})
	boss.expect(403, "policy.add", fields{"kind": "journal", "scope": "root@own.example", "pattern": "boss@own.example"})
	boss.expect(403, "policy.add", fields{"kind": "journal", "scope": "eve@other.example", "pattern": "boss@own.example"})
	boss.expect(403, "policy.add", fields{"kind": "journal", "pattern": "boss@own.example"})
	boss.expect(200, "policy.add", fields{"kind": "journal", "scope": "ann@own.example", "pattern": "boss@own.example"})
	kept, err := ad.AddPolicy(ctx, admin.Policy{Kind: "journal", Scope: "root@own.example", Pattern: "ann@own.example"})
	must(t, err)
	boss.expect(403, "policy.remove", fields{"id": kept.ID, "scope": "root@own.example"})
	boss.expect(404, "policy.remove", fields{"id": kept.ID, "scope": "own.example"})
	boss.expect(403, "policy.remove", fields{"id": kept.ID})
	boss.expect(200, "session.end", fields{"address": "ann@own.example"})
	boss.expect(403, "account.share", fields{"address": "ann@own.example", "folder": []string{"INBOX"}, "who": "eve@other.example", "rights": "lr"})
	boss.expect(200, "account.share", fields{"address": "ann@own.example", "folder": []string{"INBOX"}, "who": "boss@own.example", "rights": "lr"})

	with("root@own.example", "correct horse").expect(200, "queue.list", fields{})
	with("ann@own.example", "another one").expect(403, "account.list", fields{}) // she administers nothing
	with("ann@own.example", "wrong").expect(401, "account.list", fields{})
	with("nobody@own.example", "wrong").expect(401, "account.list", fields{})
	must(t, ad.Dismiss(ctx, admin.Administrator{Address: "boss@own.example", Domain: "own.example"}))
	boss.expect(403, "account.list", fields{})
}

func TestTokensAdmit(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	ctx := t.Context()
	ad := s.Store().Admin
	must(t, ad.AddDomain(ctx, "own.example"))
	own, err := ad.AddToken(ctx, admin.TokenSpec{Name: "robot", Domains: []string{"own.example"}})
	must(t, err)
	all, err := ad.AddToken(ctx, admin.TokenSpec{Name: "root", Server: true})
	must(t, err)
	if _, err := ad.AddToken(ctx, admin.TokenSpec{Name: "both", Server: true, Domains: []string{"own.example"}}); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	https := httpOver(t, s, servertest.HTTPS)
	with := func(secret string) asker {
		return asker{t, https, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret) }}
	}
	with(own.Secret).expect(200, "account.add", fields{"address": "ann@own.example"})
	with(own.Secret).expect(403, "check", fields{})
	with(all.Secret).expect(200, "check", fields{})
	with(own.Secret+"x").expect(401, "account.list", fields{})
	for secret, want := range map[string]int{own.Secret: 403, all.Secret: 200} {
		if status, _ := get(t, https, "https://"+servertest.Hostname+"/metrics", "Authorization", "Bearer "+secret); status != want {
			t.Errorf("metrics: %d, want %d", status, want)
		}
	}
	plain := asker{t, httpOver(t, s, servertest.HTTP), func(r *http.Request) {
		r.URL.Scheme = "http"
		r.Header.Set("Authorization", "Bearer "+all.Secret)
	}}
	plain.expect(403, "check", fields{}) // not in the clear
	must(t, ad.RemoveToken(ctx, "robot"))
	with(own.Secret).expect(401, "account.list", fields{})
}

// listener is a log that hands over one message.
type listener struct {
	slog.Handler
	want string
	seen chan struct{}
}

func (h *listener) Handle(_ context.Context, r slog.Record) error {
	if r.Message == h.want {
		close(h.seen)
	}
	return nil
}
func (h *listener) Enabled(context.Context, slog.Level) bool { return true }
func (h *listener) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *listener) WithGroup(string) slog.Handler            { return h }

// An account that is removed keeps its mail until its time is over.
func TestRemovedAccountsWait(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	ctx := t.Context()
	ad := s.Store().Admin
	ann, ben := s.AddAccount("ann"), s.AddAccount("ben")
	s.Deliver("Subject: keep me\r\n\r\nplease\r\n", "ann")
	must(t, ad.RemoveAccount(ctx, admin.Removal{Address: ben.Address}))
	s.Clock.Advance(time.Hour)
	must(t, ad.RemoveAccount(ctx, admin.Removal{Address: ann.Address}))
	if made, err := ad.Repair(ctx); made != 0 || err != nil {
		t.Error(made, err)
	}
	s.Check()
	s.Clock.Advance(30*24*time.Hour - 30*time.Minute) // ben's time is over, ann's isn't
	now := s.Clock.Now()
	must(t, s.Stop())

	gone := &listener{want: "gave up removed accounts, with their mail", seen: make(chan struct{})}
	s = servertest.Start(t, servertest.Options{Files: s.Files, Folder: s.Folder, Logger: slog.New(gone), Now: now})
	<-gone.seen
	ad = s.Store().Admin
	if _, err := ad.BringBackAccount(ctx, admin.Restoral{Address: ben.Address}); !fault.Is(err, fault.NotFound) {
		t.Error("it came back after its time", err)
	}
	back, err := ad.BringBackAccount(ctx, admin.Restoral{Address: ann.Address})
	must(t, err)
	if back.UsedItems != 1 || back.ID != ann.ID {
		t.Errorf("it came back as %+v", back)
	}
	boxes, err := s.Store().Mailboxes.Accounts(ctx)
	must(t, err)
	if len(boxes) != 1 {
		t.Errorf("mailboxes %v are left", boxes)
	}
	must(t, ad.RemoveAccount(ctx, admin.Removal{Address: ann.Address, Now: true}))
	if list, err := ad.RemovedAccounts(ctx); len(list) != 0 || err != nil {
		t.Error(list, err)
	}
	s.Check()
}

// TestRemovalGoesOnAfterACrash: an account that was to be removed for good, and whose mail is still there.
func TestRemovalGoesOnAfterACrash(t *testing.T) {
	gone := &listener{want: "gave up removed accounts, with their mail", seen: make(chan struct{})}
	logger := slog.New(gone) // of both servers: the first may come to it itself, if it looks for such accounts late after its start
	s := servertest.Start(t, servertest.Options{Logger: logger})
	ann := s.AddAccount("ann")
	s.Deliver("Subject: not for long\r\n\r\n", "ann")
	must(t, s.Store().Directory.Condemn(t.Context(), ident.AccountID(ann.ID)))
	if _, err := s.Store().Admin.BringBackAccount(t.Context(), admin.Restoral{Address: ann.Address}); !fault.Is(err, fault.NotFound) {
		t.Error("it came back", err)
	}
	must(t, s.Stop())

	s = servertest.Start(t, servertest.Options{Files: s.Files, Folder: s.Folder, Logger: logger})
	<-gone.seen
	if boxes, err := s.Store().Mailboxes.Accounts(t.Context()); err != nil || len(boxes) != 0 {
		t.Errorf("mailboxes %v are left, %v", boxes, err)
	}
	s.Check()
}
