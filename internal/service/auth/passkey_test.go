package auth

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/service/passkey"
	"postroad/internal/service/passkey/passkeytest"
)

const pagesAt = "https://mail.example.org"

// newPagesHouse takes passkeys.
func newPagesHouse(t testing.TB, o Options) *house {
	o.Site = &passkey.Site{ID: "mail.example.org", Name: "Post", Origins: []string{pagesAt}}
	return newHouseWith(t, directory.HashParams{}, o)
}

// passkey makes an account a passkey.
func (h *house) passkey(t testing.TB, id ident.AccountID, name string) *passkeytest.Key {
	t.Helper()
	k := passkeytest.New(t, pagesAt)
	options, err := h.NewPasskey(t.Context(), id, "session")
	check(t, err)
	_, err = h.AddPasskey(t.Context(), id, "session", name, k.Create(options))
	check(t, err)
	return k
}

func (h *house) ask(t testing.TB) json.RawMessage {
	t.Helper()
	r, err := h.PasskeyRequest()
	check(t, err)
	return r
}

var web = over("web")

func TestPasskeyAlone(t *testing.T) {
	var events []Event
	h := newPagesHouse(t, Options{Note: func(e Event) { events = append(events, e) }})
	ctx := t.Context()
	k := h.passkey(t, h.ann, "phone")
	answer := k.Get(h.ask(t))
	in, err := h.Enter(ctx, web, ByHand{Passkey: answer})
	check(t, err)
	if in.Identity.Account != h.ann || in.Key.String() != "passkey phone" || !in.Identity.ReadsMail || in.Half != "" {
		t.Errorf("%+v", in)
	}
	if e := events[len(events)-1]; e.Outcome != SignedIn || e.Address != "ann@example.org" || e.Mechanism != "passkey" || e.Key.Name != "phone" {
		t.Errorf("%+v", e)
	}
	_, err = h.Enter(ctx, web, ByHand{Passkey: answer}) // replayed
	fails(t, err, fault.Unauthenticated)
	h.twoStep(t) // it is two steps itself
	in, err = h.Enter(ctx, web, ByHand{Passkey: k.Get(h.ask(t))})
	check(t, err)
	if in.Half != "" {
		t.Error("a second step is wanted")
	}
	check(t, h.dir.SetEnabled(ctx, h.ann, false))
	_, err = h.Enter(ctx, web, ByHand{Passkey: k.Get(h.ask(t))})
	fails(t, err, fault.Denied)
}

