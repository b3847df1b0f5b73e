package mailbox

import (
	"fmt"
	"testing"

	"postroad/internal/storage/kv"
)

// BenchmarkRows: two items of a folder with as many strokes as one of a million messages may have, each of one run, or of 100. What somebody has
// just dealt with was written behind the strokes, other items before them.
func BenchmarkRows(b *testing.B) {
	const strokes, span = 1856, 20_000
	for _, runs := range []int{1, 100} {
		s, id := benchFolder(b, 4000)
		v, err := s.View(b.Context(), id)
		if err != nil {
			b.Fatal(err)
		}
		between := v.At(1000).ModSeq()
		err = s.a.store.db.Update(b.Context(), partition(s.a.id), func(tx kv.Tx) error {
			for i := range strokes { // of items that there aren't
				st := stroke{effect: effect{set: Seen}}
				for r := range runs {
					lo := UID(1_000_000 + i%50*span + r*span/runs)
					st.runs = append(st.runs, uidRun{lo, lo + UID(span/runs-2), between + ModSeq(i)})
				}
				if err := tx.Set(strokeKey(id, st.runs[0].first), st.encode()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		for name, ids := range map[string][]ItemID{"new": {v.At(3900).ID, v.At(3999).ID}, "old": {v.At(3).ID, v.At(900).ID}} {
			b.Run(fmt.Sprintf("%s/runs=%d", name, runs), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if got, err := s.Rows(b.Context(), ids); err != nil || len(got) != 2 {
						b.Fatal(got, err)
					}
				}
			})
		}
	}
}
