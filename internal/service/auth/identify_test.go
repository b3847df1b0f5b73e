package auth

import (
	"testing"

	"postroad/internal/fault"
)

// TestReadsMail: only what opens IMAP as well lets a submission server read for who has signed in.
func TestReadsMail(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	for password, want := range map[string]bool{
		"secret": true, h.app(t, "all"): true, h.app(t, "both", "imap", "smtp"): true, h.app(t, "send", "smtp"): false,
	} {
		who, err := h.Login(ctx, over("submission"), "ann@example.org", password)
		check(t, err)
		if who.ReadsMail != want {
			t.Errorf("%q: %v", password, who.ReadsMail)
		}
	}
	who, err := h.Identify(ctx, "ANN@example.org")
	check(t, err)
	if who.Account != h.ann || who.ReadsMail {
		t.Errorf("%+v", who)
	}
	_, err = h.Identify(ctx, "nobody@example.org")
	fails(t, err, fault.NotFound)
	check(t, h.dir.SetEnabled(ctx, h.ann, false))
	_, err = h.Identify(ctx, "ann@example.org")
	fails(t, err, fault.NotFound)
}