// What thieves and other sites can bring about: nothing.
func TestPasskeyAttacks(t *testing.T) {
	h := newPagesHouse(t, Options{})
	ctx := t.Context()
	bob, err := h.dir.AccountByAddress(ctx, "bob@example.org")
	check(t, err)
	anns, bobs := h.passkey(t, h.ann, "phone"), h.passkey(t, bob.ID, "phone")
	stranger := passkeytest.New(t, pagesAt)
	stranger.Handle = anns.Handle
	for name, f := range map[string]func(k *passkeytest.Key) []byte{
		"another origin":      func(k *passkeytest.Key) []byte { k.Origin = "https://evil.example"; return k.Get(h.ask(t)) },
		"another site":        func(k *passkeytest.Key) []byte { k.Site = "evil.example"; return k.Get(h.ask(t)) },
		"nobody was verified": func(k *passkeytest.Key) []byte { k.Flags &^= passkeytest.Verified; return k.Get(h.ask(t)) },
		"nobody was there":    func(k *passkeytest.Key) []byte { k.Flags &^= passkeytest.Present; return k.Get(h.ask(t)) },
		"not eligible any more": func(k *passkeytest.Key) []byte {
			k.Flags &^= passkeytest.Eligible | passkeytest.BackedUp
			return k.Get(h.ask(t))
		},
		"another's handle":             func(k *passkeytest.Key) []byte { k.Handle = bobs.Handle; return k.Get(h.ask(t)) },
		"no handle":                    func(k *passkeytest.Key) []byte { k.Handle = nil; return k.Get(h.ask(t)) },
		"another's key":                func(k *passkeytest.Key) []byte { k.Private = bobs.Private; return k.Get(h.ask(t)) },
		"a credential that nobody has": func(*passkeytest.Key) []byte { return stranger.Get(h.ask(t)) },
		"a challenge of its own": func(k *passkeytest.Key) []byte {
			return k.Get([]byte(`{"rpId":"mail.example.org","challenge":"AAAA"}`))
		},
		"a challenge for a second step": func(k *passkeytest.Key) []byte {
			h.twoStep(t)
			defer func() { check(t, h.dir.EndTwoStep(ctx, h.ann)) }()
			in, err := h.Enter(ctx, web, ByHand{Login: "ann", Password: "secret"})
			check(t, err)
			return k.Get(in.Request)
		},
		"a challenge to make one": func(k *passkeytest.Key) []byte {
			o, err := h.NewPasskey(ctx, h.ann, "session")
			check(t, err)
			var made struct{ Challenge string }
			check(t, json.Unmarshal(o, &made))
			return k.Get([]byte(`{"rpId":"mail.example.org","challenge":"` + made.Challenge + `"}`))
		},
	} {
		k := *anns
		if in, err := h.Enter(ctx, web, ByHand{Passkey: f(&k)}); !fault.Is(err, fault.Unauthenticated) || in.Identity.Account != 0 {
			t.Errorf("%s: %v %+v", name, err, in)
		}
		anns.Count = k.Count
	}
	late := anns.Get(h.ask(t))
	h.pass(passkey.ChallengeLife)
	_, err = h.Enter(ctx, web, ByHand{Passkey: late})
	fails(t, err, fault.Unauthenticated)
	_, err = h.Enter(ctx, web, ByHand{Passkey: []byte("{}")})
	fails(t, err, fault.Invalid)
	_, err = h.Enter(ctx, Peer{Addr: home.Addr}, ByHand{Passkey: anns.Get(h.ask(t))}) // in the clear
	fails(t, err, fault.Denied)
	in, err := h.Enter(ctx, web, ByHand{Passkey: anns.Get(h.ask(t))}) // and all that has locked nobody out
	check(t, err)
	if in.Identity.Account != h.ann {
		t.Errorf("%+v", in)
	}
}

// A counter that goes back shows that there are two of a passkey that can't be copied.
func TestClonedPasskey(t *testing.T) {
	var last Event
	h := newPagesHouse(t, Options{Note: func(e Event) { last = e }})
	k := h.passkey(t, h.ann, "key ring")
	clone := *k
	for range 3 {
		_, err := h.Enter(t.Context(), web, ByHand{Passkey: k.Get(h.ask(t))})
		check(t, err)
	}
	_, err := h.Enter(t.Context(), web, ByHand{Passkey: clone.Get(h.ask(t))})
	fails(t, err, fault.Denied)
	if last.Outcome != Cloned || last.Key.Name != "key ring" || last.Address != "ann@example.org" {
		t.Errorf("%+v", last)
	}
}

func TestMakingAPasskeyIsBoundToWhoAsked(t *testing.T) {
	h := newPagesHouse(t, Options{})
	ctx := t.Context()
	bob, err := h.dir.AccountByAddress(ctx, "bob@example.org")
	check(t, err)
	options, err := h.NewPasskey(ctx, h.ann, "session")
	check(t, err)
	k := passkeytest.New(t, pagesAt)
	answer := k.Create(options)
	_, err = h.AddPasskey(ctx, bob.ID, "session", "phone", answer)
	fails(t, err, fault.Unauthenticated)
	_, err = h.AddPasskey(ctx, h.ann, "another session", "phone", answer)
	fails(t, err, fault.Unauthenticated)
	_, err = h.AddPasskey(ctx, h.ann, "session", "phone", answer)
	check(t, err)
	_, err = h.AddPasskey(ctx, h.ann, "session", "again", answer)
	fails(t, err, fault.Unauthenticated)
	unverified := passkeytest.New(t, pagesAt)
	unverified.Flags &^= passkeytest.Verified
	options, err = h.NewPasskey(ctx, h.ann, "session")
	check(t, err)
	_, err = h.AddPasskey(ctx, h.ann, "session", "again", unverified.Create(options))
	fails(t, err, fault.Invalid)
}

