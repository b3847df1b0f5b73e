package directory

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

func newList(t testing.TB, d *Directory, n NewGroup) Group {
	t.Helper()
	n.List = true
	g, err := d.NewGroup(t.Context(), n)
	ok(t, err)
	return g
}

func TestLists(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann, bob, eve := add(t, d, "ann"), add(t, d, "bob"), add(t, d, "eve")
	newList(t, d, NewGroup{Address: "inner@example.org", Members: []string{"eve@example.org", "y@elsewhere.example"}})
	newList(t, d, NewGroup{Address: "Club@example.org", Name: "The Club", Description: "What we do", Owners: []string{"bob@example.org", "boss@elsewhere.example"},
		Members: []string{"ann@example.org", "bob+club@example.org", "X@elsewhere.example", "inner@example.org"}, Posters: MembersOnly})
	ok(t, d.SetMembers(ctx, "inner@example.org", []string{"eve@example.org", "y@elsewhere.example", "club@example.org"})) // a loop
	ok(t, d.AddAlias(ctx, "all@example.org", []string{"ann@example.org", "club@example.org", "z@elsewhere.example"}))

	got, err := d.Resolve(ctx, "club@example.org")
	ok(t, err)
	club, err := d.Group(ctx, "club@example.org")
	ok(t, err)
	inner, err := d.Group(ctx, "inner@example.org")
	ok(t, err)
	lists := []ListTarget{
		{Group: club, Address: Address{"club", "example.org"}, Accounts: []ident.AccountID{ann, bob}, Remote: []string{"X@elsewhere.example"}},
		{Group: inner, Address: Address{"inner", "example.org"}, Accounts: []ident.AccountID{eve}, Remote: []string{"y@elsewhere.example"}},
	}
	if diff := cmp.Diff(&Target{Address: Address{"club", "example.org"}, Many: true, Lists: lists}, got); diff != "" {
		t.Error(diff)
	}
	got, err = d.Resolve(ctx, "all@example.org")
	ok(t, err)
	want := &Target{Address: Address{"all", "example.org"}, Many: true, Lists: lists,
		Accounts: []ident.AccountID{ann}, Remote: []string{"z@elsewhere.example"}, Via: "example.org"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	who, err := d.Identity(ctx, bob)
	ok(t, err)
	if !slices.Equal(who.Groups, []ident.GroupID{club.ID, inner.ID}) { // a member of both by the loop; an owner of neither by being one
		t.Errorf("bob is in %v", who.Groups)
	}
}

func TestListsOwnAddresses(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann, bob := add(t, d, "ann"), add(t, d, "bob")
	newList(t, d, NewGroup{Address: "club@example.org", Owners: []string{"bob@example.org", "boss@elsewhere.example"}, Members: []string{"ann@example.org"}})
	newList(t, d, NewGroup{Address: "lone@example.org", Members: []string{"bob@example.org"}})
	_, err := d.NewGroup(ctx, NewGroup{Address: "staff@example.org", Members: []string{"bob@example.org"}})
	ok(t, err)
	for _, delims := range []string{"+", "", "-", "+-"} {
		delimiters(t, d, delims)
		for local, role := range map[string]Role{
			"club+owner": ListOwner, "club-owner": ListOwner, "CLUB-Request": ListOwner, "club+request": ListOwner,
			"club+bounces": ListBounces, "club-bounces": ListBounces, "club+bounces+x=y.example": ListBounces,
		} {
			got, err := d.Resolve(ctx, local+"@example.org")
			if err != nil || got.Role != role || got.List == nil || got.List.Address != "club@example.org" || len(got.Lists) > 0 || got.Via != "example.org" ||
				!slices.Equal(got.Accounts, []ident.AccountID{bob}) || !slices.Equal(got.Remote, []string{"boss@elsewhere.example"}) {
				t.Errorf("delimiters %q: %s: %+v, %v", delims, local, got, err)
			}
		}
		if got, err := d.Resolve(ctx, "lone+bounces@example.org"); err != nil || !slices.Equal(got.Accounts, []ident.AccountID{ann}) || got.Role != ListBounces {
			t.Errorf("a list without owners: %+v, %v", got, err) // the postmaster's
		}
	}
	if got, _ := d.Resolve(ctx, "club+bounces+x=y.example@example.org"); got.Detail != "x=y.example" {
		t.Errorf("the detail is %q", got.Detail)
	}
	delimiters(t, d, "+")
	if got, err := d.Resolve(ctx, "staff+owner@example.org"); err != nil || got.Role != NoRole || got.Detail != "owner" || got.List != nil {
		t.Errorf("a group that is no list: %+v, %v", got, err)
	}
	for _, local := range []string{"staff-owner", "-owner", "+bounces", "+bounces+x", "club-bounces+"} {
		if got, err := d.Resolve(ctx, local+"@example.org"); !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %+v, %v", local, got, err)
		}
	}
	// An alias may lead to the owners, and whoever has such an address outright has it.
	ok(t, d.AddAlias(ctx, "board@example.org", []string{"club-owner@example.org", "club@example.org"}))
	if got, err := d.Resolve(ctx, "board@example.org"); err != nil || !slices.Equal(got.Accounts, []ident.AccountID{bob}) || len(got.Lists) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	owner := add(t, d, "club+owner")
	if got, _ := resolve(t, d, "club+owner@example.org"); !slices.Equal(got, []ident.AccountID{owner}) {
		t.Errorf("club+owner is %v", got)
	}
	ok(t, d.RemoveGroup(ctx, "club@example.org"))
	_, err = d.Resolve(ctx, "board@example.org") // it led nowhere else
	fails(t, err, fault.NotFound)
}

