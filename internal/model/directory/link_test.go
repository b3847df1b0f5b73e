package directory

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

func TestLinks(t *testing.T) {
	d := newDirectory(t)
	ctx := t.Context()
	one := Link{Source: "ldap", Key: "uuid-1", Ref: "uid=ann,dc=x", Aliases: []string{"a@example.org"}}
	ann, err := d.AddAccount(ctx, NewAccount{Address: "ann@example.org", Link: &one})
	ok(t, err)
	p, err := d.Profile(ctx, "ann@example.org")
	ok(t, err)
	if diff := cmp.Diff(&one, p.Link); diff != "" {
		t.Error(diff)
	}
	_, err = d.AddAccount(ctx, NewAccount{Address: "ben@example.org", Link: &one})
	fails(t, err, fault.Exists)
	_, err = d.AddAccount(ctx, NewAccount{Address: "ben@example.org", Password: "secret", Link: &Link{Source: "ldap", Key: "2"}})
	fails(t, err, fault.Conflict)
	for _, bad := range []Link{{}, {Source: "x"}, {Key: "x"}, {Source: string(make([]byte, MaxSource+1)), Key: "x"}, {Source: "x", Key: string(make([]byte, MaxKey+1))}} {
		_, err = d.AddAccount(ctx, NewAccount{Address: "ben@example.org", Link: &bad})
		fails(t, err, fault.Invalid)
	}
	fails(t, d.SetPassword(ctx, ann.ID, "mine"), fault.Conflict)

	ben := add(t, d, "ben")
	ok(t, d.SetPassword(ctx, ben, "own"))
	fails(t, d.LinkAccount(ctx, ben, one), fault.Exists)
	ok(t, d.LinkAccount(ctx, ben, Link{Source: "ldap", Key: "uuid-2"}))
	ok(t, d.LinkAccount(ctx, ben, Link{Source: "ldap", Key: "uuid-3", Ref: "moved"}))
	if p, err := d.ProfileByID(ctx, ben); err != nil || p.Credential != nil || p.Account.HasPassword || p.Link.Ref != "moved" {
		t.Errorf("%+v %v", p, err)
	}
	_, err = d.NewGroup(ctx, NewGroup{Address: "all@example.org", Members: []string{"ann@example.org"}, Link: &Link{Source: "other", Key: "g"}})
	ok(t, err)
	_, err = d.NewGroup(ctx, NewGroup{Address: "team@example.org", Members: []string{"ann@example.org"}, Link: &Link{Source: "ldap", Key: "g"}})
	ok(t, err)
	linked := func() map[uint64]string {
		found := map[uint64]string{}
		for l, err := range d.Links(ctx, "ldap") {
			ok(t, err)
			found[l.ID] = l.Link.Key
		}
		return found
	}
	if diff := cmp.Diff(map[uint64]string{uint64(ann.ID): "uuid-1", uint64(ben): "uuid-3", 4: "g"}, linked()); diff != "" {
		t.Error(diff)
	}
	ok(t, d.UnlinkAccount(ctx, ben))
	fails(t, d.UnlinkAccount(ctx, ben), fault.NotFound)
	ok(t, d.SetPassword(ctx, ben, "own again"))
	ok(t, d.RemoveGroup(ctx, "team@example.org"))
	ok(t, d.Retire(ctx, ann.ID))
	if n := len(linked()); n != 0 {
		t.Error(n, "are left")
	}
	_, err = d.Restore(ctx, ident.AccountID(ann.ID), "")
	ok(t, err)
	if p, err := d.ProfileByID(ctx, ann.ID); err != nil || p.Link != nil {
		t.Errorf("%+v %v", p, err)
	}
}
