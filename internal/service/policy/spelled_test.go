package policy

import (
	"strings"
	"testing"

	"postroad/internal/model/directory"
)

// FuzzSpelled: what is taken as it is has one spelling.
func FuzzSpelled(f *testing.F) {
	for _, s := range []string{"", "ann@example.org", "Ann@example.org", `"ann"@example.org`, `"a b"@example.org`, "ann@[192.0.2.1]", "ann@xn--bcher-kva.example", "ann@bücher.example", "é@example.org",
		"ann", ".ann@example.org", "ann@example.org.", "ann@@b", "ann@xn-", "a-xn--b@c.example", `a\@b`, "a@b..c", "a b@c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := s
		if a, err := directory.Parse(s); err == nil {
			want = a.Fold().String()
		}
		if want = strings.ToLower(want); spelled(s) != want {
			t.Errorf("%q: %q, not %q", s, spelled(s), want)
		}
	})
}
