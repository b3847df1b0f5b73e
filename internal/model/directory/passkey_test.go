package directory

import (
	"encoding/base32"
	"fmt"
	"strings"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// newPasskey is a passkey to be, for an account.
func newPasskey(t *testing.T, d *Directory, id ident.AccountID, name string) NewPasskey {
	t.Helper()
	handle, err := d.PasskeyHandle(t.Context(), id)
	ok(t, err)
	return NewPasskey{Name: name, Credential: "credential of " + name, Key: "key of " + name, Handle: handle, Count: 1, Eligible: true, BackedUp: true, Transports: []string{"usb"}, Model: strings.Repeat("m", 16)}
}

// whole fails if the directory contradicts itself.
func whole(t *testing.T, d *Directory) {
	t.Helper()
	problems, err := d.Check(t.Context())
	ok(t, err)
	for _, p := range problems {
		t.Error(p)
	}
}

func TestPasskeys(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann, bob := add(t, d, "ann"), add(t, d, "bob")
	n := newPasskey(t, d, ann, "phone")
	if h, err := d.PasskeyHandle(ctx, bob); err != nil || h == n.Handle || len(h) != 64 {
		t.Errorf("bob's handle %q %v", h, err)
	}
	k, err := d.AddPasskey(ctx, ann, n)
	ok(t, err)
	p, found, err := d.Passkey(ctx, n.Credential)
	ok(t, err)
	if p.Account.ID != ann || found.ID != k.ID || found.Key != n.Key || found.Handle != n.Handle || found.Count != 1 || !found.Eligible || !found.BackedUp || !found.Used.IsZero() || found.Model != n.Model {
		t.Errorf("%+v", found)
	}
	_, _, err = d.Passkey(ctx, "another")
	fails(t, err, fault.NotFound)

	again := newPasskey(t, d, bob, "mine") // whose credential is somebody else's
	again.Credential = n.Credential
	_, err = d.AddPasskey(ctx, bob, again)
	fails(t, err, fault.Exists)
	twice := newPasskey(t, d, ann, "phone")
	twice.Credential = "another"
	_, err = d.AddPasskey(ctx, ann, twice)
	fails(t, err, fault.Exists)
	for _, bad := range []func(*NewPasskey){
		func(n *NewPasskey) { n.Name = "" }, func(n *NewPasskey) { n.Name = strings.Repeat("x", MaxPasskeyName+1) }, func(n *NewPasskey) { n.Name = "a\nb" },
		func(n *NewPasskey) { n.Credential = "" }, func(n *NewPasskey) { n.Credential = strings.Repeat("x", maxCredentialID+1) },
		func(n *NewPasskey) { n.Key = strings.Repeat("x", maxPublicKey+1) }, func(n *NewPasskey) { n.Handle = "short" },
	} {
		n := newPasskey(t, d, ann, "bad")
		bad(&n)
		_, err := d.AddPasskey(ctx, ann, n)
		fails(t, err, fault.Invalid)
	}

	ok(t, d.UsePasskey(ctx, ann, k.ID, 5, false))
	for _, count := range []uint32{5, 4, 0} { // WebAuthn Level 3 §7.2 step 22
		fails(t, d.UsePasskey(ctx, ann, k.ID, count, true), fault.Conflict)
	}
	fails(t, d.UsePasskey(ctx, bob, k.ID, 6, true), fault.NotFound)
	_, found, err = d.Passkey(ctx, n.Credential)
	ok(t, err)
	if found.Count != 5 || found.BackedUp || found.Used.IsZero() {
		t.Errorf("%+v", found)
	}
	ok(t, d.RenamePasskey(ctx, ann, k.ID, "telephone"))
	fails(t, d.RenamePasskey(ctx, bob, k.ID, "mine"), fault.NotFound)
	fails(t, d.RenamePasskey(ctx, ann, k.ID, ""), fault.Invalid)
	second, err := d.AddPasskey(ctx, ann, newPasskey(t, d, ann, "key ring"))
	ok(t, err)
	fails(t, d.RenamePasskey(ctx, ann, second.ID, "telephone"), fault.Exists)
	whole(t, d)
	_, err = d.RemovePasskey(ctx, bob, k.ID)
	fails(t, err, fault.NotFound)
	gone, err := d.RemovePasskey(ctx, ann, k.ID)
	ok(t, err)
	_, _, err = d.Passkey(ctx, gone.Credential)
	fails(t, err, fault.NotFound)
	if keys := profileOf(t, d, ann).Passkeys; len(keys) != 1 || keys[0].Name != "key ring" {
		t.Errorf("%+v", keys)
	}
	whole(t, d)
}

// An authenticator that doesn't count says 0 always.
func TestPasskeyWithoutCounter(t *testing.T) {
	d := newDirectory(t)
	ann := add(t, d, "ann")
	n := newPasskey(t, d, ann, "phone")
	n.Count = 0
	k, err := d.AddPasskey(t.Context(), ann, n)
	ok(t, err)
	ok(t, d.UsePasskey(t.Context(), ann, k.ID, 0, true))
	ok(t, d.UsePasskey(t.Context(), ann, k.ID, 0, true))
}

func TestPasskeysAreBounded(t *testing.T) {
	d := newDirectory(t)
	ann := add(t, d, "ann")
	for i := range MaxPasskeys {
		_, err := d.AddPasskey(t.Context(), ann, newPasskey(t, d, ann, fmt.Sprint("key ", i)))
		ok(t, err)
	}
	_, err := d.AddPasskey(t.Context(), ann, newPasskey(t, d, ann, "one more"))
	fails(t, err, fault.TooLarge)
}

// Passkeys wait with an account that can be brought back, and go with one that is gone.
func TestPasskeysOfRemovedAccounts(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann := add(t, d, "ann")
	n := newPasskey(t, d, ann, "phone")
	_, err := d.AddPasskey(ctx, ann, n)
	ok(t, err)
	ok(t, d.Retire(ctx, ann))
	_, _, err = d.Passkey(ctx, n.Credential)
	fails(t, err, fault.NotFound)
	whole(t, d)
	_, err = d.Restore(ctx, ann, "")
	ok(t, err)
	_, _, err = d.Passkey(ctx, n.Credential)
	ok(t, err)
	ok(t, d.Retire(ctx, ann))
	ok(t, d.Forget(ctx, ann))
	ok(t, d.view(ctx, func(r kv.Reader) error {
		for _, kind := range []byte{keyPasskey, keyPasskeyAt} {
			if left, err := exists(r, all(kind)); left || err != nil {
				t.Errorf("%c: something is left, %v", kind, err)
			}
		}
		return nil
	}))
	whole(t, d)
}

// Two-step verification may stand on passkeys alone: then the last can't go.
func TestTwoStepByPasskeys(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann := add(t, d, "ann")
	_, err := d.StartTwoStep(ctx, ann)
	fails(t, err, fault.Conflict)
	k, err := d.AddPasskey(ctx, ann, newPasskey(t, d, ann, "phone"))
	ok(t, err)
	codes, err := d.StartTwoStep(ctx, ann)
	ok(t, err)
	if p := profileOf(t, d, ann); !p.TwoStep || p.Codes {
		t.Errorf("%+v", p)
	}
	_, err = d.StartTwoStep(ctx, ann)
	fails(t, err, fault.Conflict)
	_, err = d.RemovePasskey(ctx, ann, k.ID)
	fails(t, err, fault.Conflict)
	fails(t, d.UseCode(ctx, ann, "123456"), fault.Unauthenticated)
	ok(t, d.UseCode(ctx, ann, codes[0]))

	// An authenticator comes beside them: no new recovery codes, and the old ones stay good.
	e, err := d.EnrolTwoStep(ctx, ann, "test")
	ok(t, err)
	more, err := d.ConfirmTwoStep(ctx, ann, codeOf(t, d, e))
	ok(t, err)
	if len(more) != 0 || !profileOf(t, d, ann).Codes {
		t.Errorf("%d new codes", len(more))
	}
	ok(t, d.UseCode(ctx, ann, codes[1]))
	_, err = d.RemovePasskey(ctx, ann, k.ID)
	ok(t, err)
	fails(t, d.RemoveAuthenticator(ctx, ann), fault.Conflict)
	_, err = d.AddPasskey(ctx, ann, newPasskey(t, d, ann, "phone"))
	ok(t, err)
	ok(t, d.RemoveAuthenticator(ctx, ann))
	if p := profileOf(t, d, ann); !p.TwoStep || p.Codes {
		t.Error("the authenticator is still there, or two-step verification is off")
	}
	whole(t, d)
}

// Who has lost a telephone, or gets a new one, changes the authenticator: the old one is good until the new one has shown a code.
func TestReplaceAuthenticator(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann := add(t, d, "ann")
	first, err := d.EnrolTwoStep(ctx, ann, "test")
	ok(t, err)
	codes, err := d.ConfirmTwoStep(ctx, ann, codeOf(t, d, first))
	ok(t, err)
	second, err := d.ReplaceAuthenticator(ctx, ann, "test")
	ok(t, err)
	s, err := d.TwoStep(ctx, ann)
	ok(t, err)
	if !s.On || !s.Pending || s.Recovery != len(codes) {
		t.Errorf("%+v", s)
	}
	fails(t, d.UseCode(ctx, ann, codeOf(t, d, second)), fault.Unauthenticated)
	_, err = d.ConfirmTwoStep(ctx, ann, codeOf(t, d, second))
	ok(t, err)
	s, err = d.TwoStep(ctx, ann)
	ok(t, err)
	if !s.On || s.Pending || s.Recovery != len(codes) {
		t.Errorf("%+v", s)
	}
}

// A record of version 1 says by its flag alone whether its secret was confirmed.
func TestTwoStepRecordOfVersion1(t *testing.T) {
	for _, on := range []bool{true, false} {
		old := newRecord(1).bool(on).time(epoch).text("secret").uint(7).texts([]string{"hash"})
		got, err := decodeTwoStep(old)
		ok(t, err)
		if got.on != on || (got.sealed == "secret") != on || (got.fresh == "secret") == on || got.last != 7 || len(got.recovery) != 1 {
			t.Errorf("%+v", got)
		}
	}
}

// codeOf is what an authenticator shows now.
func codeOf(t *testing.T, d *Directory, e Enrolment) string {
	t.Helper()
	raw, err := base32.StdEncoding.DecodeString(e.Secret)
	ok(t, err)
	return codeAt(string(raw), codeStep(d.Now()))
}
