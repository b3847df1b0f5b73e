package mailbox

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"postroad/internal/format/fulltext"
	"postroad/internal/storage/kv"
)

// What the indexer has made is stored in steps, each of which is on the disk before the next: whoever wants something of his own to be durable meanwhile
// waits for one step at most, not for some ten megabytes. Texts come first, each by itself. Then the chunks of a segment as they are made, of which
// the manifest says with each step how many there are; last the manifest that has it among the others. What a crash has left of one is removed by the next
// call of Index, and so is what another call is making: the two find out by the manifest.

// textStep is how much a step writes, in bytes; the last record may go beyond.
const textStep = 256 << 10

// errOvertaken: somebody else has changed the list of segments meanwhile.
var errOvertaken = errors.New("the text index has changed")

// storeSegment puts a segment into the list. If the list has changed meanwhile, nothing happens.
func (a *account) storeSegment(ctx context.Context, b *built) error {
	err := a.storeTaken(ctx, b.dropped, b.texts, b.pace)
	if err == nil {
		err = a.storeChunks(ctx, b)
	}
	if err == nil {
		err = a.changeIndex(ctx, b, func(t *txn, m *manifest) error { return t.finishSegment(m, b) })
	}
	if errors.Is(err, errOvertaken) {
		return nil
	}
	return err
}

// changeIndex changes the manifest that b was made for, and notes the new one.
func (a *account) changeIndex(ctx context.Context, b *built, change func(*txn, *manifest) error) error {
	var base []byte
	err := a.update(ctx, func(t *txn) error {
		m, raw, _, err := readManifest(t.tx)
		if err != nil {
			return err
		}
		if !bytes.Equal(raw, b.base) {
			return errOvertaken
		}
		t.dirty = true
		if err := change(t, &m); err != nil {
			return err
		}
		base = m.encode()
		return t.tx.Set(indexKey(), base)
	})
	if err == nil {
		b.base = base
	}
	return err
}

