package admin

import (
	"context"
	"errors"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
)

// Removal says which account is removed, and how.
type Removal struct {
	Address string `json:"address"`
	// Now removes it for good. Without, it can be brought back for as long as the settings say.
	Now bool `json:"now,omitempty"`
}

// Rename gives an account another address.
type Rename struct {
	Address string `json:"address"`
	To      string `json:"to"`
	// Drop leaves no alias at the old address; what led to it leads to the new one.
	Drop bool `json:"drop,omitempty"`
}

// RemovedAccount is one that can be brought back.
type RemovedAccount struct {
	Account
	Removed time.Time `json:"removed"`
}

// Restoral says which removed account is brought back.
type Restoral struct {
	Address string `json:"address"`      // that it had
	ID      uint64 `json:"id,omitempty"` // which one, if several had that address; 0: that which was removed last
	To      string `json:"to,omitempty"` // the address that it gets; empty: the one it had
}

// RemoveAccount implements Admin.
func (d *Direct) RemoveAccount(ctx context.Context, r Removal) error {
	d.accounts.Lock()
	defer d.accounts.Unlock()
	a, err := d.changeable(ctx, r.Address)
	if err != nil {
		return err
	}
	if err := d.noArchive(ctx, a.Address, a.ID); err != nil {
		return err
	}
	if !r.Now {
		if err := d.dir.Retire(ctx, a.ID); err != nil {
			return err
		}
		d.endStale(ctx, a.ID)
		return nil
	}
	// The account goes first, or a delivery that is under way would make it a mailbox again. After a crash between the steps Purge goes on.
	if err := d.dir.Condemn(ctx, a.ID); err != nil {
		return err
	}
	d.endStale(ctx, a.ID)
	return d.forget(ctx, a.ID)
}

// forget removes all that is left of an account that was removed.
func (d *Direct) forget(ctx context.Context, id ident.AccountID) error {
	if err := d.removeMail(ctx, id); err != nil {
		return err
	}
	return d.dir.Forget(ctx, id)
}

// removeMail removes what an account has outside the directory, and what others have shared with it.
func (d *Direct) removeMail(ctx context.Context, id ident.AccountID) error {
	if err := d.store.Forget(ctx, mailbox.ToAccount, uint64(id)); err != nil {
		return err
	}
	if err := d.store.Delete(ctx, id); err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if d.fetch != nil {
		if err := d.fetch.Forget(ctx, id); err != nil {
			return err
		}
	}
	return errors.Join(d.forgetSending(ctx, id), forgetUses(ctx, d.db, id), d.policies.Forget(ctx, "", id))
}

// RenameAccount implements Admin.
func (d *Direct) RenameAccount(ctx context.Context, r Rename) (Account, error) {
	a, err := d.changeable(ctx, r.Address)
	if err != nil {
		return Account{}, err
	}
	journals, err := d.archives(ctx, a.Address, a.ID)
	if err != nil {
		return Account{}, err
	}
	if a, err = d.dir.RenameAccount(ctx, a.ID, r.To, !r.Drop); err != nil {
		return Account{}, err
	}
	if err := d.followArchive(ctx, journals, a); err != nil {
		return Account{}, err
	}
	// A domain's default quota may have come with the address.
	if err := d.store.SetLimit(ctx, a.ID, usageOf(a)); err != nil {
		return Account{}, err
	}
	return d.describe(ctx, a)
}

// RemovedAccounts implements Admin.
func (d *Direct) RemovedAccounts(ctx context.Context) ([]RemovedAccount, error) {
	c := callerOf(ctx)
	list := []RemovedAccount{}
	for r, err := range d.dir.RemovedAccounts(ctx) {
		if err != nil {
			return nil, err
		}
		if r.Condemned() || !c.Administers(r.Account.Address) {
			continue
		}
		a, err := d.describe(ctx, r.Account)
		if err != nil {
			return nil, err
		}
		list = append(list, RemovedAccount{a, r.At})
	}
	return list, nil
}

// BringBackAccount implements Admin.
func (d *Direct) BringBackAccount(ctx context.Context, r Restoral) (Account, error) {
	d.accounts.Lock()
	defer d.accounts.Unlock()
	id, err := d.findRemoved(ctx, r)
	if err != nil {
		return Account{}, err
	}
	a, err := d.dir.Restore(ctx, id, r.To)
	if err != nil {
		return Account{}, err
	}
	return d.describe(ctx, a)
}

func (d *Direct) findRemoved(ctx context.Context, r Restoral) (ident.AccountID, error) {
	want, err := directory.Parse(r.Address)
	if err != nil {
		return 0, err
	}
	var last directory.Removed
	for x, err := range d.dir.RemovedAccounts(ctx) {
		if err != nil {
			return 0, err
		}
		had, err := directory.Parse(x.Account.Address)
		fits := err == nil && !x.Condemned() && had.Fold() == want.Fold() && (r.ID == 0 || r.ID == uint64(x.Account.ID))
		if fits && !x.At.Before(last.At) {
			last = x
		}
	}
	if last.Account.ID == 0 {
		return 0, fault.New(fault.NotFound, "no removed account had the address %s", r.Address)
	}
	return last.Account.ID, nil
}

// Purge gives up the accounts that were removed before a time, with their mail. It returns how many.
func (d *Direct) Purge(ctx context.Context, before time.Time) (n int, err error) {
	d.accounts.Lock()
	defer d.accounts.Unlock()
	for r, err := range d.dir.RemovedAccounts(ctx) {
		if err != nil {
			return n, err
		}
		if !r.At.Before(before) {
			continue
		}
		if err := d.forget(ctx, r.Account.ID); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// changeable finds an account whose sign-in, address or existence the caller may change: none that administers
// more than the caller does, or who administers a domain could take its place.
func (d *Direct) changeable(ctx context.Context, address string) (directory.Account, error) {
	a, err := d.dir.AccountByAddress(ctx, address)
	if err != nil {
		return a, err
	}
	c := callerOf(ctx)
	if c.Server {
		return a, nil
	}
	duties, err := d.dir.Duties(ctx, a.ID)
	if err != nil {
		return a, err
	}
	more := duties.Server
	for _, name := range duties.Domains {
		more = more || !c.Administers(name)
	}
	if more {
		return a, fault.New(fault.Denied, "%s administers more than you do", address)
	}
	return a, nil
}
