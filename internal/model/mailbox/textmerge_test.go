package mailbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/format/fulltext"
	"postroad/internal/storage/kv"
)

// mergeWorld is a world with segments that are to be merged into one of several steps, some of their messages gone.
func mergeWorld(t *testing.T) (*world, *account) {
	w := newWorld(t)
	a := w.store.acquire(ann)
	t.Cleanup(func() { w.store.release(a) })
	for round := range mergeMin {
		w.manyWords(20, uint64(round))
		_, err := a.indexTail(w.ctx, 1)
		w.must(err)
	}
	w.expunge(func(u UID) bool { return u%9 == 0 })
	if n := len(w.segments()); n != mergeMin {
		t.Fatalf("%d segments", n)
	}
	return w, a
}

// merge is what the segments are to become.
func (w *world) merge(ctx context.Context, a *account) (b *built) {
	w.must(w.db.View(w.ctx, partition(ann), func(r kv.Reader) (err error) {
		b, err = a.buildMerge(r, a.pace(ctx))
		return err
	}))
	return b
}

// before calls look before each chunk is given on.
func (b *built) before(look func() error) {
	chunks := b.chunks
	b.chunks = func(put func(fulltext.Chunk) error) error {
		return chunks(func(c fulltext.Chunk) error {
			if err := look(); err != nil {
				return err
			}
			return put(c)
		})
	}
}

// stored reads a segment's chunks.
func (w *world) stored(s segment) (all []fulltext.Chunk) {
	w.must(w.db.View(w.ctx, partition(ann), func(r kv.Reader) error {
		for i := range s.chunks {
			terms, err := getPart(r, s, segmentTerms, i)
			w.must(err)
			postings, err := getPart(r, s, segmentPostings, i)
			w.must(err)
			all = append(all, fulltext.Chunk{Terms: append([]byte{}, terms...), Postings: append([]byte{}, postings...)})
		}
		return nil
	}))
	return all
}

func same(a, b fulltext.Chunk) bool {
	return bytes.Equal(a.Terms, b.Terms) && bytes.Equal(a.Postings, b.Postings)
}

// TestMergesAreStoredAsTheyAreMade: what is stored is what a merge makes as a whole, and of it no more than a step waits in memory. Searches
// find the same all the time.
func TestMergesAreStoredAsTheyAreMade(t *testing.T) {
	w, a := mergeWorld(t)
	var whole []fulltext.Chunk
	w.must(w.merge(w.ctx, a).chunks(func(c fulltext.Chunk) error { whole = append(whole, c); return nil }))
	b := w.merge(w.ctx, a)
	n := 0
	b.before(func() error {
		waits := 0
		for _, c := range b.waiting {
			waits += len(c.Terms) + len(c.Postings)
		}
		m := w.manifest()
		if waits >= textStep || b.made.chunks+len(b.waiting) != n || len(m.segments) != mergeMin {
			t.Errorf("%d bytes wait; of %d chunks %d are stored; %d segments", waits, n, b.made.chunks, len(m.segments))
		}
		if b.made.id != 0 {
			if d := cmp.Diff([]segment{b.made}, m.making, cmp.AllowUnexported(segment{})); d != "" {
				t.Error(d)
			}
		}
		w.finds(SearchBody("round3 number7x"), 68)
		n++
		return nil
	})
	w.must(a.storeSegment(w.ctx, b))
	m := w.manifest()
	if len(m.segments) != 1 || len(m.making) != 0 || m.segments[0].chunks != len(whole) || len(whole) < 4 {
		t.Fatalf("%+v, %d chunks", m, len(whole))
	}
	size := 0
	for _, c := range whole {
		size += len(c.Terms) + len(c.Postings)
	}
	if s := m.segments[0]; s.bytes <= size || s.bytes > size+size/16 || s.guides != 1 || s.docs != mergeMin*20-17 || !s.fields {
		t.Errorf("%+v, %d bytes", s, size)
	}
	if !slices.EqualFunc(whole, w.stored(m.segments[0]), same) {
		t.Error("what is stored is not what was made")
	}
	w.finds(SearchBody("round3 number7x"), 68)
}

