package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
	"postroad/internal/storage/kv/pebble/pebbletest"
)

// quick are parameters under which a test doesn't wait for hashes.
var quick = HashParams{MemoryKiB: 8, Time: 1, ScramIterations: 4096}

var epoch = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newStore(t testing.TB) kv.DB {
	t.Helper()
	db := pebbletest.Open(t)
	return db
}

// newDirectory opens an empty directory that serves example.org, and checks it at the end of the test.
func newDirectory(t testing.TB) *Directory {
	t.Helper()
	d, err := Open(t.Context(), newStore(t), Options{Hash: quick, Now: func() time.Time { return epoch }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { consistent(t, d) })
	if _, err := d.AddDomain(t.Context(), "example.org"); err != nil {
		t.Fatal(err)
	}
	return d
}

func consistent(t testing.TB, d *Directory) {
	t.Helper()
	problems, err := d.Check(context.Background())
	if err != nil {
		t.Error(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fails(t testing.TB, err error, k fault.Kind) {
	t.Helper()
	if !fault.Is(err, k) {
		t.Fatalf("got %v, want a failure of kind %v", err, k)
	}
}

func add(t testing.TB, d *Directory, local string) ident.AccountID {
	t.Helper()
	a, err := d.AddAccount(t.Context(), NewAccount{Address: local + "@example.org"})
	ok(t, err)
	return a.ID
}

func TestDomains(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	_, err := d.AddDomain(ctx, "EXAMPLE.org")
	fails(t, err, fault.Exists)
	_, err = d.AddDomain(ctx, "-bad-.org")
	fails(t, err, fault.Invalid)
	dom, err := d.AddDomain(ctx, "Bücher.example")
	ok(t, err)
	if dom.Name != "xn--bcher-kva.example" {
		t.Errorf("the name is kept as %q", dom.Name)
	}
	var names []string
	for dom, err := range d.Domains(ctx) {
		ok(t, err)
		names = append(names, dom.Name)
	}
	if want := []string{"example.org", "xn--bcher-kva.example"}; !slices.Equal(names, want) {
		t.Errorf("domains are %v, want %v", names, want)
	}
	id := add(t, d, "ann")
	fails(t, d.RemoveDomain(ctx, "example.org"), fault.Conflict)
	ok(t, d.RemoveAccount(ctx, id))
	ok(t, d.RemoveDomain(ctx, "example.org"))
	fails(t, d.RemoveDomain(ctx, "example.org"), fault.NotFound)
	_, err = d.AddAccount(ctx, NewAccount{Address: "ann@example.org"})
	fails(t, err, fault.NotFound)
}

func TestAccounts(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann, err := d.AddAccount(ctx, NewAccount{Address: "Ann.Smith@Example.ORG", DisplayName: "Ann", QuotaBytes: 1 << 30, Password: "secret"})
	ok(t, err)
	want := Account{ID: ann.ID, Address: "Ann.Smith@example.org", DisplayName: "Ann", Enabled: true,
		QuotaBytes: 1 << 30, Created: epoch, HasPassword: true}
	if diff := cmp.Diff(want, ann); diff != "" {
		t.Error(diff)
	}
	for _, spelling := range []string{"ann.smith@example.org", "ANN.SMITH@EXAMPLE.ORG", `"Ann.Smith"@example.org`} {
		got, err := d.AccountByAddress(ctx, spelling)
		ok(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", spelling, diff)
		}
	}
	_, err = d.AddAccount(ctx, NewAccount{Address: "ANN.smith@example.org"})
	fails(t, err, fault.Exists)
	ok(t, d.SetQuota(ctx, ann.ID, 5))
	ok(t, d.SetEnabled(ctx, ann.ID, false))
	ok(t, d.SetDisplayName(ctx, ann.ID, "Änn"))
	want.QuotaBytes, want.Enabled, want.DisplayName = 5, false, "Änn"
	got, err := d.Account(ctx, ann.ID)
	ok(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	ok(t, d.RemoveAccount(ctx, ann.ID))
	fails(t, d.RemoveAccount(ctx, ann.ID), fault.NotFound)
	fails(t, d.SetPassword(ctx, ann.ID, "x"), fault.NotFound)
	again, err := d.AddAccount(ctx, NewAccount{Address: "ann.smith@example.org"})
	ok(t, err)
	if again.ID <= ann.ID {
		t.Errorf("number %d was given again after %d", again.ID, ann.ID)
	}
}

func TestAccountsThatCantBe(t *testing.T) {
	d := newDirectory(t)
	for _, c := range []struct {
		n    NewAccount
		kind fault.Kind
	}{
		{NewAccount{Address: "ann"}, fault.Invalid},
		{NewAccount{Address: "ann@[192.0.2.1]"}, fault.Invalid},
		{NewAccount{Address: "ann@elsewhere.example"}, fault.NotFound},
		{NewAccount{Address: "ann@example.org", QuotaBytes: -1}, fault.Invalid},
		{NewAccount{Address: "ann@example.org", DisplayName: "a\nb"}, fault.Invalid},
		{NewAccount{Address: "ann@example.org", Password: "a\x00b"}, fault.Invalid},
		{NewAccount{Address: "ann@example.org", Password: string(make([]byte, MaxPassword+1))}, fault.TooLarge},
	} {
		_, err := d.AddAccount(t.Context(), c.n)
		if !fault.Is(err, c.kind) {
			t.Errorf("%.60v: got %v, want %v", c.n, err, c.kind)
		}
	}
}

func TestManyAccountsAreListedInPages(t *testing.T) {
	d := newDirectory(t)
	specs := make([]NewAccount, 2*page+1)
	for i := range specs {
		specs[i].Address = fmt.Sprintf("user%d@example.org", i)
	}
	made, err := d.AddAccounts(t.Context(), specs, "demo")
	ok(t, err)
	var got []Account
	for a, err := range d.Accounts(t.Context()) {
		ok(t, err)
		got = append(got, a)
	}
	if diff := cmp.Diff(made, got); diff != "" {
		t.Error(diff)
	}
	p, err := d.Profile(t.Context(), "user7@example.org")
	ok(t, err)
	if right, err := d.Verify(t.Context(), p.Credential, "demo"); err != nil || !right {
		t.Errorf("the shared password isn't right: %v", err)
	}
	for range d.Accounts(t.Context()) {
		break // ending early is fine
	}
}

func TestAddAccountsIsAllOrNothing(t *testing.T) {
	d := newDirectory(t)
	_, err := d.AddAccounts(t.Context(), []NewAccount{{Address: "a@example.org"}, {Address: "A@example.org"}}, "")
	fails(t, err, fault.Exists)
	_, err = d.AccountByAddress(t.Context(), "a@example.org")
	fails(t, err, fault.NotFound)
}

// resolve gives what an address leads to, in short.
func resolve(t testing.TB, d *Directory, address string) (accounts []ident.AccountID, remote []string) {
	t.Helper()
	target, err := d.Resolve(t.Context(), address)
	ok(t, err)
	return target.Accounts, target.Remote
}

func TestResolve(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann, bob, eve := add(t, d, "ann"), add(t, d, "bob"), add(t, d, "eve")
	_, err := d.AddGroup(ctx, "staff@example.org", "Staff")
	ok(t, err)
	_, err = d.AddGroup(ctx, "all@example.org", "All")
	ok(t, err)
	ok(t, d.AddAlias(ctx, "a.smith@example.org", []string{"ann@example.org"}))
	ok(t, d.AddAlias(ctx, "both@example.org", []string{"a.smith@example.org", "Bob@example.org", "ann+two@example.org", "x@elsewhere.example"}))
	ok(t, d.SetMembers(ctx, "staff@example.org", []string{"both@example.org", "all@example.org"}))
	ok(t, d.SetMembers(ctx, "all@example.org", []string{"eve@example.org", "staff@example.org"})) // a loop

	for _, c := range []struct {
		address  string
		accounts []ident.AccountID
		remote   []string
		detail   string
		many     bool
	}{
		{address: "ann@example.org", accounts: []ident.AccountID{ann}},
		{address: "ANN@EXAMPLE.ORG", accounts: []ident.AccountID{ann}},
		{address: "Ann+Lists@example.org", accounts: []ident.AccountID{ann}, detail: "lists"},
		{address: "a.smith@example.org", accounts: []ident.AccountID{ann}},
		{address: "a.smith+x+y@example.org", accounts: []ident.AccountID{ann}, detail: "x+y"},
		{address: "both@example.org", accounts: []ident.AccountID{ann, bob}, remote: []string{"x@elsewhere.example"}, many: true},
		{address: "all@example.org", accounts: []ident.AccountID{eve, ann, bob}, remote: []string{"x@elsewhere.example"}, many: true},
		{address: "postmaster@example.org", accounts: []ident.AccountID{ann}},
		{address: "PostMaster", accounts: []ident.AccountID{ann}},
		{address: "abuse@example.org", accounts: []ident.AccountID{ann}},
	} {
		for range 2 { // the second answer is from the cache
			got, err := d.Resolve(ctx, c.address)
			ok(t, err)
			if !slices.Equal(got.Accounts, c.accounts) || !slices.Equal(got.Remote, c.remote) || got.Detail != c.detail || got.Many != c.many {
				t.Errorf("%s leads to %+v, want %+v", c.address, got, c)
			}
		}
	}
	for address, kind := range map[string]fault.Kind{
		"nobody@example.org": fault.NotFound, "nobody+x@example.org": fault.NotFound, "+@example.org": fault.NotFound,
		"ann@elsewhere.example": fault.Unsupported, "ann@[192.0.2.1]": fault.Unsupported,
		"ann": fault.Invalid, "": fault.Invalid, "@": fault.Invalid,
	} {
		_, err := d.Resolve(ctx, address)
		if !fault.Is(err, kind) {
			t.Errorf("%q: got %v, want %v", address, err, kind)
		}
	}
}

func TestPostmaster(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	_, err := d.Resolve(ctx, "postmaster@example.org")
	fails(t, err, fault.NotFound) // there is nobody at all
	ann, bob, eve := add(t, d, "ann"), add(t, d, "bob"), add(t, d, "eve")
	fails(t, d.SetPostmaster(ctx, "nobody@example.org"), fault.NotFound)
	fails(t, d.SetPostmaster(ctx, "ann@elsewhere.example"), fault.NotFound)
	expect := func(address string, want ident.AccountID) {
		t.Helper()
		if got, _ := resolve(t, d, address); !slices.Equal(got, []ident.AccountID{want}) {
			t.Errorf("%s is %v, want %v", address, got, want)
		}
	}
	expect("postmaster", ann)
	ok(t, d.SetPostmaster(ctx, "bob@example.org"))
	if got, err := d.Postmaster(ctx); err != nil || got != "bob@example.org" {
		t.Error(got, err)
	}
	expect("postmaster", bob)
	expect("abuse@example.org", bob)
	ok(t, d.AddAlias(ctx, "postmaster@example.org", []string{"eve@example.org"}))
	expect("Postmaster@example.org", eve)
	expect("postmaster", bob)
	ok(t, d.SetPostmaster(ctx, ""))
	if got, err := d.Postmaster(ctx); err != nil || got != "" {
		t.Error(got, err)
	}
	expect("postmaster", ann)
}

func TestExpansionIsBounded(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	members := make([]string, MaxMembers)
	_, err := d.AddGroup(ctx, "top@example.org", "")
	ok(t, err)
	var groups []string
	for g := range MaxExpansion/MaxMembers + 1 {
		for i := range members {
			members[i] = fmt.Sprintf("u%d-%d@elsewhere.example", g, i)
		}
		groups = append(groups, fmt.Sprintf("g%d@example.org", g))
		_, err := d.AddGroup(ctx, groups[g], "")
		ok(t, err)
		ok(t, d.SetMembers(ctx, groups[g], members))
	}
	ok(t, d.SetMembers(ctx, "top@example.org", groups))
	_, err = d.Resolve(ctx, "top@example.org")
	fails(t, err, fault.TooLarge)
	fails(t, d.SetMembers(ctx, "top@example.org", append(members, "one@elsewhere.example")), fault.TooLarge)
	fails(t, d.AddAlias(ctx, "many@example.org", members[:MaxTargets+1]), fault.TooLarge)
	ok(t, d.AddAlias(ctx, "many@example.org", members[:MaxTargets]))
}

func TestAliases(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann, bob := add(t, d, "ann"), add(t, d, "bob")
	fails(t, d.AddAlias(ctx, "x@example.org", []string{"nobody@example.org"}), fault.NotFound)
	fails(t, d.AddAlias(ctx, "x@example.org", nil), fault.Invalid)
	fails(t, d.AddAlias(ctx, "ann@example.org", []string{"bob@example.org"}), fault.Exists)
	fails(t, d.RemoveAlias(ctx, "ann@example.org"), fault.NotFound)
	ok(t, d.AddAlias(ctx, "X@example.org", []string{"ann@example.org", "ANN@example.org"}))
	ok(t, d.AddAlias(ctx, "y@example.org", []string{"x@example.org", "bob@example.org"}))
	ok(t, d.AddAlias(ctx, "x@example.org", []string{"bob@example.org"}))
	if got, _ := resolve(t, d, "y@example.org"); !slices.Equal(got, []ident.AccountID{bob}) {
		t.Errorf("y leads to %v", got)
	}
	var got []Alias
	for a, err := range d.Aliases(ctx) {
		ok(t, err)
		got = append(got, a)
	}
	want := []Alias{{"x@example.org", []string{"bob@example.org"}}, {"y@example.org", []string{"x@example.org", "bob@example.org"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	ok(t, d.RemoveAlias(ctx, "x@example.org"))
	ok(t, d.RemoveAccount(ctx, ann))
	ok(t, d.RemoveAccount(ctx, bob)) // takes y, which leads nowhere else, with it
	_, err := d.Resolve(ctx, "y@example.org")
	fails(t, err, fault.NotFound)
	ok(t, d.RemoveDomain(ctx, "example.org"))
}

// Whoever gets a used address must not inherit its groups.
func TestRemovedAccountsLeaveTheirGroups(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann := add(t, d, "ann")
	ok(t, d.AddAlias(ctx, "a@example.org", []string{"ann+work@example.org"}))
	g, err := d.AddGroup(ctx, "staff@example.org", "Staff")
	ok(t, err)
	h, err := d.AddGroup(ctx, "house@example.org", "House")
	ok(t, err)
	ok(t, d.SetMembers(ctx, "staff@example.org", []string{"a@example.org"}))
	ok(t, d.SetMembers(ctx, "house@example.org", []string{"staff@example.org", "house@example.org"}))
	who, err := d.Identity(ctx, ann)
	ok(t, err)
	if diff := cmp.Diff(ident.Identity{Account: ann, Login: "ann@example.org", Groups: []ident.GroupID{g.ID, h.ID}}, who); diff != "" {
		t.Error(diff)
	}
	ok(t, d.RemoveAccount(ctx, ann))
	who, err = d.Identity(ctx, add(t, d, "ann"))
	ok(t, err)
	if len(who.Groups) > 0 {
		t.Errorf("the new account is in the old one's groups: %v", who.Groups)
	}
	ok(t, d.RemoveGroup(ctx, "house@example.org"))
	fails(t, d.RemoveGroup(ctx, "house@example.org"), fault.NotFound)
	var left []Group
	for g, err := range d.Groups(ctx) {
		ok(t, err)
		left = append(left, g)
	}
	if diff := cmp.Diff([]Group{{ID: g.ID, Address: "staff@example.org", Name: "Staff", Members: []string{}, Created: epoch}}, left); diff != "" {
		t.Error(diff)
	}
}

func TestMaySend(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	ann := add(t, d, "ann")
	add(t, d, "bob")
	ok(t, d.AddAlias(ctx, "a@example.org", []string{"ann@example.org"}))
	ok(t, d.AddAlias(ctx, "aa@example.org", []string{"a@example.org"}))
	_, err := d.AddGroup(ctx, "staff@example.org", "")
	ok(t, err)
	ok(t, d.SetMembers(ctx, "staff@example.org", []string{"ann@example.org"}))
	ok(t, d.AddAlias(ctx, "s@example.org", []string{"staff@example.org"}))
	for from, want := range map[string]bool{
		"": true, "ann@example.org": true, "Ann+x@Example.org": true, "a@example.org": true, "AA+y@example.org": true,
		"bob@example.org": false, "staff@example.org": false, "s@example.org": false, "ann@elsewhere.example": false, "<>": false,
	} {
		if got, err := d.MaySend(ctx, ann, from); err != nil || got != want {
			t.Errorf("%q: %t, %v; want %t", from, got, err, want)
		}
	}
	for _, domain := range []string{"alias.example", "group.example"} {
		_, err := d.AddDomain(ctx, domain)
		ok(t, err)
	}
	ok(t, d.AddAlias(ctx, "a@alias.example", []string{"aa@example.org"}))
	_, err = d.NewGroup(ctx, NewGroup{Address: "g@group.example", Members: []string{"ann@example.org"}})
	ok(t, err)
	for domain, want := range map[string]bool{"example.org": true, "alias.example": true, "group.example": false, "elsewhere.example": false} {
		if got, err := d.MaySendIn(ctx, ann, domain); err != nil || got != want {
			t.Errorf("%q: %t, %v; want %t", domain, got, err, want)
		}
	}
}

// A second Directory on the same store, as another process would be, makes
// the first one forget what it remembers.
func TestCacheHearsTheBell(t *testing.T) {
	db := newStore(t)
	ctx := t.Context()
	one, err := Open(ctx, db, Options{Hash: quick})
	ok(t, err)
	_, err = one.AddDomain(ctx, "example.org")
	ok(t, err)
	two, err := Open(ctx, db, Options{Hash: quick})
	ok(t, err)
	ann, bob := add(t, one, "ann"), add(t, one, "bob")
	ok(t, one.AddAlias(ctx, "x@example.org", []string{"ann@example.org"}))
	if got, _ := resolve(t, one, "x@example.org"); !slices.Equal(got, []ident.AccountID{ann}) {
		t.Fatalf("x leads to %v", got)
	}
	bell := db.Bell(Partition)
	ok(t, two.AddAlias(ctx, "x@example.org", []string{"bob@example.org"}))
	<-bell
	if got, _ := resolve(t, one, "x@example.org"); !slices.Equal(got, []ident.AccountID{bob}) {
		t.Errorf("x leads to %v, want %v", got, bob)
	}
	if string(one.Secret("x")) != string(two.Secret("x")) || string(one.Secret("x")) == string(one.Secret("y")) {
		t.Error("secrets differ where they should be equal, or the other way round")
	}
}

func TestCacheIsBounded(t *testing.T) {
	d := newDirectory(t)
	add(t, d, "ann")
	for i := range maxCached + 10 {
		resolve(t, d, fmt.Sprintf("ann+%d@example.org", i))
	}
	if n := len(d.current().targets); n != maxCached {
		t.Errorf("%d answers are remembered", n)
	}
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	ctx := t.Context()
	for name, spoil := range map[string]func(tx kv.Tx) error{
		"address lost":    func(tx kv.Tx) error { return tx.Delete(entryKey(Address{"ann", "example.org"})) },
		"credential lost": func(tx kv.Tx) error { return tx.DeleteRange([]byte{keyCredential}, []byte{keyCredential + 1}) },
		"account lost":    func(tx kv.Tx) error { return tx.DeleteRange([]byte{keyAccount}, []byte{keyAccount + 1}) },
		"index lost":      func(tx kv.Tx) error { return tx.DeleteRange([]byte{keyRef}, []byte{keyRef + 1}) },
		"index wrong":     func(tx kv.Tx) error { return tx.Set(refKey(Address{"x", "b"}, Address{"ann", "example.org"}), nil) },
		"domain lost":     func(tx kv.Tx) error { return tx.Delete(domainKey("example.org")) },
		"record torn":     func(tx kv.Tx) error { return tx.Set(accountKey(1), []byte{1, 9}) },
		"version unknown": func(tx kv.Tx) error { return tx.Set(groupKey(2), []byte{200}) },
		"counter back":    func(tx kv.Tx) error { return tx.Delete([]byte{keyCounter}) },
	} {
		t.Run(name, func(t *testing.T) {
			d, err := Open(ctx, newStore(t), Options{Hash: quick})
			ok(t, err)
			_, err = d.AddDomain(ctx, "example.org")
			ok(t, err)
			_, err = d.AddAccount(ctx, NewAccount{Address: "ann@example.org", Password: "x"})
			ok(t, err)
			_, err = d.AddGroup(ctx, "staff@example.org", "")
			ok(t, err)
			ok(t, d.SetMembers(ctx, "staff@example.org", []string{"ann@example.org"}))
			consistent(t, d)
			ok(t, d.update(ctx, spoil))
			problems, err := d.Check(ctx)
			ok(t, err)
			if len(problems) == 0 {
				t.Error("nothing was found")
			}
		})
	}
}

func TestCountersEnd(t *testing.T) {
	d := newDirectory(t)
	ok(t, d.update(t.Context(), func(tx kv.Tx) error {
		return tx.Set([]byte{keyCounter}, []byte{0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe})
	}))
	if id := add(t, d, "last"); id != maxID {
		t.Errorf("the last number is %d", id)
	}
	_, err := d.AddAccount(t.Context(), NewAccount{Address: "more@example.org"})
	fails(t, err, fault.Unavailable)
}

func TestCanceledListsEnd(t *testing.T) {
	d := newDirectory(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range d.Accounts(ctx) {
		if err != nil && !errors.Is(err, context.Canceled) && !fault.Is(err, fault.Canceled) {
			t.Error(err)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	d := newDirectory(b)
	add(b, d, "ann")
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Resolve(ctx, "ann@example.org"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProfile(b *testing.B) {
	d := newDirectory(b)
	add(b, d, "ann")
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Profile(ctx, "ann@example.org"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkResolveUnknown is what a dictionary attack costs.
func BenchmarkResolveUnknown(b *testing.B) {
	d := newDirectory(b)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		d.Resolve(ctx, "nobody@example.org")
	}
}
