package auth

import (
	"context"
	"testing"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
)

// elsewhere is an outside directory in which everybody has the password "outside".
type elsewhere struct {
	asked, pretended int
	err              error
}

func (e *elsewhere) Verify(_ context.Context, l directory.Link, password string) (bool, error) {
	e.asked++
	return password == "outside" && l.Key == "1", e.err
}
func (*elsewhere) Serves(domain string) bool { return domain == "example.org" }
func (e *elsewhere) Pretend(context.Context, string, string) error {
	e.pretended++
	return e.err
}

func TestPasswordsElsewhere(t *testing.T) {
	out := &elsewhere{}
	h := newHouseWith(t, directory.HashParams{}, Options{Outside: out})
	ctx := t.Context()
	dan, err := h.dir.AddAccount(ctx, directory.NewAccount{Address: "dan@example.org", Link: &directory.Link{Source: "corp", Key: "1"}})
	check(t, err)
	peer := Peer{Protocol: "imap", PlainAllowed: true}
	login := func(name, password string, want fault.Kind, hashes uint64, asked, pretended int) {
		t.Helper()
		before, a, p := h.dir.Hashes(), out.asked, out.pretended
		who, err := h.Login(ctx, peer, name, password)
		if want == 0 && err != nil || want != 0 && !fault.Is(err, want) {
			t.Errorf("%s %s: %v", name, password, err)
		}
		if want == 0 && who.Login != name {
			t.Error(who)
		}
		if h.dir.Hashes()-before != hashes || out.asked-a != asked || out.pretended-p != pretended {
			t.Errorf("%s: %d hashes, asked %d times, pretended %d times", name, h.dir.Hashes()-before, out.asked-a, out.pretended-p)
		}
	}
	// Whoever it is, and wherever the password is kept: one hash here and one question there.
	login("dan@example.org", "wrong", fault.Unauthenticated, 1, 1, 0)
	login("nobody@example.org", "wrong", fault.Unauthenticated, 1, 0, 1)
	login("bob@example.org", "wrong", fault.Unauthenticated, 1, 0, 1)
	login("bob@example.org", "secret", 0, 1, 0, 1)
	login("dan@example.org", "outside", 0, 1, 1, 0)
	login("dan@example.org", "outside", 0, 0, 0, 0) // remembered
	h.pass(6 * time.Minute)
	login("dan@example.org", "outside", 0, 1, 1, 0)
	login("x@other.example", "wrong", fault.Unauthenticated, 1, 0, 0)

	// What was known of an entry is worth nothing for another.
	check(t, h.dir.LinkAccount(ctx, dan.ID, directory.Link{Source: "corp", Key: "2"}))
	login("dan@example.org", "outside", fault.Unauthenticated, 1, 1, 0)

	// While the directory is away nobody can tell who is known there.
	h.pass(time.Hour)
	out.err = fault.New(fault.Unavailable, "away")
	login("dan@example.org", "wrong", fault.Unavailable, 1, 1, 0)
	login("nobody@example.org", "wrong", fault.Unavailable, 1, 0, 1)
	login("bob@example.org", "secret", 0, 1, 0, 1)
	check(t, h.dir.UnlinkAccount(ctx, dan.ID))
	out.err = nil
	login("dan@example.org", "outside", fault.Unauthenticated, 1, 0, 1)
}

// A password that was taken away, for an outside directory to keep it, opens nothing when the account is one of our own again: neither by what is
// remembered of it, nor by sessions that it had opened.
func TestPasswordsBeforeALinkAreForgotten(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	login := func(password string) error {
		_, err := h.Login(ctx, over("imap"), "ann", password)
		return err
	}
	check(t, login("secret"))
	cookie := h.openPages(t, "ann", "secret")
	check(t, h.dir.LinkAccount(ctx, h.ann, directory.Link{Source: "corp", Key: "1"}))
	check(t, h.dir.UnlinkAccount(ctx, h.ann))
	check(t, h.dir.SetPassword(ctx, h.ann, "another"))
	check(t, login("another"))
	fails(t, login("secret"), fault.Unauthenticated)
	_, _, err := h.Pages(ctx, cookie)
	fails(t, err, fault.Unauthenticated)
}

// openPages signs in at a page.
func (h *house) openPages(t *testing.T, login, password string) (cookie string) {
	t.Helper()
	p := Peer{Addr: home.Addr, Protocol: "web", PlainAllowed: true}
	entry, err := h.Enter(t.Context(), p, ByHand{Login: login, Password: password})
	check(t, err)
	cookie, _, err = h.OpenPages(t.Context(), p, entry, "")
	check(t, err)
	return cookie
}