// TestInterruptedMerges leave the segments as they were, and parts that the next call removes.
func TestInterruptedMerges(t *testing.T) {
	for _, at := range [...]int{0, 3} {
		w, a := mergeWorld(t)
		ctx, stop := context.WithCancel(w.ctx)
		b := w.merge(ctx, a)
		n := 0
		b.before(func() error {
			if n++; n > at {
				stop()
			}
			return nil
		})
		if err := a.storeSegment(ctx, b); err == nil {
			t.Errorf("%d: no error", at)
		}
		stop()
		if m := w.manifest(); len(m.segments) != mergeMin || len(m.making) > 1 || at > 2 && len(m.making) == 0 {
			t.Errorf("%d: %+v", at, m)
		}
		w.check()
		w.finds(SearchBody("round3 number7x"), 68)
		w.must(w.store.Index(w.ctx, ann, false))
		if m := w.manifest(); len(m.segments) != 1 || len(m.making) != 0 {
			t.Errorf("%d: %+v", at, m)
		}
		w.check()
		w.finds(SearchBody("round3 number7x"), 68)
	}
}

// TestOvertakenMerges: somebody else changes the list while a segment is being made.
func TestOvertakenMerges(t *testing.T) {
	for name, other := range map[string]func(*world) error{
		"by another call":  func(w *world) error { return w.store.Index(w.ctx, ann, true) },
		"by an index anew": func(w *world) error { return w.store.Reindex(w.ctx, ann) },
	} {
		for _, at := range [...]int{1, 4} {
			w, a := mergeWorld(t)
			b := w.merge(w.ctx, a)
			n := 0
			b.before(func() error {
				if n++; n == at {
					return other(w)
				}
				return nil
			})
			w.must(a.storeSegment(w.ctx, b))
			if m := w.manifest(); len(m.making) != 0 || len(m.segments) != 1 {
				t.Errorf("%s, at %d: %+v", name, at, m)
			}
			w.finds(SearchBody("round3 number7x"), 68)
		}
	}
}

// TestMergesOfDamagedSegments fail half-way, and harm nothing.
func TestMergesOfDamagedSegments(t *testing.T) {
	w, a := mergeWorld(t)
	s := w.segments()[2]
	last := segmentKey(s.id, segmentPostings, s.chunks-1)
	var kept []byte
	w.must(w.db.Update(w.ctx, partition(ann), func(tx kv.Tx) error {
		v, _, err := tx.Get(last)
		w.must(err)
		kept = append(kept, v...)
		return tx.Delete(last)
	}))
	w.fails(fault.Corrupt, a.storeSegment(w.ctx, w.merge(w.ctx, a)))
	if m := w.manifest(); len(m.segments) != mergeMin {
		t.Errorf("%+v", m)
	}
	w.must(w.db.Update(w.ctx, partition(ann), func(tx kv.Tx) error { return tx.Set(last, kept) }))
	w.must(w.store.Index(w.ctx, ann, true))
	w.finds(SearchBody("round3 number7x"), 68)
}

// TestMergesNoticeChanges when they read on, not only when they store.
func TestMergesNoticeChanges(t *testing.T) {
	w, a := mergeWorld(t)
	b := w.merge(w.ctx, a)
	w.must(w.store.Reindex(w.ctx, ann))
	err := b.chunks(func(fulltext.Chunk) error { return nil })
	if !errors.Is(err, errOvertaken) {
		t.Errorf("got %v", err)
	}
}

// TestFewSegments: however many contents come, there are few segments; no merge is much larger than what is allowed, and each content is in few merges.
func TestFewSegments(t *testing.T) {
	for _, bytes := range []int{100, 3 << 10} {
		var m manifest
		merged, most := 0, 0
		for range 2_000_000 / tailMax {
			m.segments = append(m.segments, segment{docs: tailMax, bytes: tailMax * bytes})
			for some := m.mergeable(); some != nil; some = m.mergeable() {
				var one segment
				for _, s := range some {
					one.docs += s.docs
					one.bytes += s.bytes
				}
				merged += one.docs
				m.segments = append(m.segments[:len(m.segments)-len(some)], one)
				if one.docs > maxSegment || one.bytes > maxSegmentBytes {
					t.Fatalf("%+v", one)
				}
			}
			most = max(most, len(m.segments))
		}
		if limit := map[int]int{100: 24, 3 << 10: 45}[bytes]; most > limit || merged > 4*2_000_000 {
			t.Errorf("%d bytes each: up to %d segments, %d merged", bytes, most, merged)
		}
	}
}