func TestPasskeyAsSecondStep(t *testing.T) {
	h := newPagesHouse(t, Options{})
	ctx := t.Context()
	bob, err := h.dir.AccountByAddress(ctx, "bob@example.org")
	check(t, err)
	k, bobs := h.passkey(t, h.ann, "phone"), h.passkey(t, bob.ID, "phone")
	h.twoStep(t)
	half := func() Entry {
		in, err := h.Enter(ctx, web, ByHand{Login: "Ann", Password: "secret"})
		check(t, err)
		if in.Half == "" || in.Identity.Account != 0 || !in.Codes || in.Request == nil || strings.Contains(in.Half, "ann") {
			t.Fatalf("%+v", in)
		}
		return in
	}
	in := half()
	k.Flags &^= passkeytest.Verified // the password is there
	got, err := h.Enter(ctx, web, ByHand{Half: in.Half, Passkey: k.Get(in.Request)})
	check(t, err)
	if got.Identity.Account != h.ann || got.Key.Kind != Password {
		t.Errorf("%+v", got)
	}
	in = half()
	_, err = h.Enter(ctx, web, ByHand{Half: in.Half, Passkey: bobs.Get(in.Request)}) // a credential of another account
	fails(t, err, fault.Unauthenticated)
	_, err = h.Enter(ctx, web, ByHand{Half: in.Half, Passkey: k.Get(h.ask(t))}) // a challenge for signing in alone
	fails(t, err, fault.Unauthenticated)
	for i := range in.Half {
		forged := []byte(in.Half)
		forged[i] ^= 1
		_, err = h.Enter(ctx, web, ByHand{Half: string(forged), Passkey: k.Get(in.Request)})
		fails(t, err, fault.Unauthenticated)
	}
	h.pass(HalfLife)
	_, err = h.Enter(ctx, web, ByHand{Half: in.Half, Passkey: k.Get(in.Request)})
	fails(t, err, fault.Unauthenticated)
	in = half()
	check(t, h.dir.SetPassword(ctx, h.ann, "another")) // what was known of the old one is worth nothing
	_, err = h.Enter(ctx, web, ByHand{Half: in.Half, Passkey: k.Get(in.Request)})
	fails(t, err, fault.Unauthenticated)
}

// Codes are few: who has a half can't try them all.
func TestHalvesAreNoWayRoundTheLimits(t *testing.T) {
	h := newPagesHouse(t, Options{})
	ctx := t.Context()
	h.twoStep(t)
	in, err := h.Enter(ctx, web, ByHand{Login: "ann", Password: "secret"})
	check(t, err)
	for i := range pairFree + 1 {
		_, err = h.Enter(ctx, over("web"), ByHand{Half: in.Half, Code: "no code"})
		want := fault.Unauthenticated
		if i == pairFree {
			want = fault.RateLimited
		}
		fails(t, err, want)
	}
	elsewhere := web
	elsewhere.Addr = from("198.51.100.7").Addr
	_, err = h.Enter(ctx, elsewhere, ByHand{Half: in.Half, Code: "no code"})
	fails(t, err, fault.RateLimited)
}

func TestRequiredTwoStep(t *testing.T) {
	h := newPagesHouse(t, Options{RequireTwoStep: true})
	ctx := t.Context()
	_, err := h.Login(ctx, over("imap"), "ann@example.org", "secret")
	fails(t, err, fault.Denied)
	_, err = scramSignIn(t, h, over("imap"), "SCRAM-SHA-256", "", unbound, "ann@example.org", "secret")
	fails(t, err, fault.Denied)
	_, err = h.Login(ctx, over("imap"), "ann@example.org", h.app(t, "phone"))
	check(t, err)
	in, err := h.Enter(ctx, web, ByHand{Login: "ann", Password: "secret"})
	check(t, err)
	if !in.Setup {
		t.Error("everything may be done")
	}
	_, s, err := h.OpenPages(ctx, web, in, "")
	check(t, err)
	h.twoStep(t)
	cookie, _, err := h.RenewAfterTwoStep(ctx, s)
	check(t, err)
	if now, _, err := h.Pages(ctx, cookie); err != nil || now.Setup {
		t.Errorf("%+v %v", now, err)
	}
}

// pages signs ann in in a browser.
func (h *house) pages(t testing.TB) (cookie string, s Pages) {
	t.Helper()
	in, err := h.Enter(t.Context(), web, ByHand{Login: "ann", Password: "secret"})
	check(t, err)
	cookie, s, err = h.OpenPages(t.Context(), web, in, "Netscape")
	check(t, err)
	return cookie, s
}

