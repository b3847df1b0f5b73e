package directory

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// SetPassword gives an account a password. What was verified under the old
// one is worth nothing from now on. Errors: fault.Invalid, fault.TooLarge for passwords
// that can't be; fault.NotFound.
func (d *Directory) SetPassword(ctx context.Context, id ident.AccountID, password string) error {
	p, err := d.ProfileByID(ctx, id)
	if err != nil {
		return err
	}
	cred, err := d.hasher.make(ctx, password, d.now(), p.sharedScram())
	if err != nil {
		return err
	}
	return d.update(ctx, func(tx kv.Tx) error {
		now, err := readProfile(tx, id)
		if err != nil {
			return err
		}
		if now.Account.Shared {
			return errShared()
		}
		if now.Link != nil {
			return errLinked(now.Link.Source)
		}
		if !cred.fits(now) {
			return fault.New(fault.Conflict, "the account's app passwords have changed meanwhile, try again")
		}
		cred.Version = uint64(d.stamp().Unix()) // there may have been others, before an outside directory kept it
		if now.Credential != nil {
			cred.Version = now.Credential.Version + 1
		}
		now.Account.HasPassword = true
		if err := tx.Set(accountKey(id), now.Account.encode()); err != nil {
			return err
		}
		if now.Credential != nil { // the first one is no news
			if err := d.notice(tx, id, PasswordChanged, ""); err != nil {
				return err
			}
		}
		return tx.Set(credentialKey(id), cred.encode())
	})
}

// fits reports whether the credential has the salt that the account's app passwords have.
func (c *Credential) fits(p *Profile) bool {
	s := p.sharedScram()
	return s == nil || s.salt == c.scram.salt && s.iterations == c.scram.iterations
}

// Verify reports whether password is the credential's. It takes the same time
// for a nil credential (nobody's), which no password fits. It waits while too many others
// are verified at once; the only error is that ctx ended meanwhile.
func (d *Directory) Verify(ctx context.Context, c *Credential, password string) (bool, error) {
	return d.hasher.verify(ctx, c, password)
}

// Upgrade computes the credential of p again, from the password that was just
// verified, if today's parameters are others than those it was made with.
// Its version stays. It does nothing if the password, or the app passwords, have changed meanwhile.
func (d *Directory) Upgrade(ctx context.Context, p *Profile, password string) error {
	shared := p.sharedScram()
	if p.Credential == nil || !d.hasher.outdated(p.Credential, shared != nil) {
		return nil
	}
	cred, err := d.hasher.make(ctx, password, p.Credential.Changed, shared)
	if err != nil {
		return err
	}
	cred.Version = p.Credential.Version
	return d.update(ctx, func(tx kv.Tx) error {
		now, err := readProfile(tx, p.Account.ID)
		if err != nil || now.Credential == nil || now.Credential.Version != cred.Version || !cred.fits(now) {
			return err
		}
		return tx.Set(credentialKey(p.Account.ID), cred.encode())
	})
}

// Plain gives the password itself, where it is kept (HashParams.Recoverable); ok is false where it isn't.
func (d *Directory) Plain(c *Credential) (password string, ok bool) {
	if c == nil || c.sealed == "" {
		return "", false
	}
	password, err := d.sealer.open(c.sealed, sealedPassword)
	return password, err == nil
}

// Hashes counts the argon2 runs since the directory was opened.
func (d *Directory) Hashes() uint64 { return d.hasher.runs.Load() }

// ScramIterations is the count that new SCRAM keys get.
func (d *Directory) ScramIterations() int { return d.hasher.params.ScramIterations }

// ScramHashes is the set of functions that new passwords get SCRAM keys for.
func (d *Directory) ScramHashes() ScramHash { return d.hasher.params.Scram }

// getCredential reads an account's credential; nil if it has none.
func getCredential(r kv.Reader, id ident.AccountID) (*Credential, error) {
	v, ok, err := r.Get(credentialKey(id))
	if err != nil || !ok {
		return nil, err
	}
	return decodeCredential(v)
}
