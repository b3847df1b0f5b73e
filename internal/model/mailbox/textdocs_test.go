package mailbox

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"postroad/internal/fault"
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
