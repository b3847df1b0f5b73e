package mailbox

import (
	"context"
	"slices"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// Reindex makes an account's texts and text index anew, from its messages. Searches meanwhile read the messages.
func (s *Store) Reindex(ctx context.Context, id ident.AccountID) error {
	a := s.acquire(id)
	defer s.release(a)
	if err := a.dropIndex(ctx); err != nil {
		return err
	}
	return s.Index(ctx, id, true)
}

// dropIndex forgets the index, so that the texts are known to be incomplete.
func (a *account) dropIndex(ctx context.Context) error {
	return a.update(ctx, func(t *txn) error {
		t.dirty = true
		m, _, _, err := readManifest(t.tx)
		if err != nil && !fault.Is(err, fault.Corrupt) {
			return err
		}
		if err := t.dropSegments(slices.Concat(m.making, m.segments)); err != nil {
			return err
		}
		return t.tx.Delete(indexKey())
	})
}

// retextIfNeeded stores the texts of all messages if the account has no index: it is from before there were texts, or
// they are to be made anew. done is false if the account is gone.
func (a *account) retextIfNeeded(ctx context.Context) (done bool, err error) {
	var ids []ContentID
	indexed := false
	err = a.store.db.View(ctx, partition(a.id), func(r kv.Reader) (err error) {
		if _, done, err = r.Get(headKey()); err != nil || !done {
			return err
		}
		if _, _, indexed, err = readManifest(r); err != nil || indexed {
			return err
		}
		for p, err := range r.Scan(all(keyContent)) {
			if err != nil {
				return err
			}
			ids = append(ids, ContentID(read48(p.Key[1:])))
		}
		return nil
	})
	if err != nil || !done || indexed {
		return done, err
	}
	for _, id := range ids {
		if err := a.retext(ctx, id); err != nil {
			return false, err
		}
	}
	return true, a.update(ctx, func(t *txn) error {
		t.dirty = true
		return t.tx.Set(indexKey(), manifest{}.encode())
	})
}

// retext stores one content's text, and puts it into the index's tail.
func (a *account) retext(ctx context.Context, id ContentID) error {
	var chunks [][]byte
	gone := false
	err := a.store.db.View(ctx, partition(a.id), func(r kv.Reader) error {
		v, ok, err := r.Get(contentKey(id))
		if gone = !ok; err != nil || gone {
			return err
		}
		rec, err := decodeContent(v)
		if err != nil {
			return err
		}
		b := &Batch{r: r}
		defer b.close()
		chunks, err = b.textRecords(&Row{Content: id, Size: rec.size})
		return err
	})
	if err != nil || gone {
		return err
	}
	return a.lazily(ctx, func(t *txn) error {
		v, ok, err := t.tx.Get(contentKey(id))
		if err != nil || !ok {
			return err
		}
		rec, err := decodeContent(v)
		if err != nil {
			return err
		}
		return t.replaceText(id, rec, chunks)
	})
}

func (t *txn) replaceText(id ContentID, rec contentRecord, chunks [][]byte) error {
	t.dirty = true
	if err := t.tx.DeleteRange(textsOf(id)); err != nil {
		return err
	}
	if err := t.tx.Set(unindexedKey(id), nil); err != nil {
		return err
	}
	return t.setText(id, rec, chunks)
}

// setText stores the text of a content, for the one that it has.
func (t *txn) setText(id ContentID, rec contentRecord, chunks [][]byte) error {
	for i := len(chunks); i < rec.texts; i++ {
		if err := t.tx.Delete(textKey(id, i)); err != nil {
			return err
		}
	}
	for i, c := range chunks {
		if err := t.tx.Set(textKey(id, i), c); err != nil {
			return err
		}
	}
	rec.texts = len(chunks)
	return t.tx.Set(contentKey(id), rec.encode())
}
