package fetch

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/oauthclient"
)

// teller gives a new access token and a new refresh token each time; only the newest refresh token is good.
type teller struct {
	given   int
	refresh string
	revoked bool
	before  func() // is called before it answers
}

func (p *teller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.before != nil {
		p.before()
	}
	if p.revoked || r.PostFormValue("refresh_token") != p.refresh || r.PostFormValue("client_id") != "me" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant"}`)
		return
	}
	p.given++
	p.refresh = fmt.Sprint("refresh", p.given)
	fmt.Fprintf(w, `{"access_token":"access%d","refresh_token":%q,"expires_in":3600}`, p.given, p.refresh)
}

func newOAuthWorld(t *testing.T) (*world, *teller, Source) {
	w, p := newWorld(t), &teller{refresh: "refresh0"}
	at := httptest.NewTLSServer(p)
	t.Cleanup(at.Close)
	w.providers = oauthclient.New(at.Client(), w.clock, rand.Reader)
	w.restart()
	src, err := w.service.AddOAuth(t.Context(), Source{Account: 1, Protocol: POP3, Address: "mail.example.org:110", Security: StartTLS, User: "ann", Policy: Keep, Every: time.Minute,
		OAuth: &OAuth{Provider: "x", App: oauthclient.App{ID: "me", Token: at.URL}}}, "", "refresh0")
	w.must(err)
	return w, p, src
}

// The renewed refresh token is durable before the access token is used; if it can't be stored, nothing is.
func TestRenewedTokensAreDurableFirst(t *testing.T) {
	w, p, src := newOAuthWorld(t)
	w.db.fail = func() error { return errors.New("the disk is full") }
	if _, err := w.service.RunNow(t.Context(), src.ID); err == nil || w.dials.Load() != 0 {
		t.Errorf("%v; it was dialled %d times", err, w.dials.Load())
	}
	w.db.fail = nil
	p.refresh = "refresh0" // as a provider does that gives the old one some grace
	token, fresh, err := w.service.token(t.Context(), &src, "")
	if err != nil || !fresh || token != "access2" {
		t.Fatal(token, fresh, err)
	}
	if g, err := w.service.grant(t.Context(), src.ID); err != nil || g.Refresh != "refresh2" || g.Access != "access2" {
		t.Errorf("%+v %v", g, err)
	}
	w.restart()
	for range 3 {
		if token, fresh, err = w.service.token(t.Context(), &src, ""); err != nil || fresh || token != "access2" {
			t.Error(token, fresh, err)
		}
	}
	w.now = w.now.Add(time.Hour - beforeEnd)
	if token, fresh, err = w.service.token(t.Context(), &src, ""); err != nil || !fresh || token != "access3" {
		t.Error(token, fresh, err)
	}
	// One that the server refuses is renewed, whatever the clock says.
	if token, fresh, err = w.service.token(t.Context(), &src, "access3"); err != nil || !fresh || token != "access4" {
		t.Error(token, fresh, err)
	}
	// A provider that gives no new refresh token means the old one.
	if g := (grant{Refresh: "old", Access: "a"}).with(oauthclient.Tokens{Access: "b"}); g.Refresh != "old" || g.Access != "b" || !g.good(w.now) {
		t.Errorf("%+v", g)
	}
}

// A permission that is given while an old one is being renewed counts.
func TestNewPermissionCounts(t *testing.T) {
	w, p, src := newOAuthWorld(t)
	p.before = func() {
		p.before = nil
		w.must(w.service.SetSecret(t.Context(), src.ID, "newer"))
	}
	if _, _, err := w.service.token(t.Context(), &src, ""); !fault.Is(err, fault.Conflict) {
		t.Error(err)
	}
	if g, err := w.service.grant(t.Context(), src.ID); err != nil || g.Refresh != "newer" || g.Access != "" {
		t.Errorf("%+v %v", g, err)
	}
	p.refresh = "newer"
	if _, fresh, err := w.service.token(t.Context(), &src, ""); !fresh || err != nil {
		t.Error(err)
	}
}

// No token is in what is listed, logged or told.
func TestTokensAreKept(t *testing.T) {
	w, p, src := newOAuthWorld(t)
	_, _, err := w.service.token(t.Context(), &src, "")
	w.must(err)
	p.revoked, w.now = true, w.now.Add(2*time.Hour)
	_, err = w.service.RunNow(t.Context(), src.ID)
	if !fault.Is(err, fault.Unauthenticated) {
		t.Error(err)
	}
	all, err2 := w.service.List(t.Context(), 1)
	w.must(err2)
	if text := fmt.Sprintf("%+v %v", all, err); strings.Contains(text, "refresh1") || strings.Contains(text, "access1") {
		t.Error(text)
	}
	if next := all[0].Next.Sub(w.now); all[0].Failures != 1 || next < signInBackOff {
		t.Errorf("%+v", all[0].Status)
	}
	for _, bad := range []Source{
		{Account: 1, Protocol: POP3, Address: "x:1", Security: None, User: "a", Policy: Keep, Every: time.Minute, OAuth: src.OAuth},
		{Account: 1, Protocol: POP3, Address: "x:1", Security: TLS, User: "a", Policy: Keep, Every: time.Minute, OAuth: &OAuth{App: oauthclient.App{ID: "x", Token: "http://x"}}},
		{Account: 1, Protocol: POP3, Address: "x:1", Security: TLS, User: "a", Policy: Keep, Every: time.Minute},
	} {
		if _, err := w.service.AddOAuth(t.Context(), bad, "", ""); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := w.service.Add(t.Context(), src, "password"); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}
