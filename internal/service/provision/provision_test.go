package provision

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/directory/directorytest"
	"postroad/internal/model/ident"
)

// roster is a Source in memory.
type roster struct {
	entries []Entry
	groups  []Group
	err     error
}

func (*roster) Name() string { return "corp" }
func (s *roster) List(_ context.Context, entry func(Entry) error, group func(Group) error) error {
	for _, e := range s.entries {
		if err := entry(e); err != nil {
			return err
		}
	}
	for _, g := range s.groups {
		if err := group(g); err != nil {
			return err
		}
	}
	return s.err
}
func (*roster) Verify(context.Context, directory.Link, string) (bool, error) { return false, nil }
func (*roster) Pretend(context.Context, string) error                        { return nil }

type world struct {
	t      *testing.T
	dir    *directory.Directory
	src    *roster
	sync   *Syncer
	barred []ident.AccountID
}

func (w *world) AddLinked(ctx context.Context, n directory.NewAccount) (directory.Account, error) {
	return w.dir.AddAccount(ctx, n)
}
func (w *world) GiveRoom(ctx context.Context, id ident.AccountID, bytes int64) error {
	return w.dir.SetQuota(ctx, id, bytes)
}
func (w *world) Barred(_ context.Context, id ident.AccountID) { w.barred = append(w.barred, id) }

