package admin

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/service/policy"
)

// archives are the journals whose reports go to an address of ours, or to nobody but one account. An address without either is none.
func (d *Direct) archives(ctx context.Context, address string, id ident.AccountID) (list []policy.Policy, err error) {
	at, err := directory.Parse(address)
	if err != nil {
		return nil, nil
	}
	for _, p := range d.policies.All() {
		if p.Kind != policy.Journal {
			continue
		}
		t, err := d.dir.Resolve(ctx, p.Pattern)
		if fault.Is(err, fault.Unsupported) || fault.Is(err, fault.NotFound) {
			continue // it is elsewhere, or was gone before
		}
		if err != nil {
			return nil, err
		}
		alone := id != 0 && len(t.Accounts) == 1 && t.Accounts[0] == id && len(t.Remote) == 0 && len(t.Lists) == 0
		if alone || !t.CatchAll && t.Address == at.Fold() {
			list = append(list, p)
		}
	}
	return list, nil
}

// noArchive refuses to take away an address that journals' reports go to: an archive that nothing comes to any more would be noticed
// when it is needed.
func (d *Direct) noArchive(ctx context.Context, address string, id ident.AccountID) error {
	list, err := d.archives(ctx, address, id)
	if err != nil || len(list) == 0 {
		return err
	}
	return fault.New(fault.Conflict, "%s is an archive: journal %d writes there; end that first", address, list[0].ID)
}

// followArchive has journals that wrote to an account go on to do so at its new address, where they would not by the old one.
func (d *Direct) followArchive(ctx context.Context, list []policy.Policy, a directory.Account) error {
	for _, p := range list {
		t, err := d.dir.Resolve(ctx, p.Pattern)
		if err == nil && !t.CatchAll {
			continue
		}
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if err := d.policies.Redirect(ctx, p.ID, a.Address); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	return nil
}
