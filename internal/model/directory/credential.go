package directory

import (
	"context"

	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// SetPassword gives an account a password. What was verified under the old
// one is worth nothing from now on. Errors: fault.Invalid, fault.TooLarge for passwords
// that can't be; fault.NotFound.
func (d *Directory) SetPassword(ctx context.Context, id ident.AccountID, password string) error {
	cred, err := d.hasher.make(ctx, password, d.now())
	if err != nil {
		return err
	}
	return d.update(ctx, func(tx kv.Tx) error {
		acc, err := getAccount(tx, id)
		if err != nil {
			return err
		}
		if acc.Shared {
			return errShared()
		}
		old, err := getCredential(tx, id)
		if err != nil {
			return err
		}
		cred.Version = 1
		if old != nil {
			cred.Version = old.Version + 1
		}
		acc.HasPassword = true
		if err := tx.Set(accountKey(id), acc.encode()); err != nil {
			return err
		}
		return tx.Set(credentialKey(id), cred.encode())
	})
}

// Verify reports whether password is the credential's. It takes the same time
// for a nil credential (nobody's), which no password fits. It waits while too many others
// are verified at once; the only error is that ctx ended meanwhile.
func (d *Directory) Verify(ctx context.Context, c *Credential, password string) (bool, error) {
	return d.hasher.verify(ctx, c, password)
}

// Upgrade computes the credential of p again, from the password that was just
// verified, if today's parameters are others than those it was made with.
// Its version stays. It does nothing if the password has changed meanwhile.
func (d *Directory) Upgrade(ctx context.Context, p *Profile, password string) error {
	if p.Credential == nil || !d.hasher.outdated(p.Credential) {
		return nil
	}
	cred, err := d.hasher.make(ctx, password, p.Credential.Changed)
	if err != nil {
		return err
	}
	cred.Version = p.Credential.Version
	return d.update(ctx, func(tx kv.Tx) error {
		now, err := getCredential(tx, p.Account.ID)
		if err != nil || now == nil || now.Version != cred.Version {
			return err
		}
		return tx.Set(credentialKey(p.Account.ID), cred.encode())
	})
}

// Hashes counts the argon2 runs since the directory was opened.
func (d *Directory) Hashes() uint64 { return d.hasher.runs.Load() }

// ScramIterations is the count that new SCRAM keys get.
func (d *Directory) ScramIterations() int { return d.hasher.params.ScramIterations }

// getCredential reads an account's credential; nil if it has none.
func getCredential(r kv.Reader, id ident.AccountID) (*Credential, error) {
	v, ok, err := r.Get(credentialKey(id))
	if err != nil || !ok {
		return nil, err
	}
	return decodeCredential(v)
}