func TestPages(t *testing.T) {
	h := newPagesHouse(t, Options{})
	ctx := t.Context()
	cookie, _ := h.pages(t)
	s, p, err := h.Pages(ctx, cookie)
	check(t, err)
	if s.Account != h.ann || p.Account.ID != h.ann || s.Address != "ann@example.org" || s.Client != web.Addr || s.Program != "Netscape" || s.Key.Kind != Password || !s.Fresh(h.clock()) {
		t.Errorf("%+v", s)
	}
	for i := range cookie {
		forged := []byte(cookie)
		forged[i] ^= 1
		if _, _, err := h.Pages(ctx, string(forged)); err == nil && i < len(cookie)-1 {
			t.Errorf("a cookie that was changed at %d", i)
		}
	}
	for _, bad := range []string{"", "x", strings.Repeat("A", 40), strings.Repeat("A", 10_000)} {
		_, _, err = h.Pages(ctx, bad)
		fails(t, err, fault.Unauthenticated)
	}
	again, other := h.pages(t)
	if again == cookie {
		t.Error("the same cookie twice")
	}
	if s.Token("form") == other.Token("form") || s.Token("form") == s.Token("else") {
		t.Error("tokens are the same")
	}
	list, err := h.AllPages(ctx, h.ann)
	check(t, err)
	if len(list) != 2 || list[0].ID == list[1].ID {
		t.Errorf("%+v", list)
	}
	reopened := New(h.dir, h.options) // it lasts over a restart
	_, _, err = reopened.Pages(ctx, cookie)
	check(t, err)
	check(t, h.ClosePages(ctx, s))
	_, _, err = h.Pages(ctx, cookie)
	fails(t, err, fault.Unauthenticated)
	_, _, err = h.Pages(ctx, again)
	check(t, err)
}

// Each way in which a session ends.
func TestPagesEnd(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, h *house, s Pages){
		"left alone": func(t *testing.T, h *house, s Pages) { h.pass(PagesIdle) },
		"after its time": func(t *testing.T, h *house, s Pages) {
			for i := PagesIdle / 2; i < PagesLife; i += PagesIdle / 2 {
				h.pass(PagesIdle / 2)
				all, err := h.AllPages(t.Context(), h.ann)
				check(t, err)
				if len(all) != 1 {
					t.Fatalf("it has ended after %v", i)
				}
				_, _, err = h.Pages(t.Context(), keepCookie(s))
				check(t, err)
			}
			h.pass(PagesIdle / 2)
		},
		"another password":  func(t *testing.T, h *house, s Pages) { check(t, h.dir.SetPassword(t.Context(), h.ann, "another")) },
		"two-step is on":    func(t *testing.T, h *house, s Pages) { h.twoStep(t) },
		"disabled":          func(t *testing.T, h *house, s Pages) { check(t, h.dir.SetEnabled(t.Context(), h.ann, false)) },
		"removed":           func(t *testing.T, h *house, s Pages) { check(t, h.dir.Retire(t.Context(), h.ann)) },
		"somebody ends it":  func(t *testing.T, h *house, s Pages) { ended(t, h, s.ID, Pages{}) },
		"somebody ends all": func(t *testing.T, h *house, s Pages) { ended(t, h, "", Pages{}) },
		"it got another cookie": func(t *testing.T, h *house, s Pages) {
			_, _, err := h.RenewAfterTwoStep(t.Context(), s)
			check(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newPagesHouse(t, Options{})
			cookie, s := h.pages(t)
			if keepCookie(s) != cookie {
				t.Fatal("the cookie isn't what it is made of")
			}
			_, _, err := h.Pages(t.Context(), cookie)
			check(t, err)
			end(t, h, s)
			_, _, err = h.Pages(t.Context(), cookie)
			fails(t, err, fault.Unauthenticated)
			h.pass(PagesLife)
			check(t, h.tidyPages(t.Context()))
			if left, err := h.AllPages(t.Context(), 0); err != nil || len(left) != 0 {
				t.Errorf("%+v %v", left, err)
			}
		})
	}
}

func ended(t *testing.T, h *house, id string, keep Pages) {
	t.Helper()
	if n, err := h.EndPages(t.Context(), h.ann, id, keep); err != nil || n != 1 {
		t.Errorf("%d %v", n, err)
	}
}

