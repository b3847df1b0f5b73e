package mailbox

import (
	"testing"

	"pgregory.net/rapid"
)

// TestFinder: whatever is asked for, in whatever order, it is what Find says.
func TestFinder(t *testing.T) {
	var rows []Row
	for i := range 3*PageRows + 5 {
		rows = append(rows, Row{UID: UID(2*i + 2)})
	}
	empty := Finder{View: newView(Folder{}, 1, nil)}
	if _, r := empty.Find(1); r != nil {
		t.Errorf("found %v in an empty view", r)
	}
	v := newView(Folder{}, 1, rows)
	rapid.Check(t, func(rt *rapid.T) {
		f := Finder{View: v}
		uid := UID(0)
		for range 50 {
			if i := rapid.IntRange(0, 2*len(rows)).Draw(rt, "index"); i < len(rows) && f.At(i) != v.At(i) {
				rt.Fatalf("row %d is %v", i, f.At(i))
			}
			uid = (uid + UID(rapid.SampledFrom([]int{0, 1, 2, 2, 2, 254, 500}).Draw(rt, "step"))) % UID(2*len(rows)+5)
			i, r := f.Find(uid)
			want, ok := v.Find(uid)
			if (r != nil) != ok || ok && (i != want || r != v.At(want)) {
				rt.Fatalf("UID %d: %d %v, want %d %v", uid, i, r, want, ok)
			}
		}
	})
}
