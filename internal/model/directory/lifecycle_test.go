package directory

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

func TestRenameKeepsWhatBelongsToTheAccount(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	_, err := d.AddDomain(ctx, "other.example")
	ok(t, err)
	id := add(t, d, "ann")
	ok(t, d.SetPassword(ctx, id, "sesame"))
	ok(t, d.AddAlias(ctx, "info@example.org", []string{"ann+info@example.org", "bob@elsewhere.example"}))
	_, err = d.NewGroup(ctx, NewGroup{Address: "all@example.org", Members: []string{"ANN@example.org"}, List: true, Owners: []string{"ann@example.org"}})
	ok(t, err)
	catchAll := "ann@example.org"
	ok(t, d.SetDomain(ctx, "other.example", DomainChange{CatchAll: &catchAll}))
	ok(t, d.SetPostmaster(ctx, "ann@example.org"))

	acc, err := d.RenameAccount(ctx, id, "Ann.Smith@other.example", false)
	ok(t, err)
	if acc.ID != id || acc.Address != "Ann.Smith@other.example" {
		t.Errorf("it is now %+v", acc)
	}
	p, err := d.Profile(ctx, "ann.smith@other.example")
	ok(t, err)
	if good, err := d.Verify(ctx, p.Credential, "sesame"); !good || err != nil {
		t.Error("the password is gone", err)
	}
	_, err = d.Profile(ctx, "ann@example.org")
	fails(t, err, fault.NotFound)
	for _, to := range []string{"info@example.org", "all+owner@example.org", "whoever@other.example", "postmaster@example.org"} {
		r, err := d.Resolve(ctx, to)
		ok(t, err)
		if !slices.Contains(r.Accounts, id) {
			t.Errorf("%s leads to %+v", to, r)
		}
	}
	aliases := map[string][]string{}
	for a, err := range d.Aliases(ctx) {
		ok(t, err)
		aliases[a.Address] = a.Targets
	}
	if diff := cmp.Diff(map[string][]string{"info@example.org": {"Ann.Smith+info@other.example", "bob@elsewhere.example"}}, aliases); diff != "" {
		t.Error(diff)
	}
}

func TestRenameKeepingTheOldAddress(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	id, bob := add(t, d, "ann"), add(t, d, "bob")
	_, err := d.RenameAccount(ctx, id, "ann@example.org", true) // is hers already
	ok(t, err)
	acc, err := d.RenameAccount(ctx, id, "Ann@example.org", true) // only the spelling
	ok(t, err)
	if acc.Address != "Ann@example.org" {
		t.Error(acc.Address)
	}
	_, err = d.RenameAccount(ctx, id, "smith@example.org", true)
	ok(t, err)
	r, err := d.Resolve(ctx, "ann@example.org")
	ok(t, err)
	if !slices.Equal(r.Accounts, []ident.AccountID{id}) {
		t.Error("the old address leads to", r.Accounts)
	}
	if may, err := d.MaySend(ctx, id, "ann@example.org"); !may || err != nil {
		t.Error("she can't send as her old address", err)
	}
	for _, to := range []string{"bob@example.org", "ann@example.org"} {
		_, err = d.RenameAccount(ctx, id, to, false)
		fails(t, err, fault.Exists)
	}
	_, err = d.RenameAccount(ctx, id, "ann@elsewhere.example", false)
	fails(t, err, fault.NotFound)
	_, err = d.RenameAccount(ctx, id, "no address", false)
	fails(t, err, fault.Invalid)
	_, err = d.RenameAccount(ctx, bob+7, "x@example.org", false)
	fails(t, err, fault.NotFound)
}

