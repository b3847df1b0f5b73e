package mailbox

import (
	"bytes"
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
		list := slices.Concat(m.making, m.segments)
		if err := t.dropStrange(list); err != nil {
			return err
		}
		if err := t.dropSegments(list); err != nil {
			return err
		}
		return t.tx.Delete(indexKey())
	})
}

// dropStrange removes parts of segments that aren't in a list: those of a list that couldn't be read, here or by an earlier version.
func (t *txn) dropStrange(list []segment) error {
	var strange [][]byte
	err := eachStrange(t.tx, list, func(key []byte) { strange = append(strange, bytes.Clone(key)) })
	if err != nil {
		return err
	}
	for _, key := range strange {
		if err := t.tx.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// eachStrange calls do for the keys of parts of segments that aren't in a list. It reads nothing of the others but where they begin.
func eachStrange(r kv.Reader, list []segment, do func(key []byte)) error {
	cur, err := r.Cursor([]byte{keySegment}, []byte{keySegment + 1})
	if err != nil {
		return err
	}
	defer cur.Close()
	p, ok, err := cur.Seek([]byte{keySegment})
	for ok && err == nil {
		id := segmentID(read48(p.Key[1:]))
		if slices.ContainsFunc(list, func(s segment) bool { return s.id == id }) {
			p, ok, err = cur.Seek(key48(keySegment, uint64(id)+1))
			continue
		}
		do(p.Key)
		p, ok, err = cur.Next()
	}
	return err
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
	for len(ids) > 0 {
		n, err := a.retext(ctx, ids)
		if err != nil {
			return false, err
		}
		ids = ids[n:]
	}
	return true, a.update(ctx, func(t *txn) error {
		t.dirty = true
		return t.tx.Set(indexKey(), manifest{}.encode())
	})
}

// retextMost is how many contents get their texts in one transaction.
const retextMost = 128

// retext stores the texts of the first contents of a list, and puts them into the index's tail. It returns how many they are.
func (a *account) retext(ctx context.Context, ids []ContentID) (n int, err error) {
	texts := make([][][]byte, min(len(ids), retextMost))
	err = a.store.db.View(ctx, partition(a.id), func(r kv.Reader) error {
		b := &Batch{r: r}
		defer b.close()
		for n = 0; n < len(texts) && b.BytesRead() < 2*textStep; n++ {
			rec, here, err := b.content(ids[n])
			if err != nil {
				return err
			}
			if !here {
				continue
			}
			if texts[n], err = b.textRecords(&Row{Content: ids[n], Size: rec.size}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, a.lazily(ctx, func(t *txn) error {
		for i, id := range ids[:n] {
			if err := t.replaceText(id, texts[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// replaceText stores the text of a content, if that is still there, for whatever was stored before.
func (t *txn) replaceText(id ContentID, chunks [][]byte) error {
	rec, ok, err := t.contentThere(id)
	if err != nil || !ok {
		return err
	}
	t.dirty = true
	if err := t.dropText(id); err != nil {
		return err
	}
	if err := t.tx.Set(unindexedKey(id), nil); err != nil {
		return err
	}
	return t.setText(id, rec, chunks)
}

// dropText removes the records of a text one by one: deletions of ranges are looked at by whoever reads anything, and here are many.
func (t *txn) dropText(id ContentID) error {
	lo, hi := textsOf(id)
	var keys [][]byte
	for p, err := range t.tx.Scan(kv.Range{Lo: lo, Hi: hi}) {
		if err != nil {
			return err
		}
		keys = append(keys, bytes.Clone(p.Key))
	}
	for _, key := range keys {
		if err := t.tx.Delete(key); err != nil {
			return err
		}
	}
	return nil
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
