package directory

import (
	"testing"

	"postroad/internal/fault"
)

func TestLogins(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann, ben := add(t, d, "ann"), add(t, d, "ben")
	for alias, targets := range map[string][]string{
		"a": {"ann@example.org"}, "aa": {"A+x@example.org"}, "both": {"ann@example.org", "ben@example.org"}, "out": {"x@elsewhere.example"},
	} {
		if alias == "aa" {
			continue // after a
		}
		ok(t, d.AddAlias(ctx, alias+"@example.org", targets))
	}
	ok(t, d.AddAlias(ctx, "aa@example.org", []string{"A+x@example.org"}))
	_, err := d.AddGroup(ctx, "g@example.org", "")
	ok(t, err)
	ok(t, d.SetMembers(ctx, "g@example.org", []string{"ann@example.org"}))
	for _, login := range []string{"ann@example.org", "ANN+x@Example.ORG", "a@example.org", "A", "aa", "ann", "ann+shop"} {
		if p, err := d.Login(ctx, login); err != nil || p.Account.ID != ann {
			t.Errorf("%s: %v %v", login, p, err)
		}
	}
	if p, err := d.Login(ctx, "Ben"); err != nil || p.Account.ID != ben {
		t.Errorf("%v %v", p, err)
	}
	for _, login := range []string{"both", "out@example.org", "g", "nobody", "", "@", "ann@", "ann@elsewhere.example", "a b", "\xff"} {
		_, err := d.Login(ctx, login)
		fails(t, err, fault.NotFound)
	}
	for in, want := range map[string]string{"Ann": "ann@example.org", "a+x@EXAMPLE.org": "a@example.org", "nobody": "nobody@example.org", "\xff": "", "": ""} {
		if got, err := d.LoginName(ctx, in); err != nil || got != want {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
	_, err = d.Profile(ctx, "a@example.org") // administrators mean what they say
	fails(t, err, fault.NotFound)
}

// With two domains a name without one could be either's, unless a setting says which.
func TestNamesWithoutDomain(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	add(t, d, "ann")
	_, err := d.Login(ctx, "ann")
	ok(t, err)
	_, err = d.AddDomain(ctx, "example.net")
	ok(t, err)
	_, err = d.Login(ctx, "ann")
	fails(t, err, fault.NotFound)
	d.domain = "example.org"
	_, err = d.Login(ctx, "ann")
	ok(t, err)
}

func TestAliasesInARingSignNobodyIn(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	add(t, d, "ann")
	ok(t, d.AddAlias(ctx, "a@example.org", []string{"ann@example.org"}))
	ok(t, d.AddAlias(ctx, "b@example.org", []string{"a@example.org"}))
	ok(t, d.AddAlias(ctx, "a@example.org", []string{"b@example.org"}))
	_, err := d.Login(ctx, "a")
	fails(t, err, fault.NotFound)
}