func TestPagesOfAPasskeyEndWithIt(t *testing.T) {
	h := newPagesHouse(t, Options{})
	ctx := t.Context()
	k := h.passkey(t, h.ann, "phone")
	in, err := h.Enter(ctx, web, ByHand{Passkey: k.Get(h.ask(t))})
	check(t, err)
	cookie, _, err := h.OpenPages(ctx, web, in, "")
	check(t, err)
	h.twoStep(t) // which it has passed
	_, _, err = h.Pages(ctx, cookie)
	check(t, err)
	_, key, err := h.dir.Passkey(ctx, string(k.ID))
	check(t, err)
	_, err = h.dir.RemovePasskey(ctx, h.ann, key.ID)
	check(t, err)
	_, _, err = h.Pages(ctx, cookie)
	fails(t, err, fault.Unauthenticated)
}

// Who shows once more who they are may be nobody else, and can't bring a session back that was ended.
func TestRenewPages(t *testing.T) {
	h := newPagesHouse(t, Options{})
	ctx := t.Context()
	_, s := h.pages(t)
	bob, err := h.Enter(ctx, web, ByHand{Login: "bob", Password: "secret"})
	check(t, err)
	_, _, err = h.RenewPages(ctx, s, bob)
	fails(t, err, fault.Denied)
	h.pass(ProofLife)
	if s.Fresh(h.clock()) {
		t.Error("it is fresh for ever")
	}
	ann, err := h.Enter(ctx, web, ByHand{Login: "ann", Password: "secret"})
	check(t, err)
	_, renewed, err := h.RenewPages(ctx, s, ann)
	check(t, err)
	if !renewed.Fresh(h.clock()) || !renewed.Since.Equal(s.Since) {
		t.Errorf("%+v", renewed)
	}
	h.pass(ProofLife)
	cookie, renewed, err := h.RenewAfterTwoStep(ctx, renewed) // which shows nothing new
	check(t, err)
	if s, _, err := h.Pages(ctx, cookie); err != nil || s.Fresh(h.clock()) {
		t.Errorf("%+v %v", s, err)
	}
	check(t, h.ClosePages(ctx, renewed))
	_, _, err = h.RenewPages(ctx, renewed, ann)
	fails(t, err, fault.Unauthenticated)
	_, _, err = h.Pages(ctx, cookie)
	fails(t, err, fault.Unauthenticated)
	h.twoStep(t)
	half, err := h.Enter(ctx, web, ByHand{Login: "ann", Password: "secret"})
	check(t, err)
	_, _, err = h.OpenPages(ctx, web, half, "")
	fails(t, err, fault.Invalid)
}

func TestPagesAreBounded(t *testing.T) {
	h := newPagesHouse(t, Options{})
	first, _ := h.pages(t)
	for range maxPages {
		h.pass(time.Second)
		h.pages(t)
	}
	if all, err := h.AllPages(t.Context(), h.ann); err != nil || len(all) != maxPages {
		t.Errorf("%d %v", len(all), err)
	}
	_, _, err := h.Pages(t.Context(), first)
	fails(t, err, fault.Unauthenticated)
}

// keepCookie is the cookie of a session.
func keepCookie(s Pages) string {
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint64(nil, uint64(s.Account))[2:], s.secret...))
}

// Whether there is such a name doesn't show at pages either: one hash in each case, and one answer.
func TestPagesShowNoNames(t *testing.T) {
	h := newPagesHouse(t, Options{})
	for _, login := range []string{"ann@example.org", "nobody@example.org", "carl@example.org", "ann@elsewhere.example"} {
		before := h.dir.Hashes()
		_, err := h.Enter(t.Context(), web, ByHand{Login: login, Password: "wrong"})
		fails(t, err, fault.Unauthenticated)
		if n := h.dir.Hashes() - before; n != 1 || fault.TextOf(err) != "wrong name or password" {
			t.Errorf("%s: %d hashes, %v", login, n, err)
		}
	}
}

// A session goes on after its own change of the password, and after no other.
func TestRenewAfterPassword(t *testing.T) {
	h := newPagesHouse(t, Options{})
	ctx := t.Context()
	_, s := h.pages(t)
	_, other := h.pages(t)
	check(t, h.dir.SetPassword(ctx, h.ann, "another"))
	_, _, err := h.RenewAfterTwoStep(ctx, other)
	fails(t, err, fault.Unauthenticated)
	cookie, s, err := h.RenewAfterPassword(ctx, s)
	check(t, err)
	_, _, err = h.Pages(ctx, cookie)
	check(t, err)
	check(t, h.dir.SetPassword(ctx, h.ann, "its own"))
	check(t, h.dir.SetPassword(ctx, h.ann, "somebody's, at the same moment"))
	_, _, err = h.RenewAfterPassword(ctx, s)
	fails(t, err, fault.Unauthenticated)
}

