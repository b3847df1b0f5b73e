package directory

import (
	"context"

	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// CredentialRecord returns an account's credential as it is stored, for another directory's RestoreAccount; nil if it has none.
// It is a secret.
func (d *Directory) CredentialRecord(ctx context.Context, id ident.AccountID) (record []byte, err error) {
	err = d.view(ctx, func(r kv.Reader) error {
		v, _, err := r.Get(credentialKey(id))
		record = append([]byte(nil), v...)
		return err
	})
	return record, err
}

// RestoreAccount is AddAccount for one that was backed up: with the credential it had, if any, under a new number.
func (d *Directory) RestoreAccount(ctx context.Context, n NewAccount, enabled bool, credential []byte) (acc Account, err error) {
	a, err := parseOwn(n.Address)
	if err != nil {
		return acc, err
	}
	if err := checkNew(n); err != nil {
		return acc, err
	}
	var cred *Credential
	if len(credential) > 0 {
		if cred, err = decodeCredential(credential); err != nil {
			return acc, err
		}
	}
	err = d.update(ctx, func(tx kv.Tx) (err error) {
		if acc, err = d.addAccount(tx, a, n, cred); err != nil || enabled {
			return err
		}
		acc.Enabled = false
		return tx.Set(accountKey(acc.ID), acc.encode())
	})
	return acc, err
}