func TestRetiredAccountsCanComeBack(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	id := add(t, d, "ann")
	ok(t, d.SetPassword(ctx, id, "sesame"))
	ok(t, d.Appoint(ctx, id, WholeServer))
	_, _, err := d.AddAppPassword(ctx, id, NewAppPassword{Name: "phone"})
	ok(t, err)
	ok(t, d.Retire(ctx, id))
	_, err = d.Profile(ctx, "ann@example.org")
	fails(t, err, fault.NotFound)
	_, err = d.ProfileByID(ctx, id)
	fails(t, err, fault.NotFound)
	fails(t, d.Retire(ctx, id), fault.NotFound)
	var gone []Removed
	for r, err := range d.RemovedAccounts(ctx) {
		ok(t, err)
		gone = append(gone, r)
	}
	if len(gone) != 1 || gone[0].Account.ID != id || !gone[0].At.Equal(epoch) || gone[0].Account.Address != "ann@example.org" {
		t.Errorf("listed are %+v", gone)
	}
	other := add(t, d, "ann")
	if other == id {
		t.Error("its number was given again")
	}
	_, err = d.Restore(ctx, id, "")
	fails(t, err, fault.Exists)
	acc, err := d.Restore(ctx, id, "ann.old@example.org")
	ok(t, err)
	p, err := d.Profile(ctx, "ann.old@example.org")
	ok(t, err)
	if good, _ := d.Verify(ctx, p.Credential, "sesame"); !good || acc.ID != id {
		t.Errorf("it came back as %+v", acc)
	}
	if duties, err := d.Duties(ctx, id); !duties.None() || err != nil {
		t.Errorf("its duties came back too: %+v, %v", duties, err)
	}
	_, err = d.Restore(ctx, id, "")
	fails(t, err, fault.NotFound)

	ok(t, d.Retire(ctx, id))
	ok(t, d.Forget(ctx, id))
	fails(t, d.Forget(ctx, id), fault.NotFound)
	_, err = d.Restore(ctx, id, "")
	fails(t, err, fault.NotFound)
}

// TestCondemnedAccountsDontComeBack: only their number is left, until their mail is gone.
func TestCondemnedAccountsDontComeBack(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	id := add(t, d, "ann")
	ok(t, d.Condemn(ctx, id))
	_, err := d.Account(ctx, id)
	fails(t, err, fault.NotFound)
	_, err = d.Restore(ctx, id, "")
	fails(t, err, fault.NotFound)
	n := 0
	for r, err := range d.RemovedAccounts(ctx) {
		ok(t, err)
		if n++; r.Account.ID != id || !r.Condemned() {
			t.Errorf("listed is %+v", r)
		}
	}
	if n != 1 {
		t.Errorf("%d are listed", n)
	}
	ok(t, d.Forget(ctx, id))
	fails(t, d.Forget(ctx, id), fault.NotFound)
}

func TestDomainLimits(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	add(t, d, "before")
	newAccount := func(local string, quota int64) (Account, error) {
		return d.AddAccount(ctx, NewAccount{Address: local + "@example.org", QuotaBytes: quota})
	}
	fails(t, d.SetDomainLimits(ctx, "nowhere.example", DomainLimits{}), fault.NotFound)
	fails(t, d.SetDomainLimits(ctx, "example.org", DomainLimits{Accounts: -1}), fault.Invalid)
	fails(t, d.SetDomainLimits(ctx, "example.org", DomainLimits{QuotaBytes: 5, DefaultQuotaBytes: 6}), fault.Invalid)
	ok(t, d.SetDomainLimits(ctx, "example.org", DomainLimits{Accounts: 3, QuotaBytes: 100}))
	_, err := newAccount("free", 0)
	fails(t, err, fault.Invalid)
	ann, err := newAccount("ann", 60)
	ok(t, err)
	_, err = newAccount("bob", 41)
	fails(t, err, fault.OverQuota)
	if !strings.Contains(err.Error(), "40 are left") {
		t.Error(err)
	}
	bob, err := newAccount("bob", 40)
	ok(t, err)
	_, err = newAccount("eve", 1)
	fails(t, err, fault.OverQuota)
	fails(t, d.SetQuota(ctx, ann.ID, 61), fault.OverQuota)
	fails(t, d.SetQuota(ctx, ann.ID, 0), fault.Invalid)
	ok(t, d.SetQuota(ctx, ann.ID, 50))
	ok(t, d.SetQuota(ctx, bob.ID, 50))

	_, use, err := d.DomainLimits(ctx, "Example.ORG")
	ok(t, err)
	if use != (DomainUse{Accounts: 3, QuotaBytes: 100}) {
		t.Errorf("it has %+v", use)
	}
	ok(t, d.Retire(ctx, bob.ID)) // makes room
	eve, err := newAccount("eve", 1)
	ok(t, err)
	_, err = d.Restore(ctx, bob.ID, "")
	fails(t, err, fault.OverQuota)
	ok(t, d.RemoveAccount(ctx, eve.ID))
	_, err = d.Restore(ctx, bob.ID, "")
	ok(t, err)

	// Limits below what is there take nothing away, and let it shrink.
	ok(t, d.SetDomainLimits(ctx, "example.org", DomainLimits{Accounts: 1, QuotaBytes: 10, DefaultQuotaBytes: 7}))
	ok(t, d.SetQuota(ctx, ann.ID, 40))
	fails(t, d.SetQuota(ctx, ann.ID, 41), fault.OverQuota)

	_, err = d.AddDomain(ctx, "other.example")
	ok(t, err)
	ok(t, d.SetDomainLimits(ctx, "other.example", DomainLimits{Accounts: 1, DefaultQuotaBytes: 7}))
	carl, err := d.AddAccount(ctx, NewAccount{Address: "carl@other.example"})
	ok(t, err)
	if carl.QuotaBytes != 7 {
		t.Error("the default quota is", carl.QuotaBytes)
	}
	_, err = d.RenameAccount(ctx, bob.ID, "bob@other.example", false)
	fails(t, err, fault.OverQuota)
	ok(t, d.RemoveAccount(ctx, carl.ID))
	_, err = d.RenameAccount(ctx, bob.ID, "bob@other.example", false)
	ok(t, err)
}

