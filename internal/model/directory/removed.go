package directory

import (
	"context"
	"iter"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Removed is an account that was removed, but can be brought back: its number, password and mail are still there.
type Removed struct {
	Account Account
	At      time.Time // zero: it can't be brought back, see Condemn
}

// Condemned reports whether it is only there for its mail to be removed.
func (r *Removed) Condemned() bool { return r.At.IsZero() }

// Retire removes an account as RemoveAccount does, but so that Restore can bring it back. Its address is free. Its duties are
// gone, and aliases, groups and catch-alls forget it: what led to it then is not known later.
func (d *Directory) Retire(ctx context.Context, id ident.AccountID) error {
	return d.retire(ctx, id, d.stamp())
}

// Condemn removes an account for good, as RemoveAccount does, while its mail is still there: its number is listed by RemovedAccounts, At
// the zero time, until Forget. From here on nothing makes it a mailbox again.
func (d *Directory) Condemn(ctx context.Context, id ident.AccountID) error {
	return d.retire(ctx, id, time.Time{})
}

func (d *Directory) retire(ctx context.Context, id ident.AccountID, at time.Time) error {
	return d.update(ctx, func(tx kv.Tx) error {
		acc, err := getAccount(tx, id)
		if err != nil {
			return err
		}
		cred, _, err := tx.Get(credentialKey(id))
		if err != nil {
			return err
		}
		value := newRecord(1).time(at).text(string(acc.encode())).text(string(cred))
		if err := tx.Set(removedKey(id), value); err != nil {
			return err
		}
		return removeAccount(tx, acc)
	})
}

// Restore brings a retired account back, at its address, or at another if address isn't "". It can't sign in until it
// is enabled, if it was disabled when it was removed. Errors: fault.NotFound if there is no such account, or the
// domain isn't served here; fault.Exists if the address is taken; fault.OverQuota if the domain has all it may have.
func (d *Directory) Restore(ctx context.Context, id ident.AccountID, address string) (acc Account, err error) {
	err = d.update(ctx, func(tx kv.Tx) error {
		old, cred, err := getRemoved(tx, id)
		if err == nil && old.Condemned() {
			err = errNotRemoved()
		}
		if err != nil {
			return err
		}
		acc = old.Account
		if address != "" {
			acc.Address = address
		}
		a, err := parseOwn(acc.Address)
		if err != nil {
			return err
		}
		acc.Address = a.String()
		if err := requireOurs(tx, a.Domain); err != nil {
			return err
		}
		if err := admit(tx, a.Domain, &acc); err != nil {
			return err
		}
		if err := claim(tx, a, entry{kind: isAccount, id: uint64(id)}); err != nil {
			return err
		}
		if cred != "" {
			if err := tx.Set(credentialKey(id), []byte(cred)); err != nil {
				return err
			}
		}
		if err := tx.Set(accountKey(id), acc.encode()); err != nil {
			return err
		}
		return tx.Delete(removedKey(id))
	})
	return acc, err
}

// Forget gives up a retired account for good. Its mail is removed by package mailbox, before.
func (d *Directory) Forget(ctx context.Context, id ident.AccountID) error {
	return d.update(ctx, func(tx kv.Tx) error {
		if _, _, err := getRemoved(tx, id); err != nil {
			return err
		}
		if err := deleteSignIn(tx, id); err != nil {
			return err
		}
		return tx.Delete(removedKey(id))
	})
}

// RemovedAccounts lists the retired accounts by number. An error ends the list as its last pair.
func (d *Directory) RemovedAccounts(ctx context.Context) iter.Seq2[Removed, error] {
	return func(yield func(Removed, error) bool) {
		decode := func(p kv.Pair) (Removed, error) { r, _, err := decodeRemoved(p); return r, err }
		list(ctx, d, all(keyRemoved), decode, yield)
	}
}

func getRemoved(r kv.Reader, id ident.AccountID) (Removed, string, error) {
	v, ok, err := r.Get(removedKey(id))
	if err == nil && !ok {
		err = errNotRemoved()
	}
	if err != nil {
		return Removed{}, "", err
	}
	return decodeRemoved(kv.Pair{Key: removedKey(id), Value: v})
}

// decodeRemoved reads a retired account and its credential's record, "" if it has none.
func decodeRemoved(p kv.Pair) (out Removed, credential string, err error) {
	r := readRecord(p.Value, 1)
	at, acc, credential := r.time(), r.text(), r.text()
	if err := r.end("removed account"); err != nil {
		return out, "", err
	}
	a, err := decodeAccount(kv.Pair{Key: p.Key, Value: []byte(acc)})
	return Removed{Account: a, At: at}, credential, err
}

func errNotRemoved() error { return fault.New(fault.NotFound, "no such account can be brought back") }
