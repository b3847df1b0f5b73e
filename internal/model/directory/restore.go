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