// The password changes between the proof and the session.
func TestPagesOfAnOldPassword(t *testing.T) {
	h := newPagesHouse(t, Options{})
	ctx := t.Context()
	in, err := h.Enter(ctx, web, ByHand{Login: "ann", Password: "secret"})
	check(t, err)
	_, s := h.pages(t)
	check(t, h.dir.SetPassword(ctx, h.ann, "another"))
	_, _, err = h.OpenPages(ctx, web, in, "")
	fails(t, err, fault.Unauthenticated)
	_, _, err = h.RenewPages(ctx, s, in)
	fails(t, err, fault.Unauthenticated)
}

// What has ended a session doesn't only hold it up: an account that is enabled again, or two-step verification that is turned off again,
// doesn't bring back who was signed in before.
func TestEndedPagesStayEnded(t *testing.T) {
	for name, c := range map[string]struct{ end, again func(t *testing.T, h *house) }{
		"disabled": {
			func(t *testing.T, h *house) { check(t, h.dir.SetEnabled(t.Context(), h.ann, false)) },
			func(t *testing.T, h *house) { check(t, h.dir.SetEnabled(t.Context(), h.ann, true)) }},
		"two-step": {
			func(t *testing.T, h *house) { h.twoStep(t) },
			func(t *testing.T, h *house) { check(t, h.dir.EndTwoStep(t.Context(), h.ann)) }},
	} {
		t.Run(name, func(t *testing.T) {
			h := newPagesHouse(t, Options{})
			cookie, _ := h.pages(t)
			h.EndStale(t.Context(), h.ann)
			_, _, err := h.Pages(t.Context(), cookie)
			check(t, err)
			c.end(t, h)
			h.EndStale(t.Context(), h.ann)
			c.again(t, h)
			_, _, err = h.Pages(t.Context(), cookie)
			fails(t, err, fault.Unauthenticated)
		})
	}
}

// A new cookie for one session takes no other's place, also where there are as many as there may be.
func TestRenewedPagesTakeNoPlace(t *testing.T) {
	h := newPagesHouse(t, Options{})
	_, s := h.pages(t)
	for range maxPages - 1 {
		h.pass(time.Second)
		h.pages(t)
	}
	_, _, err := h.RenewAfterTwoStep(t.Context(), s)
	check(t, err)
	if all, err := h.AllPages(t.Context(), h.ann); err != nil || len(all) != maxPages {
		t.Errorf("%d %v", len(all), err)
	}
}

// A browser that the password of an outside directory has opened is signed out when the account has no more to do with that.
func TestPagesEndWithTheLink(t *testing.T) {
	h := newPagesHouse(t, Options{Outside: &elsewhere{}})
	ctx := t.Context()
	dan, err := h.dir.AddAccount(ctx, directory.NewAccount{Address: "dan@example.org", Link: &directory.Link{Source: "corp", Key: "1"}})
	check(t, err)
	in, err := h.Enter(ctx, web, ByHand{Login: "dan@example.org", Password: "outside"})
	check(t, err)
	cookie, _, err := h.OpenPages(ctx, web, in, "Netscape")
	check(t, err)
	_, _, err = h.Pages(ctx, cookie)
	check(t, err)
	h.passkey(t, dan.ID, "phone")
	codes, err := h.dir.StartTwoStep(ctx, dan.ID)
	check(t, err)
	in, err = h.Enter(ctx, web, ByHand{Login: "dan@example.org", Password: "outside"})
	check(t, err)
	check(t, h.dir.UnlinkAccount(ctx, dan.ID))
	_, err = h.Enter(ctx, web, ByHand{Half: in.Half, Code: codes[0]}) // who has come half the way
	fails(t, err, fault.Unauthenticated)
	check(t, h.dir.EndTwoStep(ctx, dan.ID))
	_, _, err = h.Pages(ctx, cookie)
	fails(t, err, fault.Unauthenticated)
}