// A list may be the postmaster: nobody else is told then.
func TestListAsPostmaster(t *testing.T) {
	d := newDirectory(t)
	add(t, d, "ann")
	newList(t, d, NewGroup{Address: "admins@example.org", Members: []string{"x@elsewhere.example"}})
	ok(t, d.SetPostmaster(t.Context(), "admins@example.org"))
	got, err := d.Resolve(t.Context(), "postmaster@example.org")
	if err != nil || len(got.Accounts) > 0 || len(got.Lists) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRemovedAccountsOwnNothing(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann, bob := add(t, d, "ann"), add(t, d, "bob")
	newList(t, d, NewGroup{Address: "club@example.org", Owners: []string{"bob@example.org", "ann+club@example.org"}, Members: []string{"ann@example.org", "bob@example.org"}})
	consistent(t, d)
	ok(t, d.RemoveAccount(ctx, bob))
	g, err := d.Group(ctx, "club@example.org")
	ok(t, err)
	if !slices.Equal(g.Owners, []string{"ann+club@example.org"}) || !slices.Equal(g.Members, []string{"ann@example.org"}) {
		t.Errorf("%+v", g)
	}
	ok(t, d.RemoveAccount(ctx, ann))
	ok(t, d.RemoveGroup(ctx, "club@example.org"))
	ok(t, d.RemoveDomain(ctx, "example.org"))
}

func TestMayPost(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	for _, local := range []string{"ann", "bob", "eve", "tom"} {
		add(t, d, local)
	}
	ok(t, d.AddAlias(ctx, "a@example.org", []string{"ann@example.org"}))
	ok(t, d.AddAlias(ctx, "ae@example.org", []string{"ann@example.org", "eve@example.org"}))
	ok(t, d.AddAlias(ctx, "xfwd@example.org", []string{"x@elsewhere.example"}))
	_, err := d.NewGroup(ctx, NewGroup{Address: "board@example.org", Members: []string{"bob@example.org"}})
	ok(t, err)
	newList(t, d, NewGroup{Address: "club@example.org", Members: []string{"ann+club@example.org", "X@elsewhere.example", "tom@example.org"},
		Owners: []string{"board@example.org", "boss@elsewhere.example"}})
	catchAll(t, d, "ann@example.org")
	for _, c := range []struct {
		from string
		may  [3]bool // anyone, members, owners
	}{
		{"ann@example.org", [3]bool{true, true, false}}, {"Ann+x@example.org", [3]bool{true, true, false}}, {"a@example.org", [3]bool{true, true, false}},
		{"x@elsewhere.example", [3]bool{true, true, false}}, {"xfwd@example.org", [3]bool{true, true, false}},
		{"bob@example.org", [3]bool{true, true, true}}, {"board@example.org", [3]bool{true, true, true}}, {"BOSS@elsewhere.example", [3]bool{true, true, true}},
		{"eve@example.org", [3]bool{true, false, false}}, {"ae@example.org", [3]bool{true, false, false}}, {"nobody@example.org", [3]bool{true, false, false}},
		{"y@elsewhere.example", [3]bool{true, false, false}}, {"", [3]bool{true, false, false}}, {"club@example.org", [3]bool{true, false, false}},
		{"club+owner@example.org", [3]bool{true, false, false}},
	} {
		for p, want := range c.may {
			posters := Posters(p)
			ok(t, d.SetGroup(ctx, "club@example.org", GroupChange{Posters: &posters}))
			target, err := d.Resolve(ctx, "club@example.org")
			ok(t, err)
			if got, err := d.MayPost(ctx, &target.Lists[0], c.from); err != nil || got != want {
				t.Errorf("%q where %v may: %t, %v", c.from, posters, got, err)
			}
		}
	}
}

func TestGroupsThatCantBe(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	many := make([]string, MaxOwners+1)
	for i := range many {
		many[i] = strings.Repeat("o", i+1) + "@elsewhere.example"
	}
	for _, c := range []struct {
		n    NewGroup
		kind fault.Kind
	}{
		{NewGroup{Address: "x"}, fault.Invalid},
		{NewGroup{Address: "g@elsewhere.example"}, fault.NotFound},
		{NewGroup{Address: "g@example.org", Name: "a\r\nb"}, fault.Invalid},
		{NewGroup{Address: "g@example.org", Description: "a\r\nBcc: b"}, fault.Invalid},
		{NewGroup{Address: "g@example.org", Description: strings.Repeat("a", MaxDescription+1)}, fault.Invalid},
		{NewGroup{Address: "g@example.org", Description: "\xff"}, fault.Invalid},
		{NewGroup{Address: "g@example.org", Posters: 3}, fault.Invalid},
		{NewGroup{Address: "g@example.org", Members: []string{"nobody@example.org"}}, fault.NotFound},
		{NewGroup{Address: "g@example.org", Owners: []string{"nobody@example.org"}}, fault.NotFound},
		{NewGroup{Address: "g@example.org", Owners: []string{"x"}}, fault.Invalid},
		{NewGroup{Address: "g@example.org", Owners: many}, fault.TooLarge},
	} {
		if _, err := d.NewGroup(ctx, c.n); !fault.Is(err, c.kind) {
			t.Errorf("%.80v: %v, want %v", c.n, err, c.kind)
		}
	}
	for range d.Groups(ctx) {
		t.Error("a group was made all the same")
	}
	if _, err := d.NewGroup(ctx, NewGroup{Address: "g@example.org", Owners: many[1:], Description: strings.Repeat("a", MaxDescription)}); err != nil {
		t.Error(err)
	}
}

func TestListID(t *testing.T) {
	for address, want := range map[string]string{
		"Club@example.org": "club.example.org", "a.b@example.org": "a.b.example.org", `"a b"@example.org`: "g7.example.org", "ü@example.org": "g7.example.org",
	} {
		if got := (&Group{ID: 7, Address: address}).ListID(); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}

func TestPosters(t *testing.T) {
	for _, p := range []Posters{Anyone, MembersOnly, OwnersOnly} {
		if got, err := ParsePosters(p.String()); err != nil || got != p {
			t.Errorf("%v: %v, %v", p, got, err)
		}
	}
	if _, err := ParsePosters("all"); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}
