package directory

import (
	"encoding/hex"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// The records of version 1, as the first version wrote them on 2026-11-21.
const (
	domainV1 = "0180c08b9a83b2b006"
	groupV1  = "01115374616666406578616d706c652e6f726705537461666680c08b9a83b2b0060214616e6e2b776f726b406578616d706c652e6f7267137840656c736577686572652e6578616d706c65"
	entryV1  = "010302115374616666406578616d706c652e6f726700"
	aliasV1  = "0102000d61406578616d706c652e6f72670114616e6e2b776f726b406578616d706c652e6f7267"
)

func hexed(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	ok(t, err)
	return b
}

// oldStore is a directory as the first version left it: example.org with ann, the group staff of ann+work@ and
// somebody elsewhere, and the alias a for ann+work@, both indexed under ann@.
func oldStore(t *testing.T) (*Directory, ident.AccountID) {
	t.Helper()
	d := newDirectory(t)
	ann := add(t, d, "ann")
	at := func(local string) Address { return Address{local, "example.org"} }
	ok(t, d.update(t.Context(), func(tx kv.Tx) error {
		for key, value := range map[string][]byte{
			string(domainKey("example.org")):                               hexed(t, domainV1),
			string(groupKey(2)):                                            hexed(t, groupV1),
			string(entryKey(at("staff"))):                                  hexed(t, entryV1),
			string(entryKey(at("a"))):                                      hexed(t, aliasV1),
			string(refKey(at("ann"), at("staff"))):                         nil,
			string(refKey(at("ann"), at("a"))):                             nil,
			string(refKey(Address{"x", "elsewhere.example"}, at("staff"))): nil,
			string([]byte{keyCounter}):                                     {0, 0, 0, 0, 0, 0, 0, 2},
		} {
			if err := tx.Set([]byte(key), value); err != nil {
				return err
			}
		}
		return nil
	}))
	return d, ann
}

// TestOldRecordsAreRead: what the first version wrote means what it meant, and is upgraded when next written.
func TestOldRecordsAreRead(t *testing.T) {
	d, ann := oldStore(t)
	ctx := t.Context()
	consistent(t, d)
	dom, err := d.Domain(ctx, "example.org")
	ok(t, err)
	if diff := cmp.Diff(Domain{Name: "example.org", Created: epoch, Delimiters: "+"}, dom); diff != "" {
		t.Error(diff)
	}
	g, err := d.Group(ctx, "staff@example.org")
	ok(t, err)
	want := Group{ID: 2, Address: "Staff@example.org", Name: "Staff", Created: epoch, Members: []string{"ann+work@example.org", "x@elsewhere.example"}}
	if diff := cmp.Diff(want, g); diff != "" {
		t.Error(diff)
	}
	if accounts, remote := resolve(t, d, "staff@example.org"); !slices.Equal(accounts, []ident.AccountID{ann}) || len(remote) != 1 {
		t.Errorf("staff leads to %v and %v", accounts, remote)
	}
	who, err := d.Identity(ctx, ann)
	ok(t, err)
	if !slices.Equal(who.Groups, []ident.GroupID{2}) {
		t.Errorf("ann is in %v", who.Groups)
	}
	list := true
	ok(t, d.SetGroup(ctx, "staff@example.org", GroupChange{List: &list}))
	delimiters := "+-"
	ok(t, d.SetDomain(ctx, "example.org", DomainChange{Delimiters: &delimiters}))
	consistent(t, d)
	for _, key := range [][]byte{domainKey("example.org"), groupKey(2)} {
		ok(t, d.view(ctx, func(r kv.Reader) error {
			if v, _, err := r.Get(key); err != nil || v[0] != 2 {
				t.Errorf("record %q is of version %d, %v", key, v[0], err)
			}
			return nil
		}))
	}
}

// TestOldReferencesAreTakenBack: references that the first version indexed without detail don't stay behind.
func TestOldReferencesAreTakenBack(t *testing.T) {
	d, ann := oldStore(t)
	ctx := t.Context()
	ok(t, d.SetMembers(ctx, "staff@example.org", []string{"ann+play@example.org"}))
	ok(t, d.AddAlias(ctx, "a@example.org", []string{"ann+play@example.org"}))
	consistent(t, d)
	ok(t, d.RemoveAccount(ctx, ann))
	consistent(t, d)
	d, ann = oldStore(t)
	ok(t, d.RemoveAccount(ctx, ann))
	g, err := d.Group(ctx, "staff@example.org")
	ok(t, err)
	if !slices.Equal(g.Members, []string{"x@elsewhere.example"}) {
		t.Errorf("staff has %v", g.Members)
	}
}

func refKey(target, source Address) []byte { return pairKey(keyRef, target, source) }
