package mailbox

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// TestDocLists: contents come back as they were, in any order of asking.
func TestDocLists(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.SampledFrom([]int{0, 1, docsBlock - 1, docsBlock, docsBlock + 1, 5*docsBlock + 7}).Draw(rt, "n")
		docs := make([]ContentID, n)
		id := ContentID(rapid.IntRange(1, 1<<40).Draw(rt, "first"))
		for i := range docs {
			docs[i] = id
			id += ContentID(rapid.IntRange(1, 300).Draw(rt, "step"))
		}
		l, err := decodeDocs(encodeDocs(docs))
		if err != nil || l.n != n {
			rt.Fatalf("%d contents, %v", l.n, err)
		}
		for range 20 {
			i := rapid.IntRange(0, n).Draw(rt, "i")
			got, err := l.at(i)
			if i == n && !fault.Is(err, fault.Corrupt) || i < n && (err != nil || got != docs[i]) {
				rt.Fatalf("content %d is %d, %v", i, got, err)
			}
		}
	})
}

func TestOldDocLists(t *testing.T) {
	l, err := decodeDocs([]byte{1, 10, 4, 4})
	if err != nil || !slices.Equal(l.plain, []ContentID{5, 7, 9}) || l.n != 3 {
		t.Errorf("%v, %v", l, err)
	}
}

func FuzzDocLists(f *testing.F) {
	f.Add(encodeDocs([]ContentID{1, 2, 300}))
	f.Add([]byte{1, 10, 4, 4})
	f.Add([]byte{2, 70, 0, 0, 0, 0, 0, 0, 0, 9, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := decodeDocs(b)
		if err != nil {
			return
		}
		for i := range l.n {
			if _, err := l.at(i); err != nil && !fault.Is(err, fault.Corrupt) {
				t.Error(err)
			}
		}
	})
}

// TestListsOfSeveralRecords: those of very large segments.
func TestListsOfSeveralRecords(t *testing.T) {
	w := newWorld(t)
	docs := make([]ContentID, 2*docsPart+5)
	for i := range docs {
		docs[i] = ContentID(3 + 2*i)
	}
	seg := segment{id: 77, docs: len(docs)}
	w.must(w.db.Update(w.ctx, partition(ann), func(tx kv.Tx) error {
		b := &built{docs: docs, made: segment{id: seg.id, docs: seg.docs}}
		return (&txn{tx: tx}).addSegment(&manifest{}, b)
	}))
	w.must(w.db.View(w.ctx, partition(ann), func(r kv.Reader) error {
		all, err := readDocs(r, seg)
		if err != nil || !slices.Equal(all, docs) {
			t.Errorf("%d contents, %v", len(all), err)
		}
		list := docParts{r: r, of: seg}
		for _, i := range []int{0, docsPart, docsPart - 1, len(docs) - 1, 7} {
			if id, err := list.at(i); err != nil || id != docs[i] {
				t.Errorf("content %d is %d, %v", i, id, err)
			}
		}
		return nil
	}))
	w.must(w.db.Update(w.ctx, partition(ann), func(tx kv.Tx) error { return (&txn{tx: tx}).dropSegments([]segment{seg}) }))
	w.check()
}