func newWorld(t *testing.T) *world {
	dir, _ := directorytest.Open(t, directory.Options{}, "example.org")
	w := &world{t: t, dir: dir, src: &roster{}}
	w.sync = New(dir, w)
	t.Cleanup(func() {
		problems, err := dir.Check(context.Background())
		if err != nil || len(problems) > 0 {
			t.Error(problems, err)
		}
	})
	return w
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// run syncs, and expects that report.
func (w *world) run(o Options, want Report) {
	w.t.Helper()
	got, err := w.sync.Sync(w.t.Context(), w.src, o)
	w.ok(err)
	if d := cmp.Diff(want, got); d != "" {
		w.t.Error(d)
	}
}

// accounts are those there are: address, name, quota, and whether it is off.
func (w *world) accounts() (list []string) {
	for a, err := range w.dir.Accounts(w.t.Context()) {
		w.ok(err)
		s := fmt.Sprintf("%d %s %s", a.ID, a.Address, a.DisplayName)
		if a.QuotaBytes > 0 {
			s += fmt.Sprint(" ", a.QuotaBytes)
		}
		if !a.Enabled {
			s += " off"
		}
		list = append(list, s)
	}
	for a, err := range w.dir.Aliases(w.t.Context()) {
		w.ok(err)
		list = append(list, a.Address+" -> "+strings.Join(a.Targets, " "))
	}
	for g, err := range w.dir.Groups(w.t.Context()) {
		w.ok(err)
		slices.Sort(g.Members)
		list = append(list, g.Address+" = "+strings.Join(g.Members, " "))
	}
	return list
}

func (w *world) are(want ...string) {
	w.t.Helper()
	if d := cmp.Diff(want, w.accounts()); d != "" {
		w.t.Error(d)
	}
}

func TestSync(t *testing.T) {
	w := newWorld(t)
	ann := Entry{Key: "1", Ref: "cn=ann", Address: "ann@example.org", Name: "Ann", Aliases: []string{"a@example.org", "ann@elsewhere.test", "ANN@example.org"}, QuotaBytes: 5}
	ben := Entry{Key: "2", Ref: "cn=ben", Address: "ben@example.org", Name: "Ben", Disabled: true}
	w.src.entries = []Entry{ann, ben, {Key: "3", Address: "x@elsewhere.test"}}
	w.src.groups = []Group{{Key: "g", Ref: "cn=team", Address: "team@example.org", Name: "Team", Members: []string{"CN=Ann", "cn=nobody", "cn=ben", "boss@elsewhere.test"}}}
	w.run(Options{}, Report{Entries: 3, Groups: 1, Added: 3, Changed: 1, Disabled: 1, Skipped: 1})
	w.are("1 ann@example.org Ann 5", "2 ben@example.org Ben off", "a@example.org -> ann@example.org", "team@example.org = ann@example.org ben@example.org boss@elsewhere.test")
	w.run(Options{}, Report{Entries: 3, Groups: 1, Skipped: 1}) // nothing to do

	// Ann marries, and gets more room; Ben may come in; Carl is new.
	ann = Entry{Key: "1", Ref: "cn=ann b", Address: "ann.b@example.org", Name: "Ann B.", Aliases: []string{"ann@example.org"}, QuotaBytes: 7}
	ben.Disabled = false
	w.src.entries = []Entry{ann, ben, {Key: "4", Ref: "cn=carl", Address: "carl@example.org"}}
	w.src.groups[0].Members = []string{"cn=carl"}
	w.run(Options{}, Report{Entries: 3, Groups: 1, Added: 1, Changed: 4})
	w.are("1 ann.b@example.org Ann B. 7", "2 ben@example.org Ben", "4 carl@example.org ", "ann@example.org -> ann.b@example.org", "team@example.org = carl@example.org")
	if p, err := w.dir.Profile(t.Context(), "ann.b@example.org"); err != nil || p.Link.Ref != "cn=ann b" {
		t.Errorf("%+v %v", p, err)
	}

	// Carl leaves, and comes back.
	w.src.entries = w.src.entries[:2]
	w.src.groups = nil
	w.run(Options{}, Report{Entries: 2, Disabled: 1, Removed: 1})
	w.run(Options{}, Report{Entries: 2})
	w.are("1 ann.b@example.org Ann B. 7", "2 ben@example.org Ben", "4 carl@example.org  off", "ann@example.org -> ann.b@example.org")
	w.src.entries = append(w.src.entries, Entry{Key: "4", Ref: "cn=carl", Address: "carl@example.org"})
	w.run(Options{}, Report{Entries: 3})
	w.src.entries = w.src.entries[:2]
	w.run(Options{Remove: true}, Report{Entries: 2, Removed: 1})
	w.are("1 ann.b@example.org Ann B. 7", "2 ben@example.org Ben", "ann@example.org -> ann.b@example.org")
	if d := cmp.Diff([]ident.AccountID{2, 4, 4}, w.barred); d != "" {
		t.Error(d)
	}
}

// What an administrator here has done is not undone.
func TestOurWordCounts(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ann := Entry{Key: "1", Ref: "r", Address: "ann@example.org", Name: "Ann", Aliases: []string{"a@example.org", "b@example.org"}}
	w.src.entries = []Entry{ann}
	w.run(Options{}, Report{Entries: 1, Added: 1, Changed: 2})
	w.ok(w.dir.SetEnabled(ctx, 1, false))
	_, err := w.dir.AddAccount(ctx, directory.NewAccount{Address: "ben@example.org"})
	w.ok(err)
	w.ok(w.dir.AddAlias(ctx, "b@example.org", []string{"ben@example.org"}))
	w.ok(w.dir.AddAlias(ctx, "mine@example.org", []string{"ann@example.org"}))
	w.run(Options{}, Report{Entries: 1})
	w.src.entries[0].Aliases = nil
	w.run(Options{}, Report{Entries: 1, Changed: 1})
	w.are("1 ann@example.org Ann off", "2 ben@example.org ", "b@example.org -> ben@example.org", "mine@example.org -> ann@example.org")
}

func TestConflicts(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.dir.AddAccount(ctx, directory.NewAccount{Address: "ann@example.org", Password: "own"})
	w.ok(err)
	w.ok(w.dir.AddAlias(ctx, "ben@example.org", []string{"ann@example.org"}))
	w.src.entries = []Entry{{Key: "1", Address: "ann@example.org"}, {Key: "2", Address: "ben@example.org"}, {Key: "1", Address: "carl@example.org"}, {Key: "5", Address: "no address"},
		{Key: "6", Address: "dan@example.org", Aliases: []string{"ann@example.org", "nonsense", "ben@example.org"}}}
	w.src.groups = []Group{{Key: "g", Address: "ann@example.org"}, {Key: "6", Address: "all@example.org"}}
	taken := "ann@example.org exists already: it is an account"
	common := []string{"carl@example.org: two entries have the key \"1\"", "no address: not an address",
		"dan@example.org: alias nonsense: not an address"}
	got, err := w.sync.Sync(ctx, w.src, Options{})
	w.ok(err)
	for _, want := range append([]string{"ann@example.org: " + taken, "ben@example.org: ben@example.org exists already: it is an alias", "dan@example.org: alias ann@example.org: " + taken,
		"dan@example.org: the alias ben@example.org leads elsewhere", "all@example.org: two entries have the key \"6\""}, common...) {
		if !slices.Contains(got.Problems, want) {
			t.Errorf("%q is missing in %q", want, got.Problems)
		}
	}
	if len(got.Problems) != 9 || got.Added != 1 {
		t.Errorf("%+v", got)
	}
	w.src.entries = w.src.entries[:2]
	w.src.groups = nil
	got, err = w.sync.Sync(ctx, w.src, Options{Adopt: true})
	w.ok(err)
	if got.Added != 1 || len(got.Problems) != 1 || got.Disabled != 1 {
		t.Errorf("%+v", got)
	}
	if p, err := w.dir.Profile(ctx, "ann@example.org"); err != nil || p.Link == nil || p.Credential != nil {
		t.Errorf("%+v %v", p, err)
	}
}

// Half a list, or an empty one, takes nobody's account.
func TestMistakesOfTheSource(t *testing.T) {
	w := newWorld(t)
	for i := range 30 {
		w.src.entries = append(w.src.entries, Entry{Key: fmt.Sprint(i), Address: fmt.Sprintf("p%d@example.org", i)})
	}
	all := w.src.entries
	w.run(Options{}, Report{Entries: 30, Added: 30})
	w.src.entries, w.src.err = all[:29], fault.New(fault.Unavailable, "broken")
	if _, err := w.sync.Sync(t.Context(), w.src, Options{}); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	w.src.err = nil
	w.src.entries = nil
	w.run(Options{Remove: true}, Report{Problems: []string{"30 of 30 entries are gone: that looks like a mistake in the source or in the settings, and nothing is done about it"}})
	w.src.entries = all[:14]
	w.run(Options{}, Report{Entries: 14, Problems: []string{"16 of 30 entries are gone: that looks like a mistake in the source or in the settings, and nothing is done about it"}})
	w.src.entries = all[:15]
	w.run(Options{}, Report{Entries: 15, Disabled: 15})
	for i := range 200 {
		w.src.entries = append(w.src.entries, Entry{Key: fmt.Sprint("bad", i), Address: "bad"})
	}
	if got, err := w.sync.Sync(t.Context(), w.src, Options{}); err != nil || len(got.Problems) != MaxProblems {
		t.Error(len(got.Problems), err)
	}
}

func TestGroupsChange(t *testing.T) {
	w := newWorld(t)
	w.src.entries = []Entry{{Key: "1", Ref: "cn=ann", Address: "ann@example.org"}}
	inner := Group{Key: "i", Ref: "cn=inner", Address: "inner@example.org", Members: []string{"cn=ann"}}
	outer := Group{Key: "o", Ref: "cn=outer", Address: "outer@example.org", Members: []string{"cn=inner", "cn=ann"}}
	w.src.groups = []Group{outer, inner}
	w.run(Options{}, Report{Entries: 1, Groups: 2, Added: 3})
	w.run(Options{}, Report{Entries: 1, Groups: 2, Changed: 1}) // the inner one is there now
	w.are("1 ann@example.org ", "outer@example.org = ann@example.org inner@example.org", "inner@example.org = ann@example.org")
	w.src.groups = []Group{{Key: "o", Ref: "cn=outer", Address: "all@example.org", Members: []string{"cn=ann"}}}
	w.run(Options{}, Report{Entries: 1, Groups: 1, Added: 1, Removed: 1})
	w.are("1 ann@example.org ", "all@example.org = ann@example.org")
}

// giant is a source with more text than anybody wants to keep.
type giant struct{ roster }

func (*giant) List(_ context.Context, entry func(Entry) error, _ func(Group) error) error {
	name := strings.Repeat("x", 16<<20)
	for i := range 1000 {
		if err := entry(Entry{Key: fmt.Sprint(i), Name: name}); err != nil {
			return err
		}
	}
	return nil
}

func TestTooMuchText(t *testing.T) {
	if _, err := New(nil, nil).Sync(t.Context(), &giant{}, Options{}); !fault.Is(err, fault.TooLarge) {
		t.Error(err)
	}
}

// Those who try to sign in all at once can't have more hashed than the memory holds.
func TestHashesTakeTurns(t *testing.T) {
	h := NewHashes()
	const stored = "{NONE}x" // not taken, which would be told at once
	for range cap(h.turns) {
		h.turns <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := h.Verify(ctx, stored, "secret")
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatal("it wasn't waited for:", err)
	default:
	}
	cancel()
	if err := <-done; !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	<-h.turns
	if right, err := h.Verify(t.Context(), "{SHA256}0MBPSxlR5K6q7IIj7SA55ULzqugFpvp/bXlOWv/10nI=", "sesame"); err != nil || !right {
		t.Error(right, err)
	}
}