// storeTaken stores texts.
func (a *account) storeTaken(ctx context.Context, ids []ContentID, texts map[ContentID][][]byte, pace *pace) error {
	for at := 0; at < len(ids); {
		if len(texts[ids[at]]) == 0 {
			at++
			continue
		}
		next := at
		err := a.update(ctx, func(t *txn) error {
			next = at
			for size := 0; next < len(ids) && size < textStep; next++ {
				chunks := texts[ids[next]]
				if len(chunks) == 0 {
					continue
				}
				for _, c := range chunks {
					size += len(c)
				}
				if err := t.putTaken(ids[next], chunks); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		at = next
		pace.step()
	}
	return nil
}

// storeChunks stores a segment's chunks as they are made; if they are less than a step, they wait for the end.
func (a *account) storeChunks(ctx context.Context, b *built) error {
	b.made, b.waiting = segment{docs: len(b.docs), fields: b.fields}, nil
	b.guide = fulltext.GuideBuilder{Docs: uint32(len(b.docs))}
	size := 0
	err := b.chunks(func(c fulltext.Chunk) error {
		b.waiting = append(b.waiting, c)
		if size += len(c.Terms) + len(c.Postings); size < textStep {
			return nil
		}
		size = 0
		return a.storeStep(ctx, b)
	})
	if err != nil || b.made.id == 0 || size == 0 {
		return err
	}
	return a.storeStep(ctx, b)
}

// storeStep stores the chunks that wait, and says in the manifest how many there are: so who finds the segment unfinished can remove it.
func (a *account) storeStep(ctx context.Context, b *built) error {
	err := a.changeIndex(ctx, b, func(t *txn, m *manifest) error {
		m.making = slices.DeleteFunc(m.making, b.isMade)
		if err := t.putChunks(b); err != nil {
			return err
		}
		m.making = append(m.making, b.made)
		return nil
	})
	b.pace.step()
	return err
}

// isMade says whether a segment is the one that b becomes.
func (b *built) isMade(s segment) bool { return s.id == b.made.id }

// finishSegment puts a segment whose texts are stored into the list, for those that it replaces.
func (t *txn) finishSegment(m *manifest, b *built) error {
	others := slices.DeleteFunc(m.making, b.isMade) // their makers will find out
	if err := t.dropSegments(others); err != nil {
		return err
	}
	m.making = nil
	m.segments = slices.DeleteFunc(m.segments, func(s segment) bool { return slices.Contains(b.replaced, s) })
	if err := t.dropSegments(b.replaced); err != nil {
		return err
	}
	if len(b.docs) > 0 {
		if err := t.addSegment(m, b); err != nil {
			return err
		}
	}
	if len(b.dropped) == 0 {
		return nil
	}
	for _, id := range b.dropped {
		if err := t.tx.Delete(unindexedKey(id)); err != nil {
			return err
		}
	}
	floor, err := t.newFloor(m.floor)
	m.floor = floor
	return err
}

func (t *txn) addSegment(m *manifest, b *built) error {
	if err := t.putChunks(b); err != nil { // if they are less than a step
		return err
	}
	if b.made.guides > 0 || b.guide.Blocks() >= guided {
		if err := t.putGuide(b); err != nil {
			return err
		}
	}
	m.segments = append(m.segments, b.made)
	for i := 0; i*docsPart < len(b.docs); i++ {
		part := b.docs[i*docsPart : min((i+1)*docsPart, len(b.docs))]
		if err := t.tx.Set(segmentKey(b.made.id, segmentDocs, i), encodeDocs(part)); err != nil {
			return err
		}
	}
	return nil
}

// dropUnfinished removes what a crash has left of segments that were being made.
func (a *account) dropUnfinished(ctx context.Context) error {
	unfinished := false
	err := a.store.db.View(ctx, partition(a.id), func(r kv.Reader) error {
		m, _, _, err := readManifest(r)
		unfinished = len(m.making) > 0
		return err
	})
	if err != nil || !unfinished {
		return err
	}
	return a.lazily(ctx, func(t *txn) error {
		m, _, ok, err := readManifest(t.tx)
		if err != nil || !ok || len(m.making) == 0 {
			return err
		}
		t.dirty = true
		if err := t.dropSegments(m.making); err != nil {
			return err
		}
		m.making = nil
		return t.tx.Set(indexKey(), m.encode())
	})
}

// putChunks stores the chunks that wait. The segment gets its number with the first.
func (t *txn) putChunks(b *built) error {
	if b.made.id == 0 {
		b.made.id = segmentID(t.newID())
	}
	for _, c := range b.waiting {
		if err := t.tx.Set(segmentKey(b.made.id, segmentTerms, b.made.chunks), c.Terms); err != nil {
			return err
		}
		if err := t.tx.Set(segmentKey(b.made.id, segmentPostings, b.made.chunks), c.Postings); err != nil {
			return err
		}
		b.made.chunks++
		b.made.bytes += len(c.Terms) + len(c.Postings)
		if b.guide.Add(c); b.guide.Full() {
			if err := t.putGuide(b); err != nil {
				return err
			}
		}
	}
	b.waiting = nil
	return nil
}

// guided is from how many blocks on a segment has a guide: fewer are soon looked through.
const guided = 8

// putGuide stores the guide of the chunks since the last, if there are any, and its endings.
func (t *txn) putGuide(b *built) error {
	if b.guide.Blocks() == 0 {
		return nil
	}
	v, endings := b.guide.Take()
	if err := t.tx.Set(segmentKey(b.made.id, segmentGuide, b.made.guides), v); err != nil {
		return err
	}
	b.made.guides++
	b.made.bytes += len(v)
	for _, v := range endings {
		if err := t.tx.Set(segmentKey(b.made.id, segmentEndings, b.made.endings), v); err != nil {
			return err
		}
		b.made.endings++
		b.made.bytes += len(v)
	}
	return nil
}

// putTaken stores a text that was taken out for the index, if the content is still there.
func (t *txn) putTaken(id ContentID, chunks [][]byte) error {
	rec, ok, err := t.contentThere(id)
	if err != nil || !ok {
		return err
	}
	t.dirty = true
	return t.setText(id, rec, chunks)
}

// contentThere reads a content's record; false: it is gone.
func (t *txn) contentThere(id ContentID) (rec contentRecord, ok bool, err error) {
	v, ok, err := t.tx.Get(contentKey(id))
	if err != nil || !ok {
		return rec, false, err
	}
	rec, err = decodeContent(v)
	return rec, err == nil, err
}

func (t *txn) dropSegments(list []segment) error {
	for _, s := range list {
		for i := 0; i == 0 || i*docsPart < s.docs; i++ {
			if err := t.tx.Delete(segmentKey(s.id, segmentDocs, i)); err != nil {
				return err
			}
		}
		for _, part := range [...]struct {
			kind byte
			n    int
		}{{segmentGuide, s.guides}, {segmentEndings, s.endings}, {segmentTerms, s.chunks}, {segmentPostings, s.chunks}} {
			for i := range part.n {
				if err := t.tx.Delete(segmentKey(s.id, part.kind, i)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
