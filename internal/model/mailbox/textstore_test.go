package mailbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/storage/kv"
)

// manyWords delivers n messages whose segment takes several steps.
func (w *world) manyWords(n int, round uint64) {
	rng := rand.New(rand.NewPCG(round, 2))
	items := make([]Append, n)
	for i := range items {
		var b strings.Builder
		fmt.Fprintf(&b, "Subject: s\r\n\r\nround%d number%dx\r\n", round, i)
		for range 300 {
			fmt.Fprintf(&b, "%016x\r\n", rng.Uint64())
		}
		items[i].Content = w.content(b.String())
	}
	_, err := w.me.Append(w.ctx, w.inbox(), items...)
	w.must(err)
}

// unfinished is a segment of which the tail's chunks are stored, as a crash would leave it.
func (w *world) unfinished() *built {
	a := w.store.acquire(ann)
	defer w.store.release(a)
	var b *built
	w.must(w.db.View(w.ctx, partition(ann), func(r kv.Reader) (err error) {
		b, err = buildTail(r, 1, a.pace(w.ctx))
		return err
	}))
	w.must(a.storeChunks(w.ctx, b))
	if b.made.id == 0 {
		w.Fatal("the segment is one step")
	}
	return b
}

// TestUnfinishedSegments: chunks that a crash has left belong to nobody's search, and go.
func TestUnfinishedSegments(t *testing.T) {
	w := newWorld(t)
	w.manyWords(tailMin, 1)
	w.unfinished()
	if m := w.manifest(); len(m.making) != 1 || len(m.segments) != 0 {
		t.Fatalf("%+v", m)
	}
	w.check()
	w.finds(SearchBody("number7x"), 8)
	w.must(w.store.Index(w.ctx, ann, true))
	if m := w.manifest(); len(m.making) != 0 || len(m.segments) != 1 || w.tail() != 0 {
		t.Errorf("%+v, %d in the tail", m, w.tail())
	}
	w.check()
	w.finds(SearchBody("number7x"), 8)
}

// TestOvertakenSegments: of two who make a segment one wins, and nothing is left of the other's.
func TestOvertakenSegments(t *testing.T) {
	for name, other := range map[string]func(*world) error{
		"by another call":  func(w *world) error { return w.store.Index(w.ctx, ann, true) },
		"by an index anew": func(w *world) error { return w.store.Reindex(w.ctx, ann) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.manyWords(tailMin, 1)
			b := w.unfinished()
			w.must(other(w))
			a := w.store.acquire(ann)
			defer w.store.release(a)
			if err := a.changeIndex(w.ctx, b, func(*txn, *manifest) error { return nil }); !errors.Is(err, errOvertaken) {
				t.Errorf("going on gives %v", err)
			}
			w.must(a.storeSegment(w.ctx, b))
			if m := w.manifest(); len(m.making) != 0 || len(m.segments) != 1 {
				t.Errorf("%+v", m)
			}
			w.finds(SearchBody("number7x"), 8)
		})
	}
}

// TestTwoUnfinishedSegments: who finishes removes what others had begun before.
func TestTwoUnfinishedSegments(t *testing.T) {
	w := newWorld(t)
	w.manyWords(tailMin, 1)
	w.unfinished()
	second := w.unfinished()
	a := w.store.acquire(ann)
	defer w.store.release(a)
	w.must(a.storeSegment(w.ctx, second))
	if m := w.manifest(); len(m.making) != 0 || len(m.segments) != 1 {
		t.Errorf("%+v", m)
	}
	w.finds(SearchBody("number7x"), 8)
}

// TestIndexerIsStopped: a call that ends in the middle does no harm.
func TestIndexerIsStopped(t *testing.T) {
	w := newWorld(t)
	w.manyWords(tailMin, 1)
	b := w.unfinished()
	gone, stop := context.WithCancel(w.ctx)
	stop()
	a := w.store.acquire(ann)
	defer w.store.release(a)
	if err := a.storeSegment(gone, b); err == nil {
		t.Error("no error")
	}
	w.must(w.store.Index(w.ctx, ann, true))
	w.finds(SearchBody("number7x"), 8)
}

// TestOrphanedChunksAreReported: parts of a segment that the list doesn't have.
func TestOrphanedChunksAreReported(t *testing.T) {
	w := newWorld(t)
	w.deliver(mixed)
	problems, err := w.damagedOf(ann, func(tx kv.Tx) error { return tx.Set(segmentKey(77, segmentTerms, 0), []byte("x")) })
	if err != nil || !strings.Contains(strings.Join(problems, "\n"), "77") {
		t.Errorf("%q, %v", problems, err)
	}
}

// TestManifestsOfVersionTwo: before segments were made in steps.
func TestManifestsOfVersionTwo(t *testing.T) {
	w := newWorld(t)
	w.deliver("From: ann@example.org\r\n\r\nhello")
	w.must(w.store.Index(w.ctx, ann, true))
	now := w.manifest()
	old := append([]byte{2}, now.encode()[1:]...)
	old = slices.Delete(old, 2, 3) // how many are being made, behind a small floor
	old = old[:len(old)-2]         // the only segment's guides and endings
	w.must(w.db.Update(w.ctx, partition(ann), func(tx kv.Tx) error { return tx.Set(indexKey(), old) }))
	if d := cmp.Diff(now.segments, w.manifest().segments, cmp.AllowUnexported(segment{})); d != "" || w.manifest().floor != now.floor {
		t.Errorf("%+v, %s", w.manifest(), d)
	}
	w.finds(SearchBody("hello"), 1)
}
