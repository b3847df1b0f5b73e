package fetch

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Copy is a source with all that is known of its messages, as it is stored, so that it can be had again when its account was lost.
// Its secret stays encrypted.
type Copy struct {
	ID      uint32   `json:"id"`
	Records [][]byte `json:"records"` // keys and values in turn
}

// Copies takes an account's sources from a store.
func Copies(ctx context.Context, db kv.DB, account ident.AccountID) (all []Copy, err error) {
	err = db.View(ctx, Partition, func(r kv.Reader) error {
		return eachSource(r, func(src Source) error {
			if src.Account != account {
				return nil
			}
			c, err := copyOf(r, src.ID)
			all = append(all, c)
			return err
		})
	})
	return all, err
}

func copyOf(r kv.Reader, id uint32) (Copy, error) {
	c := Copy{ID: id}
	for _, kind := range []byte{keySecret, keyStatus, keyMessage} {
		for p, err := range r.Scan(kv.Range{Lo: sourceKey(kind, id), Hi: sourceKey(kind, id+1)}) {
			if err != nil {
				return c, err
			}
			c.Records = append(c.Records, append([]byte(nil), p.Key...), append([]byte(nil), p.Value...))
		}
	}
	v, _, err := r.Get(sourceKey(keySource, id))
	c.Records = append(c.Records, sourceKey(keySource, id), append([]byte(nil), v...))
	return c, err
}

// Restore makes a source of a copy from this very installation, under the number that it had, for an account that was lost and is there again.
// It goes on where it was: what came since then comes again, as far as it is there. Errors: fault.Exists if the
// source is still there, fault.Invalid.
func (s *Service) Restore(ctx context.Context, account ident.AccountID, c Copy) error {
	bad := fault.New(fault.Invalid, "the copy of an external account makes no sense")
	if len(c.Records) < 2 || len(c.Records)%2 != 0 {
		return bad
	}
	defer s.look()
	return s.db.Update(ctx, Partition, func(tx kv.Tx) error {
		if _, _, err := load(tx, c.ID); !fault.Is(err, fault.NotFound) {
			if err == nil {
				err = fault.New(fault.Exists, "external account %d is there", c.ID)
			}
			return err
		}
		if err := roomFor(tx, account); err != nil {
			return err
		}
		for i := 0; i < len(c.Records); i += 2 {
			if !belongs(c.Records[i], c.ID) {
				return bad
			}
			if err := tx.Set(c.Records[i], c.Records[i+1]); err != nil {
				return err
			}
		}
		src, status, err := load(tx, c.ID)
		if err != nil {
			return err
		}
		src.Account, src.ID = account, c.ID
		if err := src.check(); err != nil {
			return err
		}
		if err := reserve(tx, c.ID); err != nil {
			return err
		}
		status.Failures, status.Next = 0, s.o.Now().Add(src.Every)
		if err := putJSON(tx, sourceKey(keyStatus, c.ID), status); err != nil {
			return err
		}
		return putJSON(tx, sourceKey(keySource, c.ID), src)
	})
}

// belongs reports whether a key is one of a source's.
func belongs(key []byte, id uint32) bool {
	if len(key) < 5 || string(key[:5]) != string(sourceKey(key[0], id)) {
		return false
	}
	switch key[0] {
	case keySource, keySecret, keyStatus:
		return len(key) == 5
	case keyMessage:
		return len(key) == 5+len(digest{})
	}
	return false
}

// reserve sees to it that a number isn't given again: the store may be older than what is brought back.
func reserve(tx kv.Tx, id uint32) error {
	last, err := lastNumber(tx)
	if err != nil || last >= id {
		return err
	}
	return setLastNumber(tx, id)
}