// guidedWorld is a world with one segment, which has a guide.
func guidedWorld(t *testing.T) (*world, segment) {
	w, a := mergeWorld(t)
	w.must(a.storeSegment(w.ctx, w.merge(w.ctx, a)))
	m := w.manifest()
	if len(m.segments) != 1 || m.segments[0].guides != 1 {
		t.Fatalf("%+v", m)
	}
	return w, m.segments[0]
}

// TestSegmentsWithoutGuides, those from before there were any, are searched all the same.
func TestSegmentsWithoutGuides(t *testing.T) {
	w, s := guidedWorld(t)
	find := func() {
		t.Helper()
		w.finds(SearchBody("round3 number7x"), 68)
		w.finds(SearchBody("ound3 number7x"), 68)
		w.finds(SearchBody("nowhere number7x"))
	}
	find()
	old := append([]byte{3}, w.manifest().encode()[1:]...)
	old = old[:len(old)-2] // the number of guides and endings
	w.must(w.db.Update(w.ctx, partition(ann), func(tx kv.Tx) error {
		w.must(tx.Set(indexKey(), old))
		return tx.Delete(segmentKey(s.id, segmentGuide, 0))
	}))
	if m := w.manifest(); len(m.segments) != 1 || m.segments[0].guides != 0 {
		t.Fatalf("%+v", m)
	}
	find()
	w.check()
}

// TestDamagedGuides are told by searches and by checks.
func TestDamagedGuides(t *testing.T) {
	w, s := guidedWorld(t)
	damage := func(tx kv.Tx) error { return tx.Set(segmentKey(s.id, segmentGuide, 0), []byte{1, 2, 3}) }
	problems, err := w.damagedOf(ann, damage)
	if err != nil || !strings.Contains(strings.Join(problems, "\n"), "guide") {
		t.Errorf("%q, %v", problems, err)
	}
	w.must(w.db.Update(w.ctx, partition(ann), damage))
	w.must(w.me.Read(w.ctx, func(b *Batch) error {
		_, _, err := SearchBody("number7x").May(b, &Row{Content: 1})
		w.fails(fault.Corrupt, err)
		return nil
	}))
	w.must(w.store.Reindex(w.ctx, ann))
	w.finds(SearchBody("round3 number7x"), 68)
}

// manyNumbers makes a segment of messages with numbers one after the other, so many that its guide has endings.
func (w *world) manyNumbers() segment {
	items := make([]Append, 150)
	for i := range items {
		var b strings.Builder
		b.WriteString("Subject: s\r\n\r\n")
		for k := range 1000 {
			fmt.Fprintf(&b, "%d\r\n", 100_000+1000*i+k)
		}
		items[i].Content = w.content(b.String())
	}
	_, err := w.me.Append(w.ctx, w.inbox(), items...)
	w.must(err)
	w.must(w.store.Index(w.ctx, ann, true))
	m := w.manifest()
	if len(m.segments) != 1 || m.segments[0].guides != 1 || m.segments[0].endings == 0 {
		w.Fatalf("%+v", m)
	}
	return m.segments[0]
}