// A store from before domains were counted is counted when that is first needed.
func TestDomainsAreCountedLate(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	add(t, d, "ann")
	ok(t, d.db.Update(ctx, Partition, func(tx kv.Tx) error { return tx.Delete(tallyKey("example.org")) }))
	if _, use, err := d.DomainLimits(ctx, "example.org"); err != nil || use.Accounts != 1 {
		t.Error(use, err)
	}
	add(t, d, "bob")
	if _, use, err := d.DomainLimits(ctx, "example.org"); err != nil || use.Accounts != 2 {
		t.Error(use, err)
	}
}

func TestDuties(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	_, err := d.AddDomain(ctx, "other.example")
	ok(t, err)
	ann, bob := add(t, d, "ann"), add(t, d, "bob")
	ok(t, d.Appoint(ctx, ann, "OTHER.example"))
	ok(t, d.Appoint(ctx, ann, "example.org"))
	ok(t, d.Appoint(ctx, ann, "example.org"))
	ok(t, d.Appoint(ctx, bob, WholeServer))
	fails(t, d.Appoint(ctx, bob, "nowhere.example"), fault.NotFound)
	fails(t, d.Appoint(ctx, bob+9, "example.org"), fault.NotFound)
	fails(t, d.Appoint(ctx, bob, "-"), fault.Invalid)
	check := func(id ident.AccountID, want Duties) {
		t.Helper()
		got, err := d.Duties(ctx, id)
		ok(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	check(ann, Duties{Domains: []string{"example.org", "other.example"}})
	check(bob, Duties{Server: true})
	n := 0
	for x, err := range d.Administrators(ctx) {
		ok(t, err)
		if n++; x.Domain == WholeServer && x.Account != bob {
			t.Error(x)
		}
	}
	if n != 3 {
		t.Error(n, "duties")
	}
	fails(t, d.Dismiss(ctx, ann, WholeServer), fault.NotFound)
	ok(t, d.Dismiss(ctx, ann, "example.org"))
	ok(t, d.RemoveDomain(ctx, "other.example"))
	check(ann, Duties{})
	ok(t, d.RemoveAccount(ctx, bob))
	check(bob, Duties{})
}

func TestTokens(t *testing.T) {
	db := newStore(t)
	now := epoch
	d, err := Open(t.Context(), db, Options{Hash: quick, Now: func() time.Time { return now }})
	ok(t, err)
	t.Cleanup(func() { consistent(t, d) })
	ctx := t.Context()
	for _, name := range []string{"example.org", "other.example"} {
		_, err := d.AddDomain(ctx, name)
		ok(t, err)
	}
	_, err = d.AddToken(ctx, Token{Name: "x"})
	fails(t, err, fault.Invalid)
	for _, name := range []string{"", "a\nb", strings.Repeat("x", MaxTokenName+1), "\xff"} {
		_, err = d.AddToken(ctx, Token{Name: name, Duties: Duties{Server: true}})
		fails(t, err, fault.Invalid)
	}
	_, err = d.AddToken(ctx, Token{Name: "x", Duties: Duties{Domains: []string{"nowhere.example"}}})
	fails(t, err, fault.NotFound)

	secret, err := d.AddToken(ctx, Token{Name: "robot", Duties: Duties{Domains: []string{"EXAMPLE.org", "other.example"}}, Expires: epoch.Add(48 * time.Hour)})
	ok(t, err)
	if !strings.HasPrefix(secret, "postroad_") || len(secret) < 40 {
		t.Error("the secret is", len(secret), "bytes")
	}
	_, err = d.AddToken(ctx, Token{Name: "robot", Duties: Duties{Server: true}})
	fails(t, err, fault.Exists)
	server, err := d.AddToken(ctx, Token{Name: "server", Duties: Duties{Server: true}})
	ok(t, err)

	tok, err := d.Token(ctx, secret)
	ok(t, err)
	if diff := cmp.Diff(Duties{Domains: []string{"example.org", "other.example"}}, tok.Duties); diff != "" {
		t.Error(diff)
	}
	for _, wrong := range []string{"", "robot", secret + "x", secret[1:]} {
		_, err = d.Token(ctx, wrong)
		fails(t, err, fault.Unauthenticated)
	}
	used := func() time.Time {
		for x, err := range d.Tokens(ctx) {
			ok(t, err)
			if x.Name == "robot" {
				return x.Used
			}
		}
		return time.Time{}
	}
	if !used().Equal(epoch) {
		t.Error("used at", used())
	}
	now = epoch.Add(59 * time.Minute)
	_, err = d.Token(ctx, secret)
	ok(t, err)
	if !used().Equal(epoch) {
		t.Error("each use is written down")
	}
	now = epoch.Add(time.Hour)
	_, err = d.Token(ctx, secret)
	ok(t, err)
	if !used().Equal(now) {
		t.Error("used at", used())
	}

	ok(t, d.RemoveDomain(ctx, "other.example"))
	tok, err = d.Token(ctx, secret)
	ok(t, err)
	if !slices.Equal(tok.Duties.Domains, []string{"example.org"}) {
		t.Error("it is for", tok.Duties)
	}
	ok(t, d.RemoveDomain(ctx, "example.org"))
	_, err = d.Token(ctx, secret)
	fails(t, err, fault.Unauthenticated)
	_, err = d.Token(ctx, server)
	ok(t, err)
	ok(t, d.RemoveToken(ctx, "server"))
	fails(t, d.RemoveToken(ctx, "server"), fault.NotFound)
	_, err = d.Token(ctx, server)
	fails(t, err, fault.Unauthenticated)

	_, err = d.AddDomain(ctx, "example.org")
	ok(t, err)
	secret, err = d.AddToken(ctx, Token{Name: "short", Duties: Duties{Server: true}, Expires: now.Add(time.Minute)})
	ok(t, err)
	_, err = d.Token(ctx, secret)
	ok(t, err)
	now = now.Add(time.Minute)
	_, err = d.Token(ctx, secret)
	fails(t, err, fault.Unauthenticated)
	// A store that is stolen holds nothing that admits.
	ok(t, db.View(ctx, Partition, func(r kv.Reader) error {
		for p, err := range r.Scan(kv.Range{Lo: []byte{1}, Hi: []byte{'z' + 1}}) {
			ok(t, err)
			if strings.Contains(string(p.Key)+string(p.Value), secret) {
				t.Error("the secret is stored under", p.Key)
			}
		}
		return nil
	}))
}
