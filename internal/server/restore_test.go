package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pquerna/otp/totp"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/server/admin"
	"postroad/internal/server/servertest"
	fetcher "postroad/internal/service/fetch"
	"postroad/internal/service/passkey/passkeytest"
)

// An account that was removed for good comes back out of a backup as it was: its owner signs in by app password, by a code of the
// authenticator and by passkey, mail to its aliases and groups reaches it, and its filter and its answers go on. What it administered doesn't come back.
func TestLostAccountComesBackWhole(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	ctx := t.Context()
	a := s.Store().Admin
	s.AddAccount("ann")
	s.AddAccount("ben")
	must(t, a.AddAlias(ctx, admin.Alias{Address: "sales@" + servertest.Domain, Targets: []string{ann}}))
	must(t, a.AddGroup(ctx, admin.Group{Address: "team@" + servertest.Domain, Members: []string{ann, "ben@" + servertest.Domain}}))
	must(t, a.Appoint(ctx, admin.Administrator{Address: ann, Domain: servertest.Domain}))
	_, err := a.PutScript(ctx, admin.NewScript{Address: ann, Name: "mine", Text: `require "fileinto"; if header :contains "subject" "offer" { fileinto "INBOX"; addheader; }`})
	wants(t, err, fault.Invalid)
	_, err = a.PutScript(ctx, admin.NewScript{Address: ann, Name: "mine", Text: `require ["fileinto", "mailbox"]; if header :contains "subject" "offer" { fileinto :create "Offers"; }`, Activate: true})
	must(t, err)
	state, text := "on", "I am away"
	_, err = a.SetAway(ctx, admin.AwayChange{Address: ann, State: &state, Text: &text})
	must(t, err)
	_, err = a.SetJunk(ctx, admin.JunkChange{Address: ann, Off: true})
	must(t, err)

	b := newSurfer(t, s)
	b.get("/account/sign-in")
	b.post("/account/sign-in", "login", ann, "password", servertest.Password)
	k := passkeytest.New(t, "https://"+servertest.Hostname)
	b.get("/account/passkeys")
	b.post("/account/passkeys", "name", "phone", "passkey", string(k.Create([]byte(b.find(asked)))))
	e, err := a.BeginTwoStep(ctx, ann)
	must(t, err)
	code := func() string {
		s.Clock.Advance(time.Minute) // each code is good once
		code, err := totp.GenerateCode(e.Secret, s.Clock.Now())
		must(t, err)
		return code
	}
	_, err = a.ConfirmTwoStep(ctx, admin.Code{Address: ann, Code: code()})
	must(t, err)
	app, err := a.AddAppPassword(ctx, admin.NewAppPassword{Address: ann, Name: "laptop", Protocols: []string{"imap"}})
	must(t, err)
	_, err = a.AddFetch(ctx, admin.NewFetch{Account: ann, Protocol: "imap", Address: "old.example:993", Security: "tls", User: "ann", Secret: "old", Policy: "keep", EverySeconds: 3600, Unchecked: true})
	must(t, err)
	before := s.Store().Fetch
	known, err := fetcher.Copies(ctx, s.Store().DB, firstFetched(t, before))
	must(t, err)
	dir := t.TempDir()
	backUp(t, s, dir)

	must(t, a.RemoveAccount(ctx, admin.Removal{Address: ann, Now: true}))
	if all, err := before.List(ctx, 0); err != nil || len(all) != 0 {
		t.Fatal(all, err)
	}
	from := find(t, dir, "ann")

	made, err := a.RestoreAccount(ctx, from.AccountCopy, from.Pairs)
	must(t, err)
	want := directory.Returned{AppPasswords: 1, Passkeys: 1, TwoStep: true, Ways: []directory.Way{
		{Kind: directory.WayAlias, From: "sales@" + servertest.Domain, To: ann, Direct: true, Alone: true}, {Kind: directory.WayMember, From: "team@" + servertest.Domain, To: ann, Direct: true}}}
	if diff := cmp.Diff(want, made.Returned); diff != "" || made.Fetched != 1 {
		t.Errorf("%d external accounts; %s", made.Fetched, diff)
	}

	opens := func(password string) bool {
		return strings.HasPrefix(imapSays(t, s.Dial(servertest.IMAP), "LOGIN "+ann+` "`+password+`"`), "a OK")
	}
	if !opens(app.Password) || opens(servertest.Password) {
		t.Error("IMAP doesn't want the app password, and it alone")
	}
	b = newSurfer(t, s)
	b.get("/account/sign-in")
	b.post("/account/sign-in", "login", ann, "password", servertest.Password)
	half := b.find(`name="half" value="([^"]*)"`)
	if half == "" {
		t.Fatalf("no second step is asked for: %s", b.body)
	}
	b.post("/account/sign-in", "half", half, "code", code())
	b.shows("Here you look after")
	b = newSurfer(t, s)
	b.get("/account/sign-in")
	b.post("/account/sign-in", "passkey", string(k.Get([]byte(b.find(asked)))))
	b.shows("Here you look after")

	s.Deliver("Subject: an offer\r\n\r\n", "sales")
	s.Deliver("Subject: to all\r\n\r\n", "team")
	all := subjects(t, s, "ann")
	found := 0
	for what := range all {
		if strings.Contains(what, "Offers") && strings.Contains(what, "an offer") || strings.Contains(what, "to all") {
			found++
		}
	}
	if found != 2 {
		t.Errorf("ann has %v", all)
	}
	if away, err := a.Away(ctx, ann); err != nil || away.State != "on" || away.Text != text {
		t.Errorf("%+v %v", away, err)
	}
	if j, err := a.Junk(ctx, ann); err != nil || !j.Off {
		t.Errorf("%+v %v", j, err)
	}
	if duties, err := s.Store().Directory.Duties(ctx, firstFetched(t, before)); err != nil || len(duties.Domains) != 0 {
		t.Errorf("%+v %v", duties, err)
	}
	now, err := fetcher.Copies(ctx, s.Store().DB, firstFetched(t, before))
	must(t, err)
	if len(now) != 1 || now[0].ID != known[0].ID {
		t.Errorf("%+v, was %+v", now, known)
	}
	s.Check()
}

// firstFetched is whose the first external account is.
func firstFetched(t *testing.T, f *fetcher.Service) ident.AccountID {
	t.Helper()
	all, err := f.List(t.Context(), 0)
	must(t, err)
	if len(all) == 0 {
		t.Fatal("there is no external account")
	}
	return all[0].Account
}