// TestSegmentsWithEndings are searched by them, and without them if they were made before there were any.
func TestSegmentsWithEndings(t *testing.T) {
	w := newWorld(t)
	s := w.manyNumbers()
	find := func() {
		t.Helper()
		for _, n := range []int{0, 77, 149} {
			w.finds(SearchBody(fmt.Sprintf("%d\n", 100_317+1000*n)), UID(n+1))
		}
		w.finds(SearchBody("49317\n"), 50, 150)
		w.finds(SearchBody("1249317\n"))
	}
	find()
	w.check()
	var guide []byte
	w.must(w.db.Update(w.ctx, partition(ann), func(tx kv.Tx) error {
		v, _, err := tx.Get(segmentKey(s.id, segmentGuide, 0))
		w.must(err)
		guide = bytes.Clone(v)
		guide[0] = 2
		guide = slices.Delete(guide, 13, 17) // its buckets
		w.must(tx.Set(segmentKey(s.id, segmentGuide, 0), guide))
		for i := range s.endings {
			w.must(tx.Delete(segmentKey(s.id, segmentEndings, i)))
		}
		old := append([]byte{4}, w.manifest().encode()[1:]...)
		return tx.Set(indexKey(), old[:len(old)-1]) // the number of endings
	}))
	if m := w.manifest(); len(m.segments) != 1 || m.segments[0].guides != 1 || m.segments[0].endings != 0 {
		t.Fatalf("%+v", m)
	}
	find()
	w.check()
	w.must(w.store.Reindex(w.ctx, ann))
	if m := w.manifest(); len(m.segments) != 1 || m.segments[0].endings != s.endings {
		t.Fatalf("%+v", m)
	}
	find()
}

// TestDamagedEndings are told by checks; missing ones by searches, too.
func TestDamagedEndings(t *testing.T) {
	w := newWorld(t)
	s := w.manyNumbers()
	for name, damage := range map[string]func(tx kv.Tx) error{
		"missing": func(tx kv.Tx) error { return tx.Delete(segmentKey(s.id, segmentEndings, s.endings-1)) },
		"damaged": func(tx kv.Tx) error { return tx.Set(segmentKey(s.id, segmentEndings, 0), []byte{1, 2, 3}) },
		"more":    func(tx kv.Tx) error { return tx.Set(segmentKey(s.id+1000, segmentEndings, 0), []byte{1}) },
	} {
		problems, err := w.damagedOf(ann, damage)
		if err != nil || !strings.Contains(strings.Join(problems, "\n"), "text index") {
			t.Errorf("%s: %q, %v", name, problems, err)
		}
	}
	w.must(w.db.Update(w.ctx, partition(ann), func(tx kv.Tx) error {
		for i := range s.endings {
			w.must(tx.Delete(segmentKey(s.id, segmentEndings, i)))
		}
		return nil
	}))
	w.must(w.me.Read(w.ctx, func(b *Batch) error {
		_, _, err := SearchBody("49317\n").May(b, &Row{Content: 1})
		w.fails(fault.Corrupt, err)
		return nil
	}))
	w.must(w.store.Reindex(w.ctx, ann))
	w.finds(SearchBody("49317\n"), 50, 150)
}

// TestMergesHoldPieces: what a merge holds of its segments is bounded, however many they are and however large their chunks.
func TestMergesHoldPieces(t *testing.T) {
	const most, samples = 20 << 10, 16 << 10 // terms of a sample are together
	w, a := mergeWorld(t)
	b := w.merge(w.ctx, a)
	for _, s := range b.replaced {
		next, pieces, size := a.piecesOf(b, s, most), 0, 0
		for c, ok, err := next(); ok || err != nil; c, ok, err = next() {
			w.must(err)
			if n := len(c.Terms) + len(c.Postings); n > most+samples {
				t.Errorf("a piece of %d bytes", n)
			} else {
				size += n
			}
			pieces++
		}
		if pieces < 4*s.chunks || size > s.bytes+4*pieces || size < s.bytes*3/4 {
			t.Errorf("%d pieces of %d chunks: %d bytes of %d", pieces, s.chunks, size, s.bytes)
		}
	}
	var many manifest
	for range 1000 {
		many.segments = append(many.segments, segment{docs: 1, chunks: 1, bytes: 1000})
	}
	if n := len(many.mergeable()); n != mergeMost || n*pieceSize(n) > 8<<20 {
		t.Errorf("%d segments are merged, of which pieces of %d bytes are held", n, pieceSize(n))
	}
}
