package directory

import (
	"encoding/base32"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// packed gathers what an account has, through JSON as it travels.
func packed(t *testing.T, d *Directory, address string) (cred []byte, b Belongings) {
	t.Helper()
	a, err := d.AccountByAddress(t.Context(), address)
	ok(t, err)
	cred, err = d.CredentialRecord(t.Context(), a.ID)
	ok(t, err)
	before, err := d.Belongings(t.Context(), a.ID)
	ok(t, err)
	text, err := json.Marshal(before)
	ok(t, err)
	ok(t, json.Unmarshal(text, &b))
	return cred, b
}

// An account that is lost and made again has all that its owner signs in by, and what led to it leads to it again.
func TestRestoreWithBelongings(t *testing.T) {
	now := epoch
	d, err := Open(t.Context(), newStore(t), Options{Hash: quick, Now: func() time.Time { return now }})
	ok(t, err)
	ctx := t.Context()
	_, err = d.AddDomain(ctx, "example.org")
	ok(t, err)
	ann, ben := add(t, d, "ann"), add(t, d, "ben")
	ok(t, d.SetPassword(ctx, ann, "main"))
	_, phone, err := d.AddAppPassword(ctx, ann, NewAppPassword{Name: "phone"})
	ok(t, err)
	key, err := d.AddPasskey(ctx, ann, newPasskey(t, d, ann, "token"))
	ok(t, err)
	e, err := d.EnrolTwoStep(ctx, ann, "x")
	ok(t, err)
	raw, err := base32.StdEncoding.DecodeString(e.Secret)
	ok(t, err)
	code := func() string { return codeAt(string(raw), codeStep(now)) }
	recovery, err := d.ConfirmTwoStep(ctx, ann, code())
	ok(t, err)
	ok(t, d.AddAlias(ctx, "only@example.org", []string{"Ann+only@example.org"}))
	ok(t, d.AddAlias(ctx, "both@example.org", []string{"ann@example.org", "ben@example.org"}))
	ok(t, d.AddAlias(ctx, "far@example.org", []string{"only@example.org"}))
	ok(t, d.AddAlias(ctx, "taken@example.org", []string{"ann@example.org"}))
	_, err = d.NewGroup(ctx, NewGroup{Address: "team@example.org", List: true, Members: []string{"ann@example.org", "far@example.org", "ben@example.org"}, Owners: []string{"ann@example.org"}})
	ok(t, err)
	catchAll := "ann@example.org"
	ok(t, d.SetDomain(ctx, "example.org", DomainChange{CatchAll: &catchAll}))
	cred, b := packed(t, d, "ann@example.org")

	ok(t, d.RemoveAccount(ctx, ann))
	consistent(t, d)
	fails(t, func() error { _, err := d.AliasTargets(ctx, "far@example.org"); return err }(), fault.NotFound)
	add(t, d, "taken")
	again, back, err := d.RestoreAccount(ctx, NewAccount{Address: "ann@example.org"}, true, cred, b, true)
	ok(t, err)
	consistent(t, d)
	if again.ID == ann || !again.Enabled || !again.HasPassword {
		t.Errorf("%+v", again)
	}
	want := Returned{AppPasswords: 1, Passkeys: 1, TwoStep: true, Left: []string{"taken@example.org, which is not what it was"}}
	got := back
	got.Ways = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	targets := func(alias string) []string {
		t.Helper()
		list, err := d.AliasTargets(ctx, alias)
		ok(t, err)
		slices.Sort(list)
		return list
	}
	if diff := cmp.Diff([][]string{{"Ann+only@example.org"}, {"ann@example.org", "ben@example.org"}, {"only@example.org"}},
		[][]string{targets("only@example.org"), targets("both@example.org"), targets("far@example.org")}); diff != "" {
		t.Error(diff)
	}
	g, err := d.Group(ctx, "team@example.org")
	ok(t, err)
	slices.Sort(g.Members)
	if diff := cmp.Diff([]string{"ann@example.org", "ben@example.org", "far@example.org"}, g.Members); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(g.Owners, []string{"ann@example.org"}) {
		t.Errorf("owners: %v", g.Owners)
	}
	if to, err := d.Resolve(ctx, "nobody@example.org"); err != nil || len(to.Accounts) != 1 || to.Accounts[0] != again.ID {
		t.Errorf("catch-all: %+v %v", to, err)
	}

	p := profileOf(t, d, again.ID)
	if a := d.MatchAppPassword(p, phone); a == nil || a.Name != "phone" {
		t.Error("the app password is not taken")
	}
	_, tablet, err := d.AddAppPassword(ctx, again.ID, NewAppPassword{Name: "tablet"})
	ok(t, err)
	p = profileOf(t, d, again.ID)
	for _, text := range []string{phone, tablet} {
		if d.MatchAppPassword(p, text) == nil {
			t.Error("an app password is not taken beside another")
		}
	}
	if right, err := d.Verify(ctx, p.Credential, "main"); err != nil || !right {
		t.Errorf("the password is not taken: %v", err)
	}
	if who, k, err := d.Passkey(ctx, key.Credential); err != nil || who.Account.ID != again.ID || k.Handle != key.Handle || k.Count != key.Count {
		t.Errorf("passkey: %+v %v", k, err)
	}
	fails(t, d.UseCode(ctx, again.ID, code()), fault.Unauthenticated) // used before
	now = now.Add(codePeriod)
	ok(t, d.UseCode(ctx, again.ID, code()))
	ok(t, d.UseCode(ctx, again.ID, recovery[0]))
	fails(t, d.UseCode(ctx, again.ID, recovery[0]), fault.Unauthenticated)

	// Lost a second time, to come back under another name.
	cred, b = packed(t, d, "ann@example.org")
	ok(t, d.RemoveAccount(ctx, again.ID))
	third, back, err := d.RestoreAccount(ctx, NewAccount{Address: "anna@example.org"}, false, cred, b, true)
	ok(t, err)
	consistent(t, d)
	if third.Enabled || back.AppPasswords != 2 {
		t.Errorf("%+v %+v", third, back)
	}
	if got := targets("both@example.org"); !slices.Equal(got, []string{"anna@example.org", "ben@example.org"}) {
		t.Errorf("%v", got)
	}
	for _, text := range []string{phone, tablet} {
		if d.MatchAppPassword(profileOf(t, d, third.ID), text) == nil {
			t.Error("an app password is not taken the second time")
		}
	}
	ok(t, d.UseCode(ctx, third.ID, recovery[1]))
	fresh, err := d.RenewRecoveryCodes(ctx, third.ID)
	ok(t, err)
	ok(t, d.UseCode(ctx, third.ID, fresh[0]))
	if _, err := d.Account(ctx, ben); err != nil {
		t.Error(err)
	}
}

// What was changed since the backup stays as it is, and what belongs to somebody else now is left to them.
func TestRestoreTakesNothingFromOthers(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann := add(t, d, "ann")
	ben := add(t, d, "ben")
	_, err := d.AddPasskey(ctx, ann, newPasskey(t, d, ann, "token"))
	ok(t, err)
	ok(t, d.LinkAccount(ctx, ann, Link{Source: "ldap", Key: "7"}))
	ok(t, d.AddAlias(ctx, "a@example.org", []string{"ann@example.org"}))
	ok(t, d.AddAlias(ctx, "b@example.org", []string{"a@example.org", "ben@example.org"}))
	ok(t, d.AddAlias(ctx, "c@example.org", []string{"ann@example.org", "ben@example.org"}))
	catchAll := "ann@example.org"
	ok(t, d.SetDomain(ctx, "example.org", DomainChange{CatchAll: &catchAll}))
	cred, b := packed(t, d, "ann@example.org")
	ok(t, d.RemoveAccount(ctx, ann))
	n := newPasskey(t, d, ben, "token")
	_, err = d.AddPasskey(ctx, ben, n)
	ok(t, err)
	ok(t, d.LinkAccount(ctx, ben, Link{Source: "ldap", Key: "7"}))
	catchAll = "ben@example.org"
	ok(t, d.SetDomain(ctx, "example.org", DomainChange{CatchAll: &catchAll}))
	ok(t, d.AddAlias(ctx, "a@example.org", []string{"ben@example.org"}))
	acc, back, err := d.RestoreAccount(ctx, NewAccount{Address: "ann@example.org"}, true, cred, b, true)
	ok(t, err)
	if len(back.Left) != 3 || back.Passkeys != 0 {
		t.Errorf("%+v", back)
	}
	if who, _, err := d.Passkey(ctx, n.Credential); err != nil || who.Account.ID != ben {
		t.Errorf("the passkey: %v", err)
	}
	if p := profileOf(t, d, acc.ID); p.Link != nil {
		t.Errorf("linked: %+v", p.Link)
	}
	if to, err := d.Resolve(ctx, "x@example.org"); err != nil || to.Accounts[0] != ben {
		t.Errorf("catch-all: %v %v", to, err)
	}
	if list, _ := d.AliasTargets(ctx, "b@example.org"); !slices.Equal(list, []string{"ben@example.org"}) {
		t.Errorf("b leads to %v", list) // an alias that was there all the time isn't led anywhere by the backup
	}
	if list, _ := d.AliasTargets(ctx, "a@example.org"); !slices.Equal(list, []string{"ben@example.org"}) {
		t.Errorf("a leads to %v", list) // it was Ann's alone, and is Ben's alone now
	}
	if list, _ := d.AliasTargets(ctx, "c@example.org"); !slices.Equal(list, []string{"ben@example.org", "ann@example.org"}) {
		t.Errorf("c leads to %v", list) // they shared it
	}
}

// Who looks at an old state of somebody's mailbox under another address doesn't get their new mail.
func TestRestoreBesideTheAccount(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann := add(t, d, "ann")
	ok(t, d.AddAlias(ctx, "a@example.org", []string{"ann@example.org"}))
	_, err := d.NewGroup(ctx, NewGroup{Address: "team@example.org", Members: []string{"ann@example.org"}, Owners: []string{"ann@example.org"}})
	ok(t, err)
	cred, b := packed(t, d, "ann@example.org")
	_, back, err := d.RestoreAccount(ctx, NewAccount{Address: "old@example.org"}, true, cred, b, true)
	ok(t, err)
	if len(back.Ways) != 0 || len(back.Left) != 1 {
		t.Errorf("%+v", back)
	}
	for _, at := range []string{"a@example.org", "team@example.org"} {
		if to, err := d.Resolve(ctx, at); err != nil || !slices.Equal(to.Accounts, []ident.AccountID{ann}) {
			t.Errorf("%s leads to %+v, %v", at, to, err)
		}
	}
	consistent(t, d)
}

// A copy of an account that is still there is a mailbox nobody can sign in to: what was revoked since the backup opens nothing, and no mail of
// the account's goes to it. A new name doesn't hide that it is there, nor does another installation.
func TestRestoreOpensNothing(t *testing.T) {
	d, other := newDirectory(t), newDirectory(t)
	ctx := t.Context()
	ann := add(t, d, "ann")
	ok(t, d.SetPassword(ctx, ann, "stolen"))
	_, phone, err := d.AddAppPassword(ctx, ann, NewAppPassword{Name: "lost phone"})
	ok(t, err)
	k, err := d.AddPasskey(ctx, ann, newPasskey(t, d, ann, "lost token"))
	ok(t, err)
	_, err = d.StartTwoStep(ctx, ann)
	ok(t, err)
	ok(t, d.AddAlias(ctx, "a@example.org", []string{"ann@example.org"}))
	cred, b := packed(t, d, "ann@example.org")
	ok(t, d.SetPassword(ctx, ann, "new"))
	_, err = d.RemoveAppPassword(ctx, ann, "lost phone")
	ok(t, err)
	ok(t, d.EndTwoStep(ctx, ann))
	_, err = d.RemovePasskey(ctx, ann, k.ID)
	ok(t, err)
	add(t, other, "ben") // so that numbers differ
	add(t, other, "ann")

	check := func(d *Directory, address string, same bool) {
		t.Helper()
		acc, back, err := d.RestoreAccount(ctx, NewAccount{Address: address}, true, cred, b, same)
		ok(t, err)
		consistent(t, d)
		p := profileOf(t, d, acc.ID)
		if acc.HasPassword || p.Credential != nil || p.TwoStep || len(p.Passkeys) > 0 || d.MatchAppPassword(p, phone) != nil {
			t.Errorf("%s: %+v", address, p)
		}
		if len(back.Left) != 1 || back.AppPasswords+back.Passkeys+len(back.Ways) > 0 || back.TwoStep {
			t.Errorf("%s: %+v", address, back)
		}
	}
	check(d, "copy@example.org", true)
	check(other, "copy@example.org", false)
	if list, _ := d.AliasTargets(ctx, "a@example.org"); !slices.Equal(list, []string{"ann@example.org"}) {
		t.Errorf("a leads to %v", list)
	}
	_, err = d.RenameAccount(ctx, ann, "anna@example.org", false)
	ok(t, err)
	check(d, "ann@example.org", true)
}

// What is keyed by the secret of another installation stays behind; two-step verification doesn't, or the password alone would do.
func TestRestoreElsewhere(t *testing.T) {
	now := epoch
	open := func() *Directory {
		d, err := Open(t.Context(), newStore(t), Options{Hash: quick, Now: func() time.Time { return now }})
		ok(t, err)
		_, err = d.AddDomain(t.Context(), "example.org")
		ok(t, err)
		return d
	}
	d, other := open(), open()
	ctx := t.Context()
	ann := add(t, d, "ann")
	ok(t, d.SetPassword(ctx, ann, "main"))
	_, phone, err := d.AddAppPassword(ctx, ann, NewAppPassword{Name: "phone"})
	ok(t, err)
	e, err := d.EnrolTwoStep(ctx, ann, "x")
	ok(t, err)
	raw, err := base32.StdEncoding.DecodeString(e.Secret)
	ok(t, err)
	recovery, err := d.ConfirmTwoStep(ctx, ann, codeAt(string(raw), codeStep(now)))
	ok(t, err)
	ok(t, d.AddAlias(ctx, "a@example.org", []string{"ann@example.org"}))
	cred, b := packed(t, d, "ann@example.org")
	acc, back, err := other.RestoreAccount(ctx, NewAccount{Address: "ann@example.org"}, true, cred, b, false)
	ok(t, err)
	consistent(t, other)
	if back.AppPasswords != 0 || !back.TwoStep || len(back.Left) != 2 || len(back.Ways) != 1 {
		t.Errorf("%+v", back)
	}
	p := profileOf(t, other, acc.ID)
	if other.MatchAppPassword(p, phone) != nil || !p.TwoStep || !p.Codes {
		t.Errorf("%+v", p)
	}
	now = now.Add(codePeriod)
	fails(t, other.UseCode(ctx, acc.ID, recovery[0]), fault.Unauthenticated)
	ok(t, other.UseCode(ctx, acc.ID, codeAt(string(raw), codeStep(now))))

	ok(t, other.RemoveAccount(ctx, acc.ID))
	b.Codes.Secret = "1"
	_, _, err = other.RestoreAccount(ctx, NewAccount{Address: "x@example.org"}, true, cred, b, true)
	fails(t, err, fault.Invalid)
	b.Codes, b.Apps = nil, [][]byte{{9}}
	_, _, err = other.RestoreAccount(ctx, NewAccount{Address: "x@example.org"}, true, cred, b, true)
	fails(t, err, fault.Corrupt)
	b.Address, b.Apps, b.Ways = "gone@example.org", nil, []Way{{Kind: "x", From: "y", To: "z"}}
	_, _, err = other.RestoreAccount(ctx, NewAccount{Address: "x@example.org"}, true, cred, b, true)
	fails(t, err, fault.Invalid)
	_, err = other.AccountByAddress(ctx, "x@example.org")
	fails(t, err, fault.NotFound)
}

// Records of before are read.
func TestAppPasswordVersion1(t *testing.T) {
	a := AppPassword{Name: "phone", Created: epoch, hash: "h", sealed: "s"}
	v := a.encode()
	v[0] = 1
	v = v[:len(v)-1]
	got, err := decodeAppPassword(kv.Pair{Key: appPasswordKey(1, 2), Value: v})
	ok(t, err)
	if got.Name != "phone" || got.hash != "h" || got.keyed != 0 || got.keyedTo(7) != 7 {
		t.Errorf("%+v", got)
	}
	two := twoStep{on: true, since: epoch, recovery: []string{"r"}}
	v = two.encode()
	v[0] = 2
	if got, err := decodeTwoStep(v[:len(v)-1]); err != nil || got.keyed != 0 || len(got.recovery) != 1 {
		t.Errorf("%+v %v", got, err)
	}
}
