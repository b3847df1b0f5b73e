package directory

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

func languageKey(id ident.AccountID) []byte { return idKey(keyLanguage, uint64(id)) }

// Language is the one that an account's owner wants to read what the server writes in, such as "de" (BCP 47); "": they haven't said.
func (d *Directory) Language(ctx context.Context, id ident.AccountID) (tag string, err error) {
	err = d.view(ctx, func(r kv.Reader) error {
		v, ok, err := r.Get(languageKey(id))
		if err != nil || !ok {
			return err
		}
		rec := readRecord(v, 1)
		tag = rec.text()
		return rec.end("language")
	})
	return tag, err
}

// SetLanguage sets it; "" takes it away. Errors: fault.NotFound, and fault.Invalid for what can be no tag.
func (d *Directory) SetLanguage(ctx context.Context, id ident.AccountID, tag string) error {
	for _, c := range []byte(tag) {
		if len(tag) > 35 || c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') { // RFC 5646 §4.4.1
			return fault.New(fault.Invalid, "%q is no language", tag)
		}
	}
	return d.update(ctx, func(tx kv.Tx) error {
		if _, err := getAccount(tx, id); err != nil {
			return err
		}
		if tag == "" {
			return tx.Delete(languageKey(id))
		}
		return tx.Set(languageKey(id), newRecord(1).text(tag))
	})
}
