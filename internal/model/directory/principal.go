package directory

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Principal finds the account or group that rights can be given to by an address: its own, or an alias of one account. One
// of the numbers is 0. fault.NotFound if there is none, also if it is no address.
func (d *Directory) Principal(ctx context.Context, address string) (ident.AccountID, ident.GroupID, error) {
	a, err := Parse(address)
	if err != nil {
		return 0, 0, errNoPrincipal()
	}
	var e entry
	err = d.view(ctx, func(r kv.Reader) (err error) {
		var ok bool
		if e, ok, err = getEntry(r, a.Fold()); err == nil && !ok {
			err = errNoPrincipal()
		}
		return err
	})
	switch {
	case err != nil:
		return 0, 0, err
	case e.kind == isAccount:
		return ident.AccountID(e.id), 0, nil
	case e.kind == isGroup:
		return 0, ident.GroupID(e.id), nil
	}
	t, err := d.Resolve(ctx, address)
	if err != nil || len(t.Accounts) != 1 || len(t.Remote) > 0 || len(t.Lists) > 0 {
		return 0, 0, errNoPrincipal()
	}
	return t.Accounts[0], 0, nil
}

func errNoPrincipal() error {
	return fault.New(fault.NotFound, "there is nobody of that name")
}

// GroupByID finds a group by number; fault.NotFound if there is none.
func (d *Directory) GroupByID(ctx context.Context, id ident.GroupID) (g Group, err error) {
	err = d.view(ctx, func(r kv.Reader) error {
		g, err = getGroup(r, id)
		return err
	})
	return g, err
}
