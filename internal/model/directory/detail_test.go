package directory

import (
	"slices"
	"strings"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

func delimiters(t testing.TB, d *Directory, s string) {
	t.Helper()
	ok(t, d.SetDomain(t.Context(), "example.org", DomainChange{Delimiters: &s}))
}

func catchAll(t testing.TB, d *Directory, s string) {
	t.Helper()
	ok(t, d.SetDomain(t.Context(), "example.org", DomainChange{CatchAll: &s}))
}

func TestDelimiters(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	mary, jane := add(t, d, "mary"), add(t, d, "mary-jane")
	for _, c := range []struct {
		delimiters, local string
		want              ident.AccountID // 0: there is no such address
		detail            string
	}{
		{"+", "mary+x", mary, "x"}, {"+", "mary+x+y", mary, "x+y"}, {"+", "mary+", mary, ""}, {"+", "Mary+X", mary, "x"},
		{"+", "mary-x", 0, ""}, {"+", "mary-jane", jane, ""}, {"+", "mary-jane+x", jane, "x"}, {"+", "+mary", 0, ""},
		{"-", "mary-jane", jane, ""}, {"-", "mary-jane-x", jane, "x"}, {"-", "mary-j", mary, "j"}, {"-", "mary+x", 0, ""},
		{"+-", "mary-jane+x", jane, "x"}, {"+-", "mary+jane-x", mary, "jane-x"}, {"+-", "mary-jan+x", mary, "jan+x"},
		{"+-", "mary-1-2-3-4-5-6", mary, "1-2-3-4-5-6"},
		{"", "mary+x", 0, ""}, {"", "mary", mary, ""},
		{"=_", "mary=x", mary, "x"}, {"=_", "mary_x", mary, "x"},
	} {
		delimiters(t, d, c.delimiters)
		got, err := d.Resolve(ctx, c.local+"@example.org")
		if c.want == 0 {
			if !fault.Is(err, fault.NotFound) {
				t.Errorf("%q: %s: got %v, %v", c.delimiters, c.local, got, err)
			}
			continue
		}
		if err != nil || !slices.Equal(got.Accounts, []ident.AccountID{c.want}) || got.Detail != c.detail {
			t.Errorf("%q: %s: got %+v, %v; want %d, %q", c.delimiters, c.local, got, err, c.want, c.detail)
		}
	}
	for _, bad := range []string{".", "@", "++", "x", " ", "+-_=#", "\x00", "é"} {
		fails(t, d.SetDomain(ctx, "example.org", DomainChange{Delimiters: &bad}), fault.Invalid)
	}
	fails(t, d.SetDomain(ctx, "elsewhere.example", DomainChange{}), fault.NotFound)
}

// An address with a delimiter inside counts before the one that it would be a detail of, in all that addresses are for.
func TestWholeAddressesCountBeforeDetails(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann := add(t, d, "ann")
	ok(t, d.AddAlias(ctx, "a@example.org", []string{"ann+shop@example.org"}))
	shop := add(t, d, "ann+shop")
	for address, want := range map[string]ident.AccountID{"ann+shop": shop, "ann+shop+x": shop, "ann+sho": ann, "a": shop} {
		if got, _ := resolve(t, d, address+"@example.org"); !slices.Equal(got, []ident.AccountID{want}) {
			t.Errorf("%s leads to %v, want %v", address, got, want)
		}
	}
	for from, want := range map[string][2]bool{ // ann's, shop's
		"ann": {true, false}, "ann+x": {true, false}, "ann+shop": {false, true}, "ann+shop+x": {false, true}, "a": {false, true},
	} {
		for i, id := range []ident.AccountID{ann, shop} {
			if got, err := d.MaySend(ctx, id, from+"@example.org"); err != nil || got != want[i] {
				t.Errorf("%s may be used by %d: %t, %v", from, id, got, err)
			}
		}
	}
	p, err := d.Profile(ctx, "ann+shop@example.org")
	ok(t, err)
	if p.Account.ID != shop {
		t.Errorf("ann+shop signs in as %d", p.Account.ID)
	}
	ok(t, d.RemoveAccount(ctx, ann)) // a is not ann's
	if got, _ := resolve(t, d, "a@example.org"); !slices.Equal(got, []ident.AccountID{shop}) {
		t.Errorf("a leads to %v", got)
	}
	consistent(t, d)
	ok(t, d.RemoveAccount(ctx, shop))
	_, err = d.Resolve(ctx, "a@example.org")
	fails(t, err, fault.NotFound)
}

// Changed delimiters change what addresses mean at once, and leave no reference behind.
func TestReferencesOutlastDelimiters(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann := add(t, d, "ann")
	delimiters(t, d, "-")
	ok(t, d.AddAlias(ctx, "a@example.org", []string{"ann-x@example.org"}))
	may := func(want bool) {
		t.Helper()
		if got, err := d.MaySend(ctx, ann, "a@example.org"); err != nil || got != want {
			t.Errorf("ann may send as a: %t, %v", got, err)
		}
	}
	may(true)
	delimiters(t, d, "+")
	may(false)
	delimiters(t, d, "+-")
	may(true)
	ok(t, d.RemoveAccount(ctx, ann))
	_, err := d.Resolve(ctx, "a@example.org")
	fails(t, err, fault.NotFound)
}

func TestCatchAll(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann, bob := add(t, d, "ann"), add(t, d, "bob")
	_, err := d.Resolve(ctx, "nobody@example.org")
	fails(t, err, fault.NotFound)
	catchAll(t, d, "Bob@example.org")
	for address, want := range map[string]struct {
		id ident.AccountID
		by bool
	}{"nobody": {bob, true}, "nobody+x": {bob, true}, "ann": {ann, false}, "ann+x": {ann, false}, "postmaster": {ann, false}, "abuse": {ann, false}} {
		for range 2 {
			got, err := d.Resolve(ctx, address+"@example.org")
			ok(t, err)
			if !slices.Equal(got.Accounts, []ident.AccountID{want.id}) || got.CatchAll != want.by || got.Via != "" {
				t.Errorf("%s: %+v", address, got)
			}
		}
	}
	if got, _ := d.Resolve(ctx, "Nobody+X@example.org"); got.Address.String() != "nobody+x@example.org" {
		t.Errorf("the address is %s", got.Address)
	}
	if n := len(d.current().targets); n > 4 {
		t.Errorf("%d answers are remembered", n)
	}
	if may, err := d.MaySend(ctx, bob, "nobody@example.org"); may || err != nil {
		t.Errorf("a catch-all is nobody's name: %t %v", may, err)
	}
	catchAll(t, d, "box@elsewhere.example")
	if got, err := d.Resolve(ctx, "nobody@example.org"); err != nil || !slices.Equal(got.Remote, []string{"box@elsewhere.example"}) || got.Via != "example.org" {
		t.Errorf("%+v, %v", got, err)
	}
	catchAll(t, d, "bob+all@example.org")
	ok(t, d.RemoveAccount(ctx, bob)) // whoever is bob next gets nothing of this
	consistent(t, d)
	add(t, d, "bob")
	_, err = d.Resolve(ctx, "nobody@example.org")
	fails(t, err, fault.NotFound)
	for s, kind := range map[string]fault.Kind{"nobody@example.org": fault.NotFound, "nobody": fault.Invalid} {
		fails(t, d.SetDomain(ctx, "example.org", DomainChange{CatchAll: &s}), kind)
	}
	catchAll(t, d, "ann@example.org")
	ok(t, d.RemoveAccount(ctx, ann))
	ok(t, d.RemoveAccount(ctx, mustAccount(t, d, "bob")))
	ok(t, d.RemoveDomain(ctx, "example.org"))
	consistent(t, d)
}

func mustAccount(t *testing.T, d *Directory, local string) ident.AccountID {
	t.Helper()
	a, err := d.AccountByAddress(t.Context(), local+"@example.org")
	ok(t, err)
	return a.ID
}

// A domain whose catch-all is in another one that goes.
func TestCatchAllOfAnotherDomain(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	_, err := d.AddDomain(ctx, "example.net")
	ok(t, err)
	ann := add(t, d, "ann")
	to := "ann@example.org"
	ok(t, d.SetDomain(ctx, "example.net", DomainChange{CatchAll: &to}))
	if got, _ := resolve(t, d, "x@example.net"); !slices.Equal(got, []ident.AccountID{ann}) {
		t.Errorf("x leads to %v", got)
	}
	if _, err := d.Resolve(ctx, "postmaster@example.net"); err != nil {
		t.Error(err)
	}
	ok(t, d.RemoveAccount(ctx, ann))
	ok(t, d.RemoveDomain(ctx, "example.org"))
	consistent(t, d)
}

// Made-up addresses cost a bounded number of look-ups, however many delimiters are in them.
func TestCutsAreBounded(t *testing.T) {
	dom := Domain{Delimiters: "-"}
	if n := len(dom.cuts(strings.Repeat("-", MaxLocal))); n != maxCuts {
		t.Errorf("%d places", n)
	}
}
